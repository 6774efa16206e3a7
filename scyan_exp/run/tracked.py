"""What W&B gets from a run besides metrics and figures: its description, and tables."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scyan_exp.config.schema import RunConfig
from scyan_exp.data.table import KnowledgeTable
from scyan_exp.results.annotation import Annotation
from scyan_exp.results.signs import Signs

#: Columns of the tables, by their names on W&B. The table of populations has as many of its columns
#: as it can.
TABLES = {
    "populations": (
        "population",
        "weight",
        "share",
        "mean_log_prob",
        "right_side",
        "true_share",
        "agreement",
    ),
    "confusion_matrix": ("label", "annotated", "cells", "share"),
    "members": ("name", "seed", "weight", "agreement"),
    "samples": ("sample", "population", "count", "share"),
    "groups": ("measure", "population", "marker", "p_adjusted"),
}


@dataclass(frozen=True)
class Table:
    """Rows for a dashboard.

    Attributes:
        columns: their names.
        rows: text and finite numbers; None where there is nothing.
    """

    columns: list[str]
    rows: list[list[Any]]

    @classmethod
    def of(cls, columns: Mapping[str, Any]) -> Table:
        """A table from columns of equal length."""
        rows = zip(*columns.values(), strict=True)
        return cls(list(columns), [[_plain(value) for value in row] for row in rows])


def described(
    config: RunConfig, choices: Mapping[str, str], table: KnowledgeTable
) -> dict[str, Any]:
    """The config for W&B, with keys by which runs can be grouped.

    Args:
        config: the config.
        choices: the option of each group, such as ``{"flow": "deep"}``.
        table: the table as it is used, including changed entries; its hash tells it from others.
    """
    path = getattr(config.table, "path", None)
    file = {"name": Path(str(path)).name if path else None, "hash": table_hash(table)}
    return {**config.plain(), "choices": dict(choices), "table_file": file}


def table_hash(table: KnowledgeTable) -> str:
    """A hash of a table's populations, markers and entries, whatever the layout of its file."""
    values = {**table.to_dict(), "rho": [[_plain(v) for v in row] for row in table.rho.tolist()]}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def tables_of(
    annotation: Annotation,
    labels: pd.Series | None,
    signs: Signs,
    weight_P: np.ndarray,
    agreement_N: np.ndarray | None = None,
) -> dict[str, Table]:
    """The tables of an annotation of N cells with P populations, by name.

    Args:
        annotation: the annotation.
        labels: N true populations, if known.
        signs: the signs of the annotation.
        weight_P: (P,) weights of the populations in the model.
        agreement_N: (N,) agreement of a consensus, 0 to 1.
    """
    names, n = annotation.table.populations, len(annotation.table.populations)
    n_cells, given = len(annotation.population), annotation.codes
    n_P = np.bincount(given[given >= 0], minlength=n)
    columns: dict[str, Any] = {
        "population": names,
        "weight": weight_P,
        "share": n_P / max(n_cells, 1),
        "mean_log_prob": _mean(annotation.log_prob, annotation.population, n),
        "right_side": _right_side(annotation.table, signs),
    }
    if labels is not None:
        true = labels.value_counts().reindex(names, fill_value=0)
        columns["true_share"] = true.to_numpy() / max(n_cells, 1)
    if agreement_N is not None:
        columns["agreement"] = _mean(agreement_N, annotation.population, n)
    tables = {"populations": Table.of(columns)}
    if labels is not None and labels.isin(names).any():
        tables["confusion_matrix"] = _confusion(annotation, labels)
    return tables


def members_table(members: Sequence[Mapping[str, Any]]) -> Table:
    """The trainings of a consensus, a row each, with their metrics."""
    own = {key: [one[key] for one in members] for key in TABLES["members"]}
    metrics = {key: [one["metrics"].get(key) for one in members] for key in members[0]["metrics"]}
    return Table.of({**own, **metrics})


def _right_side(table: KnowledgeTable, signs: Signs) -> list[float]:
    """(P,) share of the cells on the side that the table says, as a mean over its known markers."""
    means = []
    for right_M, rho_M in zip(signs.right, table.rho, strict=True):
        told = right_M[~np.isnan(right_M) & ~np.isnan(rho_M)]
        means.append(float(told.mean()) if len(told) else math.nan)
    return means


def _mean(value_N: np.ndarray, population_N: np.ndarray, n: int) -> np.ndarray:
    """(P,) mean over the cells of each population; NaN where there are none."""
    n_P = np.bincount(population_N, minlength=n)
    sum_P = np.bincount(population_N, weights=value_N, minlength=n)
    return np.where(n_P > 0, sum_P / np.maximum(n_P, 1), np.nan)


def _confusion(annotation: Annotation, labels: pd.Series) -> Table:
    """A row for each pair of label and population with cells; shares are of the label's cells."""
    names, n = annotation.table.populations, len(annotation.table.populations)
    true_N = pd.Index(names, dtype=object).get_indexer(labels)
    scored = true_N >= 0
    pairs = true_N[scored].astype(np.int64) * n + annotation.population[scored]
    count_PP = np.bincount(pairs, minlength=n * n).reshape(n, n)
    label, annotated = np.nonzero(count_PP)
    cells = count_PP[label, annotated]
    return Table.of(
        {
            "label": [names[i] for i in label],
            "annotated": [names[i] for i in annotated],
            "cells": cells,
            "share": cells / count_PP.sum(axis=1)[label],
        }
    )


def _plain(value: Any) -> Any:
    """A text or a Python number; None for a number that is not finite."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
