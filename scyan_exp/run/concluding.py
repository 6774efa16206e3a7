"""From annotated cells to the files of a folder, for a single training and for a consensus."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from scyan_exp.config.wanted import Wanted
from scyan_exp.data.cells import Cells
from scyan_exp.results.annotation import Annotation, write_annotated
from scyan_exp.results.biomarkers import Biomarkers
from scyan_exp.results.consensus import Consensus, Member
from scyan_exp.results.correction import corrected_layers
from scyan_exp.results.embedding import UMAP_KEY, umap_of
from scyan_exp.results.figures.drawing import draw_figures, shown_of
from scyan_exp.results.measuring import compute_metrics, correction_of
from scyan_exp.results.signs import Signs, signs_of
from scyan_exp.results.verdict import Verdict, judge
from scyan_exp.run.again import command_again
from scyan_exp.run.fitting import Trained
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.sampled import biomarkers_of, sample_tables, write_biomarkers
from scyan_exp.run.tracked import Table, tables_of
from scyan_exp.training.scyan import Scyan

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Corrector:
    """What corrects the batch effect.

    Attributes:
        model: the model.
        inputs: its inputs (N, M) and covariates (N, C), if they differ from those of the cells.
    """

    model: Scyan
    inputs: tuple[torch.Tensor, torch.Tensor] | None = None


@dataclass(frozen=True, repr=False)
class Concluded:
    """What concluding an annotation gives.

    Attributes:
        annotation: the annotation.
        cells: the cells.
        metrics: the metrics.
        signs: the signs for and against the annotation.
        verdict: whether to use the annotation.
        figures: the files of the figures.
        is_whole: False if Ctrl-C ended the drawing, so that some figures are missing.
        biomarkers: what was measured in each sample; None without samples.
    """

    annotation: Annotation
    cells: Cells
    metrics: dict[str, float]
    signs: Signs
    verdict: Verdict
    figures: list[Path]
    biomarkers: Biomarkers | None
    is_whole: bool = True

    def tables(self, weights_P: np.ndarray) -> dict[str, Table]:
        """Tables for a dashboard, given the weights (P,) of the populations."""
        agreement_N = self.annotation.agreement if isinstance(self.annotation, Consensus) else None
        tables = tables_of(self.annotation, self.cells.labels, self.signs, weights_P, agreement_N)
        return tables | sample_tables(self.biomarkers)


def conclude(
    annotation: Annotation,
    cells: Cells,
    folder: Path,
    wanted: Wanted,
    corrector: Corrector,
    trained: Trained | None = None,
    members: Sequence[Member] | None = None,
) -> Concluded:
    """Measure and judge an annotation, write cells and samples to a folder, then draw figures.

    Ctrl-C while figures are drawn ends only the drawing: everything else is written by then.

    Args:
        annotation: the annotation, or a consensus.
        cells: the cells.
        folder: where to write.
        wanted: what the config asks for.
        corrector: what corrects the batch effect, if there are batches.
        trained: the training that annotates; None for a consensus.
        members: the members of a consensus.
    """
    own, x_NM = RunFolder(folder), cells.x.numpy()
    batch_ref = wanted.correct.batch_ref
    correction = correction_of(corrector.model, cells, batch_ref, corrector.inputs)
    metrics = compute_metrics(
        annotation, cells, None if trained is None else trained.best_loss, correction
    )
    if isinstance(annotation, Consensus):
        metrics["agreement"] = float(annotation.agreement.mean())
    batch_N = None if cells.batches is None else cells.batches.astype(str)
    signs = signs_of(cells.table, x_NM, annotation.population, annotation.log_prob, batch_N)
    is_finished = trained is None or trained.is_finished
    verdict = judge(cells.table, signs, is_finished=is_finished, agreement=metrics.get("agreement"))
    biomarkers = biomarkers_of(cells.adata, annotation, wanted.biomarkers)
    umap = umap_of(x_NM) if wanted.figures.umap else None
    shown = shown_of(
        annotation,
        cells,
        None if trained is None else trained.history,
        members,
        None if trained is None else trained.best_epoch,
        signs=signs,
        umap=umap,
        biomarkers=biomarkers,
    )
    obsm = {} if umap is None else {UMAP_KEY: umap}
    layers = corrected_layers(corrector.model, cells, batch_ref, corrector.inputs)
    write_annotated(cells.adata, annotation, own.annotated, obsm, layers, _roles(cells))
    write_biomarkers(own, biomarkers)
    try:
        figures, is_whole = draw_figures(own.figures, shown, wanted.figures), True
    except KeyboardInterrupt:
        figures, is_whole = sorted(own.figures.glob("*.png")), False
        log.warning(
            "Interrupted while the figures were drawn: the cells are annotated (%s), some "
            "figures are missing. To have them, run it again: %s",
            own.annotated,
            command_again(folder) or "the same command",
        )
    return Concluded(annotation, cells, metrics, signs, verdict, figures, biomarkers, is_whole)


def _roles(cells: Cells) -> set[str]:
    """Columns that the training used; labels, for instance, may be an earlier annotation."""
    named = [one.name for one in (cells.labels, cells.batches) if one is not None]
    return {*map(str, named), *cells.encoding.categories, *cells.encoding.continuous}
