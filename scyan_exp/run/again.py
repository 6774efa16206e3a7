"""The command that goes on with a run that was cut off."""

from __future__ import annotations

import shlex
from pathlib import Path

from scyan_exp.documents import read_yaml
from scyan_exp.run.folder import RunFolder


def command_again(folder: Path) -> str | None:
    """The command that made a run, into the folder of that run.

    Returns:
        None for a job of a sweep, and if Hydra's files are gone; then the same command into the
        same folder goes on.
    """
    try:
        hydra = read_yaml(RunFolder(folder).hydra_config)["hydra"]
        if hydra["mode"] != "RUN":
            return None
        given = [str(one) for one in hydra["overrides"]["task"]]
        sources = hydra["runtime"]["config_sources"]
        own = [str(one["path"]) for one in sources if one["provider"] == "command-line"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    folders = [f"--config-dir={path}" for path in own]
    return shlex.join(["scyan-exp", "train", *folders, *given, f"hydra.run.dir={folder}"])
