"""Log lines on the terminal."""

from __future__ import annotations

import logging
import sys
from typing import TextIO


class TerminalHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to whatever ``sys.stderr`` is now, so that lines appear above a progress bar."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        """The present ``sys.stderr``."""
        return sys.stderr
