"""Transforming and scaling expressions, in a way that can be repeated and undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from scyan_exp.data.distribution import quantiles
from scyan_exp.data.transforms import Invertible, Transform
from scyan_exp.data.transforms.asinh import Asinh
from scyan_exp.data.transforms.choosing import are_counts
from scyan_exp.data.transforms.logicle import Logicle

Center = bool | Literal["auto"] | None


@dataclass(frozen=True)
class Preprocessing:
    """How raw expressions became the model's inputs.

    First comes ``transform`` (asinh: ``arcsinh(x / cofactor)``). Then, if ``scale``, ``center`` is
    subtracted from each marker, the marker is divided by its standard deviation, and clipped to
    ``max_value`` on both sides. Subtracting the mean standardises; subtracting one standard
    deviation sends 0 to -1, which the reference advises for CyTOF data.

    Attributes:
        transform: ``none``, ``asinh`` or ``logicle``.
        cofactor: divisor before arcsinh, or M of them; 5 is usual for CyTOF, 150 for flow
            cytometry.
        center: M numbers; None when not scaled.
        std: M positive numbers; None when not scaled.
        max_value: scaled values are clipped to [-max_value, max_value].
        quantiles: 100 rows of M raw expressions (at ``distribution.SHARES``), with which new cells
            are compared; None in checkpoints of earlier versions.
        logicle: M times T, W, M and A of the logicle scale; None for other transforms.
        compensation: how the raw expressions were compensated, as the reader of their file says
            (``adata.uns["compensation"]``); None if that is not known.
        layer: the layer that held the raw expressions; None for X.
    """

    transform: Transform = "none"
    cofactor: float | list[float] = 5.0
    center: list[float] | None = None
    std: list[float] | None = None
    max_value: float = 10.0
    quantiles: list[list[float]] | None = None
    logicle: list[list[float]] | None = None
    compensation: dict[str, Any] | None = None
    layer: str | None = None

    @classmethod
    def fit(cls, x_NM: np.ndarray, **settings: Any) -> Preprocessing:
        """Measure the constants on raw expressions; as :meth:`fit_apply`."""
        return cls.fit_apply(x_NM, **settings)[0]

    @classmethod
    def fit_apply(
        cls,
        x_NM: np.ndarray,
        *,
        transform: Transform,
        cofactor: float | Sequence[float] = 5.0,
        scale: bool = True,
        center: Center = None,
        max_value: float = 10.0,
        compensation: dict[str, Any] | None = None,
        layer: str | None = None,
    ) -> tuple[Preprocessing, np.ndarray]:
        """Measure the constants on raw expressions (N, M), and turn these into the model's inputs.

        Args:
            x_NM: raw expressions; they stay as they are.
            transform: applied first; logicle measures its own parameters.
            cofactor: for asinh: one for all markers, or M.
            scale: whether each marker is divided by its standard deviation, and clipped.
            center: send the mean to 0 (True) or 0 to -1 (False); ``auto`` means False for counts
                (:func:`are_counts`) and True otherwise; None means False for asinh and True
                otherwise, as the reference does.
            max_value: where scaled values are clipped.
            compensation: how they were compensated before.
            layer: the layer that held them; None for X.

        Returns:
            The constants, and a new float32 array (N, M): what :meth:`apply` gives.
        """
        constants: dict[str, Any] = {
            "transform": transform,
            "cofactor": cofactor if isinstance(cofactor, int | float) else list(cofactor),
            "max_value": max_value,
            "quantiles": quantiles(x_NM).tolist(),
            "logicle": Logicle.fit(x_NM).constants if transform == "logicle" else None,
            "compensation": compensation,
            "layer": layer,
        }
        inputs_NM = cls(**constants).transformed(x_NM)
        if scale:
            mean_M, std_M = _mean_and_std(inputs_NM)
            to_mean = transform != "asinh" or (center == "auto" and not are_counts(x_NM))
            if isinstance(center, bool):
                to_mean = center
            constants |= {"center": (mean_M if to_mean else std_M).tolist(), "std": std_M.tolist()}
        preprocessing = cls(**constants)
        return preprocessing, preprocessing._scaled(inputs_NM)

    def apply(self, x_NM: np.ndarray) -> np.ndarray:
        """Raw expressions (N, M) to model inputs (N, M), a new float32 array."""
        return self._scaled(self.transformed(x_NM))

    def undo(self, x_NM: np.ndarray) -> np.ndarray:
        """Model inputs (N, M) back to raw expressions; clipped values stay clipped."""
        if self.std is not None:
            dtype = np.result_type(x_NM, np.float32)
            x_NM = x_NM * np.asarray(self.std, dtype) + np.asarray(self.center, dtype)
        transform = self._transform()
        return x_NM if transform is None else transform.undo(x_NM)

    def transformed(self, x_NM: np.ndarray) -> np.ndarray:
        """Raw expressions (N, M) transformed and not scaled, a new float32 array."""
        x_NM = np.array(x_NM, np.float32)
        transform = self._transform()
        if transform is not None:
            transform.apply_to(x_NM)
        return x_NM

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and strings; ``Preprocessing(**values)`` undoes it."""
        return asdict(self)

    def _transform(self) -> Invertible | None:
        if self.transform == "asinh":
            return Asinh(self.cofactor)
        return Logicle(self.logicle or []) if self.transform == "logicle" else None

    def _scaled(self, x_NM: np.ndarray) -> np.ndarray:
        """Scale transformed expressions (N, M) in place."""
        if self.std is not None:
            x_NM -= np.asarray(self.center, np.float32)
            x_NM /= np.asarray(self.std, np.float32)
            np.clip(x_NM, -self.max_value, self.max_value, out=x_NM)
        return x_NM


def _mean_and_std(x_NM: np.ndarray, chunk: int = 65_536) -> tuple[np.ndarray, np.ndarray]:
    """Mean and population standard deviation of each marker, summed in float64 by chunks."""
    chunks = [x_NM[i : i + chunk] for i in range(0, len(x_NM), chunk)]
    mean_M = np.sum([c.sum(axis=0, dtype=np.float64) for c in chunks], axis=0) / len(x_NM)
    squares = [np.square(c - mean_M).sum(axis=0) for c in chunks]
    return mean_M, np.sqrt(np.sum(squares, axis=0) / len(x_NM))
