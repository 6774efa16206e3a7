"""What is known of files and events, from CSVs beside them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from scyan_exp.config.check import check_config
from scyan_exp.config.compose import compose_config
from scyan_exp.data import CsvDataset, FcsDataset
from scyan_exp.errors import InputError
from scyan_exp.run.cells import load_cells
from tests.conftest import MARKERS, TABLE, small_adata
from tests.data.fcs_files import small_fcs
from tests.data.samples import problems_of

SHEET = "file,patient,day\np2_day0.fcs,2,0\np1_day7,1,7\np1_day0.fcs,1,0\n"


def test_what_is_known_of_the_files_is_joined_by_their_names(folder, tmp_path):
    (tmp_path / "sheet.csv").write_text(SHEET)
    dataset = FcsDataset(
        path=str(folder), metadata=str(tmp_path / "sheet.csv"), subset={"patient": 1}
    )
    obs = dataset.read_for(MARKERS).obs
    counts = obs.groupby(["sample", "patient", "day"], observed=True).size()
    assert counts.to_dict() == {("p1_day0", "1", "0"): 40, ("p1_day7", "1", "7"): 50}


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
        "p1_day0.fcs is in rows 2, 3: keep one of them",
        "no row for p1_day7.fcs in column 'file'. Did you mean 'p1_day77.fcs'?",
        "no row for p2_day0.fcs in column 'file'.",
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "not a CSV (No columns to parse from file); expected a CSV with one row per file"),
        ("file,patient\n", "has no rows below its header"),
        ("file,Time\np1_day0,1\np1_day7,1\np2_day0,1\n", "dataset.metadata: Time"),
    ],
)
def test_sheets_that_cannot_be_joined(folder, tmp_path, content, told):
    (tmp_path / "sheet.csv").write_text(content)
    dataset = FcsDataset(path=str(folder), metadata=str(tmp_path / "sheet.csv"))
    assert told in " ".join(problems_of(dataset.read_for, MARKERS))


def test_labels_beside_the_events_of_a_file(folder, tmp_path):
    labels = [f"gate {i % 3}" for i in range(50)]
    pd.DataFrame({"gate": labels}).to_csv(tmp_path / "gates.csv", index=False)
    dataset = FcsDataset(path=str(folder / "p1_day7.fcs"), labels=str(tmp_path / "gates.csv"))
    assert dataset.read_for(MARKERS).obs["gate"].tolist() == labels
    drawn = dataset.model_copy(update={"n_cells_per_file": 20}).read_for(MARKERS).obs
    assert drawn["gate"].tolist() == [labels[int(time)] for time in drawn["Time"]]
    other = dataset.model_copy(update={"path": str(folder / "p1_day0.fcs")})
    (told,) = problems_of(other.read)
    assert told.endswith("gates.csv: expected one row per event: 40 below the header, found 50")


def test_labels_are_of_a_single_file(folder, tmp_path):
    (tmp_path / "gates.csv").write_text("gate\na\n")
    dataset = FcsDataset(path=str(folder), labels=str(tmp_path / "gates.csv"))
    with pytest.raises(InputError, match="has one row per event of a single file, and there are"):
        dataset.read()


def days(tmp_path: Path) -> list[Path]:
    """Files of one name in two folders, and one of another name."""
    files = [tmp_path / "day1" / "a.csv", tmp_path / "day2" / "a.csv", tmp_path / "day2" / "b.csv"]
    for i, file in enumerate(files):
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"CD3,CD4\n{i},{i}\n{i},{i}\n")
    return files


def read_days(tmp_path: Path, rows: str, **settings: object) -> pd.DataFrame:
    """``obs`` with a sheet of the columns ``file`` and ``batch``."""
    (tmp_path / "sheet.csv").write_text(f"file,batch\n{rows}")
    paths, sheet = [str(file) for file in days(tmp_path)], str(tmp_path / "sheet.csv")
    return CsvDataset(path=paths, metadata=sheet, **settings).read().obs


@pytest.mark.parametrize(
    "rows",
    ["day1/a.csv,x\nday2/a.csv,y\nb,z\n", "day2/b.csv,z\nday2/a,y\nday1/a,x\n"],
    ids=["with folders where they are needed", "without suffix"],
)
def test_rows_may_name_files_with_their_folders(tmp_path, rows):
    assert read_days(tmp_path, rows)["batch"].tolist() == ["x", "x", "y", "y", "z", "z"]


def test_a_row_that_may_be_two_files_is_refused_with_both(tmp_path):
    assert [
        one.partition("sheet.csv: ")[2]
        for one in problems_of(read_days, tmp_path, "a.csv,x\nday2/b.csv,y\n")
    ] == ["row 2 (a.csv) may be day1/a.csv or day2/a.csv: name the file with its folder"]


def test_what_is_written_is_what_is_read(tmp_path):
    """Also of the files themselves: 001 is no number there, NA is not missing."""
    obs = read_days(tmp_path, "day1/a,001\nday2/a, NA\nb,\n")
    assert obs["batch"].tolist()[:4] == ["001", "001", "NA", "NA"]
    assert obs["batch"].isna().tolist() == [False] * 4 + [True] * 2
    for name in ("001", "1"):
        (tmp_path / "numbered").mkdir(exist_ok=True)
        (tmp_path / "numbered" / f"{name}.csv").write_text("CD3\n1\n")
    (tmp_path / "sheet.csv").write_text("file,batch\n001,x\n1,y\n")
    numbered = CsvDataset(path=str(tmp_path / "numbered"), metadata=str(tmp_path / "sheet.csv"))
    assert numbered.read().obs["batch"].tolist() == ["x", "y"]


def test_columns_are_numbers_where_the_config_says_so(tmp_path):
    """A continuous covariate may be written in any way; text in it is named with its row."""
    rows = "day1/a,1.50\nday2/a,2e1\nb,007\n"
    obs = read_days(tmp_path, rows, continuous_covariates=["batch"])
    assert obs["batch"].tolist() == [1.5, 1.5, 20, 20, 7, 7]
    settings = {"continuous_covariates": ["batch"]}
    with pytest.raises(InputError) as caught:
        read_days(tmp_path, rows.replace("2e1", "old"), **settings)
    assert str(caught.value).endswith(
        "column 'batch' is one of dataset.continuous_covariates: expected numbers, found row 3 "
        "('old')"
    )


def test_labels_are_read_as_they_are_written(folder, tmp_path):
    (tmp_path / "gates.csv").write_text("gate,dose\n" + "NA,1\n01,2\n" * 20)
    obs = (
        FcsDataset(
            path=str(folder / "p1_day0.fcs"),
            labels=str(tmp_path / "gates.csv"),
            continuous_covariates=["dose"],
        )
        .read()
        .obs
    )
    assert obs["gate"].tolist() == ["NA", "01"] * 20
    assert obs["dose"].tolist() == [1, 2] * 20


def refused(tmp_path: Path, kind: str, override: str) -> str:
    """What is said of a key of the config that names no column of two files and their sheet."""
    (tmp_path / "table.csv").write_text(TABLE)
    (tmp_path / "sheet.csv").write_text("file,batch\na,x\nb,y\n")
    for name in "ab":
        path, adata = tmp_path / f"{name}.{kind}", small_adata(9)
        if kind == "fcs":
            small_fcs(9).write(path)
        elif kind == "h5ad":
            adata.write_h5ad(path)
        elif kind == "csv":
            adata.to_df().to_csv(path, index=False)
        else:
            adata.to_df().to_parquet(path)
    overrides = [f"dataset={kind}", f"dataset.path={tmp_path}/?.{kind}", override]
    overrides += [f"table.path={tmp_path}/table.csv", f"dataset.metadata={tmp_path}/sheet.csv"]
    (problem,) = problems_of(load_cells, check_config(compose_config(overrides)))
    return problem


@pytest.mark.parametrize(
    "override",
    [
        "dataset.batch_key=bacth",
        "dataset.label_key=bacth",
        "dataset.categorical_covariates=[bacth]",
        "dataset.continuous_covariates=[bacth]",
        "dataset.subset={bacth:1}",
        "biomarkers.sample_key=bacth",
    ],
)
def test_names_of_no_column_are_told_before_cells_are_read(tmp_path, caplog, override):
    caplog.set_level("INFO")
    key = override.partition("={" if "{" in override else "=")[0]
    told = refused(tmp_path, "fcs", override)
    assert told.startswith(f"{key}: the cells have no column 'bacth'. Did you mean 'batch'? They")
    assert "2 files with" not in caplog.text  # which is said of cells that were read


@pytest.mark.parametrize("kind", ["csv", "parquet", "h5ad"])
def test_heads_of_all_formats_are_known(tmp_path, caplog, kind):
    caplog.set_level("INFO")
    told = refused(tmp_path, kind, "dataset.batch_key=bacth")
    assert "Did you mean 'batch'? They have: " in told
    assert "2 files with" not in caplog.text


def test_names_that_heads_know_are_no_problem(folder, tmp_path):
    (tmp_path / "sheet.csv").write_text(SHEET)
    (tmp_path / "table.csv").write_text(TABLE)
    overrides = ["dataset=fcs", f"dataset.path={folder}", f"dataset.metadata={tmp_path}/sheet.csv"]
    overrides += [f"table.path={tmp_path}/table.csv", "dataset.continuous_covariates=[Time]"]
    overrides += ["dataset.batch_key=day", "biomarkers.sample_key=sample"]
    overrides += ["dataset.transform=asinh"]
    cells = load_cells(check_config(compose_config(overrides)))
    assert cells.encoding.categories == {"day": ["0", "7"]}
