"""Parts of the fleet by themselves; nothing is trained here."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from scyan_exp.build import CellsInUse
from scyan_exp.compose import compose_config
from scyan_exp.config import check_config, config_hash
from scyan_exp.errors import InputError
from scyan_exp.files import write_json
from scyan_exp.results.record import RunRecord
from scyan_exp.sweep.devices import Slot, available_cores, make_slots, visible_gpus
from scyan_exp.sweep.engine import Ended
from scyan_exp.sweep.jobs import Job, compose_jobs, load_config, read_jobs, write_jobs
from scyan_exp.sweep.progress import Progress
from scyan_exp.sweep.schedule import Policy, Row, Schedule
from scyan_exp.sweep.settings import check_jobs_fit, check_settings
from scyan_exp.sweep.table import COLUMNS, MANY_ROWS, other_rows, shown, write_csv
from tests.conftest import small_adata

# ---------------------------------------------------------------- devices


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Callable[..., None]:
    """Make this a machine of so many GPUs, as nvidia-smi shows them."""

    def have(n_gpus: int | None, visible: str | None = None) -> None:
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        (tmp_path / "bin").mkdir()
        if n_gpus is not None:
            lines = [f"GPU {i}: NVIDIA H100 80GB HBM3 (UUID: GPU-{i})" for i in range(n_gpus)]
            script = tmp_path / "bin" / "nvidia-smi"
            text = "\n".join(lines) or "No devices were found"
            script.write_text(f'#!/bin/sh\nwhile read l; do echo "$l"; done <<X\n{text}\nX\n')
            script.chmod(0o755)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    return have


@pytest.mark.parametrize(
    ("n_gpus", "visible", "expected"),
    [
        (None, None, []),
        (0, None, []),
        (3, None, ["0", "1", "2"]),
        (3, "2,0", ["2", "0"]),
        (3, "GPU-1", ["GPU-1"]),
        (3, "", []),
        (3, "-1", []),
        (None, "1", ["1"]),
    ],
)
def test_gpus_that_this_process_may_use(machine, n_gpus, visible, expected):
    machine(n_gpus, visible)
    assert visible_gpus() == expected


@pytest.mark.parametrize("devices", ["auto", "cpu"])
def test_jobs_of_the_cpu_share_its_cores_and_see_no_gpu(machine, monkeypatch, devices):
    machine(2)
    monkeypatch.setattr("scyan_exp.sweep.devices.available_cores", lambda: 7)
    slots = make_slots(devices, None, None, jobs_want_gpu=False)
    assert [slot.name for slot in slots] == [f"cpu:{i}" for i in range(7)]
    assert {slot.n_threads for slot in slots} == {1}
    assert all(slot.environment == {"CUDA_VISIBLE_DEVICES": ""} for slot in slots)
    assert len(make_slots(devices, None, 3, jobs_want_gpu=False)) == 2
    assert len(make_slots(devices, None, 100, jobs_want_gpu=False)) == 1
    assert len(make_slots(devices, 9, 3, jobs_want_gpu=False)) == 9


def test_each_gpu_is_a_slot_that_sees_its_own_alone(machine, monkeypatch):
    machine(4, "3,1,0")
    monkeypatch.setattr("scyan_exp.sweep.devices.available_cores", lambda: 12)
    slots = make_slots("auto", None, None, jobs_want_gpu=True)
    assert [slot.name for slot in slots] == ["gpu:0", "gpu:1", "gpu:2"]
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in slots] == ["3", "1", "0"]
    assert {slot.n_threads for slot in slots} == {4}


def test_several_jobs_a_gpu_spread_over_the_gpus_first(machine, monkeypatch):
    machine(4)
    monkeypatch.setattr("scyan_exp.sweep.devices.available_cores", lambda: 12)
    slots = make_slots([2, 0], 3, None, jobs_want_gpu=True)
    assert [slot.name for slot in slots[:3]] == ["gpu:2.0", "gpu:0.0", "gpu:2.1"]
    assert len({slot.name for slot in slots}) == len(slots) == 6
    assert {slot.n_threads for slot in slots} == {2}
    assert [s.environment["CUDA_VISIBLE_DEVICES"] for s in slots] == ["2", "0"] * 3


def test_more_slots_than_cores_still_have_a_thread_each(machine, monkeypatch):
    machine(4)
    monkeypatch.setattr("scyan_exp.sweep.devices.available_cores", lambda: 2)
    assert {s.n_threads for s in make_slots("auto", None, None, jobs_want_gpu=True)} == {1}


@pytest.mark.parametrize(
    ("n_gpus", "devices", "message"),
    [
        (None, [0], "no GPU"),
        (0, "auto", "no GPU"),
        (2, [0, 2], "GPUs 0 to 1"),
        (2, [], "other numbers"),
    ],
)
def test_a_gpu_that_is_not_there(machine, n_gpus, devices, message):
    machine(n_gpus)
    with pytest.raises(InputError, match=message) as refused:
        make_slots(devices, None, None, jobs_want_gpu=True)
    assert "hydra.launcher.devices" in str(refused.value)


def test_cores_are_those_that_this_process_may_use():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert available_cores() == len(before)


# ---------------------------------------------------------------- settings


def test_settings_have_defaults_and_take_what_is_right():
    assert check_settings({}).devices == "auto"
    full = check_settings(
        {
            "engine": "ray",
            "devices": [0, 2],
            "jobs_per_device": 2,
            "threads_per_job": 3,
            "retries": 0,
            "error_retries": 2,
            "timeout_min": 0.5,
            "on_failure": "stop",
            "ray": {"init": {"address": "auto"}, "num_cpus": 2, "num_gpus": 0.5},
        }
    )
    assert (full.devices, full.timeout_min, full.ray.num_gpus) == ([0, 2], 0.5, 0.5)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("retires", 2, "hydra.launcher.retires: unknown key. Did you mean 'retries'?"),
        ("retries", -1, "hydra.launcher.retries: found -1; expected greater than or equal to 0"),
        ("retries", "many", "hydra.launcher.retries: found 'many'; expected a valid integer"),
        ("jobs_per_device", 0, "hydra.launcher.jobs_per_device: found 0; expected greater than"),
        ("timeout_min", 0, "hydra.launcher.timeout_min: found 0; expected greater than 0"),
        ("on_failure", "halt", "hydra.launcher.on_failure: found 'halt'; expected 'continue' or"),
        ("devices", "gpu", "hydra.launcher.devices: found 'gpu'; expected 'auto' or 'cpu', or a"),
        ("devices", [-1], "hydra.launcher.devices: found [-1]; expected"),
        ("engine", "slurm", "hydra.launcher.engine: found 'slurm'; expected 'local' or 'ray'"),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_expected(key, value, message):
    with pytest.raises(InputError) as refused:
        check_settings({key: value})
    assert message in str(refused.value)


def test_unknown_keys_of_ray_name_theirs():
    with pytest.raises(InputError) as refused:
        check_settings({"ray": {"num_cpu": 2}})
    assert "hydra.launcher.ray.num_cpu: unknown key. Did you mean 'num_cpus'" in str(refused.value)


def test_all_wrong_settings_are_named_at_once():
    with pytest.raises(InputError) as refused:
        check_settings({"retries": -1, "devices": "gpu", "nope": 1})
    assert len(refused.value.problems) == 3


def job(number: int, folder: Path = Path("none"), **plain: object) -> Job:
    return Job(number, folder, [f"seed={number}"], OmegaConf.create({"seed": number}), plain)


def trainer(accelerator: str = "cpu", devices: int | list[int] = 1) -> dict[str, object]:
    return {"accelerator": accelerator, "devices": devices}


@pytest.mark.parametrize(
    ("trainers", "settings", "wants_gpu"),
    [
        ([trainer()], {}, False),
        ([trainer()], {"devices": "cpu"}, False),
        ([trainer("gpu"), trainer("cuda")], {}, True),
        ([trainer("gpu", [0])], {"devices": [3]}, True),
    ],
)
def test_jobs_that_fit_the_fleet(trainers, settings, wants_gpu):
    jobs = [job(i, trainer=one) for i, one in enumerate(trainers)]
    assert check_jobs_fit(jobs, check_settings(settings)) is wants_gpu


def test_jobs_of_other_programs_fit():
    assert check_jobs_fit([job(0)], check_settings({"devices": "cpu"})) is False


@pytest.mark.parametrize(
    ("trainers", "settings", "message"),
    [
        ([trainer(), trainer(devices=2)], {}, "job 1: trainer.devices=2: the fleet leases one"),
        ([trainer("gpu", [0, 1])], {}, "job 0: trainer.devices=[0, 1]: the fleet leases one"),
        ([trainer("gpu", [1])], {}, "use trainer.devices=1 and hydra.launcher.devices=[1]"),
        ([trainer("gpu"), trainer()], {}, "make them two sweeps"),
        ([trainer("gpu")], {"devices": "cpu"}, "add trainer=cpu"),
        ([trainer()], {"devices": [0]}, "hydra.launcher.devices=[0]: but the jobs train on the"),
    ],
)
def test_jobs_that_do_not_fit_are_named(trainers, settings, message):
    jobs = [job(i, trainer=one) for i, one in enumerate(trainers)]
    with pytest.raises(InputError) as refused:
        check_jobs_fit(jobs, check_settings(settings))
    assert message in str(refused.value)


# ---------------------------------------------------------------- table


def test_the_table_survives_reading_back(tmp_path):
    rows = [
        Row(job(0, tmp_path / "0"), "completed", -1.25, None, 3.14159, "cpu:1", 1),
        Row(job(1, tmp_path / "1"), "failed", None, 'ValueError: a "b", c', 1.0, "cpu:0", 1),
        Row(job(2, tmp_path / "2")),
    ]
    write_csv(rows, tmp_path / "sweep.csv", {})
    with (tmp_path / "sweep.csv").open(newline="") as file:
        first, second, third = csv.DictReader(file)
    assert tuple(first) == COLUMNS
    assert (first["objective"], first["seconds"], first["error"]) == ("-1.25", "3.14", "")
    assert first["folder"] == str(tmp_path / "0")
    assert (second["objective"], second["error"]) == ("", 'ValueError: a "b", c')
    assert (third["status"], third["seconds"], third["device"]) == ("not run", "", "")


def test_rows_of_other_jobs_stay_in_the_table(tmp_path):
    path = tmp_path / "sweep.csv"
    first = [Row(job(i, tmp_path / str(i)), "completed", float(i)) for i in (0, 1, 10)]
    assert other_rows(path, {0}) == {}
    write_csv(first, path, {})
    write_csv([Row(job(1), "failed"), Row(job(2), "kept", 2.0)], path, other_rows(path, {1, 2}))
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["job"] for row in rows] == ["0", "1", "2", "10"]
    assert [row["status"] for row in rows] == ["completed", "failed", "kept", "completed"]
    path.write_text("not,a\ntable")
    assert other_rows(path, set()) == {}


def test_the_terminal_shows_aligned_columns_and_errors_below():
    rows = [
        Row(job(0), "completed", 0.123456, None, 3.0, "cpu:0"),
        Row(job(10), "lost", None, "its process was killed by SIGKILL", 3.0, "cpu:0"),
    ]
    lines = shown(rows).splitlines()
    assert len({line.find("seed=") for line in lines[1:3]}) == 1
    assert "0.1235" in lines[1]
    assert lines[3] == "job 10: its process was killed by SIGKILL"


def test_an_objective_of_zero_is_shown():
    header, line = shown([Row(job(0), "completed", 0, None, 1.0, "cpu:0")]).splitlines()
    assert line[header.index("objective")] == "0"


def test_of_many_rows_the_terminal_shows_what_needs_attention():
    rows = [Row(job(i), "completed", 0.5) for i in range(MANY_ROWS + 20)]
    rows[7].status, rows[7].error = "failed", "ValueError: no"
    text = shown(rows)
    assert "job 7: ValueError: no" in text
    assert len(text.splitlines()) == 4
    assert text.endswith(f"... and {len(rows) - 1} more in sweep.csv")


# ---------------------------------------------------------------- schedule


class Rehearsal:
    """An engine whose jobs end as told, one at a time, in the order of their start.

    Args:
        ends: how the attempts of a job end; those not mentioned complete.
        n_slots: jobs at a time.
        at_start: called with the number of each job that is started.
    """

    def __init__(
        self,
        ends: dict[int, Sequence[str]] | None = None,
        n_slots: int = 2,
        at_start: Callable[[int], None] = lambda number: None,
    ) -> None:
        self.n_slots, self.at_start = n_slots, at_start
        self.ends = {number: list(told) for number, told in (ends or {}).items()}
        self.started: list[int] = []
        self.told: list[int] = []
        self.killed = False
        self.running: list[Job] = []
        self.most_at_once = 0

    def submit(self, job: Job) -> None:
        self.running.append(job)
        self.started.append(job.number)
        self.most_at_once = max(self.most_at_once, len(self.running))
        self.at_start(job.number)

    def wait(self, seconds: float) -> list[Ended]:
        job = self.running.pop(0)
        status = self.ends[job.number].pop(0) if self.ends.get(job.number) else "completed"
        if self.killed:
            status = "lost"
        elif job.number in self.told and status == "completed":
            status = "interrupted"
        value = float(job.number) if status == "completed" else None
        error = None if status == "completed" else f"{status}!"
        return [Ended(job, status, value, error, 2.0, "here")]

    def interrupt(self) -> None:
        self.told += [job.number for job in self.running if job.number not in self.told]

    def kill(self) -> None:
        self.killed = True

    def close(self) -> None:
        pass


def play(
    tmp_path: Path, engine: Rehearsal, n_jobs: int = 4, policy: Policy | None = None
) -> list[Row]:
    jobs = [job(i, tmp_path / str(i)) for i in range(n_jobs)]
    csv_path = tmp_path / "sweep.csv"
    return Schedule(jobs, engine, policy or Policy(), csv_path, Progress()).run()


def statuses(rows: Sequence[Row]) -> list[str]:
    return [row.status for row in rows]


def test_jobs_start_in_order_in_all_slots_and_the_table_is_kept(tmp_path):
    engine = Rehearsal(n_slots=3)
    rows = play(tmp_path, engine, n_jobs=7)
    assert engine.started == list(range(7))
    assert engine.most_at_once == 3
    assert [(row.status, row.value) for row in rows] == [("completed", float(i)) for i in range(7)]
    with (tmp_path / "sweep.csv").open() as file:
        assert [row["objective"] for row in csv.DictReader(file)] == [f"{i}.0" for i in range(7)]


def test_the_table_is_up_to_date_while_jobs_run(tmp_path):
    seen = []

    def look(number: int) -> None:
        with (tmp_path / "sweep.csv").open() as file:
            seen.append([row["status"] for row in csv.DictReader(file)])

    play(tmp_path, Rehearsal(n_slots=1, at_start=look), n_jobs=3)
    assert [one.count("completed") for one in seen] == [0, 1, 2]


@pytest.mark.parametrize(
    ("policy", "ends", "expected", "n_attempts"),
    [
        (Policy(), ["lost"], "completed", 2),
        (Policy(), ["lost", "lost"], "lost", 2),
        (Policy(retries=0), ["lost"], "lost", 1),
        (Policy(retries=3), ["lost"] * 3, "completed", 4),
        (Policy(), ["failed"], "failed", 1),
        (Policy(), ["timed out"], "timed out", 1),
        (Policy(error_retries=1), ["failed"], "completed", 2),
        (Policy(error_retries=1), ["timed out"], "completed", 2),
        (Policy(error_retries=2), ["failed"] * 3, "failed", 3),
    ],
)
def test_which_failures_are_tried_again(tmp_path, policy, ends, expected, n_attempts):
    engine = Rehearsal({1: ends})
    rows = play(tmp_path, engine, policy=policy)
    assert rows[1].status == expected
    assert rows[1].attempts == engine.started.count(1) == n_attempts
    assert rows[1].seconds == 2.0 * n_attempts
    assert (rows[1].error is None) == (expected == "completed")
    assert statuses([rows[0], *rows[2:]]) == ["completed"] * 3


def test_a_failure_does_not_stop_the_others_unless_asked_to(tmp_path):
    ends = {1: ["failed"]}
    assert statuses(play(tmp_path, Rehearsal(ends))).count("completed") == 3
    rows = play(tmp_path, Rehearsal(ends), n_jobs=6, policy=Policy(stop_on_failure=True))
    assert statuses(rows) == ["completed", "failed", "completed", *["not run"] * 3]


def test_stop_on_failure_waits_for_the_last_attempt(tmp_path):
    policy = Policy(retries=1, stop_on_failure=True)
    rows = play(tmp_path, Rehearsal({0: ["lost"]}, n_slots=1), policy=policy)
    assert statuses(rows) == ["completed"] * 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_starts_no_new_job_and_passes_it_on(tmp_path, number):
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    engine = Rehearsal(at_start=lambda job: signal.raise_signal(number) if job == 1 else None)
    rows = play(tmp_path, engine, n_jobs=5)
    assert statuses(rows) == ["interrupted"] * 2 + ["not run"] * 3
    assert (engine.told, engine.killed) == ([0, 1], False)
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_job_that_a_signal_found_starting_is_interrupted_too(tmp_path):
    """The engine may not know of it yet when the signal comes."""

    class Late(Rehearsal):
        def submit(self, job: Job) -> None:
            if job.number == 1:
                signal.raise_signal(signal.SIGINT)
            super().submit(job)

    engine = Late(n_slots=2)
    rows = play(tmp_path, engine, n_jobs=3)
    assert engine.told == [0, 1]
    assert statuses(rows) == ["interrupted", "interrupted", "not run"]


def test_a_second_signal_kills(tmp_path):
    def twice(number: int) -> None:
        if number == 1:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    engine = Rehearsal({0: ["lost"]}, at_start=twice)
    rows = play(tmp_path, engine, n_jobs=5)
    assert (engine.told, engine.killed) == ([0, 1], True)
    assert statuses(rows) == ["interrupted"] * 2 + ["not run"] * 3
    assert engine.started == [0, 1]


def test_a_lost_job_is_not_tried_again_after_a_signal(tmp_path):
    at_start = {1: signal.SIGINT}
    engine = Rehearsal(
        {0: ["lost"]}, at_start=lambda n: n in at_start and signal.raise_signal(at_start[n])
    )
    rows = play(tmp_path, engine)
    assert rows[0].status == "lost"
    assert engine.started == [0, 1]


@pytest.mark.parametrize(("retries", "expected"), [(0, "lost"), (1, "completed")])
def test_a_signal_to_a_worker_alone_is_a_loss(tmp_path, retries, expected):
    engine = Rehearsal({1: ["interrupted"]})
    rows = play(tmp_path, engine, policy=Policy(retries=retries))
    assert statuses(rows) == ["completed", expected, "completed", "completed"]


PLAIN = {"objective": "loss", "seed": 0, "trainer": {"devices": 1, "max_epochs": 5}}


def completed(folder: Path, plain: dict, **changes: object) -> Job:
    """A job whose folder holds a result."""
    record = RunRecord(folder, config_hash(plain), 0)
    record.end("completed", {"loss": 0.5}, "loss")
    if changes:
        write_json(record.path, {**json.loads(record.path.read_text()), **changes})
    return Job(0, folder, [], OmegaConf.create({}), plain)


def run_one(job: Job, tmp_path: Path) -> tuple[Row, Rehearsal]:
    engine = Rehearsal()
    (row,) = Schedule([job], engine, Policy(), tmp_path / "sweep.csv", Progress()).run()
    return row, engine


def test_a_completed_job_is_kept(tmp_path):
    job = completed(tmp_path / "0", PLAIN)
    before = (tmp_path / "0" / "result.json").read_bytes()
    row, engine = run_one(job, tmp_path)
    assert (row.status, row.value, engine.started) == ("kept", 0.5, [])
    assert (tmp_path / "0" / "result.json").read_bytes() == before


@pytest.mark.parametrize(
    "changes",
    [{"status": "running"}, {"status": "failed"}, {"config_hash": "0" * 16}, {"metrics": {}}],
)
def test_anything_else_is_run(tmp_path, changes):
    row, engine = run_one(completed(tmp_path / "0", PLAIN, **changes), tmp_path)
    assert (row.status, engine.started) == ("completed", [0])


@pytest.mark.parametrize("text", ["", '{"status": "comp', "[1]", "{}"])
def test_a_job_whose_result_cannot_be_read_is_run(tmp_path, text):
    job = completed(tmp_path / "0", PLAIN)
    (tmp_path / "0" / "result.json").write_text(text)
    row, engine = run_one(job, tmp_path)
    assert (row.status, engine.started) == ("completed", [0])


def test_the_record_of_a_lost_job_says_so(tmp_path):
    job = completed(tmp_path / "0", PLAIN, status="running")
    engine = Rehearsal({0: ["lost", "lost"]})
    Schedule([job], engine, Policy(), tmp_path / "sweep.csv", Progress()).run()
    record = RunRecord.read(tmp_path / "0")
    assert record["status"] == "failed"
    assert record["error"] == "WorkerLost: lost!"
    assert RunRecord.was_cut_off(record)


def test_the_record_of_a_job_that_timed_out_says_so(tmp_path):
    job = completed(tmp_path / "0", PLAIN, status="running")
    engine = Rehearsal({0: ["timed out"]})
    Schedule([job], engine, Policy(), tmp_path / "sweep.csv", Progress()).run()
    assert RunRecord.read(tmp_path / "0")["error"] == "TimedOut: timed out!"


# ---------------------------------------------------------------- jobs


@pytest.fixture
def compose_all(tmp_path, hydra_restore_singletons):
    """Compose jobs of a sweep into ``tmp_path/sweep``."""
    sweep = tmp_path / "sweep"

    def run(*job_overrides: list[str], always: Sequence[str] = (), first: int = 0) -> list[Job]:
        def load(overrides: list[str]):
            of_hydra = ["hydra.mode=MULTIRUN", f"hydra.sweep.dir={sweep}", *always]
            return compose_config([*of_hydra, *overrides], with_hydra=True)

        return compose_jobs(load, job_overrides, first, check_config)

    return run


def test_jobs_come_back_from_their_folders_as_they_were_written(compose_all, tmp_path):
    sweep = tmp_path / "sweep"
    jobs = compose_all(["seed=3", "name=run-${seed}"], ["model.lr=0.1", "tags=[a,b]"])
    write_jobs(jobs, sweep, {"devices": [0, 1], "timeout_min": None})
    again, settings = read_jobs(sweep, check_config)
    assert settings == {"devices": [0, 1], "timeout_min": None}
    assert [one.number for one in again] == [0, 1]
    assert [one.overrides for one in again] == [one.overrides for one in jobs]
    assert [one.plain for one in again] == [one.plain for one in jobs]
    assert (
        [one.folder for one in again] == [one.folder for one in jobs] == [sweep / "0", sweep / "1"]
    )
    assert again[0].plain["name"] == "run-3"
    for one in again:
        assert one.config.hydra.runtime.output_dir == str(one.folder)
        assert str(one.config.hydra.mode) == "RunMode.MULTIRUN"


def test_a_sweep_that_was_moved_is_read_where_it_is(compose_all, tmp_path):
    write_jobs(compose_all(["seed=1"]), tmp_path / "sweep", {})
    (tmp_path / "sweep").rename(tmp_path / "moved")
    (moved,), _ = read_jobs(tmp_path / "moved", check_config)
    assert moved.folder == tmp_path / "moved" / "0"
    assert moved.config.hydra.runtime.output_dir == str(moved.folder)


def test_a_relative_folder_is_read_as_an_absolute_one(compose_all, tmp_path, monkeypatch):
    write_jobs(compose_all(["seed=1"]), tmp_path / "sweep", {})
    monkeypatch.chdir(tmp_path)
    (one,), _ = read_jobs(Path("sweep"), check_config)
    assert one.folder == tmp_path / "sweep" / "0"


def test_files_of_hydra_may_lie_in_another_folder(compose_all, tmp_path):
    write_jobs(
        compose_all(["seed=5"], always=["hydra.output_subdir=.config"]), tmp_path / "sweep", {}
    )
    (one,), _ = read_jobs(tmp_path / "sweep", check_config)
    assert one.plain["seed"] == 5
    assert load_config(one.folder).seed == 5


def test_batches_of_a_sweeper_add_to_the_list(compose_all, tmp_path):
    write_jobs(compose_all(["seed=0"], ["seed=1"]), tmp_path / "sweep", {})
    write_jobs(compose_all(["seed=2"], ["seed=3"], first=2), tmp_path / "sweep", {"retries": 4})
    jobs, settings = read_jobs(tmp_path / "sweep", check_config)
    assert [(one.number, one.plain["seed"]) for one in jobs] == [(i, i) for i in range(4)]
    assert settings == {"retries": 4}


def test_all_problems_of_all_jobs_are_named(compose_all, tmp_path):
    with pytest.raises(InputError) as refused:
        compose_all(["model.lr=-1", "seed=-2"], ["seed=1"], ["trainer.max_epochs=0"])
    problems = refused.value.problems
    assert len(problems) == 3
    assert [problem[:5] for problem in problems] == ["job 0", "job 0", "job 2"]
    assert "job 2 (trainer.max_epochs=0): trainer.max_epochs: expected" in problems[2]
    assert not (tmp_path / "sweep").exists()


def test_jobs_that_would_share_a_folder_are_refused(compose_all):
    with pytest.raises(InputError, match=r"jobs 0, 1 would share the folder .*/same; use"):
        compose_all(["seed=0"], ["seed=1"], always=["hydra.sweep.subdir=same"])


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '{"jobs": 3, "launcher": {}}', '{"jobs": [{}], "launcher": {}}']
)
def test_a_damaged_list_of_jobs_is_refused(tmp_path, text):
    (tmp_path / "sweep.json").write_text(text)
    with pytest.raises(InputError) as refused:
        read_jobs(tmp_path, check_config)
    assert "sweep.json" in str(refused.value)


BROKEN = ("a: [1", "- 1\n- 2", "just text", "\x00")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("hydra.yaml", text) for text in BROKEN),  # when empty, Hydra's defaults stand in
        *(("config.yaml", text) for text in (*BROKEN, "", "seed: one")),
    ],
)
def test_a_damaged_config_is_refused_with_the_number_of_its_job(compose_all, tmp_path, name, text):
    write_jobs(compose_all(["seed=0"], ["seed=1"]), tmp_path / "sweep", {})
    (tmp_path / "sweep" / "1" / ".hydra" / name).write_text(text)
    with pytest.raises(InputError) as refused:
        read_jobs(tmp_path / "sweep", check_config)
    assert "job 1" in str(refused.value)


def test_a_job_whose_folder_is_gone_is_refused(compose_all, tmp_path):
    write_jobs(compose_all(["seed=0"], ["seed=1"]), tmp_path / "sweep", {})
    (tmp_path / "sweep" / "1").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="job 1"):
        read_jobs(tmp_path / "sweep", check_config)


# ---------------------------------------------------------------- cells kept between jobs


@pytest.fixture
def config(cells_file, table_file) -> dict:
    overrides = ["dataset=h5ad", f"dataset.path={cells_file}", f"table.path={table_file}"]
    return check_config(compose_config(overrides))


def is_open(path: Path) -> bool:
    open_files = (entry.resolve() for entry in Path("/proc/self/fd").iterdir() if entry.exists())
    return path.resolve() in open_files


@pytest.fixture
def cells_in_use():
    cells = CellsInUse()
    yield cells
    cells.close()


def test_the_same_cells_are_kept(cells_in_use, config, cells_file):
    cells_in_use.keep = True
    first = cells_in_use.load(config)
    cells_in_use.release()
    assert is_open(cells_file)
    assert cells_in_use.load({**config, "seed": 5}) is first


def test_cells_that_are_not_kept_are_closed(cells_in_use, config, cells_file):
    first = cells_in_use.load(config)
    assert is_open(cells_file)
    cells_in_use.release()
    assert not is_open(cells_file)
    assert cells_in_use.load(config) is not first


def test_other_cells_take_their_place(cells_in_use, config, cells_file):
    cells_in_use.keep = True
    first = cells_in_use.load(config)
    for changed in (
        {**config, "dataset": {**config["dataset"], "scale": False}},
        {**config, "dataset": {**config["dataset"], "label_key": "cell_type"}},
    ):
        assert cells_in_use.load(changed) is not first
    synthetic = check_config(compose_config(["dataset.n_cells=500"]))
    assert len(cells_in_use.load(synthetic)) == 500
    assert not is_open(cells_file)


@pytest.mark.parametrize("which", ["cells", "table"])
def test_a_changed_file_is_read_again(cells_in_use, config, cells_file, table_file, which):
    cells_in_use.keep = True
    assert len(cells_in_use.load(config)) == 600
    if which == "cells":
        new = cells_file.with_name("new.h5ad")
        small_adata(n_cells=400).write_h5ad(new)
        new.replace(cells_file)
        assert len(cells_in_use.load(config)) == 400
    else:
        table_file.write_text(table_file.read_text().replace("B cells,B cells", "Bs,B cells"))
        assert "Bs" in cells_in_use.load(config).table.populations


def test_cells_that_cannot_be_read_leave_nothing_behind(cells_in_use, config, cells_file):
    cells_in_use.keep = True
    cells_in_use.load(config)
    content = cells_file.read_bytes()
    cells_file.unlink()
    for damaged in (None, b"no h5ad"):
        if damaged is not None:
            cells_file.write_bytes(damaged)
        with pytest.raises(InputError):
            cells_in_use.load(config)
    cells_file.write_bytes(content)
    assert len(cells_in_use.load(config)) == 600


def test_a_worker_keeps_cells_and_takes_the_threads_of_its_slot(monkeypatch):
    import torch

    from scyan_exp.build import CELLS
    from scyan_exp.sweep.worker import prepare

    monkeypatch.setattr(CELLS, "keep", False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    before = torch.get_num_threads()
    try:
        prepare(Slot("cpu:0", 3, {"CUDA_VISIBLE_DEVICES": ""}))
        assert CELLS.keep
        assert torch.get_num_threads() == 3
        assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    finally:
        torch.set_num_threads(before)


def test_libraries_are_imported_before_workers_are_forked():
    """In a process of its own: this one has imported everything already."""
    program = (
        "import sys; from scyan_exp.job import TrainJob; before = set(sys.modules);"
        "TrainJob().import_libraries();"
        "print(*{'torch', 'wandb', 'anndata', 'sklearn.metrics', 'scyan_exp.build'}"
        " & (set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    imported = set(done.stdout.split())
    assert imported == {"torch", "wandb", "anndata", "sklearn.metrics", "scyan_exp.build"}
