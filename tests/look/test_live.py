"""What changed of a sweep since somebody last looked, and what it does now."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from pathlib import Path

import pytest

from scyan_exp.errors import InputError
from scyan_exp.fleet.locking import locked
from scyan_exp.report.live import LiveSweep
from scyan_exp.report.now import last_epoch
from scyan_exp.report.sweep_data import sweep_data
from scyan_exp.run.folder import RunFolder, SweepFolder
from tests.look.conftest import make_run, make_sweep


def write_epochs(folder: Path, losses: list[float]) -> None:
    """The log of a training's epochs, as Lightning writes it: single steps stand between."""
    rows = [f"{epoch},{loss},\n{epoch},,{loss}" for epoch, loss in enumerate(losses)]
    RunFolder(folder).metrics.write_text("\n".join(["epoch,loss,loss_step", *rows, ""]))


@pytest.fixture
def sweep(tmp_path) -> Path:
    return make_sweep(tmp_path / "sweep", {0: 3.0, 1: 1.0, 2: None})


def numbers(update: dict | None) -> list[int]:
    return [] if update is None else [job["number"] for job in update["jobs"]]


def test_who_knows_nothing_is_told_all_and_then_only_what_changed(sweep):
    live = LiveSweep(sweep)
    assert live.look()
    first, update = live.since(None)
    assert numbers(update) == [0, 1, 2]
    assert update["sweep"]["best"] == 1
    assert live.since(first) == (first, None)
    assert not live.look()
    make_run(sweep / "2", "seed=2", "flow=deep", objective=0.5, metrics={"accuracy": 0.25})
    assert live.look()
    second, update = live.since(first)
    assert second != first
    assert numbers(update) == [2]
    assert update["sweep"]["best"] == 2
    assert "populations" not in update["sweep"]  # it is as it was
    make_run(sweep / "0", "seed=0", "flow=deep", objective=2.0, metrics={"accuracy": 0.0})
    assert live.look()
    assert numbers(live.since(second)[1]) == [0]
    assert sorted(numbers(live.since(first)[1])) == [0, 2]  # who was slow is told of both
    assert sorted(numbers(live.since(None)[1])) == [0, 1, 2]


def test_whoever_takes_the_updates_has_the_sweep_as_it_is(sweep):
    """However seldom somebody asks: what is told makes up for all that was missed."""
    live, chance = LiveSweep(sweep), random.Random(0)
    live.look()
    pages: list[dict] = [{"version": None, "jobs": {}, "sweep": {}} for _ in range(3)]
    for step in range(24):
        number = chance.randrange(4)
        value, ended = chance.random(), chance.choice(["completed", "running", "failed"])
        own = {"objective": value, "metrics": {"accuracy": value}} if ended == "completed" else {}
        if number == 3:  # a job that begins later
            make_sweep(sweep, {0: value, 1: 1.0, 2: None, 3: 2.0})
        make_run(sweep / str(number), f"seed={number}", "flow=deep", status=ended, **own)
        live.look()
        for page in pages:
            if chance.random() < 0.4 or step == 23:
                page["version"], update = live.since(page["version"])
                update = update or {"jobs": [], "sweep": {}}
                page["jobs"].update({job["number"]: job for job in update["jobs"]})
                page["sweep"].update(update["sweep"])
    now = sweep_data(sweep)
    for page in pages:
        assert page["jobs"] == {job["number"]: job for job in now["jobs"]}
        assert page["sweep"] == now["sweep"]


@pytest.mark.parametrize("known", ["", "x", "other-1", "-", "{name}-", "{name}-x", "{name}--1"])
def test_an_unknown_version_is_told_all(sweep, known):
    live = LiveSweep(sweep)
    live.look()
    name = live.since(None)[0].partition("-")[0]
    assert numbers(live.since(known.format(name=name))[1]) == [0, 1, 2]


def test_only_the_files_of_jobs_that_changed_are_read(sweep):
    opened: list[Path] = []
    is_listening = True

    def listen(event: str, arguments: tuple) -> None:
        if is_listening and event == "open" and str(sweep) in str(arguments[0]):
            opened.append(Path(arguments[0]).relative_to(sweep))

    live = LiveSweep(sweep)
    live.look()
    live.look()
    write_epochs(sweep / "1", [5.0, 4.0])
    sys.addaudithook(listen)
    try:
        assert live.look()
        of_jobs = {one for one in opened if one.parts[0].isdecimal()}
        assert Path("1/metrics.csv") in of_jobs
        # Of one job the config: what all of them are to be good at.
        assert {one.parts[0] for one in of_jobs} <= {"0", "1"}
        assert {one.name for one in of_jobs if one.parts[0] == "0"} <= {
            "config.yaml",
            "result.json",
        }
        opened.clear()
        assert not live.look()
        assert {one.name for one in opened} <= {".lock"}
    finally:
        is_listening = False


def test_before_the_first_job_there_is_no_page(tmp_path):
    sweep = make_sweep(tmp_path, {})
    live = LiveSweep(sweep)
    assert live.look()
    assert live.page() is None
    assert live.status["text"] == "No job has begun yet."
    assert live.since(None)[1] is None
    make_sweep(tmp_path, {0: 1.0})
    assert live.look()
    assert "seed=0" in live.page()
    assert numbers(live.since(None)[1]) == [0]


def test_a_folder_that_goes_away_leaves_what_was_seen(sweep):
    live = LiveSweep(sweep)
    live.look()
    version, _ = live.since(None)
    shutil.rmtree(sweep)
    assert live.look()
    assert live.status["text"].startswith("The folder cannot be read: ")
    assert not live.look()
    assert numbers(live.since(None)[1]) == [0, 1, 2]
    assert live.since(version)[1] is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "nowhere", "no such folder; expected that of a sweep"),
        (lambda folder: folder, "no sweep: there are neither"),
        (lambda folder: make_run(folder), "this is the folder of a run"),
    ],
)
def test_what_is_no_sweep_is_refused(tmp_path, make, message):
    with pytest.raises(InputError, match=message):
        LiveSweep(make(tmp_path))


# ---------------------------------------------------------------- what it does now


def status(sweep: Path) -> dict:
    live = LiveSweep(sweep)
    live.look()
    return live.status


def test_running_jobs_have_their_epoch_and_loss(tmp_path):
    sweep = make_sweep(tmp_path, {0: 3.0, 1: 1.0, 2: 2.0, 3: 2.0}, fit_seconds=600.0)
    make_run(sweep / "1", "seed=1", "trainer.max_epochs=9", status="running")
    jobs = json.loads(SweepFolder(sweep).manifest.read_text())
    jobs["jobs"][1]["overrides"].append("trainer.max_epochs=9")
    SweepFolder(sweep).manifest.write_text(json.dumps(jobs))
    write_epochs(sweep / "1", [5.0, 4.5, 4.25])
    make_run(sweep / "2", "seed=2", status="running")
    RunFolder(sweep / "3").result.unlink()
    with locked(sweep):
        found = status(sweep)
    assert found["state"] == "running"
    assert found["text"] == "2 running, 1 waiting, 1 of 4 ended. About 15 min left."
    first, second = found["running"]
    assert (first["number"], first["epoch"], first["max_epochs"], first["loss"]) == (1, 3, 9, 4.25)
    assert (second["number"], second["epoch"], second["loss"]) == (2, 0, None)


def test_of_a_run_with_repeats_the_newest_one_is_shown(tmp_path):
    sweep = make_sweep(tmp_path, {0: 1.0})
    make_run(sweep / "0", "seed=0", status="running")
    for repeat, losses, at in (("seed_0", [3.0] * 5, 1e9), ("seed_1", [2.0], 2e9)):
        make_run(sweep / "0" / repeat, status="running")
        write_epochs(sweep / "0" / repeat, losses)
        os.utime(RunFolder(sweep / "0" / repeat).metrics, (at, at))
    with locked(sweep):
        found = status(sweep)
    assert [(one["repeat"], one["epoch"]) for one in found["running"]] == [("seed_1", 1)]
    assert found["text"] == "1 running, 0 waiting, 0 of 1 ended."


def test_a_sweep_that_has_ended_says_so(sweep):
    assert status(sweep) == {
        "state": "ended",
        "text": "The sweep has ended: 2 completed, 1 failed of 3 jobs.",
        "running": [],
    }


def test_a_sweep_that_was_killed_says_how_to_go_on(sweep):
    make_run(sweep / "2", "seed=2", status="running")
    found = status(sweep)
    assert found["state"] == "stopped"
    assert found["text"] == (
        f"Nothing runs, and 1 of 3 jobs are left. To go on: scyan-exp resume {sweep}"
    )
    make_run(sweep / "2", "seed=2", status="interrupted")
    assert status(sweep) == found


def test_of_launchers_that_hold_no_lock_the_records_are_believed(sweep):
    SweepFolder(sweep).manifest.unlink()
    make_run(sweep / "2", "seed=2", status="running")
    assert status(sweep)["text"] == (
        "1 running, 2 of the 3 jobs begun so far have ended. "
        "This launcher does not say how many there will be."
    )


def test_a_search_knows_how_many_trials_will_follow(sweep):
    described = {
        "id": "x", "study_name": "x", "storage": None, "space": {}, "directions": ["minimize"],
        "objectives": ["heuristic"], "config": {}, "cwd": ".", "constraints": [],
        "arguments": ["hydra.sweeper.n_trials=5", "hydra.sweeper.n_trials=8"],
    }  # fmt: skip
    SweepFolder(sweep).search.write_text(json.dumps(described))
    with locked(sweep):
        assert status(sweep)["text"].startswith("0 running, 5 waiting, 3 of 8 ended.")
    described["arguments"] = []
    SweepFolder(sweep).search.write_text(json.dumps(described))
    multirun = {"hydra": {"sweeper": {"n_trials": 4}}}
    SweepFolder(sweep).multirun.write_text(json.dumps(multirun))
    with locked(sweep):
        assert status(sweep)["text"].startswith("0 running, 1 waiting, 3 of 4 ended.")


def test_the_last_epoch_is_found_at_the_end_of_a_long_log_that_is_being_written(tmp_path):
    write_epochs(tmp_path, [1.0 + i for i in range(20_000)])
    path = RunFolder(tmp_path).metrics
    with path.open("a") as file:
        file.write("20000,7")  # half a row
    assert last_epoch(path) == (20_000, 20_000.0)
    path.write_text("epoch,loss,loss_step\n")
    assert last_epoch(path) == (0, None)
    path.write_text("")
    assert last_epoch(path) == (0, None)
    path.unlink()
    assert last_epoch(path) == (0, None)
