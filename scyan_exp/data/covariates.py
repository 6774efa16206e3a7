"""Covariates of the cells, such as their batch, as columns of numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from scyan_exp.errors import InputError, listed, near_matches

#: What readers of CSV and Parquet take for a number.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class CovariateEncoding:
    """Which columns of ``obs`` enter the model, and how.

    Attributes:
        categories: the categories of each categorical key; one-hot, one column per category.
        continuous: keys that are numbers, one column each, after the categorical ones.
        batch_key: which of the categorical keys is the batch; None without batches, and in
            checkpoints of versions that could not correct batch effects.
    """

    categories: dict[str, list[str]] = field(default_factory=dict)
    continuous: list[str] = field(default_factory=list)
    batch_key: str | None = None

    @property
    def n_columns(self) -> int:
        """Number of covariate columns C."""
        return sum(len(names) for names in self.categories.values()) + len(self.continuous)

    @classmethod
    def fit(
        cls,
        obs: pd.DataFrame,
        categorical: list[str],
        continuous: list[str],
        batch_key: str | None = None,
    ) -> CovariateEncoding:
        """Take the categories from the cells at hand, sorted by name."""
        categories = {key: sorted(obs[key].astype(str).unique()) for key in categorical}
        return cls(categories, list(continuous), batch_key)

    def encode(self, obs: pd.DataFrame) -> np.ndarray:
        """Covariates (N, C) of cells, float32.

        Raises:
            InputError: a category that the model was not trained with, or a continuous
                covariate that is not a finite number.
        """
        problems, columns = [], [np.empty((len(obs), 0), np.float32)]
        for key, names in self.categories.items():
            values = obs[key].astype(str)
            words = set(values.unique())
            if meant := same_words(words, names):
                values = values.replace(meant)
            unknown = sorted(words - set(names) - set(meant))
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

    @property
    def batches(self) -> list[str]:
        """The batches that the model knows; none without a batch key."""
        return self.categories.get(self.batch_key or "", [])

    def in_batch(self, covariates_NC: Tensor, batch: str) -> Tensor:
        """The covariates that the same cells would have in another batch; other covariates stay.

        Args:
            covariates_NC: (N, C) covariates; they are not changed.
            batch: the other batch.

        Raises:
            InputError: the model knows no such batch.
        """
        self.check_batch(batch)
        keys = list(self.categories)
        first = sum(len(self.categories[key]) for key in keys[: keys.index(str(self.batch_key))])
        changed_NC = covariates_NC.clone()
        changed_NC[:, first : first + len(self.batches)] = 0
        changed_NC[:, first + self.batches.index(batch)] = 1
        return changed_NC

    def check_batch(self, batch: str) -> None:
        """Make sure that the model knows a batch.

        Raises:
            InputError: it does not.
        """
        if problems := self.batch_problems(batch):
            raise InputError(problems)

    def batch_problems(self, batch: str | None) -> list[str]:
        """Why cells cannot be brought to a batch; None is no batch, and no problem."""
        if batch is None or batch in self.batches:
            return []
        if not self.batches:
            return [
                "correct.batch_ref: the model knows no batches, so there is no batch effect that "
                "it could correct: train with dataset.batch_key=COLUMN"
            ]
        return [
            f"correct.batch_ref: {batch!r} is no batch of obs[{self.batch_key!r}]."
            f"{near_matches(batch, self.batches)} Batches: {listed(self.batches)}"
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and strings; ``CovariateEncoding(**values)`` undoes it."""
        return asdict(self)


def same_words(words: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """The categories meant by words that are spelled differently.

    Batches are often numbered, and whether ``01`` is read as a number depends on the rest of the
    column and on the format. So a word that is not a category stands for the category with the same
    number, or the same truth value.

    Args:
        words: the words as they were read.
        names: the categories.

    Example:
        >>> same_words(["01", "2.0", "TRUE", "3"], ["1", "2", "True", "A"])
        {'01': '1', '2.0': '2', 'TRUE': 'True'}
    """
    by_value: dict[tuple[str, Decimal | bool] | None, list[str]] = {}
    for name in names:
        by_value.setdefault(_value(name), []).append(name)
    known = {name for several in by_value.values() for name in several}
    found = {word: by_value.get(_value(word), []) for word in words if word not in known}
    return {
        word: several[0]
        for word, several in found.items()
        if len(several) == 1 and _value(word) is not None
    }


def _value(word: str) -> tuple[str, Decimal | bool] | None:
    """A number or truth value, without rounding; None for other words."""
    text = word.strip()
    if text.lower() in ("true", "false"):
        return "truth", text.lower() == "true"
    if _NUMBER.fullmatch(text):
        return "number", Decimal(text)
    return None
