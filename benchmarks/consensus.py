"""Five seeds and their consensus on the real data sets."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.real import data_folder, himc, spleen

NAMES = {"accuracy": "accuracy", "f1_macro": "macro F1"}


def measure_consensus() -> list[dict[str, Any]]:
    """A row for each data set; nothing where the data are not."""
    data = data_folder()
    if data is None:
        return []
    with tempfile.TemporaryDirectory() as folder:
        cells = {"HIMC Plate3": himc(data), "mouse spleen": spleen(data, Path(folder))}
        return [_measure(name, dataset) for name, dataset in cells.items()]


def _measure(name: str, dataset: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "scyan_exp", "train", "-m", *dataset, "repeats=5"),
            *("hydra/launcher=fleet", f"hydra.sweep.dir={folder}/sweep"),
        ]
        subprocess.run(command, check=True, capture_output=True)
        record = json.loads((Path(folder) / "sweep" / "0" / "result.json").read_text())
    members = record["repeats"]["members"]
    return {
        "data": name,
        "weights": [one["weight"] for one in members],
        "losses": [one["metrics"]["loss"] for one in members],
        "mean": {key: record["metrics"][key] for key in NAMES},
        "consensus": {key: record["repeats"]["consensus"][key] for key in NAMES},
        **{key: [one["metrics"][key] for one in members] for key in NAMES},
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """The rows as a table in Markdown."""
    lines = [
        "| | seeds 0 to 4 | mean | **consensus** |",
        "|" + " --- |" * 4,
    ]
    for row in rows:
        for key, name in NAMES.items():
            each = " ".join(f"{value:.3f}" for value in row[key])
            mean, consensus = row["mean"][key], row["consensus"][key]
            lines.append(f"| {row['data']}: {name} | {each} | {mean:.3f} | **{consensus:.3f}** |")
        weights = " ".join(f"{value:.2f}" for value in row["weights"])
        lines.append(f"| weights | {weights} | | |")
        lines.append(f"| losses | {' '.join(f'{value:.1f}' for value in row['losses'])} | | |")
    return "\n".join(lines)
