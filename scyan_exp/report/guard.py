"""Who may ask the live page for what: the method, the name of the host, the token, the path."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

READING = ("GET", "HEAD")


class Refused(Exception):
    """A request that is not answered.

    Args:
        status: of HTTP.
        reason: in words.
    """

    def __init__(self, status: int, reason: str) -> None:
        self.status, self.reason = status, reason
        super().__init__(reason)


class Guard:
    """Checks requests.

    A page of the internet can make a browser ask a server of this machine, and by a name that
    first leads elsewhere it could read the answer. So a request must name this host: by
    ``localhost``, by a number, which no name server can turn, or by a name that was given.

    Args:
        names: names of this host, besides ``localhost``.
        token: the first part of each path, if there is one; whoever does not know it learns
            nothing.
    """

    def __init__(self, names: Iterable[str] = (), token: str | None = None) -> None:
        self._names = {name.lower().rstrip(".") for name in ("localhost", *names)}
        self._token = token

    def path(self, scope: Mapping[str, Any]) -> list[str]:
        """The parts of the path that is asked for, decoded, without the token.

        Args:
            scope: of ASGI.

        Raises:
            Refused: the request is not answered, or the path is none within a folder.
        """
        if scope["method"] not in READING:
            raise Refused(405, "this server only reads")
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or not self._is_ours(hosts[0].decode("latin-1")):
            raise Refused(421, "this server has another name; watch it with host=NAME")
        parts = parts_of(scope.get("raw_path") or scope["path"].encode())
        if self._token is None:
            return parts
        if not parts or not secrets.compare_digest(parts[0].encode(), self._token.encode()):
            raise Refused(404, "not found")
        return parts[1:]

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        if not name:
            return False
        return name.rstrip(".") in self._names or _is_number(name)


def parts_of(raw_path: bytes) -> list[str]:
    """The parts of a path of a URL, each decoded by itself: an encoded slash parts nothing.

    Raises:
        Refused: it is no path, or has a part that leads elsewhere than down.

    Example:
        >>> parts_of(b"/0/figures/CD4%2B.png")
        ['0', 'figures', 'CD4+.png']
    """
    if not raw_path.startswith(b"/"):
        raise Refused(400, "expected a path")
    parts = []
    for raw in raw_path[1:].split(b"/"):
        try:
            part = unquote_to_bytes(raw).decode("utf-8")
        except UnicodeDecodeError:
            raise Refused(400, "the path is not UTF-8") from None
        if "/" in part or "\\" in part or "\0" in part or part in (".", ".."):
            raise Refused(404, "not found")
        parts.append(part)
    if parts[-1] == "":
        parts.pop()  # of a folder
    if "" in parts:
        raise Refused(404, "not found")
    return parts


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that is bound to a host.

    Raises:
        OSError: there is no such host.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return all(ipaddress.ip_address(str(one[4][0]).split("%")[0]).is_loopback for one in found)


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name.split("%")[0])
    except ValueError:
        return False
    return True
