"""The verdict on a run, beside what labels say: on good runs, bad ones, and ones spoilt on purpose.

Trainings by several recipes and seeds, and trainings with a mistake in the table or the data, on
all data sets. Each leaves its annotation in ``--out``, so that another verdict can be tried on
the same runs. A run is as good as its accuracy is near that of the best run on the same cells,
by the labels that are rows of the right table.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd

from benchmarks.real import data_folder, real, spleen
from benchmarks.spoilt import SPOILT_CELLS, SPOILT_TABLES, without
from scyan_exp.data.table import KnowledgeTable, load_table

Row = dict[str, Any]


ANY_EPOCH, RANDOM = "model.agreement_tolerance=null", "model.init=reference"
RECIPES: dict[str, list[str]] = {
    "default": [],
    "reference": ["model=reference"],
    "steps": [RANDOM, ANY_EPOCH],
    "steps, identity": [ANY_EPOCH],
    "batches of 256, any epoch": ["model.batch_size=256", RANDOM, ANY_EPOCH],
    "two epochs": ["trainer.max_epochs=2"],
    "two epochs, reference": ["model=reference", "trainer.max_epochs=2"],
    "lr 1e-2, any epoch": ["model.lr=0.01", RANDOM, ANY_EPOCH],
    "prior_std 0.8": ["model.prior_std=0.8"],
    "temperature 10": ["model.temperature=10"],
}


@dataclass(frozen=True)
class Case:
    """A data set: overrides, and where its cells lie untransformed, with their cofactor."""

    overrides: list[str]
    raw: Path | None = None
    cofactor: float = 5.0


def cases(data: Path, folder: Path) -> dict[str, Case]:
    """The data sets, of large ones every n-th cell."""
    folder.mkdir(parents=True, exist_ok=True)
    asinh = ["dataset.transform=asinh"]
    of_spleen = spleen(data, folder)
    by_asinh = spleen(data, folder, transformed=False)
    of_himc = [*real(data, "himc", folder, every=3, cells="himc.h5ad"), *PLATE]
    of_multicenter = [*real(data, "multicenter", folder, every=12), *asinh]
    return {
        "HIMC Plate3": Case(of_himc, _undone(folder / "himc.h5ad")),
        "mouse spleen": Case(of_spleen, folder / "spleen_False.h5ad", 150.0),
        "mouse spleen by asinh": Case(by_asinh),
        "hipc_tcell": Case([*real(data, "hipc_tcell"), "dataset.check_range=false"]),
        "multicenter": Case(of_multicenter, folder / "multicenter.h5ad"),
        "aml short": Case(real(data, "aml", cells="short.h5ad")),
        "synthetic": Case(["dataset.n_cells=20000"]),
        "synthetic with batches": Case(
            ["dataset.n_cells=20000", "dataset.n_batches=2", "dataset.batch_key=batch"]
        ),
    }


#: Share of all cells from which on a population is removed in turn, and how such trainings begin.
LARGE, WITHOUT = 0.01, "without"
PLATE = ["dataset.subset={batch:Plate3}"]


def _undone(path: Path) -> Path:
    """The cells of a file before ``asinh(x / 5)``."""
    adata = anndata.read_h5ad(path)
    adata.X = 5 * np.sinh(np.asarray(adata.X))
    raw = path.with_name(f"{path.stem}_raw.h5ad")
    adata.write_h5ad(raw)
    return raw


@dataclass(frozen=True)
class Task:
    """One training."""

    data: str
    manner: str
    seed: int
    overrides: list[str]

    @property
    def cells(self) -> list[str]:
        """The overrides that choose cells and table."""
        return [one for one in self.overrides if one.startswith(("dataset", "table"))]

    @property
    def file(self) -> str:
        """Name of its annotation."""
        return "-".join(f"{self.data} {self.manner} {self.seed}".split()).replace("/", "by")


def tasks(found: dict[str, Case], folder: Path, n_seeds: int, n_spoilt: int) -> Iterator[Task]:
    """All trainings."""
    for name, case in found.items():
        for manner, overrides in RECIPES.items():
            for seed in range(n_seeds):
                yield Task(name, manner, seed, [*case.overrides, *overrides])
        table = _table(case.overrides)
        for number, (manner, spoil) in enumerate(SPOILT_TABLES.items()):
            for seed in range(n_spoilt):
                rng = np.random.default_rng([number, seed])
                path = folder / f"{name} {manner} {seed}.csv".replace(" ", "_")
                _write_table(spoil(table, rng), path)
                others = [one for one in case.overrides if not one.startswith("table")]
                yield Task(name, manner, seed, [*others, "table=csv", f"table.path={path}"])
        yield from _missing(name, case, table, folder)
        for manner, overrides in SPOILT_CELLS.items():
            if case.raw is None:
                continue
            values = {"large": case.cofactor * 200, "small": case.cofactor / 200}
            spoilt = [one.format(**values) for one in overrides]
            kept = [one for one in case.overrides if not one.startswith("dataset.path")]
            kept = [one for one in kept if not one.startswith("dataset.transform")]
            for seed in range(n_spoilt):
                yield Task(name, manner, seed, [*kept, f"dataset.path={case.raw}", *spoilt])


def _missing(name: str, case: Case, table: KnowledgeTable, folder: Path) -> Iterator[Task]:
    """Each population that holds enough of the cells, by the labels, is left out in turn."""
    given = given_to(Task(name, "", 0, case.overrides))
    others = [one for one in case.overrides if not one.startswith("table")]
    for population in table.populations:
        if (given.labels == population).sum() < LARGE * len(given.x):
            continue
        manner = f"{WITHOUT} {population}"
        path = folder / f"{name} {manner}.csv".replace(" ", "_")
        _write_table(without(table, population), path)
        yield Task(name, manner, 0, [*others, "table=csv", f"table.path={path}"])


def _table(overrides: list[str]) -> KnowledgeTable:
    from scyan_exp.config.check import check_config
    from scyan_exp.config.compose import compose_config

    return check_config(compose_config(overrides)).table.load()


def _write_table(table: KnowledgeTable, path: Path) -> None:
    frame = pd.DataFrame(table.rho, index=table.populations, columns=table.markers)
    frame.to_csv(path)
    assert load_table(path).populations == table.populations


def train_all(out: Path, n_seeds: int, n_spoilt: int) -> None:
    """Train what is not in ``out`` yet, several at a time."""
    data = data_folder()
    if data is None:
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    found = cases(data, out / "cells")
    todo = list(tasks(found, out / "cells", n_seeds, n_spoilt))
    (out / "tasks.json").write_text(json.dumps([vars(one) for one in todo], indent=1))
    left = [one for one in todo if not (out / f"{one.file}.npz").exists()]
    left.sort(key=lambda one: one.seed)
    n_workers = os.cpu_count() or 1
    with ProcessPoolExecutor(n_workers, mp_context=get_context("spawn")) as pool:
        for number, _ in enumerate(pool.map(_train, left, [out] * len(left)), 1):
            print(f"{number} of {len(left)}", flush=True)


_kept: Any = None


def _train(task: Task, out: Path) -> None:
    """One training as a run does it, without figures and files; its annotation is kept."""
    import tempfile

    from scyan_exp.config.check import check_config
    from scyan_exp.config.compose import compose_config
    from scyan_exp.results.annotation import predict_cells
    from scyan_exp.run.cells import KeptCells
    from scyan_exp.run.experiment import prepare
    from scyan_exp.run.fitting import fit
    from scyan_exp.run.tracking import RunIdentity, Tracker

    global _kept
    _kept = _kept or KeptCells()
    config = check_config(compose_config([*task.overrides, f"seed={task.seed}", "logger=none"]))
    with tempfile.TemporaryDirectory() as folder:
        experiment = prepare(config, Path(folder), _kept)
        tracker = Tracker(config.logger, Path(folder), RunIdentity(task.data), {})
        trained = fit(config, experiment, Path(folder), tracker)
    cells = experiment.cells
    annotation = predict_cells(experiment.model, cells.x, cells.covariates)
    names = np.array(cells.table.populations, dtype=object)
    np.savez_compressed(
        out / f"{task.file}.npz",
        population=annotation.population.astype(np.int16),
        log_prob=annotation.log_prob,
        names=names.astype(str),
        history=np.array(
            [[row["loss"], row.get("table_agreement", np.nan)] for row in trained.history]
        ),
        best_epoch=trained.best_epoch,
    )


def judge_all(out: Path) -> list[Row]:
    """The verdict on every training in ``out``, beside its accuracy."""
    known: dict[str, Given] = {}
    right: dict[str, list[str]] = {}
    rows = []
    for values in json.loads((out / "tasks.json").read_text()):
        task = Task(**values)
        right.setdefault(task.data, _table(task.overrides).populations)
        if (out / f"{task.file}.npz").exists():
            key = json.dumps(task.cells)
            if key not in known:
                known[key] = given_to(task)
            rows.append(_judged(task, out, known[key], right[task.data]))
    best = {}
    for row in rows:
        if row["manner"] in RECIPES:
            best[row["data"]] = max(row["accuracy"], best.get(row["data"], 0.0))
    return [{**row, "gap": round(best[row["data"]] - row["accuracy"], 5)} for row in rows]


@dataclass(frozen=True)
class Given:
    """What a training was given: table, inputs, labels and batches."""

    table: KnowledgeTable
    x: np.ndarray
    labels: np.ndarray
    batches: np.ndarray | None


def given_to(task: Task) -> Given:
    """Load it."""
    from scyan_exp.config.check import check_config
    from scyan_exp.config.compose import compose_config
    from scyan_exp.run.cells import load_cells

    cells = load_cells(check_config(compose_config([*task.cells, "logger=none"])))
    cells.close()
    assert cells.labels is not None
    batches = None if cells.batches is None else cells.batches.astype(str).to_numpy()
    return Given(cells.table, cells.x.numpy(), cells.labels.astype(str).to_numpy(), batches)


def _judged(
    task: Task,
    out: Path,
    given: Given,
    populations: list[str],
) -> Row:
    from scyan_exp.results.signs import signs_of
    from scyan_exp.results.verdict import judge

    table, labels = given.table, given.labels
    left = np.load(out / f"{task.file}.npz")
    population = left["population"].astype(int)
    scored = np.isin(labels, populations)
    accuracy = (np.array(table.populations)[population] == labels)[scored].mean()
    signs = signs_of(table, given.x, population, left["log_prob"], given.batches)
    verdict = judge(table, signs, is_finished=int(left["best_epoch"]) < len(left["history"]) - 1)
    return {
        "data": task.data,
        "manner": task.manner,
        "seed": task.seed,
        "accuracy": round(float(accuracy), 5),
        "missing": round(float((scored & ~np.isin(labels, table.populations)).mean()), 5),
        "verdict": verdict.level.value,
        **{name: round(value, 5) for name, value in verdict.signs.items()},
        "reasons": "; ".join(verdict.reasons),
    }


LEVELS = ("good", "look at these populations", "do not use")
#: Limits between removed populations by their shares of the cells.
SHARES = (0.02, 0.05)
#: How far below the best run a run is: at most so much.
GAPS = {"within 3 points": 0.03, "3 to 10 below": 0.1, "more than 10 below": 1.0}


def measure_verdicts(out: Path, n_seeds: int) -> list[Row]:
    """Train what is left, judge all, and write ``verdicts.csv``."""
    out.mkdir(parents=True, exist_ok=True)
    train_all(out, n_seeds, max(1, n_seeds // 2))
    rows = judge_all(out)
    pd.DataFrame(rows).to_csv(out / "verdicts.csv", index=False)
    return rows


def markdown(rows: list[Row]) -> str:
    """How the verdicts fall, by how far a run is below the best one on its data."""
    frame = pd.DataFrame(rows)
    is_without = frame["manner"].str.startswith(WITHOUT)
    left_out, frame = frame[is_without], frame[~is_without].copy()
    frame["below"] = pd.cut(frame["gap"], [-1, *GAPS.values()], labels=list(GAPS))
    lines = [_counts("all", frame)]
    lines += [_counts(str(name), some) for name, some in frame.groupby("data", sort=False)]
    head = "| data | verdict | " + " | ".join(GAPS) + " |\n|" + " --- |" * (2 + len(GAPS))
    good, bad = frame[frame["verdict"] == "good"], frame[frame["gap"] > 0.1]
    kept = (good["gap"] <= 0.03).mean()
    caught = (bad["verdict"] != "good").mean()
    usable = (frame[frame["gap"] <= 0.03]["verdict"] == "good").mean()
    text = (
        f"{len(frame)} runs. Of the {len(good)} called good {kept:.1%} are within 3 points of the "
        f"best; of the {len(bad)} that are more than 10 below {caught:.1%} are not called good; "
        f"of those within 3 points {usable:.1%} are called good."
    )
    return "\n".join([text, "", head, *lines, *_missing_counts(left_out)])


def _missing_counts(frame: pd.DataFrame) -> list[str]:
    """How the verdicts fall when populations are removed in turn, by their shares of the cells."""
    if frame.empty:
        return []
    lines = ["", "| removed population | trainings | good | look | do not use |"]
    lines.append("|" + " --- |" * 5)
    shares = pd.cut(frame["missing"], [LARGE, *SHARES, 1.0], right=False)
    for share, some in frame.groupby(shares, observed=True):
        n = [int((some["verdict"] == level).sum()) for level in LEVELS]
        words = f"{share.left:.0%} to {share.right:.0%} of the cells"
        lines.append(f"| {words} | {len(some)} | {n[0]} | {n[1]} | {n[2]} |")
    return lines


def _counts(name: str, frame: pd.DataFrame) -> str:
    counts = pd.crosstab(frame["verdict"], frame["below"]).reindex(
        index=list(LEVELS), columns=list(GAPS), fill_value=0
    )
    return "\n".join(
        f"| {name} | {level} | " + " | ".join(str(n) for n in counts.loc[level]) + " |"
        for level in LEVELS
    )
