"""The folder of a sweep may be somebody else's: what going on with it must not do unasked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scyan_exp.config.hydra_part import hydra_problems
from scyan_exp.errors import InputError

#: Typed after ``resume FOLDER`` by who has read what the folder would run.
TRUST = "trust=true"
#: Settings of Slurm that a shell or ``sbatch`` runs.
OF_SHELL = ("setup", "additional_parameters", "launcher_parameters")


def without_trust(changes: Sequence[str]) -> tuple[list[str], bool]:
    """The other settings, and whether the folder is trusted."""
    return [one for one in changes if one != TRUST], TRUST in changes


def require_trusted(
    launcher: Mapping[str, Any], job: Mapping[str, Any], changes: Sequence[str], where: Path
) -> None:
    """Make sure that what a folder would have a shell run has been seen by who goes on with it.

    Args:
        launcher: the settings of the launcher, as the folder has them.
        job: what it says of Hydra's jobs.
        changes: what was typed; what stands there needs no trust.
        where: the folder.

    Raises:
        InputError: it has not.
    """
    slurm = launcher.get("slurm")
    slurm = slurm if isinstance(slurm, Mapping) and launcher.get("engine") == "slurm" else {}
    typed = {change.partition("=")[0] for change in changes}
    found = [
        f"slurm.{key}: {slurm[key]}"
        for key in OF_SHELL
        if slurm.get(key) and f"slurm.{key}" not in typed
    ]
    if job.get("env_set"):
        found.append(f"hydra.job.env_set: {job['env_set']}")
    if not found:
        return
    lines = "".join(f"\n  {one}" for one in found)
    raise InputError(
        f"going on would run what this folder says:{lines}\nIf you know where it comes from, add "
        f"{TRUST}",
        where=str(where),
    )


def folder_problems(folder: Path, sweep_dir: Path) -> Iterator[str]:
    """A folder of a job that is not in that of the sweep, whatever links lead to."""
    if not folder.resolve().is_relative_to(sweep_dir.resolve()):
        yield (
            f"its folder {folder} is outside of the sweep's, which is not written to. If that is "
            "meant, run the command of the sweep again into the same folder"
        )


def job_problems(folder: Path, sweep_dir: Path, hydra: Mapping[str, Any]) -> Iterator[str]:
    """What a job of the list must not do.

    Args:
        folder: that of the job.
        sweep_dir: that of the sweep.
        hydra: Hydra's own part of its config, interpolations as they stand.
    """
    yield from folder_problems(folder, sweep_dir)
    yield from hydra_problems(hydra, "hydra")
    if "/" in str(hydra["job"]["name"]):
        yield f"hydra.job.name: expected a name, found {hydra['job']['name']!r}"
    for part in ("job_logging", "hydra_logging"):
        for name, handler in (hydra[part].get("handlers") or {}).items():
            file = str(handler.get("filename", "${hydra.runtime.output_dir}/"))
            inside = file.removeprefix("${hydra.runtime.output_dir}/")
            if inside == file or ".." in inside.split("/") or inside.startswith("/"):
                yield f"hydra.{part}.handlers.{name}: {file!r} is outside of the job's folder"
