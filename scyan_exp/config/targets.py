"""The allow-list of ``_target_``: what a config may name, and nothing reached through it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from scyan_exp.config.formats import FORMATS, TABLES
from scyan_exp.errors import Problem

#: Besides data formats and tables, which are allowed by being registered.
ALLOWED = re.compile(
    r"scyan_exp\.Scyan"
    r"|scyan_exp\.training\.stopping\.EarlyStopping"
    r"|pytorch_lightning\.Trainer"
    r"|pytorch_lightning\.(callbacks|loggers)\.[A-Z]\w*"
)


def is_allowed(target: str) -> bool:
    """Whether a config may name something."""
    return target in FORMATS or target in TABLES or ALLOWED.fullmatch(target) is not None


def target_problems(plain: Any, path: str = "") -> Iterator[Problem]:
    """Every ``_target_`` must be on the allow-list, whatever Hydra itself would accept."""
    if isinstance(plain, list):
        for i, value in enumerate(plain):
            yield from target_problems(value, f"{path}[{i}]")
    if not isinstance(plain, Mapping):
        return
    for key, value in plain.items():
        where = f"{path}.{key}" if path else str(key)
        if key == "_target_" and not is_allowed(str(value)):
            yield Problem(
                where,
                f"{value!r} is not allowed; expected something of scyan_exp, a data format of an "
                "installed package, or pytorch_lightning.callbacks.*, pytorch_lightning.loggers.*",
            )
        yield from target_problems(value, where)
