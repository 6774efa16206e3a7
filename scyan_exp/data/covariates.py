"""Covariates of the cells, such as their batch, as columns of numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from scyan_exp.errors import InputError, listed


@dataclass(frozen=True)
class CovariateEncoding:
    """Which columns of ``obs`` enter the model, and how.

    Attributes:
        categories: for each categorical key its categories; one-hot, one column a category.
        continuous: keys used as numbers, one column each, after the categorical ones.
    """

    categories: dict[str, list[str]] = field(default_factory=dict)
    continuous: list[str] = field(default_factory=list)

    @property
    def n_columns(self) -> int:
        """Number of covariate columns C."""
        return sum(len(names) for names in self.categories.values()) + len(self.continuous)

    @classmethod
    def fit(
        cls, obs: pd.DataFrame, categorical: list[str], continuous: list[str]
    ) -> CovariateEncoding:
        """Take the categories from the cells at hand, sorted by name."""
        categories = {key: sorted(obs[key].astype(str).unique()) for key in categorical}
        return cls(categories, list(continuous))

    def encode(self, obs: pd.DataFrame) -> np.ndarray:
        """Covariates (N, C) of cells, float32.

        Raises:
            InputError: a category that the model was not trained with, or a continuous
                covariate that is not a finite number.
        """
        problems, columns = [], [np.empty((len(obs), 0), np.float32)]
        for key, names in self.categories.items():
            values = obs[key].astype(str)
            unknown = sorted(set(values.unique()) - set(names))
            if unknown:
                problems.append(
                    f"obs[{key!r}] has {listed(map(repr, unknown))}; "
                    f"the model knows {listed(map(repr, names))}"
                )
            codes = pd.Categorical(values, categories=names).codes
            columns.append(np.eye(len(names), dtype=np.float32)[codes])
        for key in self.continuous:
            values_N = pd.to_numeric(obs[key], errors="coerce").to_numpy(np.float32)
            n_bad = int((~np.isfinite(values_N)).sum())
            if n_bad:
                where = f"{n_bad} of {len(obs)} cells"
                problems.append(f"obs[{key!r}] is not a finite number in {where}")
            columns.append(values_N[:, None])
        if problems:
            raise InputError(problems)
        return np.concatenate(columns, axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and strings; ``CovariateEncoding(**values)`` undoes it."""
        return asdict(self)
