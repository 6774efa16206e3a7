"""For tests of jobs with repeats: the repeats, as they lie in the folders."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fleet.sweeps import Sweep, assert_same_training


def result(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


def repeats_in(sweep: Sweep) -> list[Path]:
    """The folders of all repeats."""
    return sorted(path for path in sweep.folder.glob("*/seed_*") if path.is_dir())


def trained(sweep: Sweep) -> dict[Path, tuple[bytes, dict[str, int]]]:
    """The completed repeats: their records, and when their checkpoints were written."""
    kept = {}
    for folder in repeats_in(sweep):
        if (folder / "result.json").exists() and result(folder)["status"] == "completed":
            times = {p.name: p.stat().st_mtime_ns for p in (folder / "checkpoints").iterdir()}
            kept[folder] = ((folder / "result.json").read_bytes(), times)
    return kept


def assert_same_consensus(folder: Path, expected: Path) -> None:
    """All but ids and times."""
    ours, theirs = result(folder), result(expected)
    for name in ("status", "metrics", "objective", "epochs", "repeats", "config_hash", "seed"):
        assert ours[name] == theirs[name], name


def assert_same_jobs(sweep: Sweep, expected: Sweep) -> None:
    assert len(repeats_in(sweep)) == len(repeats_in(expected))
    for folder in repeats_in(sweep):
        place = folder.relative_to(sweep.folder)
        assert_same_training(folder, expected.folder / place)
        assert result(folder)["metrics"] == result(expected.folder / place)["metrics"]
    for job in range(len(sweep.rows)):
        assert_same_consensus(sweep.folder / str(job), expected.folder / str(job))
