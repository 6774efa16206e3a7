"""``scyan-exp watch``: a page in the browser that follows a sweep while it runs."""

from __future__ import annotations

import importlib.util
import math
import secrets
import signal
import socket
from contextlib import closing
from typing import TYPE_CHECKING

from scyan_exp.cli.arguments import Given, parse
from scyan_exp.cli.command import Command, exit_code, set_environment
from scyan_exp.errors import InputError

if TYPE_CHECKING:
    from types import FrameType

    from scyan_exp.report.serving import LiveApp

USAGE = "usage: scyan-exp watch FOLDER_OF_THE_SWEEP [port=8765] [host=localhost] [every=1]"
#: What the server needs, of the extra ``watch``.
NEEDED = ("starlette", "uvicorn")
PORT = 8765
HOST = "localhost"
#: Hosts that stand for all addresses of this machine.
ANY = ("", "0.0.0.0", "::")


def watch(arguments: list[str]) -> int:
    """Serve the page of a sweep, with what changes: ``watch FOLDER [port=] [host=] [every=]``."""
    set_environment()
    return exit_code(lambda: _watch(parse(arguments, USAGE, (1, 1), ["port", "host", "every"])))


def _watch(given: Given) -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        text = f"not installed: {', '.join(missing)}"
        raise InputError(f"{text}. A live page needs them: pip install 'scyan_exp[watch]'")
    from scyan_exp.report.guard import Guard
    from scyan_exp.report.live import LiveSweep
    from scyan_exp.report.serving import LiveApp

    sweep = LiveSweep(given.paths[0])
    host = given.options.get("host", HOST)
    port, every = _port(given.options.get("port")), _seconds(given.options.get("every", "1"))
    token = _token(host)
    with closing(_bound(host, port, is_given="port" in given.options)) as listening:
        url = _url(host, listening.getsockname()[1], token)
        print(f"{sweep.folder}: {url} (Ctrl-C ends it)", flush=True)
        if token is not None:
            print("Whoever knows this address can read the folder.", flush=True)
        _serve(LiveApp(sweep, Guard(_names(host), token), every), listening)


def _serve(app: LiveApp, listening: socket.socket) -> None:
    """Serve until Ctrl-C."""
    import uvicorn

    class Server(uvicorn.Server):
        """Lets viewers go before it waits for them."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            app.close()
            super().handle_exit(sig, frame)

    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_level="critical",
        access_log=False,  # addresses hold the token
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    try:
        Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    print("The page is served no more; the sweep goes on.", flush=True)


def _bound(host: str, port: int, is_given: bool) -> socket.socket:
    """A socket that listens; at another port than the usual one if that is taken."""
    found = {one[0] for one in socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)}
    family = socket.AF_INET if socket.AF_INET in found else found.pop()
    for candidate in [port] if is_given else [port, 0]:
        try:
            return socket.create_server((host, candidate), family=family)
        except OSError as error:
            reason = error.strerror or str(error)
    raise InputError(f"host={host} port={port}: cannot listen there ({reason}); choose others")


def _port(text: str | None) -> int:
    if text is None:
        return PORT
    if not text.isdecimal() or int(text) > 65535:
        raise InputError(f"port: expected a number from 0 to 65535, found {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    """How often the folder is looked at."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.01 <= seconds <= 3600:
        raise InputError(f"every: expected seconds from 0.01 to 3600, found {text!r}")
    return seconds


def _token(host: str) -> str | None:
    """What must stand in the address where other machines can reach the server."""
    from scyan_exp.report.guard import is_loopback

    try:
        is_ours_alone = host not in ANY and is_loopback(host)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"host={host}: no such host ({reason})") from error
    return None if is_ours_alone else secrets.token_urlsafe(24)


def _names(host: str) -> list[str]:
    return [host] if host not in ANY else [socket.gethostname(), socket.getfqdn()]


def _url(host: str, port: int, token: str | None) -> str:
    name = socket.gethostname() if host in ANY else host
    name = f"[{name}]" if ":" in name else name
    return f"http://{name}:{port}/{'' if token is None else f'{token}/'}"


COMMAND = Command(
    "watch",
    "a page in the browser that follows a sweep while it runs",
    watch,
    (("watch outputs/sweeps/2026-11-22_10-15-00", "then open the address that it prints"),),
    usage=USAGE,
    options={
        "FOLDER_OF_THE_SWEEP": "the sweep or the search to follow",
        "port=8765": "the port that is served; another free one is taken unless you name one",
        "host=localhost": "the name or address to serve at; one that others reach has a secret in "
        "its address",
        "every=1": "seconds between looks at the folder",
    },
)
