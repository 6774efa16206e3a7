"""What a large sweep costs before its first job, for each job, and when it is resumed.

Seconds from Enter until the first job has begun are those of the whole command, in a process of its
own; beside them those of importing what jobs need, which any command takes. CPU seconds say what a
machine with nothing else to do would take.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from scyan_exp.fleet.jobs import Job, Kept
from scyan_exp.fleet.manifest import read_jobs
from scyan_exp.fleet.state import JobState
from scyan_exp.fleet.table import Table
from scyan_exp.run.folder import RunFolder, SweepFolder
from scyan_exp.run.job import TrainJob
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord

#: A grid of three axes; the seeds make it as large as it is wanted.
AXES = ("model.prior_std=0.1,0.2,0.3,0.4,0.5", "model.temperature=0.5,1")
QUICK = (
    *("dataset.n_cells=600", "flow=shallow", "trainer.max_epochs=2", "callbacks=none"),
    *("logger=none", "figures.draw=none", "report=false", "hydra/launcher=fleet"),
)
#: Jobs that Hydra composes one by one, for comparison.
N_BY_HYDRA = 50
N_MISSING = 10
IMPORTS = "import scyan_exp.cli.train; from scyan_exp.run.job import TrainJob as T; "


def measure_start(sizes: Sequence[int] = (100, 1_000, 10_000)) -> list[dict[str, Any]]:
    """A row a size."""
    imports = _imports()
    return [{"jobs": n, **imports, **_composed(n), **_started(n), **_rows(n)} for n in sizes]


def _imports() -> dict[str, float]:
    """Seconds of importing what jobs need: the best of three processes of their own."""
    measured = []
    for _ in range(3):
        before, begun = _cpu_of_children(), time.perf_counter()
        subprocess.run([sys.executable, "-c", f"{IMPORTS}T().import_libraries()"], check=True)
        measured.append((time.perf_counter() - begun, _cpu_of_children() - before))
    seconds, cpu = min(measured)
    return {"import_s": seconds, "import_cpu_s": cpu}


def _composed(n_jobs: int) -> dict[str, float]:
    """Composing and checking in a process of its own: jobs a second, and memory of each."""
    program = (
        f"import json; from benchmarks.start import compose; print(json.dumps(compose({n_jobs})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def compose(n_jobs: int) -> dict[str, float]:
    """Compose the jobs of a grid, and some of them by Hydra alone, in this process."""
    import warnings

    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode

    from scyan_exp.config.compose import configs_folder
    from scyan_exp.fleet.grid import compose_grid
    from scyan_exp.fleet.jobs import compose_jobs

    warnings.simplefilter("ignore")
    jobs = [
        [*QUICK[:-1], f"model.prior_std=0.{p}", f"model.temperature={t}", f"seed={seed}"]
        for p in range(1, 6)
        for t in (0.5, 1)
        for seed in range(n_jobs // 10)
    ]
    with initialize_config_dir(str(configs_folder()), version_base="1.3", job_name="train"):
        loader = GlobalHydra.instance().hydra.config_loader
        of_hydra = ["hydra.mode=MULTIRUN", "hydra.sweep.dir=sweep", QUICK[-1]]
        config = loader.load_configuration("train", of_hydra, run_mode=RunMode.MULTIRUN)
        task, some = TrainJob(), jobs[:N_BY_HYDRA]

        def by_hydra() -> object:
            def load(given: list[str]) -> Any:
                return loader.load_sweep_config(config, given)

            return compose_jobs(load, some, 0, task.check)

        def by_grid() -> object:
            return compose_grid(loader, config, task, jobs, 0)

        before, before_b = _cost(by_hydra, len(some))
        after, after_b = _cost(by_grid, n_jobs)
    return {
        "hydra_jobs_per_s": before,
        "hydra_kb_per_job": before_b / 1000,
        "jobs_per_s": after,
        "kb_per_job": after_b / 1000,
    }


def _cost(make: Callable[[], object], n_jobs: int) -> tuple[float, float]:
    """Jobs a CPU second, and bytes a job that are left; memory is counted in a second round."""
    begun = time.process_time()
    make()
    speed = n_jobs / (time.process_time() - begun)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = make()
    n_bytes = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    del kept
    return speed, n_bytes / n_jobs


def _started(n_jobs: int) -> dict[str, float]:
    """A sweep until its first job has begun; then resumed where few jobs are missing."""
    with tempfile.TemporaryDirectory() as scratch:
        sweep = Path(scratch) / "sweep"
        seeds = f"seed=range(0,{n_jobs // 10})"
        command = ["train", "-m", *QUICK, *AXES, seeds, f"hydra.sweep.dir={sweep}"]
        start, start_cpu = _until_begun(command, RunFolder(sweep / "0").log)
        n_folders = len([*sweep.glob("*/.hydra")])
        numbers = _pretend_completed(sweep)
        resumed = RunFolder(sweep / str(numbers[0])).log
        resume, resume_cpu = _until_begun(["resume", str(sweep)], resumed)
        return {
            "start_s": start,
            "start_cpu_s": start_cpu,
            "folders": n_folders,
            "manifest_mb": (sweep / "sweep.json").stat().st_size / 1e6,
            "resume_s": resume,
            "resume_cpu_s": resume_cpu,
        }


def _rows(n_jobs: int, n_changes: int = 1_000) -> dict[str, float]:
    """Milliseconds of a change of the table, and of writing all of it."""
    with tempfile.TemporaryDirectory() as scratch:
        source = Kept(OmegaConf.create())
        jobs = [Job(i, Path(scratch) / str(i), [f"seed={i}"], source) for i in range(n_jobs)]
        states = [JobState(job) for job in jobs]
        table = Table(SweepFolder(Path(scratch)).table, states)
        begun = time.process_time()
        for i in range(n_changes):
            table.ended(states[i % n_jobs])
        of_a_change = (time.process_time() - begun) / n_changes
        begun = time.process_time()
        table.write()
        return {"row_ms": 1000 * of_a_change, "table_ms": 1000 * (time.process_time() - begun)}


def _until_begun(arguments: Sequence[str], log: Path) -> tuple[float, float]:
    """Seconds, and CPU seconds, until a job has its log; the command is ended then."""
    log.unlink(missing_ok=True)
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "scyan_exp", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "SCYAN_EXP_REPORT": "0"},
    )
    while not log.exists():
        assert process.poll() is None, f"{arguments[0]} ended before its first job began"
        time.sleep(0.01)
    seconds, cpu = time.perf_counter() - begun, _cpu_of(process.pid)
    process.send_signal(signal.SIGKILL)  # workers end with it
    process.wait()
    return seconds, cpu


def _pretend_completed(sweep: Path) -> list[int]:
    """Write records of all jobs but some; the numbers of these."""
    jobs, _ = read_jobs(sweep, TrainJob().check)
    missing = jobs[:: len(jobs) // N_MISSING][:N_MISSING]
    for job in jobs:
        assert job.checked is not None
        if job not in missing:
            metrics = dict.fromkeys(job.checked.objectives, 0.5)
            record = RunRecord(job.folder, job.checked.hash, job.checked.seed)
            record.end(Outcome.COMPLETED, metrics, job.checked.objective)
        else:
            RunFolder(job.folder).result.unlink(missing_ok=True)
    return [job.number for job in missing]


def _cpu_of(pid: int) -> float:
    """CPU seconds of a process until now."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def markdown(rows: list[dict[str, Any]]) -> str:
    """The rows as tables in Markdown."""
    lines = [
        "| jobs | composed and checked, jobs a CPU second: by Hydra alone | ours | kept for each, "
        "kB: by Hydra alone | ours |",
        "|" + " --- |" * 5,
        *(
            f"| {row['jobs']:,} | {row['hydra_jobs_per_s']:.1f} | **{row['jobs_per_s']:,.0f}** "
            f"| {row['hydra_kb_per_job']:.0f} | **{row['kb_per_job']:.1f}** |"
            for row in rows
        ),
        "",
        "| jobs | imports alone, s (CPU) | from Enter until the first job has begun, s (CPU) "
        "| without the imports, CPU s | folders written by then | sweep.json, MB "
        f"| `resume` with {N_MISSING} missing, s (CPU) | without the imports, CPU s "
        "| the table: a changed row, CPU ms | all of it |",
        "|" + " --- |" * 10,
    ]
    for row in rows:
        own, again = (row[f"{name}_cpu_s"] - row["import_cpu_s"] for name in ("start", "resume"))
        lines.append(
            f"| {row['jobs']:,} | {row['import_s']:.1f} ({row['import_cpu_s']:.1f}) "
            f"| {row['start_s']:.1f} ({row['start_cpu_s']:.1f}) | **{own:.1f}** "
            f"| {row['folders']} | {row['manifest_mb']:.1f} "
            f"| {row['resume_s']:.1f} ({row['resume_cpu_s']:.1f}) | **{again:.1f}** "
            f"| {row['row_ms']:.2f} | {row['table_ms']:.1f} |"
        )
    load = os.getloadavg()[0]
    return "\n".join([*lines, "", f"{os.cpu_count()} cores, load {load:.0f} at the end."])
