"""Shared by the tests of the fleet's parts: a job that nobody runs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from scyan_exp.config.check import check_config, read_config
from scyan_exp.config.compose import compose_config
from scyan_exp.fleet.jobs import Job, Kept


@cache
def default() -> dict[str, Any]:
    """The default config in plain containers."""
    return check_config(compose_config(["dataset.n_cells=500"])).plain()


def job(number: int, folder: Path = Path("none"), **changes: Any) -> Job:
    """A job; of this program, if something of the default config is changed."""
    checked = None
    if changes:
        merged = {
            key: {**default()[key], **value} if isinstance(value, dict) else value
            for key, value in changes.items()
        }
        checked = read_config({**default(), **merged})
    composed = OmegaConf.create({"seed": number})
    return Job(number, folder, [f"seed={number}"], Kept(composed), checked)
