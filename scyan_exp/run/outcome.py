"""How a run, a repeat, a job or a trial stands or ended: the same words everywhere."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Outcome(StrEnum):
    """How a run ended, in ``result.json``, ``sweep.csv``, the search's storage and W&B."""

    meaning: str

    NOT_RUN = "not run", "It waits for a free slot, or the sweep stopped before its turn."
    RUNNING = "running", "It trains, or annotates and measures."
    COMPLETED = "completed", "It is trained, and everything is written."
    PRUNED = "pruned", "A search stopped it early: it was going to be worse than others."
    INTERRUPTED = "interrupted", "Ctrl-C, or a signal of the cluster, ended it."
    FAILED = "failed", "It raised an error, which `result.json` and `train.log` tell."
    LOST = "lost", "Its process went away: it was killed, or the machine went down."
    TIMED_OUT = "timed out", "It took longer than `hydra.launcher.timeout_min` allows."

    def __new__(cls, value: str, meaning: str = "") -> Self:
        """An outcome of this name; ``meaning`` is a sentence for people."""
        one = str.__new__(cls, value)
        one._value_, one.meaning = value, meaning
        return one

    @property
    def is_failure(self) -> bool:
        """Whether something went wrong."""
        return self in (Outcome.FAILED, Outcome.LOST, Outcome.TIMED_OUT)

    @property
    def was_cut_off(self) -> bool:
        """Whether the run would have gone on: nothing was wrong with itself."""
        return self in (Outcome.RUNNING, Outcome.INTERRUPTED, Outcome.LOST, Outcome.TIMED_OUT)
