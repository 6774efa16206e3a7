"""Recipes of training, on all real data sets and two synthetic ones, scored by labels.

No training sees the labels. The rule that chooses was fixed before any number was looked at: the
recipe with the highest macro F1 (mean of the seeds) on the data set where it is worst; within
0.005 of each other, the one whose largest spread of accuracy between seeds is smaller; then the
one that trains faster.

Every training is a row of ``recipes.csv`` in ``--out``; a study that was cut off goes on there.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

from benchmarks.real import data_folder, himc, real, spleen
from benchmarks.rows import append_row, read_rows

#: Mean macro F1 that is as good as another.
AS_GOOD = 0.005
#: ``seconds`` of one processor, which other work on the machine hardly changes.
COLUMNS = ("data", "recipe", "seed", "accuracy", "f1_macro", "loss", "table_agreement")
COLUMNS += ("epochs", "best_epoch", "seconds")
COLUMNS += ("heuristic",)
Row = dict[str, Any]


@dataclass(frozen=True)
class Recipe:
    """What differs from the default.

    Attributes:
        overrides: of the default config.
        steps: an epoch, if not 40.
        average: of so many epochs' weights, the chosen epoch the last of them.
        decay: the learning rate falls by this factor each epoch, from the warm-up's end on.
    """

    overrides: tuple[str, ...] = ()
    steps: int | None = None
    average: int = 1
    decay: float = 1.0


RANDOM, ANY_EPOCH = "model.init=reference", "model.agreement_tolerance=null"
RECIPES = {
    "reference": Recipe(("model=reference",)),
    "reference, guard": Recipe(("model=reference", "model.agreement_tolerance=0.01")),
    "steps": Recipe((RANDOM, ANY_EPOCH)),
    "steps, guard": Recipe((RANDOM,)),
    "steps, identity": Recipe((ANY_EPOCH,)),
    "steps, identity, guard": Recipe(),
    "20 steps, identity, guard": Recipe(steps=20),
    "10 steps, identity, guard": Recipe(steps=10),
    "80 steps, identity, guard": Recipe(steps=80),
    "steps, identity, guard, lr 1e-3": Recipe(("model.lr=0.001",)),
    "steps, identity, guard, lr 2.5e-4": Recipe(("model.lr=0.00025",)),
    "20 steps, identity, guard, lr 1e-3": Recipe(("model.lr=0.001",), steps=20),
    "steps, identity, guard, average of 3": Recipe(average=3),
    "steps, identity, guard, lr 1e-3, decay": Recipe(("model.lr=0.001",), decay=0.85),
    "steps, identity, guard, patience 2": Recipe(("callbacks.early_stopping.patience=2",)),
    "20 steps, identity, guard, lr 1e-3, patience 2": Recipe(
        ("model.lr=0.001", "callbacks.early_stopping.patience=2"), steps=20
    ),
}


def cases(data: Path, folder: Path) -> dict[str, list[str]]:
    """The data sets; each has ``cell_type`` for labels."""
    cytof = ["dataset.transform=asinh"]
    return {
        "HIMC Plate3": himc(data),
        "mouse spleen": spleen(data, folder),
        "mouse spleen by asinh": spleen(data, folder, transformed=False),
        "hipc_tcell": [*real(data, "hipc_tcell"), "dataset.check_range=false"],
        "multicenter": [*real(data, "multicenter", folder, every=5), *cytof],
        "aml short": real(data, "aml", cells="short.h5ad"),
        "synthetic": ["dataset.n_cells=20000"],
        "synthetic with batches": [
            "dataset.n_cells=20000",
            "dataset.n_batches=2",
            "dataset.batch_key=batch",
        ],
    }


def measure_recipes(out: Path, n_seeds: int, wanted: str, recipes: str) -> list[Row]:
    """Train every recipe on every data set with so many seeds, several at a time."""
    data = data_folder()
    if data is None:
        return []
    path = out / "recipes.csv"
    out.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        found = cases(data, Path(folder))
        chosen = {k: v for k, v in found.items() if not wanted or k in wanted.split(";")}
        named = {k: v for k, v in RECIPES.items() if not recipes or k in recipes.split(";")}
        done = {(row["data"], row["recipe"], int(row["seed"])) for row in read_rows(path)}
        tasks = [
            (name, overrides, recipe, seed)
            for name, overrides in chosen.items()
            for seed in range(n_seeds)
            for recipe in named
            if (name, recipe, seed) not in done
        ]
        n_workers = os.cpu_count() or 1
        with ProcessPoolExecutor(n_workers, mp_context=get_context("spawn")) as pool:
            for row in pool.map(train_once, tasks):
                append_row(path, row, COLUMNS)
                print(*(f"{key}={value}" for key, value in row.items()), flush=True)
    return list(read_rows(path))


_kept: Any = None


def train_once(task: tuple[str, list[str], str, int]) -> Row:
    """One training as a run does it, without figures and files."""
    from benchmarks.schedule import Schedule, added
    from scyan_exp.config.check import check_config
    from scyan_exp.config.compose import compose_config
    from scyan_exp.data.datamodule import LARGEST_BATCH, SMALLEST_BATCH
    from scyan_exp.results.annotation import predict_cells
    from scyan_exp.results.measuring import compute_metrics, correction_of
    from scyan_exp.run.cells import KeptCells
    from scyan_exp.run.experiment import prepare
    from scyan_exp.run.fitting import fit
    from scyan_exp.run.tracking import RunIdentity, Tracker

    global _kept
    _kept = _kept or KeptCells()
    name, dataset, recipe_name, seed = task
    recipe = RECIPES[recipe_name]
    overrides = [*dataset, *recipe.overrides, f"seed={seed}", "logger=none"]
    config = check_config(compose_config(overrides))
    if recipe.steps:
        n_cells = min(len(_kept.load(config)), config.model.max_samples or 10**12)
        size = min(max(n_cells // recipe.steps, SMALLEST_BATCH), LARGEST_BATCH)
        config = check_config(compose_config([*overrides, f"model.batch_size={size}"]))
    schedule = Schedule(recipe.average, recipe.decay)
    with tempfile.TemporaryDirectory() as folder, added(schedule):
        experiment = prepare(config, Path(folder), _kept)
        tracker = Tracker(config.logger, Path(folder), RunIdentity(name), {})
        started = time.process_time()
        trained = fit(config, experiment, Path(folder), tracker)
        seconds = time.process_time() - started
    if recipe.average > 1:
        experiment.model.load_state_dict(schedule.averaged(trained.best_epoch))
    cells = experiment.cells
    annotation = predict_cells(experiment.model, cells.x, cells.covariates)
    correction = correction_of(experiment.model, cells)
    metrics = compute_metrics(annotation, cells, trained.best_loss, correction)
    row = {"data": name, "recipe": recipe_name, "seed": seed}
    row |= {key: round(metrics[key], 5) for key in COLUMNS[3:7]}
    row |= {"epochs": len(trained.history), "best_epoch": trained.best_epoch}
    return {
        **row,
        "seconds": round(seconds, 2),
        "heuristic": round(metrics["heuristic"], 4),
    }


def markdown(rows: list[Row]) -> str:
    """A line a recipe, the chosen one first; of each data set its means, spread and worst seed."""
    names = list(dict.fromkeys(row["data"] for row in rows))
    heads = "".join(f" {name} |" for name in names)
    lines = [f"| recipe |{heads} worst macro F1 | s a run |", "|" + " --- |" * (len(names) + 3)]
    found = {recipe: _summary(recipe, rows) for recipe in RECIPES}
    complete = {k: v for k, v in found.items() if set(v) == set(names)}
    for recipe in _by_rule(complete):
        cells = "".join(f" {complete[recipe][name].text} |" for name in names)
        worst, _, seconds = _rank(complete[recipe])
        lines.append(f"| {recipe} |{cells} {worst:.3f} | {seconds:.1f} |")
    text = "Accuracy / macro F1, mean of the seeds (sd of the accuracy, worst seed)."
    return f"{text}\n\n" + "\n".join(lines)


@dataclass(frozen=True)
class OfCase:
    """What a recipe does on one data set."""

    accuracies: list[float]
    f1: float
    seconds: float

    @property
    def text(self) -> str:
        """As the table has it."""
        spread = f"{pstdev(self.accuracies):.3f}, {min(self.accuracies):.3f}"
        return f"{mean(self.accuracies):.3f} / {self.f1:.3f} ({spread})"


def _summary(recipe: str, rows: list[Row]) -> dict[str, OfCase]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row["recipe"] == recipe:
            found.setdefault(row["data"], []).append(row)
    return {
        name: OfCase(
            [float(one["accuracy"]) for one in some],
            mean(float(one["f1_macro"]) for one in some),
            mean(float(one["seconds"]) for one in some),
        )
        for name, some in found.items()
    }


def _rank(of_cases: Mapping[str, OfCase]) -> tuple[float, float, float]:
    """Worst macro F1, largest spread, seconds."""
    values = of_cases.values()
    return (
        min(one.f1 for one in values),
        max(pstdev(one.accuracies) for one in values),
        mean(one.seconds for one in values),
    )


def _by_rule(found: Mapping[str, Mapping[str, OfCase]]) -> list[str]:
    """The recipes, best first."""
    left = {name: _rank(one) for name, one in found.items()}
    order = []
    while left:
        best = max(worst for worst, _, _ in left.values())
        equal = [name for name, (worst, _, _) in left.items() if worst >= best - AS_GOOD]
        chosen = min(equal, key=lambda name: left[name][1:])
        order.append(chosen)
        del left[chosen]
    return order
