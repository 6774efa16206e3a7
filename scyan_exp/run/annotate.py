"""Annotating new cells with what a run left behind."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from scyan_exp.data.cells import encode_cells
from scyan_exp.errors import InputError
from scyan_exp.results.annotation import Annotation, load_model, predict_cells
from scyan_exp.results.consensus import Member, combine
from scyan_exp.run.record import RunRecord
from scyan_exp.training.scyan import Scyan

if TYPE_CHECKING:
    from anndata import AnnData


def annotate(checkpoint: str | Path | Scyan, adata: AnnData) -> Annotation:
    """Annotate new cells with a checkpoint alone: add ``scyan_*`` columns to ``adata``.

    The cells are preprocessed with the constants of the training cells, which the checkpoint
    holds; give them in the same state (raw, transformed, ...) as those were given.

    Args:
        checkpoint: ``checkpoints/best.ckpt`` of a run, a model, or the folder of a run; that of
            a run with repeats annotates by consensus.
        adata: cells with the markers and covariates of the model; changed in place.

    Raises:
        InputError: a marker or covariate is missing, or an expression is not finite; or a folder
            that holds no run.
    """
    members = _members(checkpoint)
    model = members[0].model
    x, covariates = encode_cells(adata, model.table, model.preprocessing, model.encoding)
    annotation = (
        combine(members, x, covariates) if len(members) > 1 else predict_cells(model, x, covariates)
    )
    with warnings.catch_warnings():  # a view becomes a copy, which is what the user wants
        warnings.filterwarnings("ignore", message=".*view.*")
        for name, column in annotation.obs().items():
            adata.obs[name] = column.array
        adata.obsm["X_scyan"] = annotation.latent
    return annotation


def _members(checkpoint: str | Path | Scyan) -> list[Member]:
    if isinstance(checkpoint, Scyan):
        return [Member("model", checkpoint, 1.0)]
    folder = Path(checkpoint)
    if not folder.is_dir():
        return [Member("model", load_model(checkpoint), 1.0)]
    record = RunRecord.read(folder)
    if record is None:
        raise InputError("no run: there is no result.json in it", where=str(folder))
    if record.repeats is None:
        checkpoint = folder / "checkpoints" / "best.ckpt"
        if not checkpoint.is_file():
            raise InputError(
                f"this run has no model (its status is {record.status.value!r})", where=str(folder)
            )
        return [Member("model", load_model(checkpoint), 1.0)]
    return [
        Member(
            one["folder"],
            load_model(folder / one["folder"] / "checkpoints" / "best.ckpt"),
            one["weight"],
        )
        for one in record.repeats["members"]
    ]
