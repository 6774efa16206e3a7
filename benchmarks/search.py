"""A search of the HIMC data with and without pruning; and what storages of a study cost."""

from __future__ import annotations

import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.real import data_folder, himc

N_TRIALS, N_SLOTS = 20, 4
#: Samplers and their seeds: each a search with and one without pruning, one after the other. The
#: random sampler draws the same 20 configs for both; TPE goes by what it sees.
SEARCHES = (("random", 0), ("tpe", 0), ("tpe", 1))
#: Of the default config, whose spread with the seed says what a gain means.
DEFAULT_SEEDS = "0,1,2,3,4"


def measure_search() -> list[dict[str, Any]]:
    """A row for the default config, and for each search; nothing where the data are not."""
    data = data_folder()
    if data is None:
        return []
    rows = [_default(data)]
    for sampler, seed in SEARCHES:
        for pruner in ("none", "auto"):
            rows.append(_search(data, sampler, seed, pruner))
            print(rows[-1], flush=True)
    return rows


def _train(sweep: Path, *arguments: str) -> tuple[float, list[dict[str, str]]]:
    command = [
        *(sys.executable, "-m", "scyan_exp", "train", "-m", *arguments),
        *("hydra/launcher=fleet", f"hydra.launcher.jobs_per_device={N_SLOTS}"),
        "objective=heuristic",
        f"hydra.sweep.dir={sweep}",
    ]
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    seconds = time.perf_counter() - started
    return seconds, list(csv.DictReader((sweep / "sweep.csv").read_text().splitlines()))


def _default(data: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        _, rows = _train(Path(folder) / "sweep", *himc(data), f"seed={DEFAULT_SEEDS}")
        values = [float(row["objective"]) for row in rows]
        return {
            "search": "default config, seeds 0 to 4",
            "heuristic": values[0],
            "all": values,
            **_accuracies([Path(rows[0]["folder"])]),
        }


def _search(data: Path, sampler: str, seed: int, pruner: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        seconds, rows = _train(
            Path(folder) / "sweep",
            "search=depth_prior_temperature",
            *himc(data),
            f"hydra.sweeper.n_trials={N_TRIALS}",
            f"hydra.sweeper.sampler={sampler}",
            f"hydra.sweeper.seed={seed}",
            f"hydra.sweeper.pruner={pruner}",
        )
        completed = [row for row in rows if row["status"] == "completed"]
        best = min(completed, key=lambda row: float(row["objective"]))
        return {
            "search": f"{sampler}, seed {seed}: pruner={pruner}",
            "sampler": sampler,
            "seed": seed,
            "pruner": pruner,
            "seconds": seconds,
            "n_pruned": sum(row["status"] == "pruned" for row in rows),
            "heuristic": float(best["objective"]),
            "config": " ".join(best["overrides"].split()[-3:]),
            **_accuracies([Path(best["folder"])]),
        }


def _accuracies(folders: list[Path]) -> dict[str, float]:
    metrics = [json.loads((f / "result.json").read_text())["metrics"] for f in folders]
    return {
        name: statistics.mean(one[name] for one in metrics) for name in ("accuracy", "f1_macro")
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """The rows as a table in Markdown."""
    lines = [
        f"| HIMC Plate3, {N_TRIALS} trials, {N_SLOTS} slots | seconds | pruned "
        "| best heuristic | its accuracy | its macro F1 |",
        "|" + " --- |" * 6,
    ]
    for row in rows:
        seconds = f"{row['seconds']:.0f}" if "seconds" in row else ""
        pruned = f"{row['n_pruned']}" if "n_pruned" in row else ""
        value = f"{row['heuristic']:.1f}"
        if "all" in row:
            value += f" (all: {' '.join(f'{one:.1f}' for one in row['all'])})"
        lines.append(
            f"| {row['search']} | {seconds} | {pruned} | {value} | {row['accuracy']:.3f} "
            f"| {row['f1_macro']:.3f} |"
        )
    return "\n".join(lines)


def measure_storages() -> list[dict[str, Any]]:
    """Milliseconds of what a search asks of its storage: medians over 60 trials of 25 epochs."""
    return [_storage(name) for name in ("journal", "sqlite")]


def _storage(name: str) -> dict[str, Any]:
    import optuna

    from scyan_exp.search.storage.opening import open_storage

    with tempfile.TemporaryDirectory() as folder:
        suffix = {"journal": "journal://{}/study.journal", "sqlite": "sqlite:///{}/study.db"}
        started = time.perf_counter()
        storage = open_storage(suffix[name].format(folder))
        sampler = optuna.samplers.TPESampler(seed=0)
        pruner = optuna.pruners.MedianPruner()
        study = optuna.create_study(storage=storage, sampler=sampler, pruner=pruner)
        opening = time.perf_counter() - started
        space = {f"x{i}": optuna.distributions.FloatDistribution(0, 1) for i in range(3)}
        times: dict[str, list[float]] = {"ask": [], "report": [], "prune": [], "tell": []}
        for _ in range(60):
            trial = _timed(times["ask"], lambda: study.ask(space))
            for epoch in range(25):
                _timed(times["report"], lambda t=trial, e=epoch: t.report(1.0, e))
                _timed(times["prune"], trial.should_prune)
            value = sum(trial.params.values())
            _timed(times["tell"], lambda t=trial, v=value: study.tell(t, v))
        medians = {key: 1e3 * statistics.median(values) for key, values in times.items()}
        return {"storage": name, "open": 1e3 * opening, **medians}


def _timed(times: list[float], act: Any) -> Any:
    started = time.perf_counter()
    result = act()
    times.append(time.perf_counter() - started)
    return result


def storages_markdown(rows: list[dict[str, Any]]) -> str:
    """The rows as a table in Markdown."""
    columns = ("open", "ask", "report", "prune", "tell")
    lines = [
        f"| milliseconds | {' | '.join(columns)} |",
        "|" + " --- |" * (len(columns) + 1),
    ]
    for row in rows:
        lines.append(f"| {row['storage']} | {' | '.join(f'{row[c]:.2f}' for c in columns)} |")
    return "\n".join(lines)
