"""Searches of real trainings in processes of their own: begun, killed, gone on with, checked."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Sequence
from contextlib import suppress

import optuna

from tests.fleet.sweeps import STEADY, TWO, Sweep, ended, no_process_is_left
from tests.search.apps import open_study, states
from tests.starting import Process

SPACE = ("model.prior_std=interval(0.2,0.4)", "model.temperature=tag(log,interval(0.25,4))")
SEARCH = ("hydra/sweeper=study", TWO, *SPACE)
#: Trials of two seconds or so, with a checkpoint every few tenths.
SHORT = (*STEADY, "dataset.n_cells=8000", "trainer.max_epochs=12")


class Search(Sweep):
    """A search in a folder.

    Args:
        sweep: where, and with which processes.
        url: of its storage, None for the file in the folder.
    """

    def __init__(self, sweep: Sweep, url: str | None) -> None:
        self.folder, self.token, self.started = sweep.folder, sweep.token, sweep.started
        self.url = url

    def begin(self, *arguments: str) -> Process:
        """Start it."""
        stored = () if self.url is None else (f"hydra.sweeper.storage='{self.url}'",)
        return self.train(*SEARCH, *stored, *arguments)

    @property
    def study(self) -> optuna.Study | None:
        """The study; None before there is one."""
        with suppress(KeyError, FileNotFoundError):
            if self.url is None and not (self.folder / "study.journal").exists():
                return None
            return open_study(self.folder, self.url)
        return None

    def finished(self) -> dict[int, tuple]:
        """What must never change again: trials that have ended, and their results."""
        kept = {}
        for trial in self.study.trials if self.study is not None else ():
            if trial.state.is_finished():
                result = (self.folder / str(trial.number) / "result.json").read_bytes()
                began_and_ended = (trial.datetime_start, trial.datetime_complete)
                values = (trial.state, trial.values, trial.intermediate_values)
                kept[trial.number] = (values, trial.params, began_and_ended, result)
        return kept

    def params(self) -> list[dict]:
        """Of all trials, in order."""
        return [] if self.study is None else [trial.params for trial in self.study.trials]


def assert_whole(search: Search, n_trials: int) -> None:
    """Exactly so many trials have ended; each number, folder and table row belongs to one."""
    study = search.study
    assert study is not None
    assert len(study.trials) == n_trials
    assert set(states(study)) <= {"COMPLETE", "PRUNED"}
    assert len({tuple(trial.params.values()) for trial in study.trials}) == n_trials
    assert [row["job"] for row in search.rows] == [str(n) for n in range(n_trials)]
    for trial in study.trials:
        assert trial.params.keys() == {"model.prior_std", "model.temperature"}
        result = search.result(trial.number)
        pruned = trial.state.name == "PRUNED"
        assert result["status"] == ("pruned" if pruned else "completed")
        assert result["objective"] == (None if pruned else trial.value)
        overrides = (search.folder / str(trial.number) / ".hydra/overrides.yaml").read_text()
        for key, value in trial.params.items():
            assert f"- {key}={value!r}\n" in overrides
    folders = {path.parent.name for path in search.folder.glob("*/result.json")}
    assert folders == {str(n) for n in range(n_trials)}
    no_process_is_left(search)


def kill_some_worker(search: Search, chance: random.Random) -> None:
    """Kill one of the processes that train, if there is any."""
    numbers = [int(path.name) for path in search.folder.glob("[0-9]*")]
    workers = [pid for number in numbers if (pid := search.worker(number)) is not None]
    if workers:
        with suppress(ProcessLookupError):
            os.kill(chance.choice(workers), signal.SIGKILL)


def go_on(search: Search, arguments: Sequence[str]) -> Process:
    """Resume a search; one that was killed before it was described begins again."""
    if (search.folder / "study.json").exists():
        return search.resume()
    return search.begin(*arguments)


def kill_and_resume(
    search: Search, arguments: Sequence[str], n_trials: int, n_kills: int, longest: float
) -> None:
    """Kill workers and sweeper at random moments; nothing that has ended may change."""
    arguments = [*arguments, f"hydra.sweeper.n_trials={n_trials}"]
    kept: dict[int, tuple] = {}
    drawn: list[dict] = []
    for i in range(n_kills):
        chance = random.Random(i)
        process = go_on(search, arguments)
        ends = time.monotonic() + chance.uniform(1, longest)
        strikes = time.monotonic() + chance.uniform(1, longest)
        while time.monotonic() < ends and process.poll() is None:
            if time.monotonic() > strikes:
                kill_some_worker(search, chance)
                strikes += chance.uniform(1, longest)
            time.sleep(0.01)
        assert process.poll() in (None, 0), process.communicate()
        process.kill()
        process.communicate()
        no_process_is_left(search)
        now, params = search.finished(), search.params()
        assert {number: now.get(number) for number in kept} == kept
        complete = [one for one in drawn if len(one) == len(SPACE)]
        assert params[: len(complete)] == complete
        assert len(params) <= n_trials
        kept, drawn = now, params
    ended(go_on(search, arguments))
    now = search.finished()
    assert {number: now.get(number) for number in kept} == kept
    assert_whole(search, n_trials)
    # One that was killed while it was asked for may have had some of its parameters.
    after = search.params()[: len(drawn)]
    assert all(old.items() <= new.items() for old, new in zip(drawn, after, strict=True))
