"""Drawing every figure that a run allows."""

from __future__ import annotations

import inspect
import io
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scyan_exp.config.figures import FIGURES
from scyan_exp.config.wanted import ALL_FIGURES, FiguresConfig
from scyan_exp.data.cells import Cells
from scyan_exp.files import atomic_path, sync
from scyan_exp.results.annotation import Annotation
from scyan_exp.results.biomarkers import Biomarkers
from scyan_exp.results.consensus import Consensus, Member
from scyan_exp.results.figures.registry import History
from scyan_exp.results.signs import Signs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

DPI = 120


@dataclass(frozen=True, repr=False)
class Shown:
    """What a figure can show of a run.

    Attributes:
        annotation: the annotated cells.
        history: metrics of every epoch; None for a consensus.
        labels: true populations of the cells; None without.
        batches: their batches; None without.
        x: (N, M) inputs of the model.
        members: the models of a consensus with their weights; None for a single training.
        best_epoch: the epoch that annotates; None for a consensus.
        signs: what speaks for and against the annotation.
        umap: (N, 2) places of the cells, NaN for those without; None if nobody asked for them.
        biomarkers: what was measured in each sample; None without samples.
    """

    annotation: Annotation
    history: History | None = None
    labels: pd.Series | None = None
    batches: pd.Series | None = None
    x: np.ndarray | None = None
    members: Sequence[Member] | None = None
    best_epoch: int | None = None
    signs: Signs | None = None
    umap: np.ndarray | None = None
    biomarkers: Biomarkers | None = None

    def by_name(self) -> dict[str, Any]:
        """What there is, by the name of the argument that takes it.

        ``populations`` are the rows of the table, ``x_NM`` the inputs, ``consensus`` is the
        annotation if it is one. ``labels`` are left out if none is a row of the table.
        """
        populations = self.annotation.table.populations
        is_labelled = self.labels is not None and self.labels.isin(populations).any()
        parts = {
            "annotation": self.annotation,
            "populations": populations,
            "x_NM": self.x,
            "labels": self.labels if is_labelled else None,
            "batches": self.batches,
            "history": self.history,
            "consensus": self.annotation if isinstance(self.annotation, Consensus) else None,
            "members": self.members,
            "best_epoch": self.best_epoch,
            "signs": self.signs,
            "umap": self.umap,
            **of_biomarkers(self.biomarkers),
        }
        return {name: part for name, part in parts.items() if part is not None}


def shown_of(
    annotation: Annotation,
    cells: Cells,
    history: History | None = None,
    members: Sequence[Member] | None = None,
    best_epoch: int | None = None,
    signs: Signs | None = None,
    umap: np.ndarray | None = None,
    biomarkers: Biomarkers | None = None,
) -> Shown:
    """An annotation of cells, for figures."""
    x = cells.x.numpy()
    labels, batches = cells.labels, cells.batches
    return Shown(
        annotation, history, labels, batches, x, members, best_epoch, signs, umap, biomarkers
    )


def of_biomarkers(biomarkers: Biomarkers | None) -> dict[str, Any]:
    """What figures can show of samples, by the name of the argument that takes it."""
    if biomarkers is None:
        return {}
    groups = {} if biomarkers.groups is None else {"groups": biomarkers.groups}
    return {"biomarkers": biomarkers, **groups}


def draw_figures(folder: Path, shown: Shown, wanted: FiguresConfig = ALL_FIGURES) -> list[Path]:
    """Draw every wanted figure that the run allows into ``folder``; return the files.

    A figure that fails is left out, with a warning in the log.
    """
    return draw_given(folder, shown.by_name(), wanted)


def draw_given(folder: Path, given: Mapping[str, Any], wanted: FiguresConfig) -> list[Path]:
    """As :func:`draw_figures`, with what there is by the name of the argument that takes it."""
    if wanted.draw == "none":
        return []
    from matplotlib import rc_context

    paths = []
    with rc_context({"text.parse_math": False}):  # "$" in a name is a dollar
        for name, draw in FIGURES.items():
            image = _image(name, draw, given) if wanted.has(name) else None
            if image is not None:
                paths.append(folder / f"{name}.png")
                with atomic_path(paths[-1], durable=False) as temporary:
                    temporary.write_bytes(image)
    for path in (*paths, folder) if paths else ():
        sync(path)
    return paths


def _image(name: str, draw: Callable[..., Figure], given: Mapping[str, Any]) -> bytes | None:
    """A figure as a PNG; None for one that the run does not allow, or that fails."""
    parameters = inspect.signature(draw).parameters
    if any(one not in given and p.default is p.empty for one, p in parameters.items()):
        return None
    file = io.BytesIO()
    try:
        _write_png(draw(**{one: given[one] for one in parameters if one in given}), file)
    except Exception as error:
        if draw.__module__.startswith("scyan_exp."):
            raise  # ours is a bug, to be seen; the run is worth more than what was added
        reason = f"{type(error).__name__}: {error}"
        log.warning("figure %s cannot be drawn (%s)", name, reason, exc_info=error)
        return None
    return file.getvalue()


def _write_png(figure: Figure, file: IO[bytes]) -> None:
    """Draw once; ``savefig`` draws twice, and figures are most of the time of a small run."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(DPI)
    FigureCanvasAgg(figure).print_png(file)
