"""The benchmark runs; what it measures is not asserted here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_a_small_benchmark_runs(tmp_path):
    options = ["--cases", "tiny", "--threads", "1", "--repeats", "1", "--epochs", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *options, "--json", str(tmp_path / "rows.json")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "| tiny | 20,000 x 14 x 14 | 1 |" in done.stdout
    (row,) = json.loads((tmp_path / "rows.json").read_text())["rows"]
    for implementation in ("ours", "reference"):
        assert row[implementation]["epoch"] > 0
        assert row[implementation]["annotate"] > 0
