"""The server of the live page: the page, its news, and the files of the folder, to be read."""

from __future__ import annotations

import asyncio
import html
import json
import logging
import os
from collections.abc import AsyncIterator, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote

from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse

from scyan_exp.report.guard import Guard, Refused
from scyan_exp.report.inside import names_in, opened_inside
from scyan_exp.report.live import NO_JOB, LiveSweep

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

log = logging.getLogger(__name__)
#: Seconds between two looks at the folder, and after which a line tells that all is well.
INTERVAL, QUIET = 1.0, 15.0
#: Viewers at a time.
MOST_VIEWERS = 50
#: Bytes of a file that are read at once.
CHUNK = 2**18
TYPES = {
    ".png": "image/png",
    ".html": "text/html; charset=utf-8",
    **dict.fromkeys((".csv", ".json", ".log", ".txt", ".yaml"), "text/plain; charset=utf-8"),
}
HEADERS = {
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
#: A file of the folder is no part of the page: its scripts, if it is a report, see nothing of it.
OF_FILES = {"content-security-policy": "sandbox allow-scripts; frame-ancestors 'none'"}
WAITING = (
    '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="2">'
    "<title>scyan_exp</title><p>{text} This page looks again every two seconds.</p>"
)


class LiveApp:
    """An ASGI application.

    Args:
        sweep: what is shown.
        guard: who may see it.
        interval: seconds between two looks at the folder.
    """

    def __init__(self, sweep: LiveSweep, guard: Guard, interval: float = INTERVAL) -> None:
        self._sweep, self._guard, self._interval = sweep, guard, interval
        self._root = sweep.folder.resolve()
        self._news = asyncio.Event()
        self._viewers = 0
        self._looking: asyncio.Task[None] | None = None
        self._is_closed = False

    def close(self) -> None:
        """Let viewers go."""
        self._is_closed = True
        self._news.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        assert scope["type"] == "http", "no other protocol is served"
        try:
            response = await self._response(scope)
        except Refused as refused:
            allowed = {"allow": "GET, HEAD"} if refused.status == 405 else {}
            text = f"{refused.reason}\n"
            response = PlainTextResponse(text, refused.status, headers={**HEADERS, **allowed})
        await response(scope, receive, send)

    async def _response(self, scope: MutableMapping[str, Any]) -> Response:
        parts = self._guard.path(scope)
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
        if not parts:
            return _to_folder(raw_path) if not raw_path.endswith(b"/") else await self._page()
        if parts == ["events"]:
            return self._events(scope)
        return await asyncio.to_thread(self._file, parts, raw_path, scope["method"] == "HEAD")

    async def _page(self) -> Response:
        await asyncio.to_thread(self._sweep.look)
        page = await asyncio.to_thread(self._sweep.page)
        if page is None:
            page = WAITING.format(text=html.escape(NO_JOB))
        return HTMLResponse(
            page, headers={**HEADERS, "content-security-policy": "frame-ancestors 'none'"}
        )

    # -------------------------------------------------------------------- news

    def _events(self, scope: MutableMapping[str, Any]) -> Response:
        if self._viewers >= MOST_VIEWERS:
            raise Refused(503, f"{MOST_VIEWERS} viewers are looking already")
        query = parse_qs(scope["query_string"].decode("latin-1"))
        known = query.get("since", [""])[0]
        for name, value in scope["headers"]:
            if name == b"last-event-id":  # of a viewer who comes again
                known = value.decode("latin-1")
        headers = {**HEADERS, "x-accel-buffering": "no"}
        if scope["method"] == "HEAD":
            return Response(media_type="text/event-stream", headers=headers)
        return StreamingResponse(self._told(known), media_type="text/event-stream", headers=headers)

    async def _told(self, known: str) -> AsyncIterator[str]:
        """What one viewer is told. A slow one is told of several changes at once."""
        self._viewers += 1
        try:
            self._look_on()
            yield "retry: 2000\n\n"
            status: object = None
            while not self._is_closed:
                news = self._news
                now, update = self._sweep.since(known)
                if update is not None:
                    yield _event("update", update, now)
                known = now
                if self._sweep.status != status:
                    status = self._sweep.status
                    yield _event("status", status, now)
                try:
                    await asyncio.wait_for(news.wait(), QUIET)
                except TimeoutError:
                    yield ": all is well\n\n"
        finally:
            self._viewers -= 1

    def _look_on(self) -> None:
        """Have one task look at the folder, for all viewers."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while self._viewers and not self._is_closed:
            began = loop.time()
            try:
                is_new = await asyncio.to_thread(self._sweep.look)
            except Exception:  # a file that is half written: the next look may read it
                log.warning("the folder could not be read", exc_info=True)
                is_new = False
            if is_new:
                news, self._news = self._news, asyncio.Event()
                news.set()
            # A large sweep is looked at less often: never more than a fifth of the time.
            await asyncio.sleep(max(self._interval, 4 * (loop.time() - began)))

    # -------------------------------------------------------------------- files

    def _file(self, parts: Sequence[str], raw_path: bytes, is_head: bool) -> Response:
        with opened_inside(self._root, parts) as descriptor:
            if descriptor is None:
                raise Refused(404, "not found")
            if os.path.isdir(descriptor):  # noqa: PTH112 (a descriptor is no path)
                if not raw_path.endswith(b"/"):
                    return _to_folder(raw_path)
                return _listing(parts, names_in(descriptor))
            size = os.fstat(descriptor).st_size
            headers = {**HEADERS, **OF_FILES, "content-length": str(size)}
            suffix = Path(parts[-1]).suffix.lower()
            if suffix not in TYPES:
                headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(parts[-1])}"
            kind = TYPES.get(suffix, "application/octet-stream")
            if is_head:
                return Response(media_type=kind, headers=headers)
            mine = os.dup(descriptor)
        return _FileResponse(mine, _content(mine, size), media_type=kind, headers=headers)


class _FileResponse(StreamingResponse):
    """Closes its file however it ends: one who left before it began reads nothing of it."""

    def __init__(self, descriptor: int, content: AsyncIterator[bytes], **named: Any) -> None:
        super().__init__(content, **named)
        self._descriptor = descriptor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            os.close(self._descriptor)


async def _content(descriptor: int, size: int) -> AsyncIterator[bytes]:
    """The bytes that the file had when it was asked for."""
    at = 0
    while at < size:
        some = await asyncio.to_thread(os.pread, descriptor, min(CHUNK, size - at), at)
        if not some:
            return
        at += len(some)
        yield some


def _event(name: str, value: object, number: str) -> str:
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return f"event: {name}\nid: {number}\ndata: {text}\n\n"


def _to_folder(raw_path: bytes) -> Response:
    """The same with a slash, so that links in it lead on from there."""
    last = raw_path.rsplit(b"/", 1)[-1].decode("latin-1")
    location = f"./{quote(last, safe='%')}/"
    return Response(status_code=307, headers={**HEADERS, "location": location})


def _listing(parts: Sequence[str], names: Sequence[str]) -> Response:
    title = html.escape("/".join(parts))
    links = [f'<li><a href="./{quote(name)}">{html.escape(name)}</a>' for name in ("../", *names)]
    text = f'<!doctype html><meta charset="utf-8"><title>{title}</title><h1>{title}</h1>'
    text += f"<ul>{''.join(links)}</ul>"
    policy = {"content-security-policy": "default-src 'none'; frame-ancestors 'none'"}
    return HTMLResponse(text, headers={**HEADERS, **policy})
