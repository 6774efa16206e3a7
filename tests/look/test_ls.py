"""``scyan-exp ls``: what lies below a folder, and the jobs of a sweep."""

from __future__ import annotations

import io
import json
import os
import re

import pandas as pd
import pytest

from scyan_exp import read_sweep
from scyan_exp.run.folder import RunFolder, SweepFolder
from tests.look.conftest import make_run, make_sweep


def first_words(output: str, column: int = 0) -> list[str]:
    """A column of a printed table, without its name."""
    return [re.split(r" {2,}", line.strip())[column] for line in output.splitlines()[1:]]


# ---------------------------------------------------------------- trained runs


def test_a_line_for_each_run_and_sweep_but_none_for_jobs_and_repeats(scyan_exp, outputs):
    code, output = scyan_exp("ls", str(outputs))
    assert code == 0
    run, sweep = output.splitlines()[1:3]  # the newest first
    assert [run.split()[2], sweep.split()[2]] == ["run", "sweep"]
    assert str(outputs / "day" / "repeats") in run
    assert str(outputs / "sweep") in sweep
    assert "2 completed, 1 failed" in sweep
    assert "model.lr=0.001,0.002,1e30" in sweep
    assert "repeats=2" in run
    assert "callbacks=none" not in run  # all of them have it
    assert "callbacks=none" in output.splitlines()[3]


@pytest.mark.parametrize("sort", ["job", "objective", "-accuracy"])
def test_the_jobs_of_a_sweep_agree_with_read_sweep_to_the_digit(scyan_exp, outputs, sort):
    expected = read_sweep(outputs / "sweep")
    code, text = scyan_exp("ls", str(outputs / "sweep"), "--csv", f"sort={sort}")
    assert code == 0
    by_csv = pd.read_csv(io.StringIO(text), index_col="job", float_precision="round_trip")
    rows = json.loads(scyan_exp("ls", str(outputs / "sweep"), "--json", f"sort={sort}")[1])
    assert [row["job"] for row in rows] == by_csv.index.tolist()
    by_json = pd.DataFrame(rows).set_index("job")
    for found in (by_csv, by_json):
        assert found.columns.tolist() == [*expected.columns, "verdict"]
        for name, values in expected.items():
            same = found[name].loc[expected.index]
            there = values.notna()
            assert (same[there] == values[there]).all(), name
            assert same[~there].isna().all(), name
    assert by_json["verdict"].dropna().unique().tolist() == ["do not use"]


def test_jobs_stand_in_the_order_of_their_objective_and_failed_ones_last(scyan_exp, outputs):
    table = read_sweep(outputs / "sweep")
    expected = [*table["objective"].dropna().sort_values(ascending=False).index, 2]
    code, output = scyan_exp("ls", str(outputs / "sweep"))
    assert code == 0
    assert [int(one) for one in first_words(output)[:3]] == expected
    reverse = scyan_exp("ls", str(outputs / "sweep"), "sort=-objective")[1]
    assert [int(one) for one in first_words(reverse)[:3]] == [*expected[:2][::-1], 2]
    assert output.splitlines()[0].split()[:3] == ["job", "outcome", "table_fit"]
    assert output.splitlines()[-1] == f"job 2: {table.loc[2, 'error']}"


def test_a_consensus_has_a_line_of_its_own(scyan_exp, copied):
    assert scyan_exp("consensus", str(copied / "sweep"))[0] == 0
    code, output = scyan_exp("ls", str(copied / "sweep"), "--csv")
    assert code == 0
    assert len(output.splitlines()) == 4  # it is no job
    found = {one["kind"]: one for one in json.loads(scyan_exp("ls", str(copied), "--json")[1])}
    assert found["consensus"]["what"] == "of 2 runs"
    assert found["consensus"]["objective_name"] == "table_fit"
    assert found["sweep"]["jobs"] == 3


# ---------------------------------------------------------------- of many and odd folders


def test_of_a_sweep_the_best_job_is_shown(scyan_exp, tmp_path):
    make_sweep(tmp_path / "a", {0: 3.0, 1: 1.5, 2: None})
    make_sweep(tmp_path / "b", {0: 0.5, 1: 0.25}, goal="accuracy", trust={"verdict": "good"})
    found = json.loads(scyan_exp("ls", str(tmp_path), "sort=objective", "--json")[1])
    best = {one["folder"][-1]: (one["best_job"], one["objective"]) for one in found}
    assert best == {"a": (1, 1.5), "b": (0, 0.5)}
    by_name = {one["folder"][-1]: one for one in found}
    assert [by_name[name]["verdict"] for name in "ab"] == [None, "good"]
    assert by_name["a"]["outcomes"] == {"completed": 2, "failed": 1}


def test_objectives_of_another_kind_are_not_mixed(scyan_exp, tmp_path):
    for name, goal, value in (("a", "loss", 5.0), ("b", "accuracy", 0.2), ("c", "loss", 4.0)):
        make_run(tmp_path / name, goal=goal, objective=value)
    make_run(tmp_path / "d", status="failed")
    found = json.loads(scyan_exp("ls", str(tmp_path), "sort=objective", "--json")[1])
    assert [one["folder"][-1] for one in found] == ["c", "a", "b", "d"]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("accuracy", "bca"),  # higher is better
        ("-accuracy", "cba"),  # a has none, and stands last either way
        ("loss", "cba"),  # lower is better
        ("seconds", "acb"),
        ("when", "cab"),
        ("-when", "bac"),
    ],
)
def test_runs_are_sorted_by_any_metric_the_best_first(scyan_exp, tmp_path, sort, expected):
    metrics = {
        "a": {"loss": 3.0, "accuracy": None},
        "b": {"loss": 2.0, "accuracy": 0.9},
        "c": {"loss": 1.0, "accuracy": 0.8},
    }
    began = {"b": 1e9, "a": 2e9, "c": 3e9}
    seconds = {"a": 1.0, "c": 2.0, "b": 3.0}
    for name, measured in metrics.items():
        folder = make_run(tmp_path / name, metrics=measured, fit_seconds=seconds[name])
        os.utime(RunFolder(folder).overrides, (began[name], began[name]))
    found = json.loads(scyan_exp("ls", str(tmp_path), f"sort={sort}", "--json")[1])
    assert "".join(one["folder"][-1] for one in found) == expected


def test_jobs_of_different_objectives_have_none_in_common(scyan_exp, tmp_path):
    folder = make_sweep(tmp_path, {0: 1.0})
    make_run(folder / "1", "objective=accuracy", goal="accuracy", objective=0.5)
    jobs = [
        {"number": 0, "folder": "0", "overrides": ["objective=heuristic"]},
        {"number": 1, "folder": "1", "overrides": ["objective=accuracy"]},
    ]
    SweepFolder(folder).manifest.write_text(json.dumps({"launcher": {}, "jobs": jobs}))
    code, output = scyan_exp("ls", str(folder))
    assert code == 0
    assert "objective" in output.splitlines()[0].split()
    assert first_words(output) == ["0", "1"]


def test_of_several_objectives_the_first_one_counts(scyan_exp, tmp_path):
    folder = make_sweep(tmp_path / "sweep", {0: [2.0, 0.9], 1: [1.0, 0.1]},
                        goal=["heuristic", "accuracy"])  # fmt: skip
    found = json.loads(scyan_exp("ls", str(tmp_path), "--json")[1])
    assert found[0]["objective"] == [1.0, 0.1]
    assert found[0]["objective_name"] == "heuristic accuracy"
    code, output = scyan_exp("ls", str(folder), "--csv")
    assert code == 0
    assert '"[1.0, 0.1]"' in output.splitlines()[1]
    assert "1 0.1" in scyan_exp("ls", str(folder))[1].splitlines()[1]


def test_damaged_and_later_folders_are_lines_in_words(scyan_exp, tmp_path):
    later = make_run(tmp_path / "later")
    record = json.loads(RunFolder(later).result.read_text())
    RunFolder(later).result.write_text(json.dumps({**record, "format": 99}))
    RunFolder(make_run(tmp_path / "half")).result.write_text('{"status": "comp')
    make_run(tmp_path / "waiting", status="not run")
    sweep = make_sweep(tmp_path / "sweep", {0: 1.0})
    SweepFolder(sweep).manifest.write_text("[]")
    SweepFolder(make_sweep(tmp_path / "empty", {})).manifest.unlink()
    code, output = scyan_exp("ls", str(tmp_path))
    assert code == 0
    assert "later: result.json: is of format 99, this version reads up to" in output
    assert "half: result.json is damaged" in output
    assert "sweep: sweep.json: not the list of a sweep's jobs" in output
    assert "empty: no job has begun" in output
    assert re.search(r"waiting +not run", output)


def test_a_job_that_cannot_be_read_is_a_row_in_words(scyan_exp, tmp_path):
    folder = make_sweep(tmp_path, {0: 1.0, 1: 2.0})
    record = json.loads(RunFolder(folder / "0").result.read_text())
    RunFolder(folder / "0").result.write_text(json.dumps({**record, "format": 99}))
    code, output = scyan_exp("ls", str(folder))
    assert code == 0
    assert [line.split()[1] for line in output.splitlines()[1:3]] == ["completed", "unreadable"]
    assert "job 0: " in output
    assert "is of format 99" in output


def test_links_are_not_followed_and_control_characters_are_spelt_out(scyan_exp, tmp_path):
    make_run(tmp_path / "real" / "a", "name='\x1b[2J\nx'")
    make_run(tmp_path / "real" / "b")
    (tmp_path / "real" / "loop").symlink_to(tmp_path / "real", target_is_directory=True)
    code, output = scyan_exp("ls", str(tmp_path))
    assert code == 0
    assert len(output.splitlines()) == 3
    assert "\x1b" not in output
    assert r"name='\x1b[2J x'" in output


def test_hundreds_of_runs_are_a_line_each(scyan_exp, tmp_path):
    for i in range(300):
        make_run(tmp_path / f"{i:03}", f"seed={i}", objective=float(i), metrics={"loss": 1.0 * i})
    code, output = scyan_exp("ls", str(tmp_path), "sort=loss", "--csv")
    assert code == 0
    assert [int(line[-3:]) for line in re.findall(r"^[^,]+", output, re.MULTILINE)[1:]] == [
        *range(300)
    ]


def test_what_has_nothing_in_it_is_said(scyan_exp, tmp_path):
    assert scyan_exp("ls", str(tmp_path)) == (0, f"{tmp_path}: no run and no sweep in it\n")
    assert json.loads(scyan_exp("ls", str(tmp_path), "--json")[1]) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "outputs: no such folder; expected one with runs or sweeps"),
        (["nowhere"], "nowhere: no such folder; expected one with runs or sweeps"),
        ([".", "sort=acuracy"], r"sort=acuracy: expected one of when, .*Did you mean 'accuracy'"),
        ([".", "sort=mine"], "sort=mine: no package that is installed says whether a high or a"),
        ([".", "--csv", "--json"], "--csv and --json: choose one of them"),
        ([".", "--jsn"], "--jsn: unknown. Did you mean '--json'. usage: scyan-exp ls"),
        ([".", "srt=loss", "-x"], r"(?s)2 problems.*srt=loss: unknown. Did you mean 'sort='"),
        ([".", "."], "usage: scyan-exp ls"),
    ],
)
def test_wrong_arguments_are_explained(scyan_exp, tmp_path, arguments, message):
    make_run(tmp_path / "run", metrics={"mine": 1.0})
    code, output = scyan_exp("ls", *arguments)
    assert code == 2
    assert re.search(message, output), output
