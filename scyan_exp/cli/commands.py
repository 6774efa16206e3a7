"""Which commands there are: every file of this folder but those that several commands share."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from scyan_exp.cli.command import Command

SHARED = {"arguments", "main", "command", "commands", "notebook", "problems", "safety"}


def commands() -> dict[str, Command]:
    """The commands by name: a file of this folder each."""
    folder = str(Path(__file__).parent)
    files = {module.name for module in pkgutil.iter_modules([folder])} - SHARED
    found = [importlib.import_module(f"{__package__}.{file}").COMMAND for file in sorted(files)]
    return {command.name: command for command in found}
