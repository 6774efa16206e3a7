"""Engines whose jobs outlive the command that started them, and what other commands ask of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scyan_exp.fleet.engines.base import ENGINES
from scyan_exp.fleet.settings import FleetSettings


@dataclass(frozen=True)
class Lasting:
    """What such an engine answers.

    Attributes:
        require_not_detached: raises an InputError if a launcher of this engine runs the sweep in a
            folder.
        require_none_left: raises an InputError if jobs of this engine still run for the sweep in a
            folder, which is to go on with another engine.
        detaches: whether the settings ask for a launcher that runs elsewhere.
        detach: starts that launcher, and says so; given the folder of the sweep, the settings, and
            those that have changed, as ``key=value``.
    """

    require_not_detached: Callable[[Path], None]
    require_none_left: Callable[[Path], None]
    detaches: Callable[[FleetSettings], bool]
    detach: Callable[[Path, FleetSettings, Sequence[str]], None]


#: By the name of the engine; each engine's own file adds its entry.
LASTING: dict[str, Lasting] = {}


def require_not_detached(sweep_dir: Path) -> None:
    """Make sure that no detached launcher runs a sweep.

    Raises:
        InputError: one does.
    """
    for one in _known().values():
        one.require_not_detached(sweep_dir)


def require_none_left(sweep_dir: Path, chosen: str) -> None:
    """Make sure that no job of any engine but the chosen one still runs for a sweep.

    Raises:
        InputError: some do.
    """
    for name, one in _known().items():
        if name != chosen:
            one.require_none_left(sweep_dir)


def detaches(fleet: FleetSettings) -> bool:
    """Whether the launcher runs elsewhere, so that the command returns at once."""
    one = _known().get(fleet.engine)
    return one is not None and one.detaches(fleet)


def detach(sweep_dir: Path, fleet: FleetSettings, changes: Sequence[str] = ()) -> None:
    """Start a launcher that goes on with a sweep without this command, and say so.

    Args:
        sweep_dir: the folder of the sweep, whose jobs are written.
        fleet: the settings.
        changes: settings of the launcher that have changed, as ``key=value``.

    Raises:
        InputError: the engine cannot do that.
    """
    _known()[fleet.engine].detach(sweep_dir, fleet, changes)


def _known() -> dict[str, Lasting]:
    len(ENGINES)  # loads the files of all engines
    return LASTING
