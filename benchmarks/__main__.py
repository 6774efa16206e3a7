"""Measure this project, beside the reference (PyPI ``scyan``) where it has the same.

python -m benchmarks [part ...]; python -m benchmarks --help names the parts.

Numbers go to ``--out`` as JSON; ``--write`` also puts the tables into benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import (
    annotate,
    batches,
    consensus,
    deciding,
    fcs,
    fillings,
    fleet,
    flips,
    large,
    mistakes,
    objectives,
    page,
    recipe_times,
    recipes,
    report,
    scaling,
    search,
    shares,
    single,
    soak,
    start,
    table,
    verdict,
)
from benchmarks.cases import CASES

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Part:
    """Something to measure.

    Attributes:
        words: what it is.
        measure: measures it.
        markdown: the rows as text.
        by_default: whether it is measured when no part is named.
    """

    words: str
    measure: Callable[[argparse.Namespace], Rows]
    markdown: Callable[[Rows], str]
    by_default: bool = True


def _table(options: argparse.Namespace) -> Rows:
    threads = [int(n) for n in options.threads.split(",")]
    return table.measure_table(options.cases.split(","), threads, options.repeats, options.epochs)


def _scaling(options: argparse.Namespace) -> Rows:
    points = scaling.measure_scaling(os.cpu_count() or 1, options.largest)
    options.out.mkdir(parents=True, exist_ok=True)
    scaling.draw(points, options.out / "scaling.png")
    if options.write:
        shutil.copyfile(options.out / "scaling.png", report.README.with_name("scaling.png"))
    return points


PARTS = {
    "table": Part(
        "an epoch, the annotation and memory beside the reference, interleaved",
        _table,
        table.markdown,
    ),
    "scaling": Part(
        "curves over cells, markers, populations and layers",
        _scaling,
        lambda points: report.slopes(scaling.slopes(points)),
    ),
    "large": Part(
        "ten million cells through scyan-exp train",
        lambda _: large.measure_large(),
        large.markdown,
    ),
    "annotate": Part(
        "fifty million cells through scyan-exp annotate (20 GB of disk)",
        lambda _: annotate.measure_annotate(),
        annotate.markdown,
        by_default=False,
    ),
    "fcs": Part("FCS files beside FlowIO", lambda _: fcs.measure_fcs(), fcs.markdown),
    "fleet": Part(
        "sweeps under the fleet launcher", lambda _: fleet.measure_fleet(), fleet.markdown
    ),
    "start": Part(
        "a sweep of 10,000 jobs until its first job has begun, and resumed (some minutes)",
        lambda _: start.measure_start(),
        start.markdown,
    ),
    "soak": Part(
        "a grid of 1,000 jobs, and a search of 200 trials that is killed 24 times (half an hour)",
        lambda _: soak.measure_soak(),
        soak.markdown,
        by_default=False,
    ),
    "search": Part(
        "20 trials with and without pruning", lambda _: search.measure_search(), search.markdown
    ),
    "storages": Part(
        "what the storage of a search costs",
        lambda _: search.measure_storages(),
        search.storages_markdown,
    ),
    "consensus": Part(
        "five seeds and their consensus",
        lambda _: consensus.measure_consensus(),
        consensus.markdown,
    ),
    "shares": Part(
        "shares of populations by sample, beside those of the gates (two minutes)",
        lambda options: shares.measure_shares(min(options.seeds, 3)),
        shares.markdown,
        by_default=False,
    ),
    "single": Part(
        "a single run, the whole command, with and without figures and W&B",
        lambda options: single.measure_single(options.repeats),
        single.markdown,
    ),
    "report": Part(
        "the page of a sweep of 1,000 jobs: its size, and how fast a browser is with it",
        lambda _: page.measure_page(),
        page.markdown,
    ),
    "recipe_times": Part(
        "seconds of training by the default recipe and the reference's, in turn",
        lambda options: recipe_times.measure_recipe_times(min(options.seeds, 5)),
        recipe_times.markdown,
    ),
    "recipes": Part(
        "recipes of training on all data sets with many seeds (hours)",
        lambda options: recipes.measure_recipes(
            options.out, options.seeds, options.data, options.recipes
        ),
        recipes.markdown,
        by_default=False,
    ),
    "verdict": Part(
        "the verdict on good, bad and spoilt trainings, beside their labels (an hour)",
        lambda options: verdict.measure_verdicts(options.out, options.seeds),
        verdict.markdown,
        by_default=False,
    ),
    "objectives": Part(
        "which metric without labels ranks the trials of a search as labels would (20 minutes)",
        lambda options: objectives.measure_objectives(options.out, options.settings),
        objectives.markdown,
        by_default=False,
    ),
    "batches": Part(
        "a batch key, the correction and refining on two data sets of two batches (10 minutes)",
        lambda options: batches.measure_batches(min(options.seeds, 3)),
        batches.markdown,
        by_default=False,
    ),
    "mistakes": Part(
        "what common mistakes in a table cost, and what check says of them (2 minutes)",
        lambda options: mistakes.measure_mistakes(min(options.seeds, 3)),
        mistakes.markdown,
        by_default=False,
    ),
    "deciding": Part(
        "when a trial needs no more repeats, beside Optuna's WilcoxonPruner (simulated)",
        lambda _: deciding.simulate(),
        deciding.markdown,
        by_default=False,
    ),
    "flips": Part(
        "whether search=table_entries finds entries that were flipped on purpose (an hour)",
        lambda options: flips.measure_flips(options.out, min(options.seeds, 2), options.data),
        flips.markdown,
        by_default=False,
    ),
    "fillings": Part(
        "whether blanks that search=table_entries calls worth filling are (half an hour)",
        lambda options: fillings.measure_fillings(options.out, min(options.seeds, 2), options.data),
        fillings.markdown,
        by_default=False,
    ),
}


def main() -> None:
    """Measure, print, and write."""
    options = _options()
    machine = report.machine()
    print(machine, "\n")
    for name in options.parts or [name for name, part in PARTS.items() if part.by_default]:
        rows = PARTS[name].measure(options)
        options.out.mkdir(parents=True, exist_ok=True)
        content = {"machine": machine, "rows": rows}
        (options.out / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")
        text = PARTS[name].markdown(rows)
        print(f"\n{text}\n", flush=True)
        if options.write:
            report.put(name, f"{machine}\n\n{text}")


def _options() -> argparse.Namespace:
    lines = [f"  {name:<12}  {part.words}" for name, part in PARTS.items()]
    named = ", ".join(name for name, part in PARTS.items() if not part.by_default)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__.split("\n", 1)[0],
        epilog="\n".join(["parts:", *lines, f"\nOnly when named: {named}."]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="part")
    parser.add_argument("--cases", default="aml,himc,million", help=f"of {', '.join(CASES)}")
    parser.add_argument("--threads", default=f"1,{os.cpu_count()}")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5, help="the first one is not counted")
    parser.add_argument("--largest", type=int, help="scaling: cells at most")
    parser.add_argument("--seeds", type=int, default=8, help="recipes, verdict: trainings of each")
    parser.add_argument("--settings", type=int, default=24, help="objectives: on each data set")
    parser.add_argument("--data", default="", help="recipes: some data sets, by semicolons")
    parser.add_argument("--recipes", default="", help="recipes: some of them, by semicolons")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--write", action="store_true", help="update benchmarks/README.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
