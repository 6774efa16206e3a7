"""``eval "$(scyan-exp -sc install=bash)"``: the tab key completes commands, groups and keys."""

from __future__ import annotations

import os
import sys

from scyan_exp.cli.command import Command, exit_code, refuse
from scyan_exp.run.job import DONE

#: What a shell asks, and a user types once.
ASKED = ("install", "uninstall", "query")
SHELLS = ("bash", "fish", "zsh")
#: Variables of the shell: the line so far, and the place of the cursor in it.
LINE, POINT = "COMP_LINE", "COMP_POINT"


def complete(arguments: list[str]) -> int:
    """What Hydra does for its programs; ours has commands before the overrides."""
    asked, _, shell = "".join(arguments).partition("=")
    if asked not in ASKED or shell not in SHELLS or len(arguments) != 1:
        return refuse(
            f'usage: eval "$(scyan-exp -sc install=SHELL)"; SHELL is one of {", ".join(SHELLS)}'
        )
    if asked == "query" and not _of_overrides():
        return DONE
    return exit_code(lambda: _ask_hydra(arguments))


def _of_overrides() -> bool:
    """Whether overrides are to be completed, and then take the command out of the line.

    Else the commands are printed, if none is typed yet.
    """
    words = os.environ.get(LINE, "").split(" ")
    if len(words) <= 2:
        from scyan_exp.cli.commands import commands

        begun = words[1] if len(words) == 2 else ""
        names = [one.name for one in commands().values() if one.summary]
        print(" ".join(name for name in names if name.startswith(begun)))
    if len(words) <= 2 or words[1] != "train":
        return False
    os.environ[LINE] = " ".join([words[0], *words[2:]])
    os.environ[POINT] = str(len(os.environ[LINE]))
    return True


def _ask_hydra(arguments: list[str]) -> None:
    import hydra

    from scyan_exp.config.compose import configs_folder

    def nothing(_: object) -> None:
        """Hydra runs no job when it is asked to complete."""

    before, sys.argv = sys.argv, ["scyan-exp", "-sc", *arguments]
    try:
        hydra.main(str(configs_folder()), "train", version_base="1.3")(nothing)()
    finally:
        sys.argv = before


COMMAND = Command("-sc", None, complete)
