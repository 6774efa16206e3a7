"""The signals with which Slurm ends a job that would go on."""

from __future__ import annotations

import signal
import time
from types import FrameType

#: Before the time limit, and when the node is taken away. Some clusters send them to every process
#: of the job, not to the foreman alone.
AT_LIMIT, AT_ONCE = signal.SIGUSR2, signal.SIGTERM
#: Seconds that most clusters give after SIGTERM (their ``KillWait``).
KILL_WAIT = 30.0
#: Share of its time that a job has to save; the rest is for coming back into the queue.
FOR_JOBS = 0.7


class CutOff:
    """Whether Slurm wants the node back: true from its signal on.

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
        """Whether what runs has had its time to save."""
        return self._deadline is not None and time.monotonic() > self._deadline

    def _hear(self, number: int, frame: FrameType | None) -> None:
        deadline = time.monotonic() + FOR_JOBS * self._seconds[signal.Signals(number)]
        self._deadline = min(deadline, self._deadline or deadline)
