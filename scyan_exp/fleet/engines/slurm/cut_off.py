"""The signals by which Slurm cuts off a job."""

from __future__ import annotations

import signal
import time
from types import FrameType

#: The signal before the time limit, and the one when the node is taken away. Some clusters send
#: them to every process of the job, and not only to the foreman.
AT_LIMIT, AT_ONCE = signal.SIGUSR2, signal.SIGTERM
#: Seconds between SIGTERM and the kill on most clusters (their ``KillWait``).
KILL_WAIT = 30.0
#: Share of this time that jobs have to save; the rest is for going back into the queue.
FOR_JOBS = 0.7


class CutOff:
    """Whether Slurm wants the node back: true as soon as it has sent a signal.

    Args:
        delay: seconds from the signal at the time limit to the end.
    """

    def __init__(self, delay: float) -> None:
        self._seconds = {AT_LIMIT: delay, AT_ONCE: KILL_WAIT}
        self._deadline: float | None = None
        for number in self._seconds:
            signal.signal(number, self._hear)

    def __bool__(self) -> bool:
        return self._deadline is not None

    @property
    def is_late(self) -> bool:
        """Whether running jobs have had their time to save."""
        return self._deadline is not None and time.monotonic() > self._deadline

    def _hear(self, number: int, frame: FrameType | None) -> None:
        deadline = time.monotonic() + FOR_JOBS * self._seconds[signal.Signals(number)]
        self._deadline = min(deadline, self._deadline or deadline)
