"""What the program says of installed packages, and takes from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.extension import install, pyproject, run_with

TIGHT = "# @package model\nprior_std: 0.11\n"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        (
            "from scyan_exp.metrics import metric\n\n"
            "@metric(direction='minimize')\ndef accuracy(n_pops):\n    return 1.0\n",
            "two metrics named 'accuracy': scyan_exp.metrics.supervised.accuracy and "
            "added_a.accuracy",
        ),
    ],
    ids=["import error", "a name that is taken"],
)
@pytest.mark.parametrize("arguments", [[], ["-m", "seed=0,1"]], ids=["run", "sweep"])
def test_a_broken_package_is_one_message_and_exit_code_2(tmp_path, code, said, arguments):
    site = install(tmp_path / "site", pyproject("added-a", "added_a"), {"added_a.py": code})
    folder = tmp_path / "here"
    folder.mkdir()
    done = run_with([site], folder, "train", "experiment=smoke", *arguments)
    assert done.returncode == 2
    assert "installed packages: added-a: its entry point parts = added_a cannot" in done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert list(Path(folder).rglob("*")) == []


def test_the_program_shows_the_yaml_of_a_package_and_imports_nothing(tmp_path):
    files = {"added_one/configs/prior/narrow.yaml": TIGHT, "added_one/__init__.py": "1 / 0"}
    site = install(tmp_path / "site", pyproject("added-one", "added_one"), files)
    done = run_with([site], tmp_path, "train", "prior=narrow", "--cfg", "job")
    assert done.returncode == 0, done.stderr
    assert "prior_std: 0.11" in done.stdout
    done = run_with([site], tmp_path, "train", "--help")
    assert "prior: default, loose, narrow, tight" in done.stdout
