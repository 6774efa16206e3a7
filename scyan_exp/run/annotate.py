"""Annotating new cells with what a run left behind."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scyan_exp.config.schema import PredictConfig
from scyan_exp.data.cells import encode_cells
from scyan_exp.data.new_cells_doubts import new_cells_doubts
from scyan_exp.data.sources import read_expressions
from scyan_exp.errors import InputError, listed
from scyan_exp.results.annotation import Annotation, load_model, predict_cells
from scyan_exp.results.columns import PROBA, check_key
from scyan_exp.results.consensus import Inputs, Member, combine
from scyan_exp.run.cleaned import why_gone
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.record import RunRecord
from scyan_exp.run.settings_of import settings_of
from scyan_exp.training.scyan import Scyan

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger(__name__)


def annotate(
    checkpoint: str | Path | Scyan, adata: AnnData, settings: PredictConfig | None = None
) -> Annotation:
    """Annotate new cells with a checkpoint alone: add ``scyan_*`` columns to ``adata``.

    The cells are preprocessed with the constants of the training cells, which the checkpoint
    holds; give them in the same state (raw, transformed, ...) as those were given. Markers that
    are far from the training cells are warned of in the log.

    Args:
        checkpoint: ``checkpoints/best.ckpt`` of a run, a model, or the folder of a run; that of
            a run with repeats annotates by consensus.
        adata: cells with the markers and covariates of the model; changed in place.
        settings: the threshold, the name of the column, and whether all probabilities are kept;
            None for those of the run.

    Raises:
        InputError: a marker or covariate is missing, or an expression is not finite; the column
            is there already; or there is no run, or no model of it.
    """
    annotation = annotation_of(checkpoint, adata, settings)
    with warnings.catch_warnings():  # a view becomes a copy, which is what the user wants
        warnings.filterwarnings("ignore", message=".*view.*")
        for name, column in annotation.obs().items():
            adata.obs[name] = column.array
        adata.obsm.pop(PROBA, None)  # of an earlier annotation
        adata.obsm.update(annotation.obsm())
        adata.uns.update(annotation.uns())
    return annotation


def annotation_of(
    checkpoint: str | Path | Scyan, adata: AnnData, settings: PredictConfig | None = None
) -> Annotation:
    """The annotation of new cells, which stay as they are; arguments as in :func:`annotate`.

    Raises:
        InputError: as :func:`annotate` does.
    """
    members = _members(checkpoint)
    settings = settings_of(checkpoint) if settings is None else settings
    first = members[0]
    check_key(settings, adata, first.model.table)
    inputs = _inputs(members, adata)
    _warn_of_far_markers(first.model, adata)
    if len(members) > 1:
        return combine(members, *inputs[first.name], inputs=inputs, settings=settings)
    return predict_cells(first.model, *inputs[first.name], settings)


def _warn_of_far_markers(model: Scyan, adata: AnnData) -> None:
    markers = model.table.markers
    for doubt in new_cells_doubts(markers, model.preprocessing, read_expressions(adata, markers)):
        log.warning("new cells: %s", doubt)


def _inputs(members: Sequence[Member], adata: AnnData) -> dict[str, Inputs]:
    """The cells as each member saw its own; members of one preprocessing share the tensors."""
    inputs: dict[str, Inputs] = {}
    for i, one in enumerate(members):
        model = one.model
        for earlier in members[:i]:
            theirs = earlier.model
            if (theirs.preprocessing, theirs.encoding) == (model.preprocessing, model.encoding):
                inputs[one.name] = inputs[earlier.name]
                break
        else:
            inputs[one.name] = encode_cells(adata, model.table, model.preprocessing, model.encoding)
    return inputs


def _members(checkpoint: str | Path | Scyan) -> list[Member]:
    """The models that annotate, with their weights: several of a run with repeats."""
    if isinstance(checkpoint, Scyan):
        return [Member("model", checkpoint, 1.0)]
    path = Path(checkpoint)
    if not path.exists():
        why = why_gone(path.parents[1]) if len(path.parents) > 1 else ""
        reason = f"no such file{f' ({why})' if why else ''}"
        raise InputError(
            f"{reason}; expected checkpoints/best.ckpt of a run, or its folder", str(path)
        )
    if not path.is_dir():
        return [Member("model", load_model(path), 1.0)]
    return _members_of_run(path, RunRecord.of_run(path))


def _members_of_run(folder: Path, record: RunRecord) -> list[Member]:
    if record.repeats is None:
        best = RunFolder(folder).best
        if not best.is_file():
            why = why_gone(folder) or f"its status is {record.status.value!r}"
            raise InputError(f"this run has no model ({why})", where=str(folder))
        return [Member("model", load_model(best), 1.0)]
    members = record.repeats["members"]
    paths = [RunFolder(folder / one["folder"]).best for one in members]
    gone = [
        _gone(one["folder"], folder)
        for one, path in zip(members, paths, strict=True)
        if not path.is_file()
    ]
    if gone:
        reason = f"repeats whose models are gone cannot take part: {listed(gone)}"
        raise InputError(reason, where=str(folder))
    return [
        Member(one.get("name", one["folder"]), load_model(path), one["weight"])
        for one, path in zip(members, paths, strict=True)
    ]


def _gone(member: str, folder: Path) -> str:
    """The checkpoint of a member that is gone, and why it is."""
    why = why_gone(folder / member)
    return f"{member}/checkpoints/best.ckpt" + (f" ({why})" if why else "")
