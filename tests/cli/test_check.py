"""``scyan-exp check``: mistakes planted in the table of the built-in cells, and real tables."""

from __future__ import annotations

import re
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from scyan_exp.config.check import check_config
from scyan_exp.config.compose import compose_config
from scyan_exp.data.dataset import SyntheticDataset
from scyan_exp.data.synthetic import load_pbmc_table
from scyan_exp.run.cells import KeptCells
from tests.conftest import TABLE, small_adata
from tests.data.fcs_files import FcsFile


@pytest.fixture(scope="module")
def cells(tmp_path_factory) -> Path:
    """20,000 of the built-in cells, with a marker that the table does not have."""
    path = tmp_path_factory.mktemp("cells") / "cells.h5ad"
    SyntheticDataset(n_cells=20_000, label_key="population", prior_std=0.25).read().write_h5ad(path)
    return path


@pytest.fixture
def check(scyan_exp, tmp_path, cells):
    """Check the built-in table after an edit; what was said, a line each."""

    def run(edit=lambda frame: frame, *arguments: str, with_cells: bool = True) -> list[str]:
        table = load_pbmc_table()
        frame = pd.DataFrame(table.rho, table.populations, table.markers)
        edit(frame).to_csv(tmp_path / "table.csv")
        paths = ["table.csv", str(cells)] if with_cells else ["table.csv"]
        code, output = scyan_exp("check", *paths, *arguments)
        assert code == 0, output
        return [line for line in output.splitlines() if line.startswith(("wrong?", "look:"))]

    return run


def at(population: str, marker: str, value: float):
    """Set one entry."""

    def edit(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[population, marker] = value
        return frame

    return edit


def swapped(first: str, second: str):
    """Exchange the columns of two markers, but for their names."""
    return lambda frame: frame.rename(columns={first: second, second: first})


def copied(source: str, target: str):
    """Give a row the values of another one."""

    def edit(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[target] = frame.loc[source]
        return frame

    return edit


def column(marker: str, value: float):
    """Set all entries of a marker."""
    return lambda frame: frame.assign(**{marker: value})


T, B, MONO = "Naive CD4 T cells", "Naive B cells", "Classical monocytes"
NONE = np.nan
LABELS = "dataset.label_key=population"
SIGNS = [
    (T, "CD3", -1),
    (T, "CD19", 1),
    (T, "CD14", 1),
    (B, "CD19", -1),
    (B, "CD3", 1),
    (B, "CD14", 1),
    (MONO, "CD19", 1),
    (MONO, "CD3", 1),
]
OTHERS = {
    "equal rows": (copied(T, B), f"populations '{T}' and '{B}' have the same row"),
    "a blank row": (lambda f: f.drop(B).reindex(f.index), f"nothing is known of population '{B}'"),
    "a blank column": (column("CD16", NONE), "marker 'CD16' is blank in every row"),
    "0 for -1": (lambda f: f.replace(-1, 0), "there is no -1, and there are 0s"),
    "no -1": (column("CD16", 1), "marker 'CD16' is 1 wherever it is known"),
    "no 1": (column("CD16", -1), "marker 'CD16' is -1 wherever it is known"),
    "no sign but half": (
        lambda f: f.assign(CD16=f["CD16"].replace(-1, 0.5)),
        "marker 'CD16' has no -1",
    ),
    "a blank parts two": (
        at(B, "CD27", NONE),
        "'Naive B cells' and 'Memory B cells' differ only where one of them is blank: "
        "a value at CCR7, CD27",
    ),
    "columns exchanged": (swapped("CD3", "CD19"), "75% of the cells match no row"),
    "a marker left out": (lambda f: f.drop(columns="CD19"), "are not in the table: CD19"),
    "a name in other letters": (
        lambda f: f.rename(index={B: B.upper()}),
        f"label '{B}' is the row '{B.upper()}' but for case or blanks",
    ),
    "a name without blanks": (
        lambda f: f.rename(index={T: T.replace(" ", "")}),
        f"label '{T}' is the row",
    ),
}


def test_nothing_is_wrong_with_the_built_in_table(check):
    assert [line for line in check(lambda frame: frame, LABELS) if "wrong?" in line] == []


@pytest.mark.parametrize(("population", "marker", "value"), SIGNS)
def test_a_wrong_sign_is_found(check, population, marker, value):
    lines = check(at(population, marker, value), LABELS)
    (said,) = [line for line in lines if f"population {population!r}: hardly any cell" in line]
    assert repr(marker) in said.partition("without its entry at ")[2]


@pytest.mark.parametrize("mistake", OTHERS)
def test_a_mistake_is_found(check, mistake):
    edit, expected = OTHERS[mistake]
    assert expected in "\n".join(check(edit, LABELS))


def test_a_table_is_checked_as_a_run_would_change_it(check):
    lines = check(
        lambda frame: frame, LABELS, f"table.drop=[{T}]", f"table.set={{{B}: {{CD19: -1}}}}"
    )
    assert not any(T in line for line in lines)
    assert any(f"population {B!r}: hardly any cell" in line for line in lines)


def test_a_table_is_checked_without_cells(check):
    edit, expected = OTHERS["equal rows"]
    equal, name = [line for line in check(edit, with_cells=False) if "wrong?" in line]
    assert expected in equal
    assert "have the opposite sign of what the name says" in name


@pytest.mark.parametrize("arguments", [[], ["a", "b", "c"], ["--hlp"]])
def test_how_it_is_used_is_said(scyan_exp, arguments):
    code, output = scyan_exp("check", *arguments)
    assert code == 2
    assert "usage: scyan-exp check TABLE [CELLS]" in output


def test_a_run_warns_of_what_is_wrong_with_its_table(scyan_exp, tmp_path, cells):
    table = load_pbmc_table()
    frame = pd.DataFrame(table.rho, table.populations, table.markers)
    copied(T, B)(frame).to_csv(tmp_path / "table.csv")
    arguments = ["dataset=h5ad", f"dataset.path={cells}", "table.path=table.csv", "logger=none"]
    arguments += ["figures.draw=none"]
    code, output = scyan_exp("train", *arguments, "trainer.max_epochs=1", "hydra.run.dir=run")
    assert code == 0
    assert f"table: populations '{T}' and '{B}' have the same row" in output


NO_GAP = "no gap parts the cells that have these markers from those that have not: "
CLEAR = "markers with two clear modes are not in the table: "


def is_true(remark: str, table: pd.DataFrame) -> bool:
    """Whether a remark on a table follows from the table."""
    if one := re.fullmatch("marker '(.+)' is (-?1) wherever it is known: .*", remark):
        return set(table[one[1]].dropna()) == {float(one[2])}
    pair = re.fullmatch(
        "populations '(.+)' and '(.+)' differ only where .* value at (.+) wo.*", remark
    )
    assert pair is not None, remark
    rows = table.loc[[pair[1], pair[2]]].T
    told = rows.dropna()
    half = rows.index[rows.notna().sum(axis=1) == 1]
    return bool((told[pair[1]] == told[pair[2]]).all()) and pair[3].split(", ") == list(half)


@pytest.mark.parametrize(
    ("name", "cells", "overrides", "of_cells"),
    [
        (
            "himc",
            "himc.h5ad",
            ["dataset.subset={batch:Plate3}"],
            [f"{NO_GAP}CD25", f"{CLEAR}CCR6, CXCR5, CD38"],
        ),
        ("hipc_tcell", "cells.h5ad", ["dataset.check_range=false"], []),
        ("multicenter", "cells.h5ad", ["dataset.transform=asinh"], [f"{NO_GAP}CD4"]),
    ],
)
def test_what_is_said_of_the_real_tables_is_true(
    scyan_exp, real_data, name, cells, overrides, of_cells
):
    """Nothing would mislead; what is said of cells was seen in kernel densities, too."""
    folder = real_data / name
    paths = [str(folder / "table.csv"), str(folder / cells)]
    code, output = scyan_exp("check", *paths, "dataset.label_key=cell_type", *overrides)
    assert code == 0
    assert "wrong?" not in output
    assert "Nothing was found that would mislead a training." in output
    remarks = re.findall("^look: *(.*)$", output, re.MULTILINE)
    table = pd.read_csv(folder / "table.csv", index_col=0)
    assert [one for one in remarks if one not in of_cells and not is_true(one, table)] == []
    assert set(of_cells) <= set(remarks)


def test_nothing_is_wrong_with_the_table_of_the_spleen_by_its_fcs_file(scyan_exp, real_data):
    folder = real_data / "mouse_spleen"
    labels = [f"dataset.labels={folder / 'gates.csv'}", "dataset.label_key=x"]
    files = [str(folder / "table.csv"), str(folder / "spleen_raw.fcs")]
    code, output = scyan_exp("check", *files, *labels)
    assert code == 0
    assert "spleen_raw.fcs: 19,225 cells" in output
    remarks = re.findall("^look: *(.*)$", output, re.MULTILINE)
    table = pd.read_csv(folder / "table.csv", index_col=0)
    assert [is_true(one, table) for one in remarks] == [True]
    assert "Nothing was found that would mislead a training." in output


@pytest.mark.parametrize("transform", ["logicle", "asinh", "auto"])
def test_markers_beside_the_table_have_transforms_of_their_own(scyan_exp, tmp_path, transform):
    small = small_adata(300)
    x = np.sinh(small.X * 2) * 20
    x[5, 4] = np.nan  # a marker that the table does not have
    names = [*small.var_names, "more", "even more"]
    adata = anndata.AnnData(np.hstack([x, x[:, :2]]), small.obs, pd.DataFrame(index=names))
    adata.write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "table.csv").write_text(TABLE)
    settings = [f"dataset.transform={transform}", "dataset.cofactor={default:150,CD3:100}"]
    code, output = scyan_exp("check", "table.csv", "cells.h5ad", *settings)
    assert code == 0, output
    assert "not in the table: more" in output


def test_channels_of_fcs_files_that_the_table_leaves_out_are_looked_at(scyan_exp, tmp_path):
    """Time and scatter are not, and a CSV beside the files is not taken for cells."""
    x = np.sinh(small_adata(900).X[:, [0, 1, 2, 3, 0, 1, 1, 1]] * 2) * 100
    names = ["CD3", "CD4", "CD8", "CD19", "CD161", "FSC-A", "SSC-H", "Event_length"]
    (tmp_path / "samples").mkdir()
    for name in "ab":
        FcsFile(x, names).write(tmp_path / "samples" / f"{name}.fcs")
    (tmp_path / "samples" / "sheet.csv").write_text("file,batch\na,1\nb,2\n")
    (tmp_path / "table.csv").write_text(TABLE)
    for cells in ("samples", "samples/?.fcs", "samples/*.f*"):
        code, output = scyan_exp("check", "table.csv", cells)
        assert code == 0, output
        assert output.splitlines()[0] == f"{cells}: 1,800 cells"
        assert "markers with two clear modes are not in the table: CD161\n" in output


def raw_counts(folder: Path) -> Path:
    """Cells with counts of CyTOF, up to a few hundred ions."""
    adata = small_adata(6000)
    adata.X = np.maximum(np.round(5 * np.sinh(3 * (adata.X - 2))), 0).clip(max=900)
    adata.write_h5ad(folder / "cells.h5ad")
    (folder / "table.csv").write_text(TABLE)
    return folder / "cells.h5ad"


RAW = "the cells look raw (they are counts of CyTOF: "


def test_raw_cells_are_told_in_words_with_what_to_type(scyan_exp, tmp_path):
    """Nothing else is said of them: it would be of the missing transform."""
    raw_counts(tmp_path)
    code, output = scyan_exp("check", "table.csv", "cells.h5ad")
    assert code == 0
    said = [line for line in output.splitlines() if line.startswith(("wrong?", "look:"))]
    assert [line[:54] for line in said] == [f"wrong?  {RAW}"]
    assert "Add dataset.transform=auto; if they are transformed, add dataset.check_range" in said[0]
    for setting in ("dataset.transform=auto", "dataset.check_range=false"):
        code, output = scyan_exp("check", "table.csv", "cells.h5ad", setting)
        assert code == 0
        assert RAW not in output


def test_a_run_warns_of_raw_cells(tmp_path, caplog):
    settings = ["dataset=h5ad", f"dataset.path={raw_counts(tmp_path)}"]
    settings += [f"table.path={tmp_path / 'table.csv'}"]
    with KeptCells() as kept:
        kept.load(check_config(compose_config(settings)))
        assert sum(RAW in text for text in caplog.messages) == 1
        caplog.clear()
        kept.load(check_config(compose_config([*settings, "dataset.transform=auto"])))
        assert not any(RAW in text for text in caplog.messages)


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (
            "none",
            "none: no file in this folder ends in .fcs or .lmd or .parquet or .pq or",
        ),
        ("none/*", "none/*: no file matches this pattern"),
        ("table.xlsx", "table.xlsx: expected files that end in .fcs or"),
        ("tabel.csv", "tabel.csv: no such file"),
    ],
)
def test_where_there_are_no_cells_all_formats_are_named(scyan_exp, tmp_path, cells, told):
    (tmp_path / "none").mkdir()
    (tmp_path / "table.xlsx").write_bytes(b"PK")
    (tmp_path / "table.csv").write_text(TABLE)
    code, output = scyan_exp("check", "table.csv", cells)
    assert code == 2
    assert told in output
