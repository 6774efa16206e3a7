"""Engines whose work outlives the command that started it, and what other commands ask of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scyan_exp.fleet.engines.base import ENGINES
from scyan_exp.fleet.settings import FleetSettings


@dataclass(frozen=True)
class Lasting:
    """What such an engine answers. The first two raise an InputError that says what to do.

    Attributes:
        require_not_detached: makes sure that no launcher of it runs the sweep of a folder.
        require_none_left: makes sure that no job of it works for a sweep which goes on by another
            engine.
        detach: goes on with a sweep without this command, and says so; given the folder of the
            sweep, the settings, and those that are others now, as ``key=value``.
    """

    require_not_detached: Callable[[Path], None]
    require_none_left: Callable[[Path], None]
    detach: Callable[[Path, FleetSettings, Sequence[str]], None]


#: By the names of the engines, each added by the engine's own file.
LASTING: dict[str, Lasting] = {}


def require_not_detached(sweep_dir: Path) -> None:
    """Make sure that no launcher runs a sweep elsewhere.

    Raises:
        InputError: one does.
    """
    for one in _known().values():
        one.require_not_detached(sweep_dir)


def require_none_left(sweep_dir: Path, chosen: str) -> None:
    """Make sure that no job of another engine than the chosen one works for a sweep.

    Raises:
        InputError: some do.
    """
    for name, one in _known().items():
        if name != chosen:
            one.require_none_left(sweep_dir)


def detach(sweep_dir: Path, fleet: FleetSettings, changes: Sequence[str] = ()) -> None:
    """Go on with a sweep without this command, and say so.

    Args:
        sweep_dir: the folder of the sweep, whose jobs are written.
        fleet: the settings.
        changes: settings of the launcher that are others now, as ``key=value``.

    Raises:
        InputError: the engine cannot.
    """
    _known()[fleet.engine].detach(sweep_dir, fleet, changes)


def _known() -> dict[str, Lasting]:
    len(ENGINES)  # their files are loaded when somebody asks
    return LASTING
