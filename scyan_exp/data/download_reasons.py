"""Why a download failed, in words: libraries wrap errors in errors."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from requests import RequestException


def reason(error: RequestException, timeout: float) -> str:
    """What went wrong, as one short phrase.

    Args:
        error: what requests raised.
        timeout: seconds without a byte after which a connection was given up.
    """
    from requests.exceptions import SSLError, Timeout
    from urllib3.exceptions import NameResolutionError, ReadTimeoutError

    if error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    causes = list(_causes(error))
    if any(isinstance(cause, Timeout | ReadTimeoutError | TimeoutError) for cause in causes):
        return f"no answer for {timeout:g} seconds"
    if isinstance(error, SSLError):
        return "the server's certificate is not trusted: does a proxy stand between?"
    if any(isinstance(cause, NameResolutionError) for cause in causes):
        return "the server's name is not known: is there a network?"
    texts = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    return texts[-1] if texts else "the connection was cut"


def web_page(block: bytes) -> str | None:
    """How to name the beginning of an HTML page, by its title; None for anything else."""
    text = block.decode("utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    if not re.match(r"<(!doctype html|html|head)\b", text, re.IGNORECASE):
        return None
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    name = " ".join(title[1].split())[:80] if title else ""
    name = "".join(c for c in html.unescape(name) if c.isprintable())
    return f"a web page ({name!r})" if name else "a web page"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it wraps, from the outside in."""
    yield error
    inner = [getattr(error, "reason", None), error.__cause__, error.__context__, *error.args]
    for one in inner:
        if isinstance(one, BaseException):
            yield from _causes(one)
            return
