"""The page of a large sweep: its size, the time to write it, and how fast a browser is with it.

The folder is made up, in the form in which a sweep leaves it: 1,000 jobs of 100 epochs and 20
populations. The browser is Chromium without a screen and without a GPU.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from scyan_exp.run.folder import FORMAT, RunFolder, SweepFolder
from scyan_exp.run.sweep_files import ListedJob, Manifest

#: What opens without a screen, and asks nobody anything on its own.
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
    *("--disable-component-update", "--disable-sync"),
)
#: The time until all is drawn, and the page answers.
DRAWN = "() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)))"
FILTER = (
    "const box = document.getElementById('filter'); box.value = '{}'; "
    "box.dispatchEvent(new Event('input'))"
)
#: The time of one deed until the next frame is laid out.
TIMED = """async (deed) => {
  const begin = performance.now();
  (new Function(deed))();
  document.body.getBoundingClientRect();
  return performance.now() - begin;
}"""


def find_browser() -> str | None:
    """The path of a browser; None if there is none."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def measure_page(n_jobs: int = 1000, n_epochs: int = 100) -> list[dict[str, Any]]:
    """Write the page of a large sweep, and open it."""
    with tempfile.TemporaryDirectory() as scratch:
        sweep = Path(scratch) / "sweep"
        write_sweep(sweep, n_jobs, n_epochs)
        command = [sys.executable, "-m", "scyan_exp", "report", str(sweep)]
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - begun
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        row = {
            "jobs": n_jobs,
            "epochs": n_epochs,
            "write_s": seconds,
            "write_cpu_s": usage.ru_utime + usage.ru_stime,
            "memory_mib": usage.ru_maxrss / 1024,
            "size_mb": SweepFolder(sweep).report.stat().st_size / 1e6,
        }
        return [row | look(SweepFolder(sweep).report)]


def look(path: Path, times: int = 5) -> dict[str, float]:
    """How long a browser takes to open a page, and to sort, filter and light up its jobs."""
    from playwright.sync_api import sync_playwright

    opened, sorted_, filtered, hovered = [], [], [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=[*ARGUMENTS])
        for _ in range(times):
            context = browser.new_context(bypass_csp=True)  # for the stopwatch
            page = context.new_page()
            begun = time.perf_counter()
            page.goto(path.resolve().as_uri())
            page.evaluate(DRAWN)
            opened.append(time.perf_counter() - begun)
            head = "document.querySelectorAll('.jobs thead button')"
            sorted_ += [page.evaluate(TIMED, f"{head}[{i}].click()") for i in (1, 2, 3, 1, 2)]
            filtered += [page.evaluate(TIMED, FILTER.format(text)) for text in ("seed=1", "")]
            hovered += [page.evaluate(TIMED, f"hover({number})") for number in (3, 700, 20)]
            context.close()
        browser.close()
    return {
        "open_s": statistics.median(opened),
        "sort_ms": statistics.median(sorted_),
        "slowest_sort_ms": max(sorted_),
        "filter_ms": statistics.median(filtered),
        "hover_ms": statistics.median(hovered),
    }


def write_sweep(sweep: Path, n_jobs: int, n_epochs: int, n_populations: int = 20) -> None:
    """A folder as a sweep leaves it, made up: seeds, prior_std, temperature and depth."""
    rng = np.random.default_rng(0)
    populations = [f"population {i}" for i in range(n_populations)]
    jobs = []
    for number in range(n_jobs):
        prior_std = 0.1 + 0.05 * (number // 2 % 10)
        given = [f"seed={number % 2}", f"model.prior_std={prior_std:.2f}"]
        given += [
            f"model.temperature={rng.uniform(0.2, 2):.4f}",
            f"model.n_layers={3 + number % 7}",
        ]
        jobs.append(ListedJob(number, str(number), given))
        value = 150 + 100 * (prior_std - 0.3) ** 2 + rng.normal()
        _write_job(RunFolder(sweep / str(number)), given, populations, n_epochs, value, rng)
    sweep.mkdir(parents=True, exist_ok=True)
    Manifest(jobs, {}).write(SweepFolder(sweep).manifest)


def _write_job(
    run: RunFolder,
    given: list[str],
    populations: list[str],
    n_epochs: int,
    value: float,
    rng: np.random.Generator,
) -> None:
    metrics = {"loss": value / 10, "heuristic": value, "accuracy": 1 - value / 400}
    result = {
        **{"format": FORMAT, "config_hash": "0", "seed": 0, "status": "completed"},
        **{"objective": value, "metrics": metrics, "epochs": n_epochs, "fit_seconds": 10.0},
    }
    run.hydra.mkdir(parents=True)
    run.result.write_text(json.dumps(result))
    run.config.write_text("objective: heuristic\ntrainer: {max_epochs: 100}\n")
    run.overrides.write_text("".join(f"- {one}\n" for one in given))
    losses = value / 10 + 30 * np.exp(-np.arange(n_epochs) / 10) + 0.1 * rng.normal(size=n_epochs)
    lines = [f"{i},{loss},{0.7 + i / 1000},0.0" for i, loss in enumerate(losses)]
    run.metrics.write_text("\n".join(["epoch,loss,table_agreement,use_temperature", *lines]) + "\n")
    weights = rng.dirichlet(np.ones(len(populations)), n_epochs)
    rows = [",".join([str(i), *map(str, row)]) for i, row in enumerate(weights.tolist())]
    run.population_weights.write_text("\n".join([",".join(["epoch", *populations]), *rows]) + "\n")
    _write_cells(run, populations, rng)


def _write_cells(run: RunFolder, populations: list[str], rng: np.random.Generator) -> None:
    """The one column of the cells that the page of a sweep reads."""
    import h5py
    import pandas as pd
    from anndata.io import write_elem

    codes = rng.integers(len(populations), size=20_000)
    column = pd.Categorical.from_codes(codes, categories=populations)
    with h5py.File(run.annotated, "w") as file:
        write_elem(file, "obs", pd.DataFrame({"scyan_pop": column}))


def markdown(rows: list[dict[str, Any]]) -> str:
    """As a table."""
    lines = [
        "| jobs x epochs | size | written in | memory | opens in | sorts in (slowest) | filters in "
        "| lights a job in |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row['jobs']:,} x {row['epochs']} | {row['size_mb']:.1f} MB | {row['write_s']:.1f} s "
        f"| {row['memory_mib']:.0f} MiB | {row['open_s']:.2f} s | {row['sort_ms']:.0f} ms "
        f"({row['slowest_sort_ms']:.0f} ms) | {row['filter_ms']:.0f} ms "
        f"| {row['hover_ms']:.0f} ms |"
        for row in rows
    ]
    return "\n".join([*lines, "", f"Chromium without a GPU, {os.cpu_count()} cores."])
