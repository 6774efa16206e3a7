"""What Hydra's own part of a config may name: Hydra makes it before anything else is checked."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

#: What Hydra may make: its parts, and handlers of the log.
HYDRA_TARGETS = re.compile(
    r"(hydra\._internal|hydra_plugins)\..*|optuna\.(samplers|pruners)\.[A-Z]\w*"
)
LOG_CLASSES = (
    *("scyan_exp.terminal.TerminalHandler", "scyan_exp.terminal.LogFile"),
    *("logging.FileHandler", "logging.StreamHandler"),
)


def hydra_problems(value: Any, where: str, also: Collection[str] = ()) -> Iterator[str]:
    """Everything in a part of the config that Hydra must not make.

    Args:
        value: the part, interpolations as they stand.
        where: its key.
        also: further names that may stand at ``_target_``.
    """
    if isinstance(value, list | tuple):
        for i, one in enumerate(value):
            yield from hydra_problems(one, f"{where}[{i}]", also)
    elif isinstance(value, Mapping):
        for key, one in value.items():
            refused = (
                (key == "_target_" and not (HYDRA_TARGETS.fullmatch(str(one)) or one in also))
                or (key == "class" and one not in LOG_CLASSES)
                or key == "()"
            )
            if refused:
                yield f"{where}.{key}: {one!r} is not allowed"
            yield from hydra_problems(one, f"{where}.{key}", also)
    elif str(value).startswith("ext://") and value not in ("ext://sys.stdout", "ext://sys.stderr"):
        yield f"{where}: {value!r} is not allowed"
