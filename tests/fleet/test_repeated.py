"""Jobs with repeats on the fleet: their repeats spread over the slots, are kept, and fail."""

from __future__ import annotations

import json
import shutil
import signal

import pytest

from tests.fleet.repeated import (
    assert_same_consensus,
    assert_same_jobs,
    repeats_in,
    result,
    trained,
)
from tests.fleet.sweeps import (
    ENDLESS,
    FOUR,
    PATIENCE,
    QUICK,
    STEADY,
    TWO,
    Sweep,
    assert_same_training,
    ended,
    no_process_is_left,
    shared,
    until,
)
from tests.run.test_wandb import inspect, runs_of, summary

#: Two jobs of three repeats.
THREE = ("repeats=3", "seed=0,10")


@pytest.fixture(scope="module")
def through(tmp_path_factory) -> Sweep:
    """Two quick jobs of three repeats each, four at a time."""
    return shared(tmp_path_factory, "repeats", [*QUICK, FOUR, *THREE])


# ---------------------------------------------------------------- sweeps that run through


def test_the_sweep_has_a_row_a_job_with_the_seconds_of_all_its_repeats(through):
    assert [row["job"] for row in through.rows] == ["0", "1"]
    assert through.statuses == ["completed", "completed"]
    for job, row in enumerate(through.rows):
        record = through.result(job)
        assert float(row["objective"]) == pytest.approx(record["objective"])
        assert row["overrides"].endswith(f"seed={10 * job}")
        assert float(row["seconds"]) > record["fit_seconds"]
        assert row["device"].startswith("cpu:")
        assert [one["seed"] for one in record["repeats"]["members"]] == [
            10 * job + i for i in range(3)
        ]
    output = through.folder.with_name("output.txt").read_text()
    assert "2 jobs, 4 at a time" in output
    assert "Traceback" not in output
    no_process_is_left(through, seconds=0)


def test_results_are_those_of_repeats_one_after_the_other(through, make_sweep, scyan_exp):
    basic = make_sweep("basic")
    code, output = scyan_exp("train", "-m", *QUICK, *THREE, f"hydra.sweep.dir={basic.folder}")
    assert code == 0, output
    assert len(repeats_in(through)) == 6
    assert_same_training(basic.folder / "1/seed_12", through.folder / "1/seed_12")
    for job in range(2):
        assert_same_consensus(through.folder / str(job), basic.folder / str(job))
        names = {path.name for path in (through.folder / str(job)).iterdir()}
        assert names == {path.name for path in (basic.folder / str(job)).iterdir()}


def test_each_training_is_a_run_with_a_log_of_its_own(through):
    for folder in repeats_in(through):
        record = result(folder)
        assert (record["status"], f"seed_{record['seed']}") == ("completed", folder.name)
        assert (folder / "annotated.h5ad").exists()
        assert (folder / "train.log").read_text().count("Results: ") == 1
    for job in range(2):
        assert through.log(job).count("completed earlier") == 3


@pytest.mark.slow  # what is started when: test_repeats_schedule.py
def test_repeats_of_one_job_fill_the_slots(sweep):
    """Two of the three run at a time, each in a process of its own."""
    process = sweep.train(*ENDLESS, TWO, "repeats=3", "seed=0")
    until(lambda: min(sweep.epochs("0/seed_0"), sweep.epochs("0/seed_1")) > 0, process)
    workers = {sweep.worker("0/seed_0"), sweep.worker("0/seed_1")}
    assert None not in workers
    assert len(workers) == 2
    assert not (sweep.folder / "0/seed_2").exists()
    process.send_signal(signal.SIGINT)
    ended(process, code=130)
    assert sweep.statuses == ["interrupted"]
    no_process_is_left(sweep)


@pytest.mark.slow
def test_single_runs_and_runs_with_repeats_make_one_sweep(sweep, through):
    ended(sweep.train(*QUICK, TWO, "seed=10", "repeats=1,3"))
    assert sweep.statuses == ["completed", "completed"]
    assert sweep.result(0)["repeats"] is None
    assert_same_training(sweep.folder / "0", through.folder / "1/seed_10")
    assert_same_consensus(sweep.folder / "1", through.folder / "1")


@pytest.mark.slow
def test_wandb_runs_are_called_as_without_the_fleet(make_sweep):
    arguments = [one for one in QUICK if not one.startswith("logger")]
    arguments += ["repeats=2", "seed=0", "model.lr=0.00012345678901"]
    names = {}
    for launcher in ("fleet", "basic"):
        sweep = make_sweep(launcher)
        ended(sweep.train(*arguments, "logger=wandb", launcher=launcher))
        names[launcher] = []
        for folder in (sweep.folder / "0", *repeats_in(sweep)):
            (path,) = runs_of(folder)
            seen = summary(path)
            assert seen["run_id"] == result(folder)["wandb_run_id"]
            names[launcher].append(seen["name"])
            (run,) = [r for r in map(json.loads, inspect(path).splitlines()) if r["type"] == "run"]
            assert run["run"]["run_group"] == launcher
    assert names["fleet"] == names["basic"]
    assert [name.rpartition(" ")[2] for name in names["fleet"][1:]] == ["seed=0", "seed=1"]


@pytest.mark.slow
def test_repeats_are_tasks_of_ray(sweep, through, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    environment = {"HOME": str(tmp_path), "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    for name, value in environment.items():  # Ray writes to the home folder
        monkeypatch.setenv(name, value)
    ray = ["hydra.launcher.engine=ray", "+hydra.launcher.ray.init.num_cpus=2"]
    ended(sweep.train(*QUICK, *ray, "repeats=3", "seed=0"), timeout=2 * PATIENCE)
    assert sweep.statuses == ["completed"]
    assert_same_consensus(sweep.folder / "0", through.folder / "0")


# ---------------------------------------------------------------- sweeps that are there already


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["fleet", pytest.param("basic", marks=pytest.mark.slow)])
def test_the_same_command_again_trains_nothing_that_is_there(through, sweep, launcher):
    shutil.copytree(through.folder, sweep.folder)
    (sweep.folder / "0/result.json").unlink()
    shutil.rmtree(sweep.folder / "1")
    before = trained(sweep)
    assert len(before) == 3
    ended(sweep.train(*QUICK, *THREE, launcher=launcher))
    after = trained(sweep)
    assert {folder: after[folder] for folder in before} == before
    assert_same_jobs(sweep, through)


@pytest.mark.slow
def test_a_completed_sweep_is_kept_and_a_moved_one_goes_on(through, make_sweep):
    moved = make_sweep("moved")
    shutil.copytree(through.folder, moved.folder)
    output = ended(moved.resume())
    assert "2 of 2 jobs are completed already" in output
    assert moved.statuses == ["kept", "kept"]
    shutil.rmtree(moved.folder / "1/seed_11")
    (moved.folder / "1/result.json").unlink()
    before = trained(moved)
    ended(moved.resume())
    assert moved.statuses == ["kept", "completed"]
    after = trained(moved)
    assert {folder: after[folder] for folder in before} == before
    assert_same_jobs(moved, through)


# ---------------------------------------------------------------- failures


@pytest.mark.slow
def test_a_training_that_fails_fails_its_job_alone_and_only_it_is_run_again(sweep, through):
    obstacle = sweep.folder / "0/seed_1/checkpoints"
    obstacle.parent.mkdir(parents=True)
    obstacle.write_text("where a folder must be")
    output = ended(sweep.train(*QUICK, TWO, *THREE), code=1)
    assert sweep.statuses == ["failed", "completed"]
    assert sweep.rows[0]["error"].startswith("seed 1: ")
    assert f"job 0: {sweep.rows[0]['error']}" in output
    assert "1 of 2 jobs failed (0)" in output
    assert_same_consensus(sweep.folder / "1", through.folder / "1")
    no_process_is_left(sweep)

    obstacle.unlink()
    before = trained(sweep)
    assert sweep.folder / "0/seed_0" in before
    ended(sweep.resume())
    assert sweep.statuses == ["completed", "kept"]
    after = trained(sweep)
    assert {folder: after[folder] for folder in before} == before
    assert_same_jobs(sweep, through)


@pytest.mark.slow  # what is started when: test_repeats_schedule.py
def test_a_job_whose_training_failed_says_so_in_its_record(sweep):
    """As it does without the fleet."""
    ended(sweep.train(*QUICK, FOUR, "repeats=2", "model.lr=0.001,1e30"), code=1)
    assert sweep.statuses == ["completed", "failed"]
    assert "TrainingDiverged: the loss became" in sweep.rows[1]["error"]
    assert sweep.result(0)["status"] == "completed"
    record = sweep.result(1)
    assert record["status"] == "failed"
    assert "loss became" in record["error"]
    assert record["objective"] is None


@pytest.mark.slow
def test_results_of_an_earlier_sweep_do_not_speak_for_a_job_that_fails_now(sweep):
    """A job's folder used again must not show the results of another config."""
    ended(sweep.train(*QUICK, FOUR, "repeats=2", "seed=0"))
    ended(sweep.train(*QUICK, FOUR, "repeats=2", "seed=0", "model.lr=1e30"), code=1)
    assert sweep.statuses == ["failed"]
    folder = sweep.folder / "0"
    assert not (folder / "result.json").exists() or result(folder)["status"] == "failed"
    assert not (folder / "annotated.h5ad").exists()


@pytest.mark.slow
def test_errors_of_repeats_are_tried_again_when_asked_to(sweep):
    arguments = [*QUICK, "model.lr=1e30", "hydra.launcher.error_retries=1"]
    output = ended(sweep.train(*arguments, "hydra.launcher.jobs_per_device=1", "repeats=2"), code=1)
    assert output.count("trying again") == 1
    assert (sweep.folder / "0/seed_0/train.log").read_text().count("the run failed") == 2
    assert not (sweep.folder / "0/seed_1").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "slots",
    [
        FOUR,
        pytest.param(TWO, marks=pytest.mark.slow),
        pytest.param("hydra.launcher.jobs_per_device=1", marks=pytest.mark.slow),
    ],
)
def test_on_failure_stop_lets_running_repeats_end_and_starts_no_more(sweep, slots):
    stop = "hydra.launcher.on_failure=stop"
    arguments = [*STEADY, "repeats=2", "model.lr=1e30,0.001,0.002,0.003", slots, stop]
    output = ended(sweep.train(*arguments), code=1)
    assert "Traceback" not in output
    assert sweep.statuses[0] == "failed"
    assert set(sweep.statuses[2:]) == {"not run"}
    assert not (sweep.folder / "3" / "result.json").exists()
    no_process_is_left(sweep)
    for folder in trained(sweep):
        assert (folder / "annotated.h5ad").exists()
