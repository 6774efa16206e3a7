"""Which figures a config asks for: what it may say, and what is said of mistakes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scyan_exp.config.check import check_config, read_config
from scyan_exp.config.compose import compose_config
from scyan_exp.config.figures import FIGURES
from scyan_exp.config.schema import RunConfig
from scyan_exp.config.wanted import ALL_FIGURES
from scyan_exp.errors import InputError


def checked(*overrides: str) -> RunConfig:
    return check_config(compose_config(overrides))


def drawn(*overrides: str) -> list[str]:
    figures = checked(*overrides).figures
    return [name for name in FIGURES if figures.has(name)]


def test_all_are_drawn_by_default():
    assert len(FIGURES) >= 8
    assert drawn() == drawn("figures.draw=all") == list(FIGURES)


def test_none_or_some_can_be_chosen():
    assert drawn("figures.draw=none") == drawn("figures.draw=[]") == []
    assert drawn("figures.draw=[trust,loss]") == ["loss", "trust"]


def test_a_config_from_before_there_was_the_key_means_all():
    plain = checked("figures.draw=none").plain()
    del plain["figures"]
    assert read_config(plain).figures == ALL_FIGURES


def test_the_result_is_the_same_whatever_is_drawn():
    assert checked("figures.draw=none").hash == checked().hash


@pytest.mark.parametrize(
    ("override", "found"),
    [
        ("figures.draw=[los,trust]", r"found \['los', 'trust'\]. Did you mean 'loss'\?"),
        ("figures.draw=[loss,3]", r"found \['loss', 3\]"),
        ("figures.draw=non", r"found 'non'. Did you mean 'none'\?"),
        ("figures.draw=null", "found None"),
        ("figures.draw=loss", "found 'loss'"),
        ("figures.draw=true", "found True"),
    ],
)
def test_what_names_no_figure_is_refused_with_those_that_there_are(override, found):
    expected = f"figures.draw: expected all, none, or a list of {', '.join(FIGURES)}, {found}"
    with pytest.raises(InputError, match=expected):
        checked(override)


def test_what_is_no_section_is_told_its_keys():
    expected = "figures: is a section, not a value: found 'none'. Set figures.draw, figures.umap"
    with pytest.raises(InputError, match=expected):
        checked("figures=none")


def test_names_are_checked_without_torch_and_matplotlib():
    """Both take seconds to import, and a sweep is checked before anything else happens."""
    code = (
        "import sys; from scyan_exp.config.figures import FIGURES; assert 'loss' in FIGURES; "
        "print({'torch', 'matplotlib'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"
