"""Shared by the tests of the fleet's parts: a job that nobody runs."""

from __future__ import annotations

from pathlib import Path

from omegaconf import OmegaConf

from scyan_exp.fleet.jobs import Job


def job(number: int, folder: Path = Path("none"), **plain: object) -> Job:
    return Job(number, folder, [f"seed={number}"], OmegaConf.create({"seed": number}), plain)
