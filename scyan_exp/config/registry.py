"""What can be added by name: metrics, data formats, figures.

A built-in part is registered when the module that holds it is imported; one of an installed
package, when the entry point of its package is loaded. Both are named here and imported when a
registry is first asked, so that a config can be checked without importing what it does not name.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Generic, TypeVar

T = TypeVar("T")

#: Entry points of installed packages: each names a module that registers its parts.
GROUP = "scyan_exp"


class Registry(Mapping[str, T], Generic[T]):
    """Parts by name, in the order of their registration.

    Args:
        what: what the parts are, for messages.
        modules: modules of this package that register parts.
    """

    def __init__(self, what: str, modules: Sequence[str]) -> None:
        self.what, self._modules = what, tuple(modules)
        self._parts: dict[str, T] = {}
        self._is_loaded = False

    def add(self, name: str, part: T) -> None:
        """Register a part.

        Raises:
            ValueError: another one has this name.
        """
        if self._parts.get(name, part) is not part:
            raise ValueError(f"there are two {self.what}s named {name!r}")
        self._parts[name] = part

    def __getitem__(self, name: str) -> T:
        self._load()
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(self._parts)

    def __len__(self) -> int:
        self._load()
        return len(self._parts)

    def _load(self) -> None:
        if self._is_loaded:
            return
        self._is_loaded = True
        for module in self._modules:
            importlib.import_module(module)
        for point in entry_points(group=GROUP):
            point.load()
