"""The figure that helps to choose ``predict.log_prob_th``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scyan_exp.results.figures.canvas import canvas
from scyan_exp.results.figures.registry import figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from scyan_exp.results.annotation import Annotation

#: Thresholds drawn: between these shares of the cells, and at the chosen one.
RANGE = (0.001, 0.98)
N_POINTS = 200


@dataclass(frozen=True)
class ThresholdCurve:
    """What each of T thresholds leaves. NaN where no cell is left to tell.

    Attributes:
        threshold: (T,) log p(u | z) below which cells have no population.
        annotated: (T,) share of all cells that have one.
        accuracy: (T,) share of these that are right, where the label is a row of the table.
        others: (T,) share that have one, of the cells whose label is no row of the table.
    """

    threshold: np.ndarray
    annotated: np.ndarray
    accuracy: np.ndarray
    others: np.ndarray

    def at(self, threshold: float) -> tuple[float, float, float]:
        """Its three shares at one of the thresholds."""
        i = int(np.searchsorted(self.threshold, self.threshold.dtype.type(threshold)))
        return float(self.annotated[i]), float(self.accuracy[i]), float(self.others[i])


def threshold_curve(annotation: Annotation, labels: pd.Series | None) -> ThresholdCurve:
    """The shares at evenly spaced thresholds, and at the one that was chosen.

    Args:
        annotation: of N cells.
        labels: N true populations, missing where not known; None without.
    """
    log_prob_N = annotation.log_prob
    chosen = log_prob_N.dtype.type(annotation.threshold)  # as it is compared with
    low, high = np.quantile(log_prob_N, RANGE)
    threshold_T = np.linspace(min(low, chosen), max(high, chosen), N_POINTS)
    threshold_T = np.unique(np.append(threshold_T.astype(log_prob_N.dtype), chosen))
    none = np.full(len(threshold_T), np.nan)
    annotated_T = _share_above(log_prob_N, threshold_T)
    if labels is None:
        return ThresholdCurve(threshold_T, annotated_T, none, none)
    names = pd.Index(annotation.table.populations, dtype=object)
    true_N = names.get_indexer(labels)
    is_scored, is_right = true_N >= 0, true_N == annotation.population
    is_other = ~is_scored & labels.notna().to_numpy()
    n_scored_T = _n_above(log_prob_N[is_scored], threshold_T)
    n_right_T = _n_above(log_prob_N[is_right], threshold_T)
    accuracy_T = np.where(n_scored_T > 0, n_right_T / np.maximum(n_scored_T, 1), np.nan)
    others_T = _share_above(log_prob_N[is_other], threshold_T) if is_other.any() else none
    return ThresholdCurve(threshold_T, annotated_T, accuracy_T, others_T)


@figure("threshold")
def threshold_figure(annotation: Annotation, labels: pd.Series | None = None) -> Figure:
    """How many cells keep a population at each threshold, and how many of these are right."""
    curve = threshold_curve(annotation, labels)
    chosen = annotation.threshold
    figure, axes = canvas(7.5, 4.2)
    parts = [
        ("cells annotated", curve.annotated, "C0"),
        ("of these right (label is a row)", curve.accuracy, "C2"),
        ("annotated, of the cells whose label is no row", curve.others, "C3"),
    ]
    for (name, share_T, color), here in zip(parts, curve.at(chosen), strict=True):
        if np.isfinite(share_T).any():
            label = f"{name}: {100 * here:.1f}%" if np.isfinite(here) else name
            axes.plot(curve.threshold, 100 * share_T, color=color, label=label)
            axes.plot([chosen], [100 * here], "o", color=color)
    axes.axvline(chosen, color="0.4", linestyle="--", linewidth=1)
    axes.set(
        ylim=(0, 102),
        xlabel="predict.log_prob_th (cells with a lower log-probability have no population)",
        ylabel="cells (%)",
    )
    axes.set_title("What the threshold leaves", loc="left")
    axes.margins(x=0.03)
    legend = axes.legend(title=f"at {chosen:g} (dashed)", fontsize=8, loc="lower left")
    legend.set_alignment("left")
    return figure


def _n_above(log_prob_N: np.ndarray, threshold_T: np.ndarray) -> np.ndarray:
    """(T,) cells that are not below a threshold."""
    return len(log_prob_N) - np.searchsorted(np.sort(log_prob_N), threshold_T, side="left")


def _share_above(log_prob_N: np.ndarray, threshold_T: np.ndarray) -> np.ndarray:
    return _n_above(log_prob_N, threshold_T) / max(len(log_prob_N), 1)
