"""What looks wrong about new cells, compared with those that a model was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scyan_exp.data.distribution import distances, quantiles
from scyan_exp.data.preprocess import Preprocessing

#: Distance from which a marker is far: the least at which this holds for 5% or fewer of the markers
#: of two samples from one instrument (HIMC, multicenter; docs/results.md).
FAR = 0.75
#: With fewer cells than this nothing is said: whole populations may be missing.
FEWEST_CELLS = 200
#: Share of far markers from which the whole annotation is doubtful.
MOST = 0.5
#: Ratio of the spreads from which cells count as wider or narrower than the training cells.
OTHER_SPREAD = 1.5
#: How the training cells were compensated, in words, by the kind that their reader noted.
COMPENSATED = {
    "file": "compensated by the matrix of their file",
    "matrix": "compensated by a matrix of a CSV",
    "before": "compensated before, by the names of their channels",
    "none": "not compensated",
}


def new_cells_doubts(
    markers: Sequence[str], preprocessing: Preprocessing, raw_NM: np.ndarray
) -> list[str]:
    """What to check, then the markers whose distribution differs from that in training.

    Args:
        markers: names of the M markers.
        preprocessing: that of the training; those of earlier versions have no quantiles.
        raw_NM: (N, M) expressions of the new cells, as given.
    """
    if preprocessing.quantiles is None or len(raw_NM) < FEWEST_CELLS:
        return []
    seen_QM, new_QM = np.array(preprocessing.quantiles), quantiles(raw_NM)
    far_M = distances(preprocessing.transformed(seen_QM), preprocessing.transformed(new_QM)) > FAR
    if not far_M.any():
        return []
    return [
        _what_to_check(preprocessing, seen_QM[:, far_M], new_QM[:, far_M], len(markers)),
        *(
            f"marker {name!r}: {_range(new_Q)}; in training {_range(seen_Q)}"
            for name, new_Q, seen_Q, far in zip(markers, new_QM.T, seen_QM.T, far_M, strict=True)
            if far
        ),
    ]


def _what_to_check(
    preprocessing: Preprocessing, seen_QF: np.ndarray, new_QF: np.ndarray, n_markers: int
) -> str:
    """The first sentence, given the quantiles (100, F) of the far markers."""
    n_far = seen_QF.shape[1]
    head = f"{n_far} of {n_markers} markers are far from the training cells"
    if n_far < MOST * n_markers:
        return (
            f"{head}: are these columns the right ones, compensated and transformed as in training "
            f"({_state(preprocessing)}), and the cells of the same kind?"
        )
    return (
        f"most markers ({head}), so the annotation is likely wrong. Give new cells in the state "
        f"in which the training cells were given ({_state(preprocessing)}). "
        f"{_likely_cause(seen_QF, new_QF)}"
    )


def _state(preprocessing: Preprocessing) -> str:
    """The state in which the training cells were given, and what the model does to them."""
    kind = (preprocessing.compensation or {}).get("kind")
    given = f"{COMPENSATED[kind]}; " if kind in COMPENSATED else ""
    if preprocessing.transform == "none":
        return f"{given}the model transforms nothing: dataset.transform=none"
    given += f"the model transforms them: dataset.transform={preprocessing.transform}"
    if preprocessing.transform == "asinh":
        return f"{given}, dataset.cofactor={_cofactor(preprocessing.cofactor)}"
    return f"{given}, measured on raw intensities"


def _cofactor(cofactor: float | list[float]) -> str:
    if not isinstance(cofactor, list):
        return f"{cofactor:g}"
    return f"{min(cofactor):g} to {max(cofactor):g}, by marker"


def _likely_cause(seen_QF: np.ndarray, new_QF: np.ndarray) -> str:
    ratio = np.median(_spread(new_QF)) / max(float(np.median(_spread(seen_QF))), 1e-9)
    if ratio < 1 / OTHER_SPREAD:
        return "These are narrower: are they transformed already, or with a larger cofactor?"
    if ratio > OTHER_SPREAD:
        return "These are wider: are they not transformed, or with a smaller cofactor?"
    return "Are they compensated, of the same panel and instrument, or sorted?"


def _spread(x_QF: np.ndarray) -> np.ndarray:
    return np.asarray(x_QF[-1] - x_QF[0])


def _range(x_Q: np.ndarray) -> str:
    return f"99% of the cells from {x_Q[0]:.3g} to {x_Q[-1]:.3g}, median {np.median(x_Q):.3g}"
