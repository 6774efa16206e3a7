"""The console script ``scyan-exp``: choosing a command.

Torch is imported only when something is trained.
"""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Mapping, Sequence

from scyan_exp import __version__
from scyan_exp.cli.command import Command, refuse
from scyan_exp.cli.commands import commands
from scyan_exp.errors import InputError, near_matches
from scyan_exp.run.job import DONE, INTERRUPTED
from scyan_exp.terminal import outlive_readers

HELP = """\
scyan-exp: experiments with Scyan models, from YAML to annotated cells.

usage: scyan-exp COMMAND [ARGUMENTS]

commands:
{commands}

examples:
{examples}

options:
  -h, --help         this text; after a command, what it takes
  --version          the version
  -sc install=SHELL  what has the tab key complete commands, groups and keys in bash, fish or zsh:
                     eval "$(scyan-exp -sc install=bash)"
"""


def process(arguments: Sequence[str] | None = None) -> int:
    """As :func:`main`, in a process that ends with it.

    Python looks for garbage among all that is imported, while it is imported and once more at the
    end. That took a quarter of ``scyan-exp annotate`` on few cells.
    """
    gc.set_threshold(10_000)
    atexit.register(gc.freeze)
    return main(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code."""
    outlive_readers()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    known = commands()
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(help_text(known), end="")
        return DONE
    if arguments[0] == "--version":
        print(f"scyan-exp {__version__}")
        return DONE
    name, *rest = arguments
    if name not in known:
        shown = [command.name for command in known.values() if command.summary]
        hint = near_matches(name, shown)
        return refuse(f"unknown command {name!r}.{hint} See scyan-exp --help")
    command = known[name]
    if command.usage and not command.has_own_help and {"-h", "--help"} & set(rest):
        print(command.help(), end="")
        return DONE
    try:
        return command.run(rest)
    except InputError as error:  # such as an installed package that cannot be loaded
        return refuse(error)
    except KeyboardInterrupt:  # before there is anything to save
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def help_text(known: Mapping[str, Command]) -> str:
    """What ``scyan-exp --help`` prints."""
    shown = [command for command in known.values() if command.summary]
    shown.sort(key=lambda command: (command.name != "train", command.name))
    examples = [
        f"  {f'scyan-exp {line}':<53}  {words}".rstrip()
        for command in shown
        for line, words in command.examples
    ]
    return HELP.format(
        commands="\n".join(f"  {command.name:<11}  {command.summary}" for command in shown),
        examples="\n".join(examples),
    )
