"""Lists, folders and patterns of files become one; what does not fit is named by its file."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scyan_exp.config.check import check_config
from scyan_exp.config.compose import compose_config
from scyan_exp.data import (
    FcsDataset,
    KnowledgeTable,
    prepare_cells,
)
from scyan_exp.data.fcs_writing import write_fcs
from scyan_exp.data.file_kinds import Part
from scyan_exp.data.file_lists import find_files, sample_names
from scyan_exp.data.joined import JoinedCells
from scyan_exp.errors import InputError
from scyan_exp.run.cells import KeptCells
from tests.conftest import MARKERS
from tests.data.fcs_files import FcsFile, small_fcs
from tests.data.samples import SIZES, problems_of


def paths_of(folder: Path) -> dict[str, object]:
    files = [str(folder / f"{name}.fcs") for name in SIZES]
    return {"list": files, "folder": str(folder), "pattern": str(folder / "*_day*.fcs")}


@pytest.mark.parametrize("way", ["list", "folder", "pattern"])
def test_a_list_a_folder_and_a_pattern_are_the_same_cells(folder, way, caplog):
    caplog.set_level("INFO")
    adata = FcsDataset(path=paths_of(folder)[way]).read_for(MARKERS)
    assert adata.obs["sample"].value_counts(sort=False).to_dict() == SIZES
    assert adata.var_names.tolist() == MARKERS
    assert adata.obs["Time"].tolist() == [float(i) for n in SIZES.values() for i in range(n)]
    expected = np.vstack([small_fcs(n).events[:, 1:] for n in SIZES.values()])
    np.testing.assert_array_equal(adata.X, expected)
    assert adata.obs_names.is_unique
    assert "3 files with 150 cells: p1_day0, p1_day7, p2_day0" in caplog.text
    assert adata.uns["compensation"] == {"kind": "none"}


def test_one_file_has_a_sample_too(folder):
    adata = FcsDataset(path=str(folder / "p1_day7.fcs")).read()
    assert set(adata.obs["sample"]) == {"p1_day7"}
    assert adata.var_names.tolist() == ["Time", *MARKERS]


def test_paths_may_be_relative_or_begin_at_home(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert len(find_files("samples", (".fcs",))) == 3
    assert len(find_files("samples/p1*", (".fcs",))) == 2
    assert len(find_files("**/p1*", (".fcs",))) == 2
    monkeypatch.setenv("HOME", str(folder.parent))
    assert len(find_files(["~/samples/p1_day0.fcs", "~/samples/p2*"], (".fcs",))) == 2


def test_names_with_brackets_are_files_not_patterns(tmp_path):
    path = small_fcs().write(tmp_path / "a[1].fcs")
    assert find_files(str(path), (".fcs",)) == [path]


def test_paths_that_name_nothing_are_named_all_at_once(folder):
    (folder / "none").mkdir()
    given = [str(folder / "p1_day1.fcs"), str(folder / "*.csv"), str(folder / "none")]
    first, second, third, fourth = (
        problems_of(find_files, [*given, str(folder), str(folder / "p1_day0.fcs")], (".fcs",))
        + [""] * 0
        or [""] * 4
    )
    assert "p1_day1.fcs: no such file" in first
    assert "Did you mean 'p1_day" in first
    assert second.endswith("*.csv: no file matches this pattern")
    assert third.endswith("none: no file in this folder ends in .fcs. It holds: nothing")
    assert fourth.endswith("p1_day0.fcs: is named 2 times")


def test_an_empty_list_is_refused(folder):
    assert problems_of(find_files, [], (".fcs",)) == [
        "the list of files is empty: name at least one"
    ]


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["a/x.fcs", "a/y.fcs"], ["x", "y"]),
        (["a/x.fcs", "b/x.fcs"], ["a/x", "b/x"]),
        (["a/x.fcs", "a/x.csv"], ["x.fcs", "x.csv"]),
    ],
)
def test_samples_have_names_of_their_own(files, names):
    assert sample_names([Path(file) for file in files]) == names


def test_a_quick_look_draws_the_same_cells_each_time_and_keeps_their_order(folder):
    look = FcsDataset(path=str(folder), n_cells_per_file=45)
    adata, again = look.read_for(MARKERS), look.read_for(MARKERS)
    np.testing.assert_array_equal(adata.X, again.X)
    assert adata.obs["sample"].value_counts(sort=False).tolist() == [40, 45, 45]
    times = adata.obs["Time"].to_numpy()[40:85]
    assert (np.diff(times) > 0).all()
    np.testing.assert_array_equal(adata.X[40:85], small_fcs(50).events[times.astype(int), 1:])


def test_a_marker_that_some_files_lack_is_named_with_them(folder):
    other = {"$P2S": "CD33", "$P4S": "147Sm_CD8"}
    small_fcs(9, keywords=other).write(folder / "p3.fcs")
    small_fcs(9, keywords={"$P2S": "CD33"}).write(folder / "p4.fcs")
    (told,) = problems_of(FcsDataset(path=str(folder)).read_for, MARKERS)
    assert told.startswith("marker 'CD3' of the table is not in the data. Did you mean 'CD33'")
    which = f"(in {folder / 'p3.fcs'}, {folder / 'p4.fcs'})"
    assert told.endswith(f"{which} p3.fcs has: Time, CD33, CD4, 147Sm_CD8, CD19")


def test_each_file_that_spells_a_marker_otherwise_is_logged(folder, caplog):
    caplog.set_level("INFO")
    for name in ("p3", "p4"):
        small_fcs(9, keywords={"$P2S": "cd-3"}).write(folder / f"{name}.fcs")
    FcsDataset(path=str(folder)).read_for(MARKERS)
    assert "p3.fcs: 3 markers by their names, others matched: CD3 = cd-3" in caplog.text
    assert "p4.fcs: " not in caplog.text  # as p3.fcs


def test_cells_of_different_files_have_different_names(folder):
    whole = FcsDataset(path=str(folder)).read_for(MARKERS)
    few = FcsDataset(path=str(folder), n_cells_per_file=5).read_for(MARKERS)
    alone = FcsDataset(path=str(folder / "p1_day0.fcs")).read_for(MARKERS)
    assert whole.obs_names.is_unique
    assert (whole[few.obs_names].X == few.X).all()
    assert (whole[alone.obs_names].X == alone.X).all()
    assert alone.obs_names[1] == "p1_day0_1"


def test_a_sample_that_is_transformed_already_is_warned_of(tmp_path, caplog):
    rng = np.random.default_rng(0)
    for name, scale in (("raw1", 150), ("raw2", 150), ("done", None)):
        events = rng.normal([0, 4, 0, 4, 5], 0.5, (300, 5))
        linear = events if scale is None else scale * np.sinh(events)
        FcsFile(linear, ["Time", *MARKERS]).write(tmp_path / f"{name}.fcs")
    dataset = FcsDataset(path=str(tmp_path), transform="auto")
    table = KnowledgeTable(["a", "b"], list(MARKERS), np.array([[1, -1, 1, 1.0], [-1, 1, 1, -1]]))
    prepare_cells(dataset.read_for(MARKERS), table, dataset)
    told = [one.getMessage() for one in caplog.records if "unlike the others" in one.getMessage()]
    assert len(told) == 1
    assert told[0].startswith(
        "Sample 'done' is unlike the others: by itself it would get transform"
    )


def test_panels_may_name_and_order_their_channels_otherwise(folder, caplog):
    caplog.set_level("INFO")
    events = np.arange(30).reshape(6, 5)
    names = ["Nd142_CD19", "cd-8", "CD4", "CD3", "extra"]
    FcsFile(events, names).write(folder / "p3.fcs")
    adata = FcsDataset(path=str(folder)).read_for(MARKERS)
    assert adata.X[-6:].tolist() == events[:, [3, 2, 1, 0]].tolist()
    assert adata.obs.columns.tolist() == ["sample"]
    assert "Left out, because not all files have them: Time, extra" in caplog.text
    assert "p3.fcs: 2 markers by their names, others matched: CD8 = cd-8" in caplog.text


def compensated_before(n_cells: int) -> FcsFile:
    """Channels and matrix with the names that programs give them after compensation."""
    names = {f"$P{n}N": f"Comp-{name}" for n, name in ((3, "PE-A"), (4, "APC-A"))}
    return small_fcs(n_cells, keywords={**names, "SPILL": "2,PE-A,APC-A,1,0.1,0,1"})


def with_matrix(n_cells: int) -> FcsFile:
    """A file with a matrix of its own."""
    return small_fcs(n_cells, keywords={"SPILL": "2,PE-A,APC-A,1,0.1,0,1"})


@pytest.mark.parametrize("other", [with_matrix, compensated_before])
def test_files_with_and_without_a_matrix_are_refused_before_they_are_read(folder, other):
    other(9).write(folder / "p3.fcs")
    (told,) = problems_of(FcsDataset(path=str(folder)).read_for, MARKERS)
    assert told.startswith(
        "3 of 4 files have no spillover matrix, the others have or are compensated: p1_day0.fcs, "
    )
    assert "(dataset.compensation=matrix.csv), or compensate none (dataset.compensation=fa" in told
    assert FcsDataset(path=str(folder), compensation=False).read_for(MARKERS).n_obs == 159


def test_files_compensated_now_and_before_go_together(tmp_path, caplog):
    caplog.set_level("INFO")
    with_matrix(9).write(tmp_path / "a.fcs")
    compensated_before(9).write(tmp_path / "b.fcs")
    adata = FcsDataset(path=str(tmp_path)).read_for(MARKERS)
    assert adata.uns["compensation"] == {"kind": "file"}
    assert "Compensated by the spillover matrix of each file that was not before" in caplog.text


def test_other_channels_are_matched_loosely_too(tmp_path, caplog):
    """``X`` and ``x`` of one file are two: each takes its very name, or none."""
    caplog.set_level("INFO")
    panels = {
        "a": ["CD3", "147Sm_CD16", "HLA-DR", "X", "x", "Y"],
        "b": ["cd16", "CD3", "HLADR", "X", "x", "Y1"],
        "c": ["CD3", "CD-16", "HLA DR", "x", "X", "y"],
    }
    for name, channels in panels.items():
        events = [[100 + ord(one.lower()[-1]) for one in channels]]
        FcsFile(np.array(events), channels).write(tmp_path / f"{name}.fcs")
    adata = FcsDataset(path=str(tmp_path)).read_for(["CD3"])
    assert adata.obs.columns.tolist() == ["sample", "147Sm_CD16", "HLA-DR", "X", "x"]
    assert (adata.obs["147Sm_CD16"] == 100 + ord("6")).all()
    assert "b.fcs: other columns matched: 147Sm_CD16 = cd16, HLA-DR = HLADR" in caplog.text
    assert "Left out, because not all files have them: Y, Y1, y" in caplog.text


def test_a_matrix_of_the_user_compensates_all_files(folder, tmp_path, caplog):
    caplog.set_level("INFO")
    (tmp_path / "m.csv").write_text("PE-A,APC-A\n1,0.5\n0,1\n")
    adata = FcsDataset(path=str(folder), compensation=str(tmp_path / "m.csv")).read_for(MARKERS)
    raw = FcsDataset(path=str(folder), compensation=False).read_for(MARKERS)
    np.testing.assert_allclose(adata.X[:, 2], raw.X[:, 2] - 0.5 * raw.X[:, 1], rtol=1e-5)
    assert adata.uns["compensation"]["matrix"] == [[1, 0.5], [0, 1]]
    assert "Compensated by the matrix of dataset.compensation: PE-A, APC-A" in caplog.text


def test_a_file_that_grows_while_it_is_read_is_named():
    joined = JoinedCells(["CD3"], 1, 2)
    var, obs = pd.DataFrame(index=["CD3"]), pd.DataFrame(index=range(3))
    part = Part(np.ones((3, 1), np.float32), var, obs)
    with pytest.raises(InputError, match=r"a\.csv: changed while it was read"):
        joined.add(Path("a.csv"), part, ["CD3"])


def test_broken_files_among_many_are_named_all_at_once(folder):
    (folder / "bad.fcs").write_bytes(b"")
    (folder / "cut.fcs").write_bytes(small_fcs().content()[:-1])
    told = problems_of(FcsDataset(path=str(folder)).read_for, MARKERS)
    assert "bad.fcs: is empty" in told[0]
    assert "cut.fcs: is cut off" in told[1]


def test_memory_is_that_of_the_result_and_one_file(tmp_path, monkeypatch):
    n_cells, n_channels, n_files = 15_000, 60, 4
    names = [f"m{i}" for i in range(n_channels)]
    x = np.random.default_rng(0).normal(size=(n_cells, n_channels)).astype(np.float32)
    for i in range(n_files):
        write_fcs(tmp_path / f"{i}.fcs", x, names, None, {"SPILL": "2,m1,m2,1,0.1,0,1"})
    dataset = FcsDataset(path=str(tmp_path))
    dataset.read_for(names[:30])  # imports and caches
    monkeypatch.setattr("scyan_exp.data.fcs_events.CHUNK_BYTES", 2**20)
    tracemalloc.start()
    try:
        adata = dataset.read_for(names[:30])
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    file = x.nbytes
    assert adata.X.nbytes + adata.obs.memory_usage().sum() >= n_files * file
    assert kept < 1.5 * n_files * file
    # A block of raw events is read at a time; anndata looks for names of cells that stand twice.
    names_of_cells = 64 * n_cells * n_files
    assert peak - kept < file + 2 * 2**20 + names_of_cells
    assert peak < n_files * file + 2.5 * file + 2 * names_of_cells


def test_cells_are_read_anew_when_one_of_many_files_changes(folder, tmp_path):
    (tmp_path / "table.csv").write_text(
        f"Populations,{','.join(MARKERS)}\nT,1,1,-1,-1\nB,-1,-1,-1,1\n"
    )
    overrides = [f"dataset.path={folder}", f"table.path={tmp_path / 'table.csv'}"]
    config = check_config(compose_config(["dataset=fcs", *overrides, "dataset.transform=asinh"]))
    with KeptCells() as kept:
        assert kept.load(config) is kept.load(config)
        before = kept.load(config)
        small_fcs(70).write(folder / "p1_day7.fcs")
        assert len(kept.load(config)) == len(before) + 20
        small_fcs(10).write(folder / "p9.fcs")
        assert len(kept.load(config)) == len(before) + 30
