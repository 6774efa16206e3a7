"""Models that annotate cells, a block at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scyan_exp.config.wanted import PredictConfig
from scyan_exp.data.cells import encode_expressions
from scyan_exp.data.fcs import Compensation
from scyan_exp.data.new_cells_doubts import new_cells_doubts
from scyan_exp.results.annotation import Annotation, predict_cells
from scyan_exp.results.consensus import Inputs, Member, combine
from scyan_exp.results.correction import correct
from scyan_exp.training.scyan import Scyan


@dataclass(frozen=True)
class BatchCorrection:
    """How the batch effect is corrected.

    Attributes:
        model: the model that does it.
        batch_ref: the batch that all cells are brought to.
    """

    model: Scyan
    batch_ref: str


class Annotator:
    """Annotates cells by one model, or by the consensus of several.

    Args:
        members: the models with their weights.
        settings: how they annotate; None for the defaults.
        correction: what corrects the batch effect; None for no correction.
    """

    def __init__(
        self,
        members: Sequence[Member],
        settings: PredictConfig | None = None,
        correction: BatchCorrection | None = None,
    ) -> None:
        self.members, self.settings = list(members), settings or PredictConfig()
        self.correction = correction
        self.table = members[0].model.table

    @property
    def markers(self) -> list[str]:
        """Names of the M markers, in the order of the expressions."""
        return self.table.markers

    @property
    def covariates(self) -> list[str]:
        """Columns of ``obs`` that enter the models."""
        encodings = [one.model.encoding for one in self.members]
        keys = [key for one in encodings for key in (*one.categories, *one.continuous)]
        return list(dict.fromkeys(keys))

    @property
    def compensation(self) -> Compensation:
        """How the training cells were compensated; ``auto`` if that is not known."""
        return self.members[0].model.preprocessing.compensation or "auto"

    @property
    def layer(self) -> str | None:
        """The layer of ``.h5ad`` files that held the training cells; None for X."""
        return self.members[0].model.preprocessing.layer

    def annotation(self, raw_NM: np.ndarray, obs: pd.DataFrame) -> Annotation:
        """Annotate N cells.

        Args:
            raw_NM: expressions in the same state as the training cells were.
            obs: the columns of the covariates.

        Raises:
            InputError: an expression is not finite, or a covariate is not one of the models'.
        """
        inputs = self._inputs(raw_NM, obs)
        first = self.members[0]
        if len(self.members) == 1:
            return predict_cells(first.model, *inputs[first.name], self.settings)
        return combine(self.members, *inputs[first.name], inputs=inputs, settings=self.settings)

    def corrected(self, raw_NM: np.ndarray, obs: pd.DataFrame) -> np.ndarray | None:
        """Expressions (N, M) without batch effect, in raw units; None without a correction.

        Raises:
            InputError: as :meth:`annotation` does.
        """
        if self.correction is None:
            return None
        model = self.correction.model
        x, covariates = encode_expressions(
            raw_NM, obs, model.table, model.preprocessing, model.encoding
        )
        return correct(model, x, covariates, self.correction.batch_ref)

    def doubts(self, raw_NM: np.ndarray) -> list[str]:
        """Warnings about cells: markers that are far from those of the training cells."""
        preprocessing = self.members[0].model.preprocessing
        return new_cells_doubts(self.markers, preprocessing, raw_NM)

    def _inputs(self, raw_NM: np.ndarray, obs: pd.DataFrame) -> dict[str, Inputs]:
        """The inputs of each member; members with equal preprocessing share them."""
        inputs: dict[str, Inputs] = {}
        for i, one in enumerate(self.members):
            model = one.model
            for earlier in self.members[:i]:
                theirs = earlier.model
                if (theirs.preprocessing, theirs.encoding) == (model.preprocessing, model.encoding):
                    inputs[one.name] = inputs[earlier.name]
                    break
            else:
                inputs[one.name] = encode_expressions(
                    raw_NM, obs, model.table, model.preprocessing, model.encoding
                )
        return inputs
