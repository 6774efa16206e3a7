"""A live page in a process of its own, and what is asked of it."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PATIENCE = 60.0


class Watch:
    """``scyan-exp watch`` in a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [sys.executable, "-m", "scyan_exp", "watch", str(folder), "port=0", *options]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://(\S+?):(\d+)/(\S*) ", line)
        assert found, line + self.process.stdout.read()
        self.url, self.port, self.prefix = found[0].strip(), int(found[2]), f"/{found[3]}"
        self.viewers: list[Viewer] = []

    def viewer(self, query: str = "", headers: str = "") -> Viewer:
        """Somebody who looks."""
        self.viewers.append(Viewer(self, query, headers))
        return self.viewers[-1]

    def ask(
        self, target: str | bytes, method: str = "GET", host: str | None = "localhost"
    ) -> tuple[int, str, bytes]:
        """Send exactly these bytes through a socket: status, head and body of the answer."""
        target = target.encode() if isinstance(target, str) else target
        lines = [method.encode() + b" " + target + b" HTTP/1.1", b"Connection: close"]
        lines += [] if host is None else [b"Host: " + host.encode()]
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), head.decode().lower(), body

    def end(self) -> tuple[int, str]:
        """Ctrl-C: the exit code, and what was printed since."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(PATIENCE)
        # Not `communicate`: it passes over what came with the first line.
        assert self.process.stdout is not None
        with self.process.stdout as output:
            return code, output.read()

    def rss(self) -> int:
        """Bytes of memory that the process has."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def watched(folder: Path, *options: str) -> Iterator[Watch]:
    """A live page that is gone after the block."""
    watch = Watch(folder, *options)
    try:
        yield watch
    finally:
        for viewer in watch.viewers:
            viewer.close()
        if watch.process.poll() is None:
            watch.process.kill()
            watch.process.wait()
        if watch.process.stdout is not None:
            watch.process.stdout.close()


class Viewer:
    """Somebody who listens to the news of a live page."""

    def __init__(self, watch: Watch, query: str = "", headers: str = "") -> None:
        self._connection = socket.create_connection(("127.0.0.1", watch.port))
        request = f"GET {watch.prefix}events{query} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
        self._connection.sendall(request.encode())
        self._events: queue.Queue[tuple[str, str, Any]] = queue.Queue()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        event = {}
        with self._connection.makefile("r", encoding="utf-8") as lines, suppress(OSError):
            for line in lines:
                name, found, value = line.rstrip("\r\n").partition(": ")
                if found and name in ("event", "id", "data"):
                    event[name] = value
                elif "data" in event and not line.strip():
                    told = event["event"], event["id"], json.loads(event["data"])
                    self._events.put(told)
                    event = {}

    def next(self, name: str, suits: Callable[[Any], bool] = lambda value: True) -> tuple[str, Any]:
        """The next event of a name that suits: its id, and what it says."""
        until = time.monotonic() + PATIENCE
        while True:
            event, number, value = self._events.get(timeout=max(0.01, until - time.monotonic()))
            if event == name and suits(value):
                return number, value

    def waiting(self) -> list[str]:
        """The names of the events that nobody has taken."""
        return [self._events.get()[0] for _ in range(self._events.qsize())]

    def close(self) -> None:
        """Go away, as a closed tab does."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        self._connection.close()
