"""The folder of a sweep that somebody else made: going on with it runs and writes nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Change = Callable[[dict[str, Any], Path], object]


def in_hydra(*place: str, value: Any) -> Change:
    """Another value in Hydra's part of the config that all jobs share."""

    def change(listed: dict[str, Any], victim: Path) -> None:
        part = listed["bases"][0]["hydra"]
        for key in place[:-1]:
            part = part.setdefault(key, {})
        part[place[-1]] = json.loads(json.dumps(value).replace("VICTIM", str(victim)))

    return change


def in_folder(folder: str) -> Change:
    """Another folder of the second job."""
    return lambda listed, victim: listed["jobs"][1].update(folder=folder.format(victim=victim))


def of_slurm(**settings: Any) -> Change:
    """Other settings of the launcher."""
    return lambda listed, victim: listed["launcher"].update(engine="slurm", slurm=settings)


CALLBACK = {"_target_": "builtins.open", "file": "VICTIM", "mode": "w"}
HOSTILE: dict[str, tuple[Change, str]] = {
    "above": (in_folder("../victim"), "is outside of the sweep's"),
    "absolute": (in_folder("{victim}"), "is outside of the sweep's"),
    "through itself": (in_folder("0/../../victim"), "is outside of the sweep's"),
    "callback": (in_hydra("callbacks", "x", value=CALLBACK), "'builtins.open' is not allowed"),
    "factory": (
        in_hydra("job_logging", "formatters", "x", value={"()": "os.mkdir", "path": "VICTIM"}),
        "'os.mkdir' is not allowed",
    ),
    "log elsewhere": (
        in_hydra("job_logging", "handlers", "file", "filename", value="VICTIM"),
        "is outside of the job's folder",
    ),
    "log above": (
        in_hydra(
            *("job_logging", "handlers", "file", "filename"),
            value="${hydra.runtime.output_dir}/../../victim",
        ),
        "is outside of the job's folder",
    ),
    "name of the log": (in_hydra("job", "name", value="../../victim"), "expected a name"),
    "environment": (
        in_hydra("job", "env_set", value={"CC": "VICTIM"}),
        "hydra.job.env_set: {'CC': ",
    ),
    "shell": (of_slurm(setup=["touch victim"]), "slurm.setup: ['touch victim']"),
    "sbatch": (
        of_slurm(additional_parameters={"wrap": "touch victim"}),
        "slurm.additional_parameters: {'wrap': 'touch victim'}",
    ),
    "tag": (
        lambda listed, _: listed["bases"][0].update(
            hydra="!!python/object/apply:os.mkdir [victim]"
        ),
        "its config is damaged",
    ),
    "anchors": (
        lambda listed, _: listed["bases"][0].update(config="a: &a [1]\nb: [*a, *a]\n"),
        "its config is damaged",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_runs_and_nothing_is_written_outside(copied, scyan_exp, tmp_path, name):
    change, message = HOSTILE[name]
    victim = copied.folder.parent / "victim"
    path = copied.folder / "sweep.json"
    listed = json.loads(path.read_text())
    change(listed, victim)
    path.write_text(json.dumps(listed))
    (copied.folder / "1" / "result.json").unlink()
    before = sorted(copied.folder.parent.iterdir())
    code, output = scyan_exp("resume", str(copied.folder))
    assert code == 2, output
    assert message in output
    assert "Traceback" not in output
    assert not victim.exists()
    assert sorted(copied.folder.parent.iterdir()) == before
    assert not (copied.folder / "1" / "result.json").exists()


def test_a_link_out_of_the_sweep_is_not_followed(copied, scyan_exp, tmp_path):
    outside = tmp_path / "outside"
    (copied.folder / "1").rename(outside)
    (outside / "result.json").unlink()
    (copied.folder / "1").symlink_to(outside)
    before = sorted(outside.rglob("*"))
    code, output = scyan_exp("resume", str(copied.folder))
    assert code == 2, output
    assert "job 1: its folder" in output
    assert sorted(outside.rglob("*")) == before


def test_who_trusts_a_folder_goes_on(copied, scyan_exp):
    path = copied.folder / "sweep.json"
    listed = json.loads(path.read_text())
    listed["bases"][0]["hydra"]["job"]["env_set"] = {"MINE": "1"}
    path.write_text(json.dumps(listed))
    code, output = scyan_exp("resume", str(copied.folder), "devices=cpu")
    assert code == 2
    assert "add trust=true" in output
    code, output = scyan_exp("resume", str(copied.folder), "devices=cpu", "trust=true")
    assert code == 0, output
    assert "2 of 2 jobs are completed already" in output
