"""Packages of the entry-point group: found, refused in words, and their YAML files."""

from __future__ import annotations

import sys

import pytest

from scyan_exp.config import extensions
from scyan_exp.config.compose import compose_config, groups
from scyan_exp.config.extensions import extension_configs, load_extensions
from scyan_exp.config.registry import Registry
from scyan_exp.errors import InputError
from tests.extension import install, pyproject

TIGHT = "# @package model\nprior_std: 0.11\n"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of the import path; what this process has found is forgotten."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    extensions._points.cache_clear()
    yield folder
    extensions._points.cache_clear()
    for name in set(sys.modules) - before:
        if name.startswith("added_"):
            del sys.modules[name]


def test_without_packages_nothing_is_loaded(site):
    load_extensions()
    assert extension_configs() == []


def test_modules_of_the_group_are_imported(site):
    install(site, pyproject("added-one", "added_one.parts"), {"added_one/parts.py": "HERE = 1"})
    load_extensions()
    assert sys.modules["added_one.parts"].HERE == 1


def test_all_that_cannot_be_imported_are_named_with_the_cause(site):
    install(site, pyproject("added-a", "added_a"), {"added_a.py": "import no_such_module"})
    install(site, pyproject("added-b", "added_b"), {"added_b.py": "1 / 0"})
    install(site, pyproject("added-c", "added_c"), {})
    install(site, pyproject("added-d", "added_d:missing"), {"added_d.py": ""})
    with pytest.raises(InputError) as raised:
        load_extensions()
    lines = raised.value.problems
    assert str(raised.value).startswith("installed packages: 4 problems")
    for package, cause in (
        ("added-a", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("added-b", "ZeroDivisionError: division by zero"),
        ("added-c", "ModuleNotFoundError: No module named 'added_c'"),
        ("added-d", "AttributeError: module 'added_d' has no attribute 'missing'"),
    ):
        (line,) = (one for one in lines if one.startswith(f"{package}: its entry point parts = "))
        assert f"cannot be loaded ({cause})" in line
        assert line.endswith(f"Repair or uninstall {package}")


def test_whoever_asks_a_registry_is_told_each_time(site):
    install(site, pyproject("added-a", "added_a"), {"added_a.py": "1 / 0"})
    registry = Registry("thing", ())
    for ask in (lambda: "x" in registry, lambda: len(registry), lambda: list(registry)):
        with pytest.raises(InputError, match="added-a"):
            ask()
    (site / "added_a.py").write_text("repaired = True")
    assert list(registry) == []


# ---------------------------------------------------------------- configs


def test_the_yaml_of_a_package_is_an_option_of_its_group(site):
    files = {
        "added_one/__init__.py": "1 / 0  # composing imports no package",
        "added_one/configs/prior/narrow.yaml": TIGHT,
        "added_one/configs/prior/tight.yaml": TIGHT,
    }
    install(site, pyproject("added-one", "added_one.parts"), files)
    assert extension_configs() == [site / "added_one" / "configs"]
    assert groups()["prior"] == ["default", "loose", "tight", "narrow"]
    assert compose_config(["prior=narrow"]).model.prior_std == 0.11
    assert compose_config(["prior=tight"]).model.prior_std != 0.11  # ours comes first


def test_a_package_without_configs_has_none(site):
    install(site, pyproject("added-one", "added_one"), {"added_one.py": ""})
    assert extension_configs() == []
