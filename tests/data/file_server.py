"""A real HTTP server on loopback that can cut, stall, refuse, or ignore what it is asked for."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class FileServer:
    """What it serves and how; a test may change it while it runs.

    Attributes:
        files: contents by path, such as ``/mine/default.csv``.
        knows_ranges: whether it answers with the rest of a file that is asked for.
        cuts: bytes after which each of the next connections ends; then none is cut.
        stalls: bytes after which each of the next connections goes silent until the end.
        moved: paths that are elsewhere now.
        announced: a length that it states, whatever the file's is.
        says_length: whether it states any.
        media_type: what it says of the contents; nothing when None.
        requests: path and range of each request.
    """

    files: dict[str, bytes]
    knows_ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    stalls: list[int] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    announced: int | None = None
    says_length: bool = True
    media_type: str | None = None
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(served: FileServer) -> Iterator[FileServer]:
    """Serve until the block ends."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            served.requests.append((self.path, self.headers.get("Range")))
            if self.path in served.moved:
                self.send_response(302)
                self.send_header("Location", served.moved[self.path])
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif self.path in served.files:
                self._send(served.files[self.path])
            else:
                self.send_error(404)

        def _send(self, content: bytes) -> None:
            asked = self.headers.get("Range")
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            if not served.knows_ranges:
                start = 0
            if start and start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                last = len(content) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{len(content)}")
            if served.media_type is not None:
                self.send_header("Content-Type", served.media_type)
            if served.says_length:
                length = len(content) - start
                self.send_header("Content-Length", str(served.announced or length))
            self.end_headers()
            rest = content[start:]
            for ends, is_stall in ((served.cuts, False), (served.stalls, True)):
                if ends:
                    self.wfile.write(rest[: ends.pop(0)])
                    self.wfile.flush()
                    if is_stall:
                        served.ended.wait(10)
                    return
            self.wfile.write(rest)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        served.url = f"http://127.0.0.1:{running.server_port}"
        try:
            yield served
        finally:
            served.ended.set()
            running.shutdown()
