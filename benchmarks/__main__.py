"""Measure this project, beside the reference (PyPI ``scyan``) where it has the same.

python -m benchmarks [table] [scaling] [large] [fleet] [search] [storages] [consensus]
                     [recipes] [verdict] [objectives]

``table``    an epoch, the annotation and memory beside the reference, interleaved
``scaling``  curves over cells, markers, populations and layers
``large``    ten million cells through ``scyan-exp train``
``fleet``    sweeps under the fleet launcher
``search``   20 trials with and without pruning
``storages`` what a study's storage costs
``consensus``  five seeds and their consensus
``recipes``  recipes of training on all data sets with many seeds (hours)
``verdict``  the verdict on good, bad and spoilt trainings, beside their labels (an hour)
``objectives``  which metric without labels ranks the trials of a search as labels would (20 min)

All but the last three when none is named.

Numbers go to ``--out`` as JSON; ``--write`` also puts the tables into benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from pathlib import Path
from typing import Any

from benchmarks import (
    consensus,
    fleet,
    large,
    objectives,
    recipes,
    report,
    scaling,
    search,
    table,
    verdict,
)
from benchmarks.cases import CASES

PARTS = ("table", "scaling", "large", "fleet", "search", "storages", "consensus", "recipes")
PARTS += ("verdict", "objectives")


def main() -> None:
    """Measure, print, and write."""
    options = _options()
    machine = report.machine()
    print(machine, "\n")
    for part in options.parts or PARTS[:-3]:
        values, text = _measure(part, options)
        options.out.mkdir(parents=True, exist_ok=True)
        content = {"machine": machine, "rows": values}
        (options.out / f"{part}.json").write_text(json.dumps(content, indent=2) + "\n")
        if part == "scaling":
            scaling.draw(values, options.out / "scaling.png")
            if options.write:
                shutil.copyfile(options.out / "scaling.png", report.README.with_name("scaling.png"))
        print(f"\n{text}\n", flush=True)
        if options.write:
            report.put(part, f"{machine}\n\n{text}")


def _measure(part: str, options: argparse.Namespace) -> tuple[list[dict[str, Any]], str]:
    if part == "table":
        threads = [int(n) for n in options.threads.split(",")]
        cases = options.cases.split(",")
        rows = table.measure_table(cases, threads, options.repeats, options.epochs)
        return rows, table.markdown(rows)
    if part == "scaling":
        points = scaling.measure_scaling(os.cpu_count() or 1, options.largest)
        return points, report.slopes(scaling.slopes(points))
    if part == "large":
        rows = large.measure_large()
        return rows, large.markdown(rows)
    if part == "recipes":
        rows = recipes.measure_recipes(options.out, options.seeds, options.data, options.recipes)
        return rows, recipes.markdown(rows)
    if part == "verdict":
        rows = verdict.measure_verdicts(options.out, options.seeds)
        return rows, verdict.markdown(rows)
    if part == "objectives":
        rows = objectives.measure_objectives(options.out, options.settings)
        return rows, objectives.markdown(rows)
    measure, markdown = {
        "fleet": (fleet.measure_fleet, fleet.markdown),
        "search": (search.measure_search, search.markdown),
        "storages": (search.measure_storages, search.storages_markdown),
        "consensus": (consensus.measure_consensus, consensus.markdown),
    }[part]
    rows = measure()
    return rows, markdown(rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="part")
    parser.add_argument("--cases", default="aml,himc,million", help=f"of {', '.join(CASES)}")
    parser.add_argument("--threads", default=f"1,{os.cpu_count()}")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5, help="the first one is not counted")
    parser.add_argument("--largest", type=int, help="scaling: cells at most")
    parser.add_argument("--seeds", type=int, default=8, help="recipes: trainings of each")
    parser.add_argument("--settings", type=int, default=24, help="objectives: on each data set")
    parser.add_argument("--data", default="", help="recipes: some data sets, by semicolons")
    parser.add_argument("--recipes", default="", help="recipes: some of them, by semicolons")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--write", action="store_true", help="update benchmarks/README.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
