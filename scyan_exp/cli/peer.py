"""``scyan-exp ddp-peer``: another process of a run, started by the run itself."""

from __future__ import annotations

import sys
from pathlib import Path

from scyan_exp.cli.command import Command
from scyan_exp.run.job import DONE


def peer(arguments: list[str]) -> int:
    """Another process of a run (started by the run itself): its config comes on stdin."""
    import json

    from scyan_exp.config.check import read_config
    from scyan_exp.run.fitting import run_peer

    run_peer(read_config(json.loads(sys.stdin.readline())), Path(arguments[0]))
    return DONE


COMMAND = Command("ddp-peer", None, peer)
