"""Which number, known without labels, ranks the trials of a search as labels would.

Trainings by settings drawn at random from what a search varies, on all data sets; each is a row of
``objectives.csv`` in ``--out``, and a study that was cut off goes on there. The rule that chooses
was fixed before any number was looked at: the candidate whose Spearman correlation with accuracy,
turned so that 1 is best, has the highest mean over the data sets; of those within 0.02 of it, the
one that is best on the data set where it is worst. Settings with even numbers choose, those with
odd numbers confirm.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.real import data_folder, real, spleen
from benchmarks.rows import append_row, read_rows

Row = dict[str, Any]
#: What is measured of each training.
MEASURED = ("loss", "heuristic", "table_agreement", "n_missing_populations", "davies_bouldin")
MEASURED += ("neg_log_dirichlet", "accuracy", "f1_macro")
SIGNS = ("wrong", "avoidable", "kept", "unmatched", "contradicted", "unfit", "fall")
SEARCHED = ("n_layers", "prior_std", "temperature")
COLUMNS = ("data", "number", *SEARCHED, *MEASURED, *SIGNS, "epochs", "seconds")
#: Candidates: of a table of trainings, numbers that are better when high. ``table_fit`` was called
#: "table_agreement - avoidable" when the study began, and had no name of its own.
CANDIDATES: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "loss": lambda rows: -rows["loss"],
    "heuristic": lambda rows: -rows["heuristic"],
    "table_agreement": lambda rows: rows["table_agreement"],
    "n_missing_populations": lambda rows: -rows["n_missing_populations"],
    "davies_bouldin": lambda rows: -rows["davies_bouldin"],
    "neg_log_dirichlet": lambda rows: -rows["neg_log_dirichlet"],
    "avoidable": lambda rows: -rows["avoidable"],
    "fall": lambda rows: -rows["fall"],
    "wrong": lambda rows: -rows["wrong"],
    "wrong + avoidable": lambda rows: -rows["wrong"] - rows["avoidable"],
    "table_fit": lambda rows: rows["table_agreement"] - rows["avoidable"],
}
#: Means of correlations that are as good as another.
AS_GOOD = 0.02


def cases(data: Path, folder: Path) -> dict[str, list[str]]:
    """The data sets of ``recipes``; of the large ones some of the cells."""
    cytof = ["dataset.transform=asinh"]
    few = ["dataset.n_cells=10000"]
    himc = real(data, "himc", folder, every=6, cells="himc.h5ad")
    return {
        "HIMC Plate3": [*himc, "dataset.subset={batch:Plate3}"],
        "mouse spleen": spleen(data, folder),
        "mouse spleen by asinh": spleen(data, folder, transformed=False),
        "hipc_tcell": [*real(data, "hipc_tcell"), "dataset.check_range=false"],
        "multicenter": [*real(data, "multicenter", folder, every=24), *cytof],
        "aml short": real(data, "aml", cells="short.h5ad"),
        "synthetic": few,
        "synthetic with batches": [*few, "dataset.n_batches=2", "dataset.batch_key=batch"],
    }


def settings(number: int) -> dict[str, float]:
    """Settings as a search may try them."""
    rng = np.random.default_rng(number)
    return {
        "n_layers": int(rng.integers(3, 10)),
        "prior_std": round(float(rng.uniform(0.1, 0.6)), 4),
        "temperature": round(float(np.exp(rng.uniform(np.log(0.2), np.log(2)))), 4),
    }


def measure_objectives(out: Path, n_settings: int) -> list[Row]:
    """Train what is not in ``objectives.csv`` yet, one after the other."""
    data = data_folder()
    if data is None:
        return []
    path = out / "objectives.csv"
    out.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    done = {(row["data"], int(row["number"])) for row in read_rows(path)}
    with tempfile.TemporaryDirectory() as folder:
        found = cases(data, Path(folder))
        for number in range(n_settings):
            for name, overrides in found.items():
                if (name, number) not in done:
                    append_row(path, _train(name, number, overrides), COLUMNS)
    return list(read_rows(path))


_kept: Any = None


def _train(name: str, number: int, overrides: list[str]) -> Row:
    """One training as a run does it, without figures and files."""
    from scyan_exp.config.check import check_config
    from scyan_exp.config.compose import compose_config
    from scyan_exp.results.annotation import predict_cells
    from scyan_exp.results.measuring import compute_metrics, correction_of
    from scyan_exp.results.signs import signs_of
    from scyan_exp.run.cells import KeptCells
    from scyan_exp.run.experiment import prepare
    from scyan_exp.run.fitting import fit
    from scyan_exp.run.tracking import RunIdentity, Tracker

    global _kept
    _kept = _kept or KeptCells()
    chosen = settings(number)
    values = [f"model.{key}={value}" for key, value in chosen.items()]
    config = check_config(compose_config([*overrides, *values, "logger=none"]))
    with tempfile.TemporaryDirectory() as folder:
        experiment = prepare(config, Path(folder), _kept)
        tracker = Tracker(config.logger, Path(folder), RunIdentity(name), {})
        trained = fit(config, experiment, Path(folder), tracker)
    cells = experiment.cells
    annotation = predict_cells(experiment.model, cells.x, cells.covariates)
    correction = correction_of(experiment.model, cells)
    metrics = compute_metrics(annotation, cells, trained.best_loss, correction)
    signs = signs_of(cells.table, cells.x.numpy(), annotation.population, annotation.log_prob)
    return {
        **{"data": name, "number": number},
        **chosen,
        **{key: round(float(metrics[key]), 6) for key in MEASURED},
        **{key: round(value, 6) for key, value in signs.numbers().items()},
        **{"epochs": len(trained.history), "seconds": round(trained.seconds, 2)},
    }


def correlations(rows: pd.DataFrame, score: str = "accuracy") -> pd.DataFrame:
    """Spearman correlations with a score: a row a candidate, a column a data set.

    A number that is the same for all trainings ranks none: its correlation is 0.
    """
    found: dict[str, dict[str, float]] = {}
    for data, some in rows.groupby("data", sort=False):
        for name, values_of in CANDIDATES.items():
            values = values_of(some).replace([np.inf, -np.inf], np.nan)
            values = values.fillna(values.min() - 1)
            ranks = values.nunique() > 1 < some[score].nunique()
            value = values.corr(some[score], method="spearman") if ranks else 0.0
            found.setdefault(name, {})[str(data)] = float(value)
    return pd.DataFrame(found).T


def by_rule(found: pd.DataFrame) -> list[str]:
    """The candidates, the chosen one first."""
    means, worst = found.mean(axis=1), found.min(axis=1)
    left, order = list(found.index), []
    while left:
        best = max(means[left])
        equal = [name for name in left if means[name] >= best - AS_GOOD]
        order.append(max(equal, key=worst.__getitem__))
        left.remove(order[-1])
    return order


def markdown(rows: list[Row]) -> str:
    """Correlations of all candidates, the chosen one first."""
    if not rows:
        return ""
    frame = _numbers(pd.DataFrame(rows))
    halves = {name: correlations(frame[frame["number"] % 2 == i]) for i, name in enumerate(HALVES)}
    order = by_rule(halves[HALVES[0]])
    return _table(order, correlations(frame), halves)


#: Settings that choose, and those that confirm.
HALVES = ("even", "odd")


def _numbers(frame: pd.DataFrame) -> pd.DataFrame:
    numeric = [column for column in frame.columns if column != "data"]
    return frame.astype(dict.fromkeys(numeric, float))


def _table(order: list[str], found: pd.DataFrame, halves: Mapping[str, pd.DataFrame]) -> str:
    heads = [*found.columns, *(f"{text}, {name}" for name in halves for text in ("mean", "worst"))]
    lines = ["| |" + "".join(f" {head} |" for head in heads), "|" + " --- |" * (len(heads) + 1)]
    for name in order:
        values = [*found.loc[name]]
        for half in halves.values():
            values += [half.loc[name].mean(), half.loc[name].min()]
        lines.append(f"| {name} |" + "".join(f" {value:+.2f} |" for value in values))
    return "\n".join(lines)
