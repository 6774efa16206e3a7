"""When the repeats of jobs are started, and what their ends mean. Nothing is trained here."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from scyan_exp.fleet.job_config import load_config
from scyan_exp.fleet.jobs import Job
from scyan_exp.fleet.running import run_source
from scyan_exp.fleet.settings import FleetSettings
from scyan_exp.fleet.source import SweepJobs
from scyan_exp.fleet.state import JobState
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord
from tests.fleet.playing import play, statuses, table
from tests.fleet.rehearsal import Rehearsal

THREE = "repeats=3"


def leave_record(job: Job) -> float:
    """What a run leaves behind; its objective is its seed."""
    value = float(job.checked.seed)
    record = RunRecord(job.folder, job.checked.hash, job.checked.seed)
    record.end(Outcome.COMPLETED, {job.checked.objective: value}, job.checked.objective)
    return value


def engine(ends: dict | None = None, **options) -> Rehearsal:
    return Rehearsal(ends, value=leave_record, **options)


def started(rehearsal: Rehearsal) -> list[tuple[int, int | None]]:
    return [job.key for job in rehearsal.jobs]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "sweep"


def test_a_job_runs_after_its_repeats_and_fills_the_slots_with_them(compose_all, folder):
    rehearsal = engine(n_slots=2)
    (state,) = play(folder, rehearsal, compose_all([THREE, "seed=5"]))
    assert started(rehearsal) == [(0, 5), (0, 6), (0, 7), (0, None)]
    assert rehearsal.most_at_once == 2
    assert (state.status, state.value, state.seconds) == ("completed", 5.0, 4 * 2.0)
    assert len(table(folder)) == 1


def test_each_repeat_is_a_run_of_its_own_in_a_folder_of_its_own(compose_all, folder):
    rehearsal = engine()
    play(folder, rehearsal, compose_all([THREE, "seed=5", "name=mine"]))
    for job in rehearsal.jobs[:3]:
        assert job.folder == folder / "0" / f"seed_{job.repeat}"
        config = load_config(job.folder)
        assert (config.seed, config.repeats, config.name) == (
            job.repeat,
            1,
            f"mine seed={job.repeat}",
        )
        assert config.hydra.runtime.output_dir == str(job.folder)


def test_a_free_slot_takes_the_next_job_while_the_last_repeat_runs(compose_all, folder):
    rehearsal = engine(n_slots=4)
    play(folder, rehearsal, compose_all([THREE], ["seed=9"]))
    assert started(rehearsal)[:4] == [(0, 0), (0, 1), (0, 2), (1, None)]


def test_completed_repeats_are_kept(compose_all, folder):
    jobs = compose_all([THREE])
    play(folder, engine(), jobs)
    (folder / "0/result.json").unlink()
    (folder / "0/seed_1/result.json").unlink()
    rehearsal = engine()
    (state,) = play(folder, rehearsal, jobs)
    assert started(rehearsal) == [(0, 1), (0, None)]
    assert state.status == "completed"
    assert statuses(play(folder, engine(), jobs)) == ["kept"]


@pytest.mark.parametrize("outcome", ["failed", "lost", "timed out"])
def test_a_repeat_that_fails_ends_its_job_alone(compose_all, folder, outcome):
    rehearsal = engine({(0, 0): [outcome]})
    states = play(folder, rehearsal, compose_all([THREE], ["seed=9"]), retries=0)
    assert started(rehearsal) == [(0, 0), (0, 1), (1, None)]
    assert statuses(states) == [outcome, "completed"]
    assert states[0].error == f"seed 0: {outcome}!"
    record = RunRecord.read(folder / "0")
    assert (record.status, record.error) == (Outcome(outcome), f"seed 0: {outcome}!")
    assert table(folder)[0]["error"] == f"seed 0: {outcome}!"


def test_a_repeat_is_tried_again_as_a_job_is(compose_all, folder):
    rehearsal = engine({(0, 1): ["lost"]})
    (state,) = play(folder, rehearsal, compose_all([THREE]))
    assert state.status == "completed"
    assert started(rehearsal).count((0, 1)) == 2
    assert state.seconds == 5 * 2.0


def test_stop_on_failure_starts_no_further_repeat(compose_all, folder):
    rehearsal = engine({(0, 0): ["failed"]})
    jobs = compose_all([THREE], [THREE], ["seed=9"])
    states = play(folder, rehearsal, jobs, on_failure="stop")
    assert started(rehearsal) == [(0, 0), (0, 1)]
    assert statuses(states) == ["failed", "not run", "not run"]


def test_jobs_whose_repeats_a_signal_left_out_are_interrupted(compose_all, folder):
    """One has repeats that were told, the other some that never began."""
    rehearsal = engine(
        n_slots=2, at_start=lambda job: job == 1 and signal.raise_signal(signal.SIGINT)
    )
    states = play(folder, rehearsal, compose_all(["repeats=2"], [THREE], ["seed=9"]))
    assert statuses(states)[1:] == ["interrupted", "not run"]
    assert started(rehearsal)[-1] == (1, 0)


def test_the_first_repeat_of_a_search_that_prunes_runs_alone(compose_all, folder):
    prunes = ["hydra/sweeper=study", "hydra.sweeper.prunes=true"]
    rehearsal = engine(n_slots=3)
    play(folder, rehearsal, compose_all([THREE], always=prunes))
    prunes_itself = [load_config(job.folder).hydra.sweeper.prunes for job in rehearsal.jobs[:3]]
    assert started(rehearsal) == [(0, 0), (0, 1), (0, 2), (0, None)]
    assert prunes_itself == [True, False, False]
    assert rehearsal.most_at_once == 2


def test_after_a_pruned_repeat_only_the_job_is_left(compose_all, folder):
    prunes = ["hydra/sweeper=study", "hydra.sweeper.prunes=true"]
    rehearsal = engine(n_slots=3)
    rehearsal.value = lambda job: None  # as pruned runs return
    (state,) = play(folder, rehearsal, compose_all([THREE], always=prunes))
    assert started(rehearsal) == [(0, 0), (0, None)]
    assert state.status == "pruned"


# ---------------------------------------------------------------- decided before all have ended

SEARCHES = ("hydra/sweeper=study", "hydra.sweeper.prunes=true", "objective=loss", "repeats=4")


class Decided(SweepJobs):
    """Jobs that need no more repeats when the last one was above a limit.

    Args:
        jobs: the jobs.
        limit: the limit.
    """

    def __init__(self, jobs: Sequence[Job], limit: float) -> None:
        super().__init__(jobs)
        self.limit = limit
        self.seen: list[list[float]] = []

    def is_decided(self, job: Job, values: Sequence[float]) -> bool:
        self.seen.append(list(values))
        return values[-1] > self.limit


def play_decided(
    folder: Path, rehearsal: Rehearsal, jobs: Sequence[Job], limit: float, n_parallel: int = 1
) -> tuple[list[JobState], Decided]:
    source = Decided(jobs, limit)
    states, _ = run_source(
        source, rehearsal, FleetSettings(), folder, n_parallel, states=source.states
    )
    return states, source


def test_a_decided_job_ends_with_the_means_of_the_repeats_it_has(compose_all, folder):
    rehearsal = engine(n_slots=1)
    jobs = compose_all(["seed=5"], always=SEARCHES)
    (state,), source = play_decided(folder, rehearsal, jobs, limit=5.5)
    assert started(rehearsal) == [(0, 5), (0, 6)]
    assert source.seen == [[5.0], [5.0, 6.0]]
    assert (state.status, state.metrics, state.seconds) == ("pruned", {"loss": 5.5}, 2 * 2.0)
    record = RunRecord.read(folder / "0")
    assert (record.status, record.objective) == (Outcome.PRUNED, None)
    assert record.metrics == {"loss": 5.5}
    assert (record.repeats["finished"], record.repeats["missing"]) == ([5, 6], [7, 8])
    assert record.repeats["std"] == {"loss": pytest.approx(0.5**0.5)}
    (row,) = table(folder)
    assert (row["status"], row["loss"], row["objective"]) == ("pruned", "5.5", "")


def test_a_job_that_is_not_decided_has_all_its_repeats(compose_all, folder):
    rehearsal = engine(n_slots=1)
    (state,), source = play_decided(folder, rehearsal, compose_all([], always=SEARCHES), limit=9)
    assert started(rehearsal) == [(0, 0), (0, 1), (0, 2), (0, 3), (0, None)]
    assert state.status == "completed"
    assert len(source.seen) == 3  # nothing is left to decide after the last


def test_each_slot_has_a_job_of_its_own_while_there_are_jobs(compose_all, folder):
    """Else the repeats of one would run together, and none of them could be saved."""
    rehearsal = engine(n_slots=2)
    jobs = compose_all([], ["seed=10"], always=SEARCHES)
    play_decided(folder, rehearsal, jobs, limit=99, n_parallel=2)
    assert started(rehearsal)[:4] == [(0, 0), (1, 10), (0, 1), (1, 11)]
    assert rehearsal.most_at_once == 2


def test_slots_that_nobody_else_needs_take_repeats_of_the_same_job(compose_all, folder):
    rehearsal = engine(n_slots=3)
    play_decided(folder, rehearsal, compose_all([], always=SEARCHES), limit=99)
    assert started(rehearsal) == [(0, 0), (0, 1), (0, 2), (0, 3), (0, None)]
    assert rehearsal.most_at_once == 3


def test_repeats_that_run_when_the_job_is_decided_come_to_their_end(compose_all, folder):
    rehearsal = engine(n_slots=2)
    (state,), _ = play_decided(folder, rehearsal, compose_all([], always=SEARCHES), limit=0.5)
    assert started(rehearsal) == [(0, 0), (0, 1), (0, 2)]
    assert (state.status, state.metrics) == ("pruned", {"loss": 1.0})


def test_a_job_whose_last_repeats_run_when_it_is_decided_is_completed(compose_all, folder):
    rehearsal = engine(n_slots=3)
    jobs = compose_all(["repeats=3"], always=SEARCHES[:3])
    (state,), _ = play_decided(folder, rehearsal, jobs, limit=0.5)
    assert started(rehearsal) == [(0, 0), (0, 1), (0, 2), (0, None)]
    assert state.status == "completed"


def test_a_repeat_that_fails_after_the_decision_fails_the_job(compose_all, folder):
    rehearsal = engine({(0, 2): ["failed"]}, n_slots=2)
    (state,), _ = play_decided(folder, rehearsal, compose_all([], always=SEARCHES), limit=0.5)
    assert (state.status, state.error) == ("failed", "seed 2: failed!")


def test_what_was_decided_before_a_kill_is_written_when_it_goes_on(compose_all, folder):
    jobs = compose_all([], always=SEARCHES)
    play_decided(folder, engine(n_slots=1), jobs, limit=0.5)
    (folder / "0/result.json").unlink()
    rehearsal = engine(n_slots=1)
    (state,), _ = play_decided(folder, rehearsal, jobs, limit=0.5)
    assert started(rehearsal) == []
    assert (state.status, state.metrics) == ("pruned", {"loss": 0.5})
    rehearsal = engine(n_slots=1)
    (state,), source = play_decided(folder, rehearsal, jobs, limit=0.5)
    assert (started(rehearsal), source.seen, state.status) == ([], [], "pruned")
