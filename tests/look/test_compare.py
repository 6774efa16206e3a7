"""``scyan-exp compare``: what differs between two runs."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scyan_exp import read_run
from scyan_exp.report.differences import MetricDifference
from scyan_exp.run.folder import RunFolder
from tests.look.conftest import make_run


def section(output: str, head: str) -> list[str]:
    """The lines of a part of the text."""
    return re.search(rf"^{head}.*?\n(.*?)(?:\n\n|\Z)", output, re.M | re.S)[1].splitlines()


def annotated(folder: Path, populations: dict[str, str | None], table: list[str], **values) -> Path:
    """A run with annotated cells."""
    make_run(folder, **values)
    column = pd.Categorical(list(populations.values()), categories=table)
    obs = pd.DataFrame({"scyan_pop": column}, index=list(populations))
    anndata.AnnData(np.zeros((len(obs), 1), "float32"), obs=obs).write_h5ad(
        RunFolder(folder).annotated
    )
    return folder


def test_two_jobs_differ_in_what_was_swept(scyan_exp, outputs, tmp_path):
    a, b = outputs / "sweep" / "0", outputs / "sweep" / "1"
    code, output = scyan_exp("compare", str(a), str(b), "out=out")
    assert code == 0, output
    assert [one.split() for one in section(output, "Config")] == [
        ["key", "A", "B"],
        ["model.lr", "0.001", "0.002"],
    ]
    metrics = {one.split()[0]: one.split()[1:] for one in section(output, "Metrics")[1:]}
    one, two = read_run(a), read_run(b)
    assert list(metrics) == list(one.metrics)
    for name, (left, right, difference, *_) in metrics.items():
        assert float(left) == pytest.approx(one.metrics[name], rel=1e-3)
        assert float(right) == pytest.approx(two.metrics[name], rel=1e-3)
        expected = two.metrics[name] - one.metrics[name]
        assert float(difference) == pytest.approx(expected, rel=1e-3, abs=1e-12)
    before, after = (run.cells.obs["scyan_pop"].astype(object).fillna("(unannotated)")
                     for run in (one, two))  # fmt: skip
    changed = pd.DataFrame({"from": before, "to": after})[before != after]
    assert f"{len(changed)} of 400 cells have another population in B" in output
    table = pd.read_csv(tmp_path / "out" / "compare.csv")
    assert table["cells"].is_monotonic_decreasing
    found = {(row["from"], row["to"]): row["cells"] for _, row in table.iterrows()}
    assert found == changed.groupby(["from", "to"]).size().to_dict()
    assert table["share"].tolist() == (table["cells"] / 400).tolist()
    assert (tmp_path / "out" / "compare.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == [
        "compare.csv",
        "compare.png",
    ]


def test_repeats_show_their_spread_and_other_cells_the_common_share(scyan_exp, outputs):
    code, output = scyan_exp("compare", str(outputs / "sweep" / "0"), str(outputs / "day/repeats"))
    assert code == 0, output
    record = read_run(outputs / "day" / "repeats").record
    assert "(completed, 2 repeats, " in output.splitlines()[1]
    mean, std = record.metrics["accuracy"], record.repeats["std"]["accuracy"]
    assert f"{mean:.4g} ({std:.2g})" in output
    own = record.repeats["consensus"]["accuracy"]
    row = next(one for one in section(output, "Metrics") if "accuracy (consensus)" in one)
    assert row.split()[3] == f"{own:.4g}"
    # The cells of the run with fewer are others under the same names, which is seen as change.
    assert "300 cells are in both: 75.0% of A's, 100.0% of B's" in output
    assert "repeats" in "".join(section(output, "Config"))


def test_a_consensus_has_no_config_but_an_annotation(scyan_exp, copied):
    assert scyan_exp("consensus", str(copied / "sweep"))[0] == 0
    code, output = scyan_exp("compare", str(copied / "sweep/consensus"), str(copied / "sweep/0"))
    assert code == 0, output
    assert "not compared: a consensus has no config of its own" in output
    assert re.search(r"\d+ of 400 cells have another population in B", output)


def test_a_run_is_equal_to_itself(scyan_exp, outputs):
    folder = str(outputs / "sweep" / "0")
    code, output = scyan_exp("compare", folder, folder)
    assert code == 0
    assert section(output, "Config") == ["  the same"]
    assert "0 of 400 cells have another population in B (0.0%)" in output


def test_metrics_of_two_tables_are_told_to_be_of_two_tables(scyan_exp, copied):
    a, b = (str(copied / "sweep" / name) for name in "01")
    said = "of two tables: only what is measured with labels can be compared"
    assert said not in scyan_exp("compare", a, b)[1]
    config = RunFolder(copied / "sweep" / "1").config
    text = config.read_text()
    assert "  drop: []" in text
    config.write_text(text.replace("  drop: []", "  drop: [a]"))
    code, output = scyan_exp("compare", a, b)
    assert code == 0
    assert section(output, "Metrics")[0].strip() == said


def test_a_run_that_failed_is_compared_as_far_as_it_came(scyan_exp, outputs):
    a, b = str(outputs / "sweep" / "0"), str(outputs / "sweep" / "2")
    code, output = scyan_exp("compare", a, b)
    assert code == 0
    assert f"not compared: {b} has no annotated cells" in output
    code, output = scyan_exp("compare", a, b, "out=out")
    assert code == 2
    assert "no annotated.h5ad in this run (it is failed)" in output


def test_populations_of_one_table_only_are_named(scyan_exp, tmp_path):
    a = annotated(tmp_path / "a", {"1": "T", "2": "B", "3": None, "4": "T"}, ["T", "B", "old"])
    b = annotated(tmp_path / "b", {"4": "new", "3": "T", "1": "T", "x": "T"}, ["T", "B", "new"])
    code, output = scyan_exp("compare", str(a), str(b))
    assert code == 0
    assert "none were measured" in output
    assert "3 cells are in both: 75.0% of A's, 75.0% of B's" in output
    assert "only in the table of A: old" in output
    assert "only in the table of B: new" in output
    rows = [re.split(r" {2,}", one.strip()) for one in section(output, "Annotation")[-2:]]
    assert rows == [["T", "new", "1", "33.33%"], ["(unannotated)", "T", "1", "33.33%"]]


def test_of_many_pairs_the_terminal_shows_the_largest(scyan_exp, tmp_path):
    names = [f"p{i}" for i in range(20)]
    a = annotated(tmp_path / "a", {str(i): name for i, name in enumerate(names)}, names)
    b = annotated(tmp_path / "b", {str(i): names[i - 1] for i in range(20)}, names)
    output = scyan_exp("compare", str(a), str(b))[1]
    assert "20 of 20 cells have another population in B (100.0%)" in output
    assert "and 5 more pairs; out=FOLDER writes all of them" in output


def test_equal_names_in_equal_order_are_the_same_cells(scyan_exp, tmp_path):
    """Files joined from several samples often repeat the names of cells."""
    for name, second in (("a", "T"), ("b", "B")):
        folder = annotated(tmp_path / name, {"1": "T", "2": second}, ["T", "B"])
        adata = anndata.read_h5ad(RunFolder(folder).annotated)
        adata.obs_names = ["1", "1"]
        adata.write_h5ad(RunFolder(folder).annotated)
    assert "1 of 2 cells" in scyan_exp("compare", str(tmp_path / "a"), str(tmp_path / "b"))[1]
    c = annotated(tmp_path / "c", {"1": "T"}, ["T", "B"])
    code, output = scyan_exp("compare", str(tmp_path / "a"), str(c))
    assert code == 2
    assert "a: names of cells occur more than once (1): with other cells than these" in output


def test_runs_of_entirely_other_cells_are_refused(scyan_exp, tmp_path):
    a = annotated(tmp_path / "a", {"1": "T"}, ["T"])
    b = annotated(tmp_path / "b", {"one": "T"}, ["T"])
    code, output = scyan_exp("compare", str(a), str(b), "out=out")
    assert code == 2
    assert re.search(r"no cell is in both .*a and .*b: expected runs of the same cells", output)
    assert not (tmp_path / "out").exists()


def test_damaged_cells_are_said(scyan_exp, tmp_path):
    a = annotated(tmp_path / "a", {"1": "T"}, ["T"])
    shutil.copytree(a, tmp_path / "b")
    RunFolder(tmp_path / "b").annotated.write_bytes(b"no HDF5")
    code, output = scyan_exp("compare", str(a), str(tmp_path / "b"))
    assert code == 2
    assert "annotated.h5ad: not annotated cells" in output


def test_a_figure_that_cannot_be_written_is_said(scyan_exp, tmp_path):
    a = annotated(tmp_path / "a", {"1": "T"}, ["T"])
    (tmp_path / "file").touch()
    code, output = scyan_exp("compare", str(a), str(a), "out=file")
    assert code == 2
    assert "file: the results cannot be written" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "usage: scyan-exp compare RUN RUN"),
        (["a"], "usage: scyan-exp compare RUN RUN"),
        (["nowhere", "."], r"(?s)2 problems.*nowhere: no such folder.*no run: there is no result"),
        (["a", "b", "aut=x"], "aut=x: unknown. Did you mean 'out='"),
    ],
)
def test_wrong_arguments_are_explained(scyan_exp, arguments, message):
    code, output = scyan_exp("compare", *arguments)
    assert code == 2
    assert re.search(message, output), output


finite = st.floats(-1e6, 1e6)


@given(a=finite, b=finite, sd=st.floats(0, 1e6))
def test_swapping_the_runs_swaps_the_better_one(a, b, sd):
    one = MetricDifference("accuracy", a, b, sd, None)
    other = MetricDifference("accuracy", b, a, None, sd)
    assert one.better.translate(str.maketrans("AB", "BA")) == other.better
    assert one.is_within_spread == other.is_within_spread
    lower = MetricDifference("loss", a, b)
    assert (lower.better == one.better) == (not one.better)


def test_what_is_not_there_is_no_difference():
    assert MetricDifference("accuracy", None, 1.0, 0.5).difference is None
    assert MetricDifference("accuracy", None, 1.0, 0.5).better == ""
    assert MetricDifference("of nobody", 1.0, 2.0).better == ""


def test_the_table_is_the_same_through_a_pipe(scyan_exp, tmp_path):
    a = annotated(tmp_path / "a", {"1": "T"}, ["T"])
    text = io.StringIO(scyan_exp("compare", str(a), str(a))[1]).read()
    assert "\x1b" not in text
