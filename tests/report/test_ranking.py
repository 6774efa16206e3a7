"""What the jobs of a sweep are compared by, while some of them have not begun."""

from __future__ import annotations

from pathlib import Path

from scyan_exp.report.ranking import goal_of_sweep
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.sweep_jobs import SweepJob


def began(folder: Path, objective: str) -> None:
    RunFolder(folder).write_config({"objective": objective})


def test_the_objective_is_that_of_the_jobs_that_have_begun(tmp_path):
    given = ["objective=loss", "objective=loss", "objective=accuracy"]
    jobs = [SweepJob(n, tmp_path / str(n), [one]) for n, one in enumerate(given)]
    assert goal_of_sweep(tmp_path, jobs) is None
    began(tmp_path / "1", "loss")
    goal = goal_of_sweep(tmp_path, jobs)
    assert goal is not None
    assert goal.names == ("loss",)
    began(tmp_path / "2", "accuracy")
    assert goal_of_sweep(tmp_path, jobs) is None
