"""``docs/results.md`` names every file, figure, metric and outcome that there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from scyan_exp.config.figures import FIGURES
from scyan_exp.config.objectives import METRICS
from scyan_exp.run.folder import RunFolder, SweepFolder
from scyan_exp.run.outcome import Outcome

PAGE = (Path(__file__).parents[2] / "docs" / "results.md").read_text(encoding="utf-8")
#: What nobody looks at: locks, files that last as long as a job or the sweep, Hydra's other files.
NOT_TOLD = {"lock", "began", "new_rows", "new_jobs", "hydra_config", "overrides"}


def files(folder: RunFolder | SweepFolder) -> dict[str, str]:
    """The files and folders of a folder, by their names in the code."""
    names = [name for name, part in vars(type(folder)).items() if isinstance(part, property)]
    found = {name: getattr(folder, name) for name in names if name not in NOT_TOLD}
    paths = {n: part.path if isinstance(part, RunFolder) else part for n, part in found.items()}
    return {name: path.name for name, path in paths.items()}


@pytest.mark.parametrize("folder", [RunFolder(Path("run")), SweepFolder(Path("sweep"))])
def test_every_file_of_a_folder_is_told(folder):
    told = files(folder)
    assert len(told) >= 10
    missing = {name: file for name, file in told.items() if f"{file}`" not in PAGE}
    missing = {name: file for name, file in missing.items() if f"`{file}/" not in PAGE}
    assert not missing


@pytest.mark.parametrize("figure", FIGURES)
def test_every_figure_is_told(figure):
    assert f"`{figure}.png`" in PAGE


@pytest.mark.parametrize("name", [*METRICS, *Outcome])
def test_every_metric_and_outcome_is_told(name):
    assert f"| `{name}` |" in PAGE
