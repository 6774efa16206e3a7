"""The page "Extend it": its code is put where it says, and works."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import MARKERS, TABLE, small_adata
from tests.extension import REPOSITORY, install, pyproject, run_with

PAGE = (REPOSITORY / "docs" / "extend.md").read_text(encoding="utf-8")
#: The code of the page by what it adds: ``(language, of)`` as its first line says.
CODE = {
    (language, of): code
    for language, of, code in re.findall(r"```(\w+) (\w+)\n(.*?)```", PAGE, flags=re.DOTALL)
}
SMALL = (
    "experiment=smoke",
    "dataset.n_cells=500",
    "flow=shallow",
    "trainer.max_epochs=1",
    "logger=none",
    "figures.draw=none",
)


def result(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """The folder into which the package of the page was installed."""
    parts = [CODE["python", kind] for kind in ("metric", "figure", "format")]
    return install(
        tmp_path_factory.mktemp("site"),
        CODE["toml", "package"],
        {
            "scyan_more/__init__.py": "",
            "scyan_more/parts.py": "\n".join(parts),
            "scyan_more/configs/dataset/npz.yaml": CODE["yaml", "format"],
        },
    )


@pytest.fixture
def tree(tmp_path) -> Path:
    """A copy of this repository's program, to be changed."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("scyan_exp", "hydra_plugins", "configs"):
        shutil.copytree(REPOSITORY / name, tmp_path / "tree" / name, ignore=ignored)
    return tmp_path / "tree"


def test_the_page_has_code_for_all_that_it_lists():
    rows = re.findall(r"^\| \[([\w ]+)\]\(#", PAGE, flags=re.MULTILINE)
    assert rows == ["metric", "figure", "data format", "engine", "command"]
    kinds = [row.split()[-1] for row in rows]
    assert {("python", kind) for kind in kinds} <= set(CODE)


def test_a_package_adds_a_metric_and_a_figure(package, tmp_path):
    drawn = "figures.draw=[loss,log_probability]"
    arguments = ("objective=evenness", "hydra.run.dir=run", *SMALL, drawn)
    done = run_with([package], tmp_path, "train", *arguments)
    assert done.returncode == 0, done.stderr
    found = result(tmp_path / "run")
    assert 0 < found["metrics"]["evenness"] <= 1
    assert found["objective"] == found["metrics"]["evenness"]
    assert list(found["metrics"])[-1] == "evenness"  # after ours
    assert (tmp_path / "run/figures/log_probability.png").read_bytes().startswith(b"\x89PNG")
    assert "Warning" not in done.stderr


@pytest.mark.slow
def test_the_workers_of_a_sweep_know_the_parts_of_a_package(package, tmp_path):
    arguments = ("-m", "seed=0,1", "hydra/launcher=fleet", "hydra.sweep.dir=sweep", *SMALL)
    done = run_with([package], tmp_path, "train", "objective=evenness", *arguments)
    assert done.returncode == 0, done.stderr
    assert all(0 < result(tmp_path / f"sweep/{i}")["objective"] <= 1 for i in (0, 1))


BROKEN = """
from scyan_exp.metrics import metric
from scyan_exp.results.figures import figure

@metric(direction="minimize")
def broken(n_pops):
    raise KeyError("of the metric")

@figure("broken")
def broken_figure(annotation):
    raise KeyError("of the figure")
"""


def test_parts_of_a_package_that_fail_lose_no_run(tmp_path):
    files = {"scyan_broken.py": BROKEN}
    site = install(tmp_path / "site", pyproject("scyan-broken", "scyan_broken"), files)
    arguments = ("objective=broken", "hydra.run.dir=run", *SMALL, "figures.draw=[broken,loss]")
    done = run_with([site], tmp_path, "train", *arguments)
    assert done.returncode == 0, done.stderr
    found = result(tmp_path / "run")
    assert (found["status"], found["objective"], found["error"]) == ("completed", None, None)
    assert found["metrics"]["broken"] is None
    assert found["metrics"]["accuracy"] is not None
    text = (tmp_path / "run/train.log").read_text()
    assert "metric broken cannot be computed (KeyError: 'of the metric')" in text
    assert "figure broken cannot be drawn (KeyError: 'of the figure')" in text
    assert 'raise KeyError("of the figure")' in text  # where it failed
    assert [path.name for path in (tmp_path / "run/figures").iterdir()] == ["loss.png"]


def test_without_the_package_its_metric_is_unknown(tmp_path):
    done = run_with([], tmp_path, "train", "objective=evenness", *SMALL)
    assert done.returncode == 2
    assert "objective: expected one of loss, " in done.stderr


@pytest.fixture
def npz(tmp_path) -> list[str]:
    """Cells as an .npz file, and a table, as overrides."""
    np.savez(tmp_path / "cells.npz", x=small_adata(300)[:, MARKERS].X, markers=MARKERS)
    (tmp_path / "table.csv").write_text(TABLE)
    small = [one for one in SMALL if not one.startswith(("experiment", "dataset"))]
    return ["dataset=npz", "dataset.path=cells.npz", "table.path=table.csv", *small]


def test_a_package_adds_a_data_format(package, npz, tmp_path):
    done = run_with([package], tmp_path, "train", *npz, "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    assert result(tmp_path / "run")["status"] == "completed"
    missing = run_with([package], tmp_path, "train", *npz, "dataset.path=no.npz")
    assert missing.returncode == 2
    assert "no.npz: expected the arrays x and markers" in missing.stderr
    unknown = run_with([package], tmp_path, "train", *npz, "+dataset.pth=x")
    assert unknown.returncode == 2
    assert "dataset.pth: unknown key. Did you mean 'path'?" in unknown.stderr


@pytest.mark.slow
def test_in_the_repository_a_data_format_is_a_class_and_a_yaml_file(tree, npz, tmp_path):
    with (tree / "scyan_exp/data/dataset.py").open("a") as opened:
        opened.write("\n\n" + CODE["python", "format"])
    yaml = CODE["yaml", "format"].replace("scyan_more.parts.", "scyan_exp.data.dataset.")
    (tree / "configs/dataset/npz.yaml").write_text(yaml)
    done = run_with([tree], tmp_path, "train", *npz, "hydra.run.dir=run")
    assert done.returncode == 0, done.stderr
    assert result(tmp_path / "run")["status"] == "completed"


@pytest.mark.slow
def test_in_the_repository_metric_figure_and_command_are_one_place_each(tree, tmp_path):
    for file, kind in (
        ("metrics/unsupervised.py", "metric"),
        ("results/figures/annotated.py", "figure"),
        ("cli/metrics.py", "command"),
    ):
        with (tree / "scyan_exp" / file).open("a") as opened:
            opened.write("\n\n" + CODE["python", kind])
    draw = "figures.draw=[log_probability]"
    arguments = ("objective=evenness", "hydra.run.dir=run", *SMALL, draw)
    done = run_with([tree], tmp_path, "train", *arguments)
    assert done.returncode == 0, done.stderr
    assert 0 < result(tmp_path / "run")["objective"] <= 1
    assert (tmp_path / "run/figures/log_probability.png").exists()
    listed = run_with([tree], tmp_path, "metrics")
    assert listed.returncode == 0
    assert "evenness                maximize\n" in listed.stdout
    assert "ilisi                   maximize  batches\n" in listed.stdout
    assert "  metrics      the metrics, which way" in run_with([tree], tmp_path, "--help").stdout


@pytest.mark.slow
def test_in_the_repository_an_engine_is_one_file(tree, tmp_path):
    (tree / "scyan_exp/fleet/engines/nice.py").write_text(CODE["python", "engine"])
    arguments = ("-m", "seed=0,1", "hydra/launcher=fleet", "hydra.launcher.engine=nice")
    done = run_with([tree], tmp_path, "train", *arguments, "hydra.sweep.dir=sweep", *SMALL)
    assert done.returncode == 0, done.stderr
    assert [result(tmp_path / f"sweep/{i}")["status"] for i in (0, 1)] == ["completed"] * 2
