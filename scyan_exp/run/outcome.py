"""How a run, a repeat, a job or a trial stands or ended: the same words everywhere."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How a run ended, in ``result.json``, ``sweep.csv``, the search's storage and W&B."""

    NOT_RUN = "not run"
    RUNNING = "running"
    COMPLETED = "completed"
    PRUNED = "pruned"  #: a search stopped it
    INTERRUPTED = "interrupted"  #: Ctrl-C, or a signal of the cluster
    FAILED = "failed"  #: an error
    LOST = "lost"  #: its process went away: killed, or the machine went down
    TIMED_OUT = "timed out"  #: it took longer than allowed

    @property
    def is_failure(self) -> bool:
        """Whether something went wrong."""
        return self in (Outcome.FAILED, Outcome.LOST, Outcome.TIMED_OUT)

    @property
    def was_cut_off(self) -> bool:
        """Whether the run would have gone on: nothing was wrong with itself."""
        return self in (Outcome.RUNNING, Outcome.INTERRUPTED, Outcome.LOST, Outcome.TIMED_OUT)
