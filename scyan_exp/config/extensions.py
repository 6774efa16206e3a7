"""Installed packages that add metrics, data formats, figures and YAML files.

Such a package names a module in the entry-point group ``scyan_exp``; importing the module registers
its parts. A folder ``configs`` in the package is searched for groups, as ours is.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from scyan_exp.errors import InputError

GROUP = "scyan_exp"


def load_extensions() -> None:
    """Import the modules that installed packages name.

    Raises:
        InputError: some cannot be imported; all of them, with the package and the cause.
    """
    problems = [problem for point in _points() if (problem := _problem_of(point)) is not None]
    if problems:
        raise InputError(problems, where="installed packages")


def extension_configs() -> list[Path]:
    """The folders ``configs`` of these packages; no package is imported for this."""
    packages = dict.fromkeys(point.module.partition(".")[0] for point in _points())
    specs = [find_spec(package) for package in packages]
    folders = [
        Path(place) / "configs"
        for spec in specs
        if spec is not None
        for place in spec.submodule_search_locations or ()
    ]
    return [folder for folder in folders if folder.is_dir()]


@cache
def _points() -> list[EntryPoint]:
    """The entry points of the group, by name; looking for them takes a hundredth of a second."""
    return sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value))


def _problem_of(point: EntryPoint) -> str | None:
    """Import what an entry point names; return what went wrong."""
    try:
        point.load()
    except Exception as error:
        assert point.dist is not None  # one that was looked for by its group was found in a package
        package = point.dist.name
        return (
            f"{package}: its entry point {point.name} = {point.value} cannot be loaded "
            f"({type(error).__name__}: {error}). Repair or uninstall {package}"
        )
    return None
