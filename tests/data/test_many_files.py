"""Lists, folders and patterns of files become one; what does not fit is named by its file."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scyan_exp.config.check import check_config
from scyan_exp.config.compose import compose_config
from scyan_exp.data import (
    CsvDataset,
    FcsDataset,
    H5adDataset,
    KnowledgeTable,
    ParquetDataset,
    prepare_cells,
)
from scyan_exp.data.fcs_writing import write_fcs
from scyan_exp.data.file_kinds import Part
from scyan_exp.data.file_lists import find_files, sample_names
from scyan_exp.data.joined import JoinedCells
from scyan_exp.data.reading import dataset_of
from scyan_exp.errors import InputError
from scyan_exp.run.cells import KeptCells
from tests.conftest import MARKERS, small_adata
from tests.data.fcs_files import FcsFile, small_fcs

SIZES = {"p1_day0": 40, "p1_day7": 50, "p2_day0": 60}
SHEET = "file,patient,day\np2_day0.fcs,2,0\np1_day7,1,7\np1_day0.fcs,1,0\n"


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three FCS files, and what is no FCS file."""
    folder = tmp_path / "samples"
    folder.mkdir()
    for name, n_cells in SIZES.items():
        small_fcs(n_cells).write(folder / f"{name}.fcs")
    (folder / "notes.txt").write_text("shaken, not stirred")
    (folder / ".hidden.fcs").write_text("")
    return folder


def problems_of(call, *arguments) -> list[str]:
    with pytest.raises(InputError) as caught:
        call(*arguments)
    error = caught.value
    return [f"{error.where}: {one}" if error.where else one for one in error.problems]


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


def test_what_is_known_of_the_files_is_joined_by_their_names(folder, tmp_path):
    (tmp_path / "sheet.csv").write_text(SHEET)
    dataset = FcsDataset(
        path=str(folder), metadata=str(tmp_path / "sheet.csv"), subset={"patient": 1}
    )
    obs = dataset.read_for(MARKERS).obs
    counts = obs.groupby(["sample", "patient", "day"], observed=True).size()
    assert counts.to_dict() == {("p1_day0", 1, 0): 40, ("p1_day7", 1, 7): 50}


def test_a_sheet_may_name_the_samples_and_hold_rows_of_other_files(folder, tmp_path, caplog):
    caplog.set_level("INFO")
    text = "sample;FileName\nA;p1_day0.fcs\nB;p1_day7.fcs\nC;p2_day0.fcs\nD;p9.fcs\n"
    (tmp_path / "sheet.csv").write_text(text)
    obs = FcsDataset(path=str(folder), metadata=str(tmp_path / "sheet.csv")).read_for(MARKERS).obs
    assert obs["sample"].value_counts(sort=False).to_dict() == {"A": 40, "B": 50, "C": 60}
    assert "no file for row 5 (p9.fcs)" in caplog.text


def test_rows_that_lack_or_stand_twice_are_named_at_once(folder, tmp_path):
    text = "file,patient\np1_day0.fcs,1\np1_day0,1\np1_day77.fcs,1\n"
    (tmp_path / "sheet.csv").write_text(text)
    dataset = FcsDataset(path=str(folder), metadata=str(tmp_path / "sheet.csv"))
    told = problems_of(dataset.read)
    assert [one.partition("sheet.csv: ")[2] for one in told] == [
        "p1_day0.fcs stands in rows 2, 3: keep one of them",
        "no row for p1_day7.fcs in column 'file'. Did you mean 'p1_day77.fcs'?",
        "no row for p2_day0.fcs in column 'file'.",
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "not a CSV (No columns to parse from file); expected a CSV with a row a file"),
        ("file,patient\n", "has no rows below its header"),
        ("file,Time\np1_day0,1\np1_day7,1\np2_day0,1\n", "dataset.metadata: Time"),
    ],
)
def test_sheets_that_cannot_be_joined(folder, tmp_path, content, told):
    (tmp_path / "sheet.csv").write_text(content)
    dataset = FcsDataset(path=str(folder), metadata=str(tmp_path / "sheet.csv"))
    assert told in " ".join(problems_of(dataset.read_for, MARKERS))


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


def test_files_with_and_without_a_matrix_are_told_apart(folder, caplog):
    small_fcs(9, keywords={"SPILL": "2,PE-A,APC-A,1,0.1,0,1"}).write(folder / "p3.fcs")
    adata = FcsDataset(path=str(folder)).read_for(MARKERS)
    assert adata.uns["compensation"] == {"kind": "file"}
    assert "3 of 4 files have no spillover matrix and are not compensated: p1_day0" in caplog.text


def test_a_matrix_of_the_user_compensates_all_files(folder, tmp_path, caplog):
    caplog.set_level("INFO")
    (tmp_path / "m.csv").write_text("PE-A,APC-A\n1,0.5\n0,1\n")
    adata = FcsDataset(path=str(folder), compensation=str(tmp_path / "m.csv")).read_for(MARKERS)
    raw = FcsDataset(path=str(folder), compensation=False).read_for(MARKERS)
    np.testing.assert_allclose(adata.X[:, 2], raw.X[:, 2] - 0.5 * raw.X[:, 1], rtol=1e-5)
    assert adata.uns["compensation"]["matrix"] == [[1, 0.5], [0, 1]]
    assert "Compensated by the matrix of dataset.compensation: PE-A, APC-A" in caplog.text


def test_labels_beside_the_events_of_a_file(folder, tmp_path):
    labels = [f"gate {i % 3}" for i in range(50)]
    pd.DataFrame({"gate": labels}).to_csv(tmp_path / "gates.csv", index=False)
    dataset = FcsDataset(path=str(folder / "p1_day7.fcs"), labels=str(tmp_path / "gates.csv"))
    assert dataset.read_for(MARKERS).obs["gate"].tolist() == labels
    drawn = dataset.model_copy(update={"n_cells_per_file": 20}).read_for(MARKERS).obs
    assert drawn["gate"].tolist() == [labels[int(time)] for time in drawn["Time"]]
    other = dataset.model_copy(update={"path": str(folder / "p1_day0.fcs")})
    (told,) = problems_of(other.read)
    assert told.endswith("gates.csv: expected a row an event: 40 below the header, found 50")


def cells(n_cells: int):
    """Cells with labels, an age and a marker more than the table's."""
    return small_adata(n_cells, seed=n_cells)


def write(kind: str, folder: Path) -> None:
    for name, n_cells in SIZES.items():
        adata = cells(n_cells)
        frame = adata.obs.join(adata.to_df())
        if kind == "h5ad":
            adata.write_h5ad(folder / f"{name}.h5ad")
        elif kind == "csv":
            frame.to_csv(folder / f"{name}.csv", index=False)
        else:
            frame.reset_index(drop=True).to_parquet(folder / f"{name}.parquet")


FORMATS = {"h5ad": H5adDataset, "csv": CsvDataset, "parquet": ParquetDataset}


@pytest.mark.parametrize("kind", FORMATS)
def test_other_formats_are_read_alike(tmp_path, kind):
    write(kind, tmp_path)
    dataset = FORMATS[kind](
        path=str(tmp_path), label_key="cell_type", continuous_covariates=["age"]
    )
    adata = dataset.read_for(MARKERS)
    expected = [cells(n) for n in SIZES.values()]
    assert adata.obs["sample"].value_counts(sort=False).to_dict() == SIZES
    assert adata.var_names.tolist() == [*MARKERS, "CD45"]
    np.testing.assert_allclose(adata.X, np.vstack([one.X for one in expected]), rtol=1e-6)
    for column in ("cell_type", "batch"):
        told = pd.concat([one.obs[column].astype(str) for one in expected])
        assert adata.obs[column].astype(str).tolist() == told.tolist()
    ages = pd.concat([one.obs["age"] for one in expected])
    np.testing.assert_allclose(adata.obs["age"], ages)
    assert len(dataset.sources()) == 3
    look = dataset.model_copy(update={"n_cells_per_file": 45}).read_for(MARKERS)
    assert look.n_obs == 130


@pytest.mark.parametrize("kind", FORMATS)
def test_a_single_file_is_as_it_was(tmp_path, kind):
    write(kind, tmp_path)
    path = tmp_path / f"p1_day0.{kind}"
    adata = FORMATS[kind](path=str(path), continuous_covariates=["age"]).read_for(MARKERS)
    assert adata.isbacked == (kind == "h5ad")
    assert "sample" not in adata.obs
    assert adata.var_names.tolist() == [*MARKERS, "CD45"]
    assert dataset_of(path) == dataset_of(tmp_path) == dataset_of(tmp_path / f"*.{kind}") == kind


def test_columns_of_a_single_csv_may_be_named_loosely(tmp_path):
    (tmp_path / "a.csv").write_text("147Sm_CD3,cd-4,other\n1,2,3\n")
    adata = CsvDataset(path=str(tmp_path / "a.csv")).read_for(["CD3", "CD4"])
    assert adata.var_names.tolist() == ["CD3", "CD4", "other"]


def test_text_and_numbers_under_one_name(tmp_path, caplog):
    caplog.set_level("INFO")
    (tmp_path / "a.csv").write_text("CD3,gate,x\n1,B,1\n")
    (tmp_path / "b.csv").write_text("CD3,gate,y\n1,,1\n")
    adata = CsvDataset(path=str(tmp_path)).read_for(["CD3"])
    assert adata.obs["gate"].tolist()[0] == "B"
    assert pd.isna(adata.obs["gate"].tolist()[1])
    assert "Left out, because not all files have them: x, y" in caplog.text
    (tmp_path / "c.csv").write_text("gate,CD3\n1,high\n")
    (told,) = problems_of(CsvDataset(path=str(tmp_path)).read_for, ["CD3"])
    assert told.endswith("c.csv: column 'CD3' holds text here, and numbers in other files")


def test_columns_of_obs_that_all_h5ad_have_are_kept(tmp_path, caplog):
    caplog.set_level("INFO")
    for i, name in enumerate(["site", "plate"]):
        adata = cells(20)
        adata.obs[name] = i
        adata.obs["day"] = pd.Categorical([i] * 20) if i else pd.Categorical(["none"] * 20)
        adata.write_h5ad(tmp_path / f"{name}.h5ad")
    obs = H5adDataset(path=str(tmp_path)).read_for(MARKERS).obs
    assert obs.columns.tolist() == ["sample", "cell_type", "batch", "age", "day"]
    assert obs["day"].tolist() == ["1"] * 20 + ["none"] * 20
    assert "Left out of obs, because not all files have them: plate, site" in caplog.text


def test_h5ad_without_expressions_are_named(tmp_path):
    cells(20).write_h5ad(tmp_path / "a.h5ad")
    anndata.AnnData(obs=cells(20).obs, var=cells(20).var).write_h5ad(tmp_path / "b.h5ad")
    (told,) = problems_of(H5adDataset(path=str(tmp_path)).read_for, MARKERS)
    assert told.endswith("b.h5ad: the cells have no expressions: X is not there")


def test_sparse_h5ad_become_dense_together(tmp_path):
    for i in range(2):
        adata = cells(20)
        adata.X = sparse.csr_matrix(adata.X) if i else adata.X
        adata.write_h5ad(tmp_path / f"{i}.h5ad")
    x = H5adDataset(path=str(tmp_path)).read_for(MARKERS).X
    np.testing.assert_array_equal(x, np.vstack([cells(20).X] * 2))


def test_lines_may_end_as_on_old_machines(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.csv").write_bytes(b"CD3,CD4\r1,2\r3,4\r")
    assert CsvDataset(path=str(tmp_path)).read().X.tolist() == [[1, 2], [3, 4]] * 2


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


def test_labels_are_of_a_single_file(folder, tmp_path):
    (tmp_path / "gates.csv").write_text("gate\na\n")
    dataset = FcsDataset(path=str(folder), labels=str(tmp_path / "gates.csv"))
    with pytest.raises(InputError, match="has a row an event of a single file, and there are"):
        dataset.read()


def test_the_index_that_pandas_writes_is_no_marker(tmp_path):
    for name in "ab":
        small_adata(9).to_df().to_csv(tmp_path / f"{name}.csv")
    adata = CsvDataset(path=str(tmp_path)).read_for(MARKERS)
    assert set(MARKERS) <= set(adata.var_names)
    assert "" not in adata.var_names


def test_a_first_line_without_end_is_refused(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text("x" * 200_000)
    with pytest.raises(InputError, match="not a CSV of cells"):
        CsvDataset(path=str(tmp_path)).read()
