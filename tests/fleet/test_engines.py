"""Every engine passes the suite, and is found by its name."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from scyan_exp.errors import InputError
from scyan_exp.fleet.check import check_settings
from scyan_exp.fleet.engines.base import ENGINES, Ended, Needs, Task, engine, late
from scyan_exp.fleet.jobs import Job
from scyan_exp.fleet.launch import make_engine
from scyan_exp.fleet.settings import FleetSettings
from scyan_exp.fleet.signals import SIGNALS
from scyan_exp.run.outcome import Outcome
from tests.fleet.engine_suite import EngineSuite, Make, all_ended
from tests.fleet.rehearsal import Rehearsal
from tests.fleet.tasks import SlowToBegin, act
from tests.fleet.units import job

pytestmark = [
    # Python 3.12: pytest-xdist has threads in the process that forks workers; ours has none.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


def needs(
    timeout: float | None, sweep_dir: Path = Path(), task: Task = act, **settings: object
) -> Needs:
    minutes = None if timeout is None else timeout / 60
    given = {"timeout_min": minutes, "jobs_per_device": 2, "devices": "cpu", **settings}
    return Needs(FleetSettings.model_validate(given), task, n_jobs=2, sweep_dir=sweep_dir)


class TestLocalEngine(EngineSuite):
    @pytest.fixture
    def make(self) -> Make:
        return lambda timeout: ENGINES["local"](needs(timeout))


@pytest.fixture(scope="module")
def ray_cluster(tmp_path_factory) -> Iterator[None]:
    """A cluster of this machine for all tests: Ray takes long to start."""
    ray = pytest.importorskip("ray")
    before = {number: signal.getsignal(number) for number in SIGNALS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))  # where Ray writes
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        for number, handler in before.items():  # Ray sets its own; a sweep sets others after it
            signal.signal(number, handler)
        yield
        ray.shutdown()


@pytest.mark.slow
class TestRayEngine(EngineSuite):
    @pytest.fixture
    def make(self, ray_cluster, monkeypatch) -> Make:
        monkeypatch.setattr("ray.shutdown", lambda: None)  # the cluster is that of all tests
        return lambda timeout: ENGINES["ray"](needs(timeout, engine="ray"))

    def test_time_counts_from_when_a_job_begins(self, make, jobs):
        """A process that starts slowly, or waits for other users, takes nothing from a job."""
        engine = ENGINES["ray"](needs(2.0, engine="ray", task=SlowToBegin(3.0)))
        (job,) = jobs("return")
        engine.submit(job)
        (ended,) = all_ended(engine, 1)
        assert (ended.outcome, ended.value) == (Outcome.COMPLETED, 0.5)
        assert 0 < ended.seconds < 2


@pytest.mark.slow
class TestSlurmEngine(EngineSuite):
    @pytest.fixture
    def make(self, slurm, tmp_path) -> Make:
        two = {"engine": "slurm", "jobs_per_device": 1, "slurm": {"ask_every_s": 0.5}}
        return lambda timeout: ENGINES["slurm"](needs(timeout, tmp_path / "sweep", **two))


class TestRehearsal(EngineSuite):
    """What the tests of the schedule rely on behaves as an engine does."""

    @pytest.fixture
    def make(self) -> Make:
        return Actor


class Actor(Rehearsal):
    """Rehearses the tasks of ``tasks.py``."""

    ENDS = {
        "raise": (Outcome.FAILED, "ValueError: first line"),
        "exit": (Outcome.FAILED, "SystemExit: 3"),
        "die": (Outcome.LOST, "lost!"),
    }

    def __init__(self, timeout: float | None) -> None:
        super().__init__(at_start=self._begin)
        self.timeout = timeout

    def wait(self, seconds: float) -> list[Ended]:
        acted = [(job, self._act(job)) for job in self.running]
        self.running = [job for job, ended in acted if ended is None]
        return [ended for _, ended in acted if ended is not None]

    def _begin(self, number: int) -> None:
        (self.running[-1].folder / "began").touch()

    def _act(self, job: Job) -> Ended | None:
        outcome, error = self.ENDS.get(job.config.does, (Outcome.COMPLETED, None))
        if self.killed:
            outcome, error = Outcome.LOST, "killed"
        elif job.config.does == "sleep":
            if job.number in self.told:
                (job.folder / "saved").touch()
                outcome, error = Outcome.INTERRUPTED, "interrupted"
            elif self.timeout is not None:
                outcome, error = Outcome.TIMED_OUT, late(self.timeout)
            else:
                return None
        value = job.config.value if outcome == Outcome.COMPLETED else None
        return Ended(job, outcome, value, error, 1.0, "here")


# ---------------------------------------------------------------- by name


def test_engines_are_found_by_the_names_of_their_files():
    assert list(ENGINES) == ["local", "ray", "slurm"]


def test_an_engine_of_a_new_file_is_chosen_by_its_name(monkeypatch, tmp_path):
    made: list[Needs] = []
    monkeypatch.setattr(ENGINES, "_parts", dict(ENGINES))  # the registry is everybody's

    @engine("mine")
    def make(needs: Needs) -> Rehearsal:
        made.append(needs)
        return Rehearsal()

    settings = check_settings({"engine": "mine", "retries": 3})
    jobs = [job(0), job(1, repeats=4)]
    assert isinstance(make_engine(jobs, settings, act, tmp_path), Rehearsal)
    assert made == [Needs(settings, act, wants_gpu=False, n_jobs=5, sweep_dir=tmp_path)]


def test_the_local_engine_has_no_more_slots_than_there_are_jobs(tmp_path):
    settings = FleetSettings(devices="cpu", jobs_per_device=8)
    assert make_engine([job(0), job(1)], settings, act, tmp_path).n_slots == 2
    assert make_engine([job(0)], settings, act, tmp_path, 20).n_slots == 8


def test_ray_that_is_not_installed_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"engine=ray: Ray is not installed; pip install 'scyan"):
        make_engine([job(0)], FleetSettings(engine="ray"), act, tmp_path)
