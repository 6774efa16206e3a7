"""Processes of the command line that begin at once.

What trains imports libraries for some seconds. So one process for all tests of a pytest process
has imported them, and forks itself: what it gives is a process of its own, with its own arguments,
environment, folder and signals. Tests of the start itself use ``subprocess``.
"""

from __future__ import annotations

import atexit
import fcntl
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]


class Process:
    """As ``subprocess.Popen`` of ``python COMMAND...``; what it writes is kept in memory.

    Args:
        command: ``-m`` and a module, or a file, and arguments.
        cwd: where it runs.
        env: its environment.
        stdout: a file descriptor, or None to have the text from :meth:`communicate`.
        stderr: likewise.
        together: what it says on ``stderr`` belongs to ``stdout``.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        together: bool = False,
    ) -> None:
        self.returncode: int | None = None
        self._texts: dict[str, str] = {}
        self._kept: dict[str, int] = {}
        out = self._keep("stdout") if stdout is None else stdout
        err = out if together else self._keep("stderr") if stderr is None else stderr
        request = {
            "command": [*map(str, command)],
            "cwd": str(cwd or Path.cwd()),
            "environment": dict(os.environ if env is None else env),
        }
        self._status, theirs = os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY)
        socket.send_fds(server(), [json.dumps(request).encode()], [nothing, out, err, theirs])
        os.close(nothing)
        os.close(theirs)
        self.pid = self._told()

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self._end()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, when it has ended.

        Raises:
            subprocess.TimeoutExpired: it has not, after so many seconds.
        """
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            self._end()
        assert self.returncode is not None
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it has written to both streams, when it has ended."""
        self.wait(timeout)
        return self._texts.get("stdout", ""), self._texts.get("stderr", "")

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def _keep(self, stream: str) -> int:
        """A file in memory, to which several processes can write."""
        file = self._kept[stream] = os.memfd_create(stream)
        fcntl.fcntl(file, fcntl.F_SETFL, os.O_APPEND)
        return file

    def _end(self) -> None:
        self.returncode = self._told()
        for stream, file in self._kept.items():
            self._texts[stream] = os.pread(file, os.fstat(file).st_size, 0).decode()
            os.close(file)
        os.close(self._status)

    def _told(self) -> int:
        line = b""
        while not line.endswith(b"\n"):
            one = os.read(self._status, 1)
            assert one, "the process that starts others has ended"
            line += one
        return int(line)


def finished(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = 300,
) -> subprocess.CompletedProcess[str]:
    """Run to the end, as ``subprocess.run`` with the output captured."""
    process = Process(command, cwd=cwd, env=env)
    try:
        out, err = process.communicate(timeout)
    finally:
        process.kill()
    assert process.returncode is not None
    return subprocess.CompletedProcess(list(command), process.returncode, out, err)


@functools.cache
def server() -> socket.socket:
    """What starts processes; it ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen([sys.executable, "-m", "tests.start_server"], cwd=ROOT, stdin=theirs)
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours
