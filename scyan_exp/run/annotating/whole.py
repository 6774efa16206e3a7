"""Annotating a file in memory: where input and result are of different formats, and FCS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scyan_exp.data.cells_problems import new_cells_problems
from scyan_exp.data.sources import read_csv, read_expressions
from scyan_exp.results.annotation import write_annotated
from scyan_exp.run.annotating.annotator import Annotator
from scyan_exp.run.annotating.covariates import covariate_problems
from scyan_exp.run.annotating.plan import Job

if TYPE_CHECKING:
    from anndata import AnnData


def whole_problems(path: Path, annotator: Annotator, compensation: str | bool) -> list[str]:
    """Everything that is wrong with a file."""
    return _problems(_read(path, annotator.covariates, compensation), annotator)


def _problems(adata: AnnData, annotator: Annotator) -> list[str]:
    problems = new_cells_problems(
        adata.var_names, adata.obs.columns, annotator.markers, annotator.covariates
    )
    if not adata.n_obs:
        problems.append("there are no cells in it")
    return problems or covariate_problems(annotator, [adata.obs])


def annotate_whole(
    job: Job,
    annotator: Annotator,
    compensation: str | bool,
    warn: Callable[[str], object],
) -> list[int]:
    """Annotate a file, and write the result.

    Returns:
        Cells without a population, then of each population.

    Raises:
        InputError: an expression is not finite.
    """
    adata = _read(job.source, annotator.covariates, compensation)
    raw_NM = read_expressions(adata, annotator.markers)
    for doubt in annotator.doubts(raw_NM):
        warn(doubt)
    annotation = annotator.annotation(raw_NM, adata.obs)
    write_annotated(adata, annotation, job.output)
    return np.bincount(
        annotation.codes + 1, minlength=1 + len(annotation.table.populations)
    ).tolist()


def _read(path: Path, covariates: Sequence[str], compensation: str | bool) -> AnnData:
    return read_csv(path, covariates)
