"""Transforming and scaling expressions, remembered so that it can be repeated and undone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from scyan_exp.data.distribution import quantiles

Transform = Literal["none", "asinh"]
Center = bool | Literal["auto"] | None

#: Share of the cells near 0 from which a marker counts ions. Of mass cytometry half of the markers
#: have 15% or more (HIMC, multicenter), of flow cytometry less than 1% (mouse spleen).
NEAR_ZERO = 0.05


@dataclass(frozen=True)
class Preprocessing:
    """How raw expressions became the model's inputs.

    First ``transform`` (asinh: ``arcsinh(x / cofactor)``), then, if ``scale``, each marker is
    divided by its standard deviation after its ``center`` was subtracted, and clipped to
    ``max_value`` on both sides. Subtracting the mean standardises; subtracting one standard
    deviation sends 0 to -1, which the reference advises for CyTOF data.

    Attributes:
        transform: ``none`` or ``asinh``.
        cofactor: divisor before arcsinh; 5 is usual for CyTOF, 150 for flow cytometry.
        center: M numbers, or None when not scaled.
        std: M positive numbers, or None when not scaled.
        max_value: scaled values are clipped to [-max_value, max_value].
        quantiles: 100 rows of M raw expressions (``distribution.SHARES``), to compare new cells
            with; None in checkpoints of earlier versions.
    """

    transform: Transform = "none"
    cofactor: float = 5.0
    center: list[float] | None = None
    std: list[float] | None = None
    max_value: float = 10.0
    quantiles: list[list[float]] | None = None

    @classmethod
    def fit(
        cls,
        x_NM: np.ndarray,
        *,
        transform: Transform,
        cofactor: float = 5.0,
        scale: bool = True,
        center: Center = None,
        max_value: float = 10.0,
    ) -> Preprocessing:
        """Measure the constants on raw expressions (N, M).

        Args:
            center: send the mean to 0 (True) or 0 to -1 (False); ``auto`` means False for counts
                (:func:`are_counts`) and True otherwise; None means False for asinh and True
                otherwise, as the reference does.
        """
        if center == "auto":
            center = transform != "asinh" or not are_counts(x_NM)
        seen_QM = quantiles(x_NM).tolist()
        if not scale:
            return cls(transform, cofactor, max_value=max_value, quantiles=seen_QM)
        x_NM = cls(transform, cofactor).transformed(x_NM)
        mean_M, std_M = _mean_and_std(x_NM)
        to_mean = transform != "asinh" if center is None else center
        center_M = mean_M if to_mean else std_M
        return cls(transform, cofactor, center_M.tolist(), std_M.tolist(), max_value, seen_QM)

    def apply(self, x_NM: np.ndarray) -> np.ndarray:
        """Raw expressions (N, M) to model inputs (N, M), a new float32 array."""
        x_NM = self.transformed(x_NM)
        if self.std is not None:
            x_NM -= np.asarray(self.center, np.float32)
            x_NM /= np.asarray(self.std, np.float32)
            np.clip(x_NM, -self.max_value, self.max_value, out=x_NM)
        return x_NM

    def undo(self, x_NM: np.ndarray) -> np.ndarray:
        """Model inputs (N, M) back to raw expressions; clipped values stay clipped."""
        if self.std is not None:
            dtype = np.result_type(x_NM, np.float32)
            x_NM = x_NM * np.asarray(self.std, dtype) + np.asarray(self.center, dtype)
        return np.sinh(x_NM) * self.cofactor if self.transform == "asinh" else x_NM

    def transformed(self, x_NM: np.ndarray) -> np.ndarray:
        """Raw expressions (N, M) transformed and not scaled, a new float32 array."""
        x_NM = np.array(x_NM, np.float32)
        if self.transform == "asinh":
            x_NM /= self.cofactor
            np.arcsinh(x_NM, out=x_NM)
        return x_NM

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings; ``Preprocessing(**values)`` undoes it."""
        return asdict(self)


def are_counts(x_NM: np.ndarray) -> bool:
    """Whether raw expressions (N, M) are counts of ions, as mass cytometry gives them.

    Their negatives lie at 0, with or without noise of less than one ion: 0 means "negative". The
    negatives of flow cytometry spread far around 0.
    """
    share_M = [np.mean(np.abs(x_N) <= 1) for x_N in x_NM.T]
    return bool(np.median(share_M) >= NEAR_ZERO)


def _mean_and_std(x_NM: np.ndarray, chunk: int = 65_536) -> tuple[np.ndarray, np.ndarray]:
    """Mean and population standard deviation of each marker, summed in float64 by chunks."""
    chunks = [x_NM[i : i + chunk] for i in range(0, len(x_NM), chunk)]
    mean_M = np.sum([c.sum(axis=0, dtype=np.float64) for c in chunks], axis=0) / len(x_NM)
    squares = [np.square(c - mean_M).sum(axis=0) for c in chunks]
    return mean_M, np.sqrt(np.sum(squares, axis=0) / len(x_NM))
