"""The engine of a Ray cluster: jobs run as Ray tasks, here or on other machines."""

from __future__ import annotations

import importlib.util
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from scyan_exp.errors import InputError
from scyan_exp.fleet.engines.base import Ended, Needs, Task, engine, late
from scyan_exp.fleet.engines.devices import Slot
from scyan_exp.fleet.jobs import Job
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.outcome import Outcome


@dataclass
class _Running:
    """A job that was handed to Ray, which may let it wait for a process or for other users."""

    job: Job
    began: float | None = None
    interrupted: bool = False

    def look(self) -> None:
        """Note when it begins: its time counts from then."""
        if self.began is None and RunFolder(self.job.folder).began.exists():
            self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return 0.0 if self.began is None else time.monotonic() - self.began


@engine("ray")
class RayEngine:
    """Runs each job as a Ray task; all machines of the cluster must see the same folders.

    Args:
        needs: what an engine gets; ``settings.ray`` says how much of the cluster a job takes.

    Raises:
        InputError: Ray is not installed, or the cluster cannot hold a job.
    """

    def __init__(self, needs: Needs) -> None:
        if importlib.util.find_spec("ray") is None:
            raise InputError(
                "hydra.launcher.engine=ray: Ray is not installed; pip install 'scyan_exp[ray]'"
            )
        import ray

        settings = needs.settings.ray
        self._ray, self._timeout = ray, needs.settings.timeout
        if not ray.is_initialized():
            ray.init(**{"include_dashboard": False, "log_to_driver": False, **settings.init})
        num_gpus = settings.num_gpus
        if num_gpus is None:
            num_gpus = 1 if needs.wants_gpu else 0
        self.n_slots = _n_slots(ray.cluster_resources(), settings.num_cpus, num_gpus)
        self._remote = ray.remote(_run).options(
            num_cpus=settings.num_cpus, num_gpus=num_gpus, max_retries=0
        )
        self._n_threads = max(1, int(settings.num_cpus))
        self._task = ray.put(needs.task)
        self._running: dict[Any, _Running] = {}

    def submit(self, job: Job) -> None:
        """Start a job as a task."""
        RunFolder(job.folder).began.unlink(missing_ok=True)  # of an earlier attempt
        # Within a list, Ray passes on the reference itself and not what it refers to.
        reference = self._remote.remote(str(job.folder), [self._task], self._n_threads)
        self._running[reference] = _Running(job)

    def wait(self, seconds: float) -> list[Ended]:
        """The jobs that have ended; waits for the first of them, for at most ``seconds``."""
        for running in self._running.values():
            running.look()
        done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=seconds)
        ended = [self._collect(reference) for reference in done]
        for reference, running in list(self._running.items()):
            if self._timeout is not None and running.seconds >= self._timeout:
                self._cancel(reference, force=True)
                ended.append(self._end(reference, Outcome.TIMED_OUT, late(self._timeout)))
        return ended

    def interrupt(self) -> None:
        """Pass Ctrl-C on to running jobs."""
        for reference, running in self._running.items():
            if not running.interrupted:
                running.interrupted = True
                self._cancel(reference, force=False)

    def kill(self) -> None:
        """End every job at once."""
        for reference in self._running:
            self._cancel(reference, force=True)

    def close(self) -> None:
        """Leave the cluster; a local cluster ends."""
        self.kill()
        self._ray.shutdown()

    def _cancel(self, reference: Any, force: bool) -> None:
        with suppress(Exception):  # it has ended since
            self._ray.cancel(reference, force=force, recursive=True)

    def _collect(self, reference: Any) -> Ended:
        exceptions = self._ray.exceptions
        try:
            result = self._ray.get(reference)
        except exceptions.TaskCancelledError:
            return self._end(reference, Outcome.INTERRUPTED, "interrupted")
        except exceptions.RayError as error:
            first = str(error).strip().splitlines()[0]
            return self._end(reference, Outcome.LOST, f"{type(error).__name__}: {first}")
        return self._end(reference, Outcome(result.pop("outcome")), **result)

    def _end(
        self,
        reference: Any,
        outcome: Outcome,
        error: str | None = None,
        value: Any = None,
        seconds: float | None = None,
        device: str = "ray",
    ) -> Ended:
        running = self._running.pop(reference)
        RunFolder(running.job.folder).began.unlink(missing_ok=True)
        seconds = running.seconds if seconds is None else seconds
        return Ended(running.job, outcome, value, error, seconds, device)


def _n_slots(resources: dict[str, float], num_cpus: float, num_gpus: float) -> int:
    """Jobs that the cluster can run at a time."""
    counts = [int(resources.get("CPU", 0) / num_cpus)]
    if num_gpus:
        counts.append(int(resources.get("GPU", 0) / num_gpus))
    if min(counts) == 0:
        raise InputError(
            f"hydra.launcher.ray: a job needs {num_cpus:g} CPUs and {num_gpus:g} GPUs; the "
            f"cluster has {resources.get('CPU', 0):g} and {resources.get('GPU', 0):g}"
        )
    return min(counts)


@lru_cache(maxsize=1)
def _task_of(reference: Any) -> Task:
    """The program: one object for all jobs of a Ray process, as it keeps their cells."""
    import ray

    task: Task = ray.get(reference)
    return task


def _run(folder: str, given: list[Any], n_threads: int) -> dict[str, Any]:
    """In a Ray process: run the job of a folder."""
    import ray

    from scyan_exp.fleet.engines.worker import output_to_log, prepare, run_job

    task, context = _task_of(given[0]), ray.get_runtime_context()
    gpus = ray.get_gpu_ids()
    where = f"gpu:{','.join(map(str, gpus))}" if gpus else "cpu"
    import_libraries = getattr(task, "import_libraries", None)
    if import_libraries is not None:
        import_libraries()
    prepare(Slot(where, n_threads))
    RunFolder(Path(folder)).began.touch()
    began = time.monotonic()
    with output_to_log(Path(folder)):
        result = run_job(Path(folder), task)
    seconds = time.monotonic() - began
    return {**result, "seconds": seconds, "device": f"{where}@{context.get_node_id()[:6]}"}
