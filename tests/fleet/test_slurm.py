"""What only a Slurm cluster does: preemption, refusals, shares of GPUs, launchers of their own."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scyan_exp.errors import InputError
from scyan_exp.fleet.check import check_settings
from scyan_exp.fleet.engines.base import Needs
from scyan_exp.fleet.engines.slurm import SlurmEngine, mailbox
from scyan_exp.fleet.engines.slurm.commands import call, living
from scyan_exp.fleet.engines.slurm.crew import require_none_left
from scyan_exp.fleet.engines.slurm.cut_off import AT_LIMIT, AT_ONCE, CutOff
from scyan_exp.fleet.engines.slurm.mailbox import Mailbox
from scyan_exp.fleet.engines.slurm.names import foremen_name
from scyan_exp.fleet.engines.slurm.shift import Shift
from scyan_exp.run.folder import SweepFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord
from tests.fleet.engine_suite import AtWork, all_ended
from tests.fleet.rehearsal import Rehearsal
from tests.fleet.sweeps import (
    ENDLESS,
    FOUR,
    QUICK,
    STEADY,
    Sweep,
    assert_same_training,
    ended,
    shared,
    until,
)
from tests.fleet.tasks import act
from tests.run.test_wandb import history, runs_of
from tests.slurm_cluster import GPU

SLURM = ("hydra.launcher.engine=slurm", "hydra.launcher.slurm.ask_every_s=1")


@pytest.fixture
def make(slurm, tmp_path) -> Iterator[Callable[..., SlurmEngine]]:
    """Engines of the sweep ``sweep``."""
    made: list[SlurmEngine] = []

    def make(n_jobs: int = 2, wants_gpu: bool = False, **of_slurm: object) -> SlurmEngine:
        settings = {"engine": "slurm", "slurm": {"ask_every_s": 0.5, **of_slurm}}
        needs = Needs(check_settings(settings), act, wants_gpu, n_jobs, tmp_path / "sweep")
        made.append(SlurmEngine(needs))
        return made[-1]

    yield make
    for one in made:
        one.close()


def scripts(sweep: Path) -> list[str]:
    """What was submitted."""
    return [path.read_text() for path in (sweep / ".slurm").glob("[0-9]*_submission.sh")]


@pytest.mark.slow
def test_a_sweep_is_that_of_this_machine_and_shares_a_slurm_job(sweep, slurm, two_jobs):
    ended(sweep.train(*QUICK, *SLURM, "hydra.launcher.slurm.n_parallel=1", "seed=0,1"))
    assert sweep.statuses == ["completed"] * 2
    for job in (0, 1):
        assert_same_training(sweep.folder / str(job), two_jobs.folder / str(job))
    assert len(scripts(sweep.folder)) == 1
    assert sweep.rows[0]["device"] == f"cpu:0@{socket.gethostname()}"


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"partition": "nope"}, "Slurm refused the job: invalid partition specified: nope"),
        ({"cpus_per_task": 99}, r"Slurm refused the job: .* See hydra.launcher.slurm.\*"),
        ({"additional_parameters": {"constraint": "fpga"}}, "Slurm refused the job: .*feature"),
    ],
)
def test_what_slurm_would_refuse_is_told_before_anything_is_written(make, tmp_path, asked, said):
    with pytest.raises(InputError, match=said):
        make(**asked)
    assert not list(tmp_path.iterdir())


def test_a_machine_without_slurm_is_told_where_to_go(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"engine=slurm: no sbatch, .* on this machine; run it on"):
        SlurmEngine(Needs(check_settings({"engine": "slurm"}), act))


def test_submitit_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"submitit is not installed; pip install 'scyan_exp\[sl"):
        SlurmEngine(Needs(check_settings({"engine": "slurm"}), act))


def test_a_sweep_of_another_program_is_not_detached(slurm, tmp_path):
    from scyan_exp.fleet.launch import make_engine
    from tests.fleet.units import job

    fleet = check_settings({"engine": "slurm", "slurm": {"detach": True}})
    with pytest.raises(InputError, match=r"slurm\.detach: only sweeps started with"):
        make_engine([job(0)], fleet, act, tmp_path)


@pytest.mark.slow
def test_slurm_jobs_that_never_begin_to_work_end_the_sweep(make, jobs):
    engine = make(n_jobs=1, setup=["echo no such module >&2", "exit 3"])
    engine.submit(*jobs("return"))
    with pytest.raises(InputError, match=r"(?s)end before they start .*exit code 3:0.* no such mo"):
        all_ended(engine, 1)


# ---------------------------------------------------------------- sharing


@pytest.mark.slow
def test_jobs_of_one_slurm_job_get_a_share_of_a_gpu_each(make, jobs, tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)  # Slurm names them
    engine = make(wants_gpu=True, gpus_per_node=f"{GPU}:2")
    ends = all_ended(AtWork(engine, jobs("meet", "meet")), 2)
    node = socket.gethostname()
    assert {one.device for one in ends} == {f"gpu:0@{node}", f"gpu:1@{node}"}
    (script,) = scripts(tmp_path / "sweep")
    assert f"#SBATCH --gpus-per-node={GPU}:2\n" in script


@pytest.mark.slow
def test_a_slurm_job_runs_no_more_jobs_than_it_may(make, jobs, tmp_path):
    engine = make(n_parallel=1, jobs_per_allocation=1)
    for job in jobs("return", "return"):
        engine.submit(job)
    assert [one.value for one in all_ended(engine, 2)] == [0.5, 1.5]
    assert len(scripts(tmp_path / "sweep")) == 2


# ---------------------------------------------------------------- ends


@pytest.mark.slow
def test_a_slurm_job_that_came_after_its_launcher_was_killed_ends_with_the_sweep(
    make, jobs, slurm, tmp_path
):
    engine = make(n_parallel=1)
    all_ended(AtWork(engine, jobs("return")), 1)
    name = foremen_name(SweepFolder(tmp_path / "sweep").slurm)
    late = call("sbatch", "--parsable", f"--job-name={name}", "--wrap=sleep 600").strip()
    assert late in living(name)
    engine.close()
    until(lambda: not living(name), what="all Slurm jobs of the sweep end")


@pytest.mark.slow
def test_a_cancelled_slurm_job_loses_its_job_alone(make, jobs, slurm, tmp_path):
    engine = AtWork(make(n_parallel=2), jobs("sleep", "meet"))
    with pytest.raises(InputError, match=r"Slurm jobs of this sweep are still there: .*scancel"):
        require_none_left(tmp_path / "sweep")
    boxes = [Mailbox(path.parent, "launcher") for path in tmp_path.glob("sweep/.slurm/*/in.jsonl")]
    told = [(box.told(), box) for box in boxes]
    (job_id,) = [letters[0]["job_id"] for letters, _ in told if "sweep/0" in str(letters)]
    slurm.command("scancel", job_id)
    lost, completed = all_ended(engine, 2)
    assert (lost.outcome, completed.outcome) == (Outcome.LOST, Outcome.COMPLETED)
    assert lost.error == f"its Slurm job {job_id} ended: CANCELLED"
    assert (lost.job.folder / "saved").exists()


@pytest.fixture
def signals() -> Iterator[None]:
    """Those of Slurm are given back."""
    before = {number: signal.getsignal(number) for number in (AT_LIMIT, AT_ONCE)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def uncut(tmp_path_factory) -> Sweep:
    """Jobs of ``STEADY`` that were left alone."""
    return shared(tmp_path_factory, "uncut", [*STEADY, FOUR, "seed=0,1,2,3"])


#: Epochs that last longer than Slurm needs to preempt a job, which may be three seconds.
MANY = 50


@pytest.fixture(scope="module")
def long_uncut(tmp_path_factory) -> Sweep:
    """A job of many epochs that was left alone."""
    return shared(tmp_path_factory, "long", [*STEADY, f"trainer.max_epochs={MANY}", "seed=0"])


@pytest.mark.slow
@pytest.mark.parametrize("cluster", ["slurm", "gentle_slurm"])
def test_a_preempted_job_saves_and_goes_on_in_the_queue(sweep, long_uncut, request, cluster):
    slurm = request.getfixturevalue(cluster)
    arguments = [one for one in STEADY if not one.startswith("logger")]
    arguments.append(f"trainer.max_epochs={MANY}")
    process = sweep.train(*arguments, *SLURM, "seed=0")
    until(lambda: sweep.epochs(0) > 1, process)
    slurm.command("sbatch", "--partition=urgent", "--cpus-per-task=4", "--wrap=true", "-o/dev/null")
    until(lambda: "PENDING" in slurm.jobs().values() and len(slurm.jobs()) == 1, process)
    before = sweep.result(0)
    assert before["status"] == "interrupted"
    (job_id,) = slurm.jobs()
    slurm.start(job_id)
    ended(process)
    assert sweep.statuses == ["completed"]
    assert "Continuing from" in sweep.log(0)
    assert_same_training(sweep.folder / "0", long_uncut.folder / "0")
    logs = runs_of(sweep.folder / "0")
    assert {path.stem for path in logs} == {f"run-{before['wandb_run_id']}"}
    assert sweep.result(0)["wandb_run_id"] == before["wandb_run_id"]
    rows = [row["epoch"] for path in logs for row in history(path)]
    if slurm.spares_others:  # else Slurm has ended W&B's own process, which writes the rows
        assert rows == list(range(MANY))
    assert 0 < rows.index(MANY - 1) < MANY


@pytest.mark.slow
def test_a_job_at_the_time_limit_saves_and_comes_back_as_often_as_it_may(make, jobs, slurm):
    engine = make(n_jobs=1, time=1, signal_delay_s=40, max_requeues=0)
    at_work = AtWork(engine, jobs("sleep"))
    until(lambda: at_work.wait(0.2) == [] and "PENDING" in slurm.jobs().values())
    (job_id,) = slurm.jobs()
    slurm.start(job_id)
    (end,) = all_ended(at_work, 1)
    assert (end.outcome, end.error) == (
        Outcome.TIMED_OUT,
        "Slurm ended its job 1 times while it ran",
    )
    assert (end.job.folder / "saved").exists()


def test_a_job_that_fails_as_it_is_cut_off_goes_on(tmp_path, signals):
    record = RunRecord(tmp_path, "hash", seed=0)
    box = Mailbox(tmp_path / "box", "launcher")
    box.create()
    box.tell(mailbox.RUN, id=0, folder=str(tmp_path))
    statuses = []

    def fail(number: int) -> None:
        """As when W&B's process hears the signal too."""
        record.fail(Outcome.FAILED, "ConnectionResetError: Connection lost")
        os.kill(os.getpid(), AT_ONCE)

    def start(number: int) -> None:
        statuses.append(RunRecord.read(tmp_path).status)

    def work(engine: Rehearsal) -> Shift:
        shift = Shift(Mailbox(box.folder, "foreman"), engine, CutOff(delay=60), "here")
        shift.work()
        return shift

    assert work(Rehearsal({0: ["failed"]}, at_start=fail)).open == {0: tmp_path}
    cut = RunRecord.read(tmp_path)
    assert (cut.status, cut.error) == (
        Outcome.INTERRUPTED,
        "cut off by Slurm (ConnectionResetError: Connection lost)",
    )
    record.fail(Outcome.FAILED, "and nobody was left to see it")
    box.tell(mailbox.LEAVE)
    assert work(Rehearsal(at_start=start)).open == {}
    assert statuses == [Outcome.INTERRUPTED]
    kinds = [letter["kind"] for letter in box.new()]
    assert kinds == [mailbox.BEGAN, mailbox.BEGAN, mailbox.ENDED]


@pytest.mark.slow
def test_a_detached_sweep_is_told_of_stopped_and_gone_on_with(sweep, slurm, scyan_exp):
    output = ended(sweep.train(*ENDLESS, *SLURM, "hydra.launcher.slurm.detach=true", "seed=0,1"))
    job_id = output.partition("Slurm job ")[2].partition(" ")[0]
    until(lambda: sweep.epochs(0) > 0 and sweep.epochs(1) > 0)
    told = ended(sweep.resume(), code=2)
    assert f"Slurm job {job_id} (RUNNING) runs this sweep." in told
    assert scyan_exp("ls", str(sweep.folder))[1].count("running") == 2
    slurm.command("scontrol", "requeue", job_id)  # as at its time limit: the jobs go on
    until(lambda: slurm.jobs().get(job_id) == "PENDING")
    slurm.start(job_id)
    done = sweep.epochs(0)
    until(lambda: slurm.jobs().get(job_id) == "RUNNING" and sweep.epochs(0) > done)
    until(lambda: (sweep.folder / ".slurm" / f"{job_id}_0_log.out").read_text().count("2 jobs") > 1)
    slurm.command("scancel", job_id)
    until(lambda: not slurm.jobs())
    assert sweep.statuses == ["interrupted"] * 2
    done = sweep.epochs(0)
    process = sweep.resume("slurm.detach=false")
    until(lambda: sweep.epochs(0) > done, process)
    process.send_signal(signal.SIGINT)
    ended(process, code=130)
