"""Grids and searches that are killed at random moments, on every engine: ``make kills``.

``make kills ENGINE=slurm KILLS=20`` strikes one engine as often. It takes minutes to an hour, so
that neither ``make test`` nor ``make test-slow`` runs it.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.fleet.sweeps import (
    FOUR,
    STEADY,
    Sweep,
    assert_same_training,
    no_process_is_left,
    shared,
)
from tests.fleet.test_engine_sweeps import engine, ray_home
from tests.search.searches import SHORT, SPACE, Search, assert_whole
from tests.starting import Process

__all__ = ["engine", "ray_home"]

pytestmark = pytest.mark.kills
N_KILLS = int(os.environ.get("KILLS", "100"))
#: Seconds between two blows. Ray alone takes ten to start on a busy machine.
SHORTEST, LONGEST = 0.3, 12.0
LONGEST_ON = {"ray": 30.0}
#: So many that several blows meet one sweep, whose start they do not reach.
N_JOBS, N_TRIALS = 12, 12
#: Seconds after which a killed launcher's processes must be gone. Ray's agents that have just been
#: started wait a minute for the others of their node, which are gone.
GONE = {"ray": 120, "local": 60}
SEEDS = "seed=" + ",".join(map(str, range(N_JOBS)))
#: Commands after which one that never ends is given up.
MOST_COMMANDS = 100


class Killer:
    """Kills launchers and workers of commands, and lets them be gone on with until they end.

    Args:
        chance: decides whom and when.
        n_left: blows that are left.
        longest: seconds between two blows, at most.
        gone_s: seconds after which its processes must be gone; None where jobs outlive their
            launcher, as those of Slurm do.
    """

    def __init__(
        self, chance: random.Random, n_left: int, longest: float, gone_s: float | None
    ) -> None:
        self.chance, self.n_left, self.longest, self.gone_s = chance, n_left, longest, gone_s
        self.n_launchers = self.n_workers = 0

    def until_it_ends(
        self, sweep: Sweep, go_on: Callable[[], Process], kept: Callable[[], dict[int, tuple]]
    ) -> None:
        """Begin, kill and go on; what is finished may never change.

        Args:
            sweep: what is killed.
            go_on: starts a command.
            kept: results of what is finished, by number.
        """
        finished: dict[int, tuple] = {}
        for _ in range(MOST_COMMANDS):
            process = go_on()
            was_killed, lost = self._strike(sweep, process)
            output = "".join(process.communicate())
            if self.gone_s is not None or not was_killed:
                no_process_is_left(sweep, self.gone_s or 60)
            now = kept()
            assert {number: now.get(number) for number in finished} == finished, output
            finished = now
            assert "Traceback" not in output, output
            if not was_killed:
                # A job whose worker was killed too often is lost, and run by the next command.
                assert process.returncode == 0 or (lost and process.returncode == 1), output
                if process.returncode == 0:
                    return
        raise AssertionError(f"not ended by {MOST_COMMANDS} commands: {output}")

    def _strike(self, sweep: Sweep, process: Process) -> tuple[bool, bool]:
        """Kill until the command ends: whether its launcher was killed, and any worker."""
        lost = False
        while True:
            moment = time.monotonic() + self.chance.uniform(SHORTEST, self.longest)
            while process.poll() is None and (time.monotonic() < moment or self.n_left == 0):
                time.sleep(0.01)
            if process.poll() is not None:
                return False, lost
            workers = [pid for job in range(N_JOBS) if (pid := sweep.worker(job)) is not None]
            if workers and self.chance.random() < 0.5:
                with suppress(ProcessLookupError):
                    os.kill(self.chance.choice(workers), signal.SIGKILL)
                    self.n_left, self.n_workers, lost = self.n_left - 1, self.n_workers + 1, True
                continue
            process.kill()
            self.n_left, self.n_launchers = self.n_left - 1, self.n_launchers + 1
            return True, lost


@pytest.fixture(scope="module")
def uncut(tmp_path_factory) -> Sweep:
    """The grid, left alone."""
    return shared(tmp_path_factory, "left_alone", [*STEADY, FOUR, SEEDS])


def test_random_kills_lose_nothing(make_sweep, engine, uncut, capsys):
    name = next((one.split("=")[1] for one in engine if ".engine=" in one), "local")
    longest = LONGEST_ON.get(name, LONGEST)
    killer = Killer(random.Random(0), N_KILLS, longest, GONE.get(name))
    n_grids = n_searches = 0

    def tell() -> None:
        with capsys.disabled():
            print(
                f"\n{name}: {killer.n_launchers} launchers and {killer.n_workers} workers killed "
                f"over {n_grids} grids and {n_searches} searches: nothing lost, repeated or left "
                "behind",
                flush=True,
            )

    while killer.n_left:
        _grid(killer, make_sweep(f"grid{n_grids}"), engine, uncut)
        n_grids += 1
        tell()  # each time, so that one that is cut off says how far it came
        if killer.n_left:
            _search(killer, Search(make_sweep(f"search{n_searches}"), None), engine)
            n_searches += 1
            tell()


def _grid(killer: Killer, sweep: Sweep, engine: tuple[str, ...], uncut: Sweep) -> None:
    def go_on() -> Process:
        has_jobs = (sweep.folder / "sweep.json").exists()
        return sweep.resume() if has_jobs else sweep.train(*STEADY, *engine, SEEDS)

    killer.until_it_ends(sweep, go_on, sweep.completed)
    assert set(sweep.statuses) <= {"completed", "kept"}
    assert len(sweep.completed()) == len(sweep.rows) == N_JOBS
    for job in range(N_JOBS):
        assert_same_training(sweep.folder / str(job), uncut.folder / str(job))


def _search(killer: Killer, search: Search, engine: tuple[str, ...]) -> None:
    drawn: list[dict] = []

    def go_on() -> Process:
        if (search.folder / "study.json").exists():
            return search.resume()
        return search.begin(*SHORT, *engine, f"hydra.sweeper.n_trials={N_TRIALS}")

    def finished() -> dict[int, tuple]:
        nonlocal drawn
        params = search.params()
        complete = [one for one in drawn if len(one) == len(SPACE)]
        assert params[: len(complete)] == complete
        drawn = params
        return search.finished()

    killer.until_it_ends(search, go_on, finished)
    assert_whole(search, N_TRIALS)
