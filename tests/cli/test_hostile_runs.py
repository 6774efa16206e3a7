"""Runs of others: whatever their files hold, they are combined and annotate, or are refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.look.test_hostile_folders import CONTENTS

QUICK = ("dataset.n_cells=300", "flow=shallow", "trainer.max_epochs=1", "logger=none")
SOME = ("nothing", "zeros", "null", "a section of sections", "a tag", "an infinite number")
FILES = ("result.json", ".hydra/config.yaml", "annotated.h5ad", "checkpoints/best.ckpt")


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A run, and one of two repeats."""
    from scyan_exp.cli.main import main

    folder = tmp_path_factory.mktemp("runs")
    for name, more in (("single", "seed=7"), ("repeats", "repeats=2")):
        out = f"hydra.run.dir={folder / name}"
        assert main(["train", *QUICK, "figures.draw=none", more, out]) == 0
    return folder


@pytest.mark.parametrize("file", FILES)
def test_a_file_of_a_run_may_hold_anything(file, runs, scyan_exp, tmp_path):
    cells = runs / "single" / "annotated.h5ad"
    for name in SOME:
        copy = tmp_path / name.replace(" ", "_")
        shutil.copytree(runs, copy)
        (copy / "single" / file).write_bytes(CONTENTS[name])
        (copy / "repeats" / "seed_0" / file).write_bytes(CONTENTS[name])
        for command in (
            ("consensus", str(copy / "single"), str(copy / "repeats")),
            ("annotate", str(copy / "single"), str(cells)),
            ("annotate", str(copy / "repeats"), str(cells)),
        ):
            code, output = scyan_exp(*command, f"out={copy / 'out'}")
            assert code in (0, 2), (name, command, output)
            assert "Traceback" not in output, (name, command)
            shutil.rmtree(copy / "out", ignore_errors=True)
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("jobs: []", "not the config of a run: it has no section dataset"),
        ("dataset: {label_key: [a]}", "dataset.label_key: expected the name of a column, found"),
    ],
)
def test_a_config_that_is_not_of_a_run_is_named(config, said, runs, scyan_exp, tmp_path):
    shutil.copytree(runs, tmp_path / "runs")
    path = tmp_path / "runs" / "single" / ".hydra" / "config.yaml"
    path.write_text(config)
    code, output = scyan_exp("consensus", "runs/single", "runs/repeats", "out=out")
    assert code == 2
    assert f"{path}: {said}" in output or f"runs/single/.hydra/config.yaml: {said}" in output
    assert not (tmp_path / "out").exists()
