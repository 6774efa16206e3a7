"""What can be added by name: metrics, data formats, figures.

A built-in part is registered when the module that holds it is imported; one of an installed
package, when its entry point is loaded. Both happen when a registry is first asked, so that a
config can be checked without importing what it does not name.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from scyan_exp.config.extensions import load_extensions

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Parts by name: those of this package first, module by module as listed.

    Args:
        what: what the parts are, for messages.
        modules: modules of this package that register parts.
    """

    def __init__(self, what: str, modules: Sequence[str]) -> None:
        self.what, self._modules = what, tuple(modules)
        self._parts: dict[str, T] = {}
        self._origins: dict[str, str] = {}
        self._is_loaded = False

    def add(self, name: str, part: T, origin: str | None = None) -> None:
        """Register a part. One that is defined anew in the same place replaces the old one.

        Args:
            name: what names it in a config or a file.
            part: the part.
            origin: where it is defined; read from the part when None.

        Raises:
            ValueError: another one has this name.
        """
        origin = origin or origin_of(part)
        other = self._origins.get(name, origin)
        if other != origin:
            raise ValueError(f"there are two {self.what}s named {name!r}: {other} and {origin}")
        self._parts[name], self._origins[name] = part, origin

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
        self._is_loaded = True  # a module that registers a part may ask for others
        try:
            for module in self._modules:
                importlib.import_module(module)
            load_extensions()
        except BaseException:
            self._is_loaded = False  # whoever asks next is told the same
            raise
        # Whichever module was imported first.
        self._parts = dict(sorted(self._parts.items(), key=lambda part: self._rank(part[0])))

    def _rank(self, name: str) -> int:
        """The place of the module that a part comes from."""
        homes = [self._origins[name].startswith(f"{module}.") for module in self._modules]
        return homes.index(True) if any(homes) else len(homes)


def origin_of(part: Any) -> str:
    """Where a function or a class is defined: its module and its name."""
    return f"{part.__module__}.{part.__qualname__}"
