"""The wheel: what people install works from any folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True)
    (path,) = folder.glob("scyan_exp-*.whl")
    return path


@pytest.mark.slow
def test_wheel_holds_configs_and_table(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    configs = {p.relative_to(ROOT).as_posix() for p in (ROOT / "configs").rglob("*.yaml")}
    assert {f"scyan_exp/{name}" for name in configs} <= names
    assert "scyan_exp/data/tables/pbmc.csv" in names
    parts = (ROOT / "scyan_exp" / "report").glob("*/*.[chj]*")
    templates = {p.name for p in (ROOT / "scyan_exp" / "cli" / "templates").iterdir()}
    assert templates == {"README.md.j2", "mine.yaml.j2", "table.csv"}
    assert {f"scyan_exp/cli/templates/{name}" for name in templates} <= names
    page = {p.relative_to(ROOT).as_posix() for p in parts if p.suffix in (".js", ".css", ".j2")}
    assert len(page) > 10
    assert page <= names
    assert not [name for name in names if name.startswith(("tests", "configs"))]


@pytest.mark.slow
def test_installed_package_runs_elsewhere(wheel, tmp_path):
    target = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(target)
    arguments = ["train", "experiment=smoke", "dataset.n_cells=1000", "logger=none"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "scyan_exp", *arguments, "hydra.run.dir=run"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "result.json").exists()
    code = "import scyan_exp; print(scyan_exp.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(target)}
    where = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True
    )
    assert where.stdout.startswith(str(target))
