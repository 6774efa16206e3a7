"""Attributes of a package that are imported when they are first used."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any


def lazy_attributes(package: str, attributes: Mapping[str, Sequence[str]], name: str) -> Any:
    """Look up ``name`` for a package's ``__getattr__``.

    Args:
        package: name of the package.
        attributes: for each submodule, the names that the package takes from it.
        name: the attribute asked for.
    """
    for module, names in attributes.items():
        if name in names:
            return getattr(importlib.import_module(f"{package}.{module}"), name)
    raise AttributeError(f"module {package!r} has no attribute {name!r}")
