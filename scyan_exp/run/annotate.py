"""Annotating new cells in memory with the model of a run."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from scyan_exp.config.wanted import PredictConfig
from scyan_exp.data.cells_problems import new_cells_problems, no_expressions
from scyan_exp.data.sources import read_expressions
from scyan_exp.errors import InputError
from scyan_exp.results.annotation import Annotation
from scyan_exp.results.columns import check_key, drop_earlier
from scyan_exp.run.annotating.annotator import Annotator
from scyan_exp.run.annotating.models import load_members
from scyan_exp.run.settings_of import settings_of
from scyan_exp.training.scyan import Scyan

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger(__name__)


def annotate(
    checkpoint: str | Path | Scyan, adata: AnnData, settings: PredictConfig | None = None
) -> Annotation:
    """Annotate new cells with a checkpoint alone: add ``scyan_*`` columns to ``adata``.

    The cells are preprocessed with the constants of the training cells, which the checkpoint holds.
    So they must be in the same state (raw, transformed, ...) as the training cells were. The log
    warns of markers that are far from those of the training cells.

    Args:
        checkpoint: ``checkpoints/best.ckpt`` of a run, a model, or the folder of a run. The folder
            of a run with repeats annotates by consensus.
        adata: cells with the markers and covariates of the model; changed in place.
        settings: the threshold, the name of the column, and whether all probabilities are kept;
            None for the run's settings.

    Raises:
        InputError: a marker or covariate is missing; an expression is not finite; the column exists
            already; or there is no run, or it has no model.
    """
    annotation = annotation_of(checkpoint, adata, settings)
    with warnings.catch_warnings():  # a view becomes a copy, as it should
        warnings.filterwarnings("ignore", message=".*view.*")
        drop_earlier(adata, annotation.key)
        for name, column in annotation.obs().items():
            adata.obs[name] = column.array
        adata.obsm.update(annotation.obsm())
        adata.uns.update(annotation.uns())
    return annotation


def annotation_of(
    checkpoint: str | Path | Scyan, adata: AnnData, settings: PredictConfig | None = None
) -> Annotation:
    """The annotation of new cells, which are not changed; arguments as for :func:`annotate`.

    Raises:
        InputError: as :func:`annotate` does.
    """
    members = load_members(checkpoint)
    settings = settings_of(checkpoint) if settings is None else settings
    annotator = Annotator(members, settings)
    check_key(settings, adata, annotator.table)
    problems = new_cells_problems(
        adata.var_names, adata.obs.columns, annotator.markers, annotator.covariates
    )
    problems += no_expressions(adata)
    if problems:
        raise InputError(problems)
    raw_NM = read_expressions(adata, annotator.markers, annotator.layer)
    annotation = annotator.annotation(raw_NM, adata.obs)
    for doubt in annotator.doubts(raw_NM):
        log.warning("new cells: %s", doubt)
    return annotation
