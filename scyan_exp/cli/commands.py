"""Which commands there are: a file of this folder each."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from scyan_exp.cli.command import Command

#: Files of this folder that several commands share; every other one is a command.
SHARED = {"arguments", "main", "command", "commands", "notebook", "problems", "safety"}


def commands() -> dict[str, Command]:
    """The commands by name."""
    folder = [str(Path(__file__).parent)]
    files = {module.name for module in pkgutil.iter_modules(folder)} - SHARED
    found = [importlib.import_module(f"scyan_exp.cli.{file}").COMMAND for file in sorted(files)]
    return {command.name: command for command in found}
