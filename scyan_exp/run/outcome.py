"""The state or the end of a run, a repeat, a job or a trial, in the same words everywhere."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How a run ended, in ``result.json``, in ``sweep.csv``, in a search's storage and on W&B."""

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
        """Whether the run was cut off from outside, although nothing was wrong with it."""
        return self in (Outcome.RUNNING, Outcome.INTERRUPTED, Outcome.LOST, Outcome.TIMED_OUT)
