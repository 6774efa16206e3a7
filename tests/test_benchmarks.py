"""The benchmarks run, and their tables say what was measured; no time is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import report, scaling, shares, soak, table, verdict
from benchmarks.__main__ import PARTS
from benchmarks.cases import Case
from benchmarks.flops import training_flops
from benchmarks.spoilt import SPOILT_TABLES
from scyan_exp.data import load_pbmc_table

ROOT = Path(__file__).parents[1]


def benchmarks(*options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *options], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_small_table_beside_the_reference(tmp_path):
    small = ["--cases", "tiny", "--threads", "1", "--repeats", "1", "--epochs", "2"]
    shown = benchmarks("table", *small, "--out", str(tmp_path))
    assert "| tiny: 20,000 x 14 x 14 | 1 |" in shown
    (row,) = json.loads((tmp_path / "table.json").read_text())["rows"]
    for implementation in table.IMPLEMENTATIONS:
        for what in ("epoch", "annotate", "memory_mib"):
            assert row[implementation][what] > 0
    assert row["ratio_epoch"] == row["reference"]["epoch"] / row["run"]["epoch"]
    assert 0 < row["share_of_peak"] < 1


@pytest.mark.slow
def test_small_scaling_curves(tmp_path):
    """Two sizes of each of two curves, measured in processes of their own as always."""
    program = (
        "from benchmarks import scaling; from benchmarks.__main__ import main;"
        "scaling.CURVES = {'n_cells': [3000, 10_000], 'n_layers': [3, 5]}; main()"
    )
    options = ["scaling", "--largest", "10000", "--out", str(tmp_path)]
    command = [sys.executable, "-c", program, *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "| n_cells |" in done.stdout
    assert len(json.loads((tmp_path / "scaling.json").read_text())["rows"]) == 4
    assert (tmp_path / "scaling.png").stat().st_size > 10_000


def test_flops_of_a_cell_by_hand():
    """Two markers and one layer: marker 0 is transformed given marker 1."""
    case = Case(1, n_markers=2, n_pops=3, n_layers=1)
    forward = 2 * (1 * 16 + 6 * 16 * 16 + 16 * 1)
    backward_of_weights, backward_of_inputs = forward, forward - 2 * 1 * 16
    prior = 4 * 2 * 3
    assert training_flops(case) == 2 * (forward + backward_of_weights + backward_of_inputs + prior)


def test_exponents_of_curves():
    points = [
        {"curve": "n_cells", "size": n, "epoch": 3.0 * n, "annotate": n**0.5, "memory_mib": 7.0}
        for n in (10, 100, 1000)
    ]
    exponents = scaling.slopes(points)["n_cells"]
    assert exponents == pytest.approx({"epoch": 1.0, "annotate": 0.5, "memory_mib": 0.0})


def test_cases_are_the_same_for_every_implementation_and_have_unknown_entries():
    case = Case(5_000, 10, 6)
    (x, rho), (again, _) = case.draw(), case.draw()
    assert (x == again).all()
    assert x.shape == (5_000, 10)
    assert 0.5 < x.std() < 1.5
    assert 0 < (rho != rho).mean() < 0.5


@pytest.mark.slow
def test_a_short_soak(monkeypatch):
    """Numbers of each process and folder; a search that is killed loses nothing."""
    monkeypatch.setattr(soak, "WARM_UP", 2)
    monkeypatch.setattr(soak, "EVERY", 0.2)
    rows = soak.measure_soak(n_jobs=10, n_trials=6, n_kills=1)
    by_name = {row["who"]: row for row in rows}
    assert set(by_name) == {"launcher", "worker 0", "worker 1", "folders", "search"}
    for name in ("launcher", "worker 0", "worker 1"):
        assert by_name[name]["own_mb_first"] > 10
        assert by_name[name]["n_files_last"] > 2
    assert by_name["folders"]["jobs"] == 10
    assert (by_name["search"]["trials"], by_name["search"]["left"]) == (6, 0)
    text = soak.markdown(rows)
    assert "| launcher | **" in text
    assert "A search of 6 trials, 1 kills and resumes" in text


def test_tables_are_put_between_their_markers(tmp_path, monkeypatch):
    page = tmp_path / "README.md"
    page.write_text("a\n<!-- table -->\nold\n<!-- end of table -->\nb\n")
    monkeypatch.setattr(report, "README", page)
    report.put("table", "new")
    assert page.read_text() == "a\n<!-- table -->\nnew\n<!-- end of table -->\nb\n"


def test_the_page_has_a_place_for_every_table():
    text = report.README.read_text()
    for part in PARTS:
        assert text.index(f"<!-- {part} -->") < text.index(f"<!-- end of {part} -->")


@pytest.mark.parametrize("mistake", SPOILT_TABLES)
def test_a_spoilt_table_is_another_one(mistake):
    right = load_pbmc_table()
    wrong = SPOILT_TABLES[mistake](right, np.random.default_rng(0))
    is_shorter = len(wrong.populations) < len(right.populations)
    assert is_shorter or not np.array_equal(wrong.rho, right.rho, equal_nan=True)
    assert wrong.markers == right.markers


def test_verdicts_are_counted_by_how_far_below_the_best_a_run_is():
    said = [("good", 0.0), ("good", 0.05), ("do not use", 0.2), ("good", 0.5)]
    rows = [{"data": "one", "manner": "default", "verdict": one, "gap": gap} for one, gap in said]
    text = verdict.markdown(rows)
    assert "removed population" not in text
    assert text.startswith(
        "4 runs. Of the 3 called good 33.3% are within 3 points of the best; of the 2 that are "
        "more than 10 below 50.0% are not called good; of those within 3 points 100.0% are called"
    )
    assert "| one | good | 1 | 1 | 1 |" in text
    assert "| one | do not use | 0 | 0 | 1 |" in text
    removed = [("good", 0.015), ("look at these populations", 0.05), ("do not use", 0.4)]
    rows += [
        {**rows[0], "manner": f"without {share}", "verdict": one, "missing": share}
        for one, share in removed
    ]
    longer = verdict.markdown(rows)
    assert longer.startswith(text)
    assert "| 1% to 2% of the cells | 1 | 1 | 0 | 0 |" in longer
    assert "| 5% to 100% of the cells | 2 | 0 | 1 | 1 |" in longer


def test_shares_that_are_off_by_two_points_in_one_population():
    true = pd.DataFrame({"B": [0.1, 0.2, 0.3], "T": [0.9, 0.8, 0.7]}, index=["a", "b", "c"])
    ours = true.assign(B=[0.12, 0.2, 0.3])
    found = shares.agreement(true, ours)
    assert (found["pairs"], found["worst"]) == (6, "B")
    assert found["largest"] == pytest.approx(0.02)
    assert found["mean"] == pytest.approx(0.02 / 6)
    assert 0.9 < found["pearson_of_worst"] < found["pearson"] < 1
    text = shares.markdown([{"seed": 0, "of": "gated cells", **found}])
    assert "| gated cells | 0 |" in text
    assert "| 2.0 points | 0.3 points |" in text
