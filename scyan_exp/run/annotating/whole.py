"""Annotating a file in memory: FCS files, and other files whose result is ``.h5ad``."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scyan_exp.data.cells_problems import finite_problems, no_column
from scyan_exp.data.fcs import chosen_spillover
from scyan_exp.data.fcs_categories import category_keywords
from scyan_exp.data.fcs_head import read_head
from scyan_exp.data.fcs_writing import add_channels
from scyan_exp.data.file_kinds import FileKind, csv_files, fcs_files, parquet_files
from scyan_exp.data.joined import SAMPLE
from scyan_exp.data.markers import choose_markers, obs_name, renamed
from scyan_exp.data.reading import read_cells
from scyan_exp.data.sources import read_expressions
from scyan_exp.results.annotation import Annotation, write_annotated
from scyan_exp.results.columns import CONFIDENCE, CORRECTED, NOT_ANNOTATED, earlier_columns
from scyan_exp.results.correction import corrected_layer
from scyan_exp.run.annotating.covariates import covariate_problems
from scyan_exp.run.annotating.names import earlier_doubts, name_problems
from scyan_exp.run.annotating.overlap import Busy
from scyan_exp.run.annotating.ways import Advance, Task, Warn, marker_places

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger(__name__)

#: The channel of the confidence, from 0 to 100.
CONFIDENCE_CHANNEL = f"{CONFIDENCE}_percent"


class Whole:
    """A file that is annotated in memory.

    Args:
        task: the file.
    """

    def __init__(self, task: Task) -> None:
        self._task = task

    def problems(self) -> list[str]:
        """Everything that is wrong with the file.

        For an FCS file its head is enough; other files have to be read, numbers included.
        """
        task = self._task
        if task.job.kind == "fcs":
            return _fcs_problems(task)
        names = table_columns(task)
        named = [[name] for name in names if name not in task.annotator.covariates]
        _, problems = marker_places(task.annotator.markers, named)
        problems += [no_column(pd.Index(names), key, "covariate") for key in task.lacking(names)]
        problems += name_problems(task, names)
        if problems:
            return problems
        adata, markers = read_task(task), task.annotator.markers
        problems += finite_problems(read_expressions(adata, markers), markers)
        return problems + covariate_problems(task.annotator, [adata.obs])

    def annotate(self, identity: str, warn: Warn, advance: Advance) -> tuple[list[int], Busy]:
        """Write the result."""
        task = self._task
        adata = read_task(task)
        if doubt := compensation_doubt(task, adata):
            warn(doubt)
        for doubt in earlier_doubts(table_columns(task), task.annotator.settings.key_added):
            warn(doubt)
        annotation = annotate_cells(task, adata, warn)
        markers = task.annotator.markers
        corrected = task.annotator.corrected(read_expressions(adata, markers), adata.obs)
        task.check_unchanged()
        if task.job.result == "fcs":
            _write_fcs(task, annotation, corrected)
        elif corrected is None:
            write_annotated(adata, annotation, task.job.output)
        else:
            layers = {CORRECTED: corrected_layer(adata, markers, corrected)}
            write_annotated(adata, annotation, task.job.output, layers=layers)
        advance(1)
        n_pops = len(annotation.table.populations)
        return np.bincount(annotation.codes + 1, minlength=n_pops + 1).tolist(), Busy()


def table_columns(task: Task) -> list[str]:
    """The columns of a CSV or Parquet file; none for an FCS file, which has channels."""
    kinds: dict[str, FileKind] = {"csv": csv_files([]), "parquet": parquet_files([])}
    if task.job.kind not in kinds:
        return []
    return [one[0] for one in kinds[task.job.kind].peek(task.job.source).columns]


def read_task(task: Task) -> AnnData:
    """The cells of a file with the model's names of markers, and what else is known about them.

    Raises:
        InputError: they cannot be read, or a marker is missing.
    """
    source, markers = task.job.source, task.annotator.markers
    adata = read_cells(
        source,
        compensation=task.compensation,
        obs_columns=task.annotator.covariates,
        layer=task.annotator.layer,
    )
    named = choose_markers if task.job.kind == "fcs" else renamed
    adata = named(adata, markers, str(source))
    numbers = list(map(str, adata.var_names))
    earlier = earlier_columns([*adata.obs, *numbers], task.annotator.settings.key_added)
    if not {*earlier}.isdisjoint(numbers):
        adata = adata[:, [name not in earlier for name in numbers]].copy()
    adata.obs = task.with_known(adata.obs)
    if SAMPLE not in [*adata.obs, *adata.var_names]:  # as in a run, so that results can be joined
        adata.obs.insert(0, SAMPLE, pd.Categorical([source.stem] * adata.n_obs))
    adata.obs_names = [f"{source.stem}_{row}" for row in range(adata.n_obs)]
    return adata


def compensation_doubt(task: Task, adata: AnnData) -> str | None:
    """A warning about how an FCS file was compensated, if there is one; what was done is logged."""
    done = adata.uns.get("compensation", {}).get("kind")
    trained = task.annotator.members[0].model.preprocessing.compensation or {}
    if done == "file":
        log.info("%s: compensated by its spillover matrix", task.job.source.name)
    if done == "none" and trained.get("kind") in ("file", "before", "matrix"):
        return (
            "it is not compensated (it has no spillover matrix, or compensation=false), and the "
            "training cells were: name a matrix, compensation=FILE.csv"
        )
    return None


def annotate_cells(task: Task, adata: AnnData, warn: Warn) -> Annotation:
    """Annotate cells in memory, and warn of what is doubtful."""
    raw_NM = read_expressions(adata, task.annotator.markers)
    for doubt in task.annotator.doubts(raw_NM):
        warn(doubt)
    return task.annotator.annotation(raw_NM, adata.obs)


def _fcs_problems(task: Task) -> list[str]:
    head = read_head(task.job.source)
    peek = fcs_files(task.compensation).peek(task.job.source)
    _, problems = marker_places(task.annotator.markers, peek.columns)
    if not head.n_events:
        problems.append("it holds no cells")
    chosen_spillover(head, task.compensation)
    problems += [
        f"covariate {key!r}: the file has no such channel; name a CSV with one row per file and "
        "this column, metadata=FILE.csv"
        for key in task.lacking([obs_name(names[0]) for names in peek.columns])
    ]
    problems += name_problems(task, [obs_name(names[0]) for names in peek.columns])
    if task.job.result == "fcs":
        problems += _channel_problems(task, [channel.name for channel in head.channels])
    if problems:
        return problems
    is_known = set(task.annotator.covariates) <= set(task.known)
    obs = pd.DataFrame(index=range(1)) if is_known else read_task(task).obs
    return covariate_problems(task.annotator, [task.with_known(obs)])


def _channel_problems(task: Task, channels: list[str]) -> list[str]:
    """Channels that an annotation would add but that exist already: channels cannot be removed."""
    annotator = task.annotator
    added = [annotator.settings.key_added, CONFIDENCE_CHANNEL]
    if annotator.correction is not None:
        added += [f"{CORRECTED}_{name}" for name in annotator.markers]
    return [
        f"it has a channel {name!r} already: annotate the file that it was made of, or choose "
        "another format=..."
        for name in added
        if name in channels
    ]


def _write_fcs(task: Task, annotation: Annotation, corrected: np.ndarray | None) -> None:
    """Write the input with a channel of population numbers, which its keywords explain."""
    key, populations = task.annotator.settings.key_added, annotation.table.populations
    columns: dict[str, np.ndarray] = {
        key: annotation.codes + 1,
        # Whole numbers, so that a file of whole numbers can keep its own as they are.
        CONFIDENCE_CHANNEL: np.rint(100 * annotation.confidence),
    }
    if corrected is not None:
        names = task.annotator.markers
        columns |= {f"{CORRECTED}_{name}": corrected[:, i] for i, name in enumerate(names)}
    keywords = category_keywords(key, populations, NOT_ANNOTATED)
    add_channels(task.job.source, task.job.output, list(columns), list(columns.values()), keywords)
