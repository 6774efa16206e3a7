"""The models that annotate: the one of a checkpoint or a run, or those of a run with repeats."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from scyan_exp.config.sentences import problems_of
from scyan_exp.config.wanted import PredictConfig
from scyan_exp.errors import InputError, listed
from scyan_exp.results.annotation import load_model
from scyan_exp.results.consensus import Member
from scyan_exp.run.annotating.annotator import BatchCorrection
from scyan_exp.run.cleaned import why_gone
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.record import RunRecord
from scyan_exp.run.refining import correcting_model
from scyan_exp.training.checkpoint import cells_of
from scyan_exp.training.scyan import Scyan


@dataclass(frozen=True)
class ModelFile:
    """A checkpoint that takes part in an annotation.

    Attributes:
        name: what tells it from the others.
        path: the file.
        weight: its share in the consensus.
    """

    name: str
    path: Path
    weight: float


def load_members(checkpoint: str | Path | Scyan) -> list[Member]:
    """The models that annotate, with their weights; a run with repeats has several.

    Args:
        checkpoint: a checkpoint, a model, or the folder of a run.

    Raises:
        InputError: there is no run, or no model of it.
    """
    if isinstance(checkpoint, Scyan):
        return [Member("model", checkpoint, 1.0)]
    files = model_files(checkpoint)
    for one in files:
        cells_of(one.path)  # is it a checkpoint?
    return [Member(one.name, load_model(one.path), one.weight) for one in files]


def model_files(checkpoint: str | Path) -> list[ModelFile]:
    """The checkpoints of what was named.

    Raises:
        InputError: there is no run, or no model of it.
    """
    path = Path(checkpoint).expanduser()
    if not path.exists():
        why = why_gone(path.parents[1]) if len(path.parents) > 1 else ""
        reason = f"no such file{f' ({why})' if why else ''}"
        raise InputError(
            f"{reason}; expected checkpoints/best.ckpt of a run, or its folder", str(path)
        )
    if not path.is_dir():
        return [ModelFile("model", path, 1.0)]
    record = RunRecord.of_run(path)
    return [_single(path, record)] if record.repeats is None else _several(path, record.repeats)


def _single(folder: Path, record: RunRecord) -> ModelFile:
    best = RunFolder(folder).best
    if not best.is_file():
        why = why_gone(folder) or f"its status is {record.status.value!r}"
        raise InputError(f"this run has no model ({why})", where=str(folder))
    return ModelFile("model", best, 1.0)


def _several(folder: Path, repeats: dict[str, Any]) -> list[ModelFile]:
    files = [
        ModelFile(
            one.get("name", one["folder"]),
            RunFolder(folder / one["folder"]).best,
            one["weight"],
        )
        for one in repeats["members"]
    ]
    names = [one["folder"] for one in repeats["members"]]
    gone = [
        _gone(name, folder)
        for name, one in zip(names, files, strict=True)
        if not one.path.is_file()
    ]
    if gone:
        reason = f"repeats whose models are gone cannot annotate: {listed(gone)}"
        raise InputError(reason, where=str(folder))
    return files


def _gone(member: str, folder: Path) -> str:
    """The problem of a member whose checkpoint is gone, and why it is."""
    why = why_gone(folder / member)
    return f"{member}/checkpoints/best.ckpt" + (f" ({why})" if why else "")


def correction_by(
    files: Sequence[ModelFile], members: Sequence[Member], batch_ref: str | None
) -> BatchCorrection | None:
    """What corrects the batch effect: the model with the largest weight, refined if possible.

    Args:
        files: the checkpoints.
        members: their models.
        batch_ref: the batch to which cells are brought; None for no correction.

    Raises:
        InputError: the model does not know this batch.
    """
    if batch_ref is None:
        return None
    pairs = zip(files, members, strict=True)
    file, member = max(pairs, key=lambda pair: pair[1].weight)
    model = correcting_model(file.path.absolute().parents[1], member.model)
    model.encoding.check_batch(batch_ref)
    return BatchCorrection(model, batch_ref)


def checked_settings(values: Any) -> PredictConfig:
    """The section ``predict`` of a config.

    Raises:
        InputError: what is wrong with it.
    """
    try:
        return PredictConfig.model_validate(dict(values))
    except ValidationError as error:
        raise InputError(problems_of(error, PredictConfig, "predict.")) from error


def identity_of(files: Sequence[ModelFile]) -> str:
    """What tells models from others: a hash of all that decides their annotations."""
    digest = hashlib.sha256()
    for one in files:
        digest.update(f"{one.name} {one.weight!r} ".encode())
        with one.path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
        refined = RunFolder(one.path.absolute().parents[1]).refined.best
        if refined.is_file():
            digest.update(hashlib.sha256(refined.read_bytes()).digest())
    return digest.hexdigest()
