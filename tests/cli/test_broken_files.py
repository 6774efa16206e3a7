"""Files of cells that are broken: one message with the file's name, exit code 2, no files."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest

from scyan_exp.data import (
    CsvDataset,
    FcsDataset,
    H5adDataset,
    ParquetDataset,
    load_table,
    prepare_cells,
)
from scyan_exp.errors import InputError
from tests.conftest import MARKERS, small_adata
from tests.data.fcs_files import FcsFile, small_fcs


def fcs(**changes: object) -> bytes:
    """A file of four markers, changed."""
    return small_fcs(**changes).content()


def with_keyword(**keywords: str | None) -> bytes:
    """A file with other keywords than the right ones; ``_`` stands for ``$``."""
    return fcs(keywords={key.replace("_", "$", 1): value for key, value in keywords.items()})


def replaced(old: bytes, new: bytes, content: bytes) -> bytes:
    """The same bytes but for some of them."""
    assert old in content
    return content.replace(old, new, 1)


def at(place: int, new: bytes) -> bytes:
    """A right file with other bytes at a place."""
    content = fcs()
    return content[:place] + new + content[place + len(new) :]


SPILL = "2,FITC-A,PE-A,"
FCS = {
    "empty": (b"", "is empty (expected an FCS file)"),
    "text": (b"Time,CD3\n1,2\n" * 9, "not an FCS file: it begins with b'Time,C'"),
    "another version": (replaced(b"FCS3.1", b"FCS1.0", fcs()), "FCS 1.0 is not read"),
    "header cut off": (fcs()[:40], "is cut off: it has only 40 bytes"),
    "text cut off": (fcs()[:300], "is cut off: the keywords end at byte"),
    "events cut off": (fcs()[:-1], "is cut off: 60 events of 20 bytes need 1,200 bytes"),
    "half of it": (fcs()[: len(fcs()) // 2 + 200], "is cut off: 60 events of 20 bytes"),
    "header of letters": (at(10, b"abcdefgh"), "its header holds no byte offsets"),
    "keywords before the file": (at(10, b"       0"), "its header puts the keywords at bytes 0"),
    "keywords behind the file": (at(18, b"99999999"), "the keywords end at byte 99,999,999"),
    "no delimiter": (at(58, b"A"), "expected the character that separates them"),
    "both offsets wrong": (
        fcs(shift=(0, 44), tail=b" " * 90),
        "but the file says that they are at",
    ),
    "within its keywords": (fcs(shift=(-9, -9)), "within its keywords"),
    "offsets of zero": (
        fcs(in_header=False, keywords={"$BEGINDATA": "0", "$ENDDATA": "0"}),
        "it does not say where its events are",
    ),
    "zero events": (fcs(n_cells=0), "it holds no events"),
    "too many events": (with_keyword(_TOT="61"), "61 events of 20 bytes need 1,220 bytes"),
    "absurdly many events": (with_keyword(_TOT="9" * 15), "is cut off: 999,999,999,999,999 events"),
    "fewer events": (with_keyword(_TOT="50"), "need 1,000 bytes, but the file says"),
    "events of letters": (with_keyword(_TOT="many"), "$TOT is 'many'"),
    "no channels": (with_keyword(_PAR="0"), "$PAR is '0'"),
    "absurdly many channels": (with_keyword(_PAR="999999999"), "$PAR is '999999999'"),
    "no type": (with_keyword(_DATATYPE=None), "$DATATYPE is missing; expected F, D or I"),
    "ASCII": (with_keyword(_DATATYPE="A"), "$DATATYPE is A; expected F, D or I"),
    "histograms": (with_keyword(_MODE="C"), "$MODE is C: it holds histograms"),
    "middle-endian": (with_keyword(_BYTEORD="3,4,1,2"), "$BYTEORD is 3,4,1,2; expected 1,2,3,4"),
    "16 bits for a float": (with_keyword(_P2B="16"), "channel 'FITC-A': $P2B is '16'; expected 32"),
    "24 bits": (
        FcsFile(np.ones((9, 1)), ["a"], ["u4"], {"$P1B": "24"}).content(),
        "channel 'a': $P1B is '24'; expected 8, 16, 32, 64 bits for $DATATYPE I",
    ),
    "channels named twice": (
        with_keyword(_P3N="APC-A"),
        "channel 'APC-A' is at $P3N, $P4N: rename all but one",
    ),
    "labels given twice": (with_keyword(_P3S="CD3"), "marker 'CD3' of the table may be any of"),
    "an amplifier of letters": (
        FcsFile(np.ones((9, 1)), ["a"], ["u1"], {"$P1E": "log"}).content(),
        "channel 'a': $P1E is 'log'; expected two numbers",
    ),
    "several data sets": (
        fcs(keywords={"$NEXTDATA": f"{len(fcs(keywords={'$NEXTDATA': '0000'})):>4}"}) + fcs(),
        "it holds several data sets ($NEXTDATA)",
    ),
    "singular spillover": (with_keyword(SPILL=SPILL + "1,1,1,1"), "matrix is singular"),
    "spillover in percent": (with_keyword(SPILL=SPILL + "100,9,9,100"), "reaches 100"),
    "spillover of others": (
        with_keyword(SPILL="2,FITC-A,PE-B,1,0.1,0,1"),
        "names channels that the file lacks: 'PE-B'",
    ),
    "half a spillover": (with_keyword(SPILL=SPILL + "1,1"), "found 5 parts"),
}

HEADER = ",".join(MARKERS)
ROWS = "1,2,3,4\n5,6,7,8\n" * 5
CSV = {
    "empty": (b"", "not a CSV of cells"),
    "blank": (b"\n\n", "not a CSV of cells"),
    "only a header": (HEADER.encode(), "found 0 rows"),
    "another encoding": (f"{HEADER},Zoë\n".encode("latin-1"), "not a CSV of cells ('utf-8' codec"),
    "UTF-16": (f"{HEADER}\n{ROWS}".encode("utf-16"), "not a CSV of cells ('utf-8' codec"),
    "longer rows": (f"{HEADER}\n1,2,3,4\n1,2,3,4,5\n".encode(), "not a CSV of cells (Error"),
    "a column twice": (f"{HEADER},CD3\n1,2,3,4,5\n".encode(), "column 'CD3' occurs 2 times"),
    "text for a number": (f"{HEADER}\n{ROWS}1,2,high,4\n".encode(), "row 12 ('high')"),
    "a quote that never ends": (f'{HEADER}\n"1,2,3,4\n{ROWS}'.encode(), "cells.csv: "),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not a CSV of cells"),
}


def parquet(frame: pd.DataFrame) -> bytes:
    """The bytes of a Parquet file."""
    return frame.to_parquet()


FRAME = small_adata(30).to_df().reset_index(drop=True)
PARQUET = {
    "empty": (b"", "not a Parquet file that pyarrow can read"),
    "text": (b"CD3,CD4\n1,2\n" * 9, "not a Parquet file that pyarrow can read"),
    "cut off": (parquet(FRAME)[:-40], "not a Parquet file that pyarrow can read"),
    "its middle lost": (
        parquet(FRAME)[:100] + b"\0" * 400 + parquet(FRAME)[500:],
        "not a Parquet file that pyarrow can read",
    ),
    "zero cells": (parquet(FRAME[:0]), "found 0 rows"),
    "lists": (parquet(FRAME.assign(x=[[1]] * 30)), "column 'x' holds lists"),
    "only text": (parquet(FRAME[:3].astype(str)), "0 columns of numbers"),
}


def h5ad(change: Callable[[h5py.File], object]) -> Callable[[Path], None]:
    """Write a right file, then spoil it."""

    def write(path: Path) -> None:
        small_adata(30).write_h5ad(path)
        with h5py.File(path, "r+") as file:
            change(file)

    return write


def shorter_x(file: h5py.File) -> None:
    del file["X"]
    file["X"] = np.ones((20, 5), np.float32)
    file["X"].attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})


def cut(path: Path) -> None:
    small_adata(30).write_h5ad(path)
    path.write_bytes(path.read_bytes()[:3000])


def same_names(path: Path) -> None:
    adata = small_adata(30)
    adata.var_names = [*MARKERS[:3], "CD3", "CD45"]
    adata.write_h5ad(path)


H5AD = {
    "empty": (lambda path: path.write_bytes(b""), "not an .h5ad file"),
    "text": (lambda path: path.write_text("CD3,CD4\n"), "not an .h5ad file"),
    "cut off": (cut, "not an .h5ad file"),
    "no obs": (h5ad(lambda file: file.__delitem__("obs")), "cells.h5ad"),
    "X too short": (h5ad(shorter_x), "cells.h5ad"),
    "another HDF5": (lambda path: h5py.File(path, "w").close(), "cells.h5ad"),
}


FORMATS = {".fcs": FcsDataset, ".csv": CsvDataset, ".parquet": ParquetDataset, ".h5ad": H5adDataset}


def refuse(path: Path, told: str) -> None:
    """Read a file as a run does; make sure that it is refused by name."""
    dataset = FORMATS[path.suffix](path=str(path))
    table = load_table(path.with_name("table.csv"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError) as caught:
            prepare_cells(dataset.read_for(table.markers), table, dataset)
    assert path.name in str(caught.value)
    assert told in str(caught.value)


@pytest.fixture
def refused(scyan_exp, tmp_path, table_file):
    """Train on a file; make sure that the command ends as it should."""

    def run(path: Path, told: str, *arguments: str) -> None:
        before = sorted(tmp_path.rglob("*"))
        kind = f"dataset={path.suffix[1:]}"
        files = [f"dataset.path={path.name}", "table.path=table.csv", "hydra.run.dir=run"]
        code, output = scyan_exp("train", kind, *files, "logger=none", *arguments)
        assert code == 2, output
        assert path.name in output
        assert told in output
        assert "Traceback" not in output
        assert "Warning" not in output
        assert sorted(tmp_path.rglob("*")) == before

    return run


BYTES = [
    pytest.param(f"cells.{kind}", *case, id=f"{kind}, {name}")
    for kind, cases in {"fcs": FCS, "csv": CSV, "parquet": PARQUET}.items()
    for name, case in cases.items()
]


@pytest.mark.parametrize(("name", "content", "told"), BYTES)
def test_a_broken_file_is_named(table_file, tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    refuse(tmp_path / name, told)


@pytest.mark.parametrize(("spoil", "told"), H5AD.values(), ids=H5AD.keys())
def test_a_broken_h5ad_is_named(table_file, tmp_path, spoil, told):
    spoil(tmp_path / "cells.h5ad")
    refuse(tmp_path / "cells.h5ad", told)


@pytest.mark.parametrize(
    ("name", "case"),
    [
        ("cells.fcs", FCS["events cut off"]),
        ("cells.csv", CSV["another encoding"]),
        ("cells.parquet", PARQUET["cut off"]),
    ],
)
def test_a_run_on_one_ends_at_once_and_leaves_nothing(refused, tmp_path, name, case):
    (tmp_path / name).write_bytes(case[0])
    refused(tmp_path / name, case[1])


def test_a_run_whose_cells_cannot_be_read_midway_names_the_file(refused, tmp_path):
    """HDF5 finds damage only when it gets there."""
    adata = small_adata(3000)
    adata.write_h5ad(tmp_path / "cells.h5ad", compression="gzip")
    with h5py.File(tmp_path / "cells.h5ad") as file:
        place = file["X"].id.get_chunk_info(0).byte_offset
    content = (tmp_path / "cells.h5ad").read_bytes()
    spoilt = content[:place] + bytes(300) + content[place + 300 :]
    (tmp_path / "cells.h5ad").write_bytes(spoilt)
    refused(tmp_path / "cells.h5ad", "cells.h5ad: the cells cannot be read")


def test_markers_that_stand_twice_in_one_of_several_h5ad(refused, tmp_path):
    same_names(tmp_path / "cells.h5ad")
    small_adata(30).write_h5ad(tmp_path / "more.h5ad")
    refused(tmp_path / "cells.h5ad", "twice: CD3", "dataset.path=[cells.h5ad,more.h5ad]")


def test_without_pyarrow_its_extra_is_named(table_file, tmp_path, monkeypatch):
    (tmp_path / "cells.parquet").write_bytes(parquet(FRAME))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    refuse(tmp_path / "cells.parquet", "pip install 'scyan_exp[parquet]'")


def test_a_right_file_is_not_refused(scyan_exp, tmp_path, table_file):
    small_fcs(200).write(tmp_path / "cells.fcs")
    short = ["trainer.max_epochs=1", "flow=shallow", "logger=none", "figures.draw=none"]
    files = ["dataset=fcs", "dataset.path=cells.fcs", "table.path=table.csv", "hydra.run.dir=run"]
    code, output = scyan_exp("train", *files, *short)
    assert code == 0, output
    adata = anndata.read_h5ad(tmp_path / "run" / "annotated.h5ad")
    assert adata.obs["sample"].tolist() == ["cells"] * 200
    assert adata.obs["Time"].tolist() == list(range(200))
    code, output = scyan_exp("check", "table.csv", "cells.fcs")
    assert code == 0, output
    assert "cells.fcs: 200 cells" in output


def test_at_least_forty_of_them():
    assert len(BYTES) + len(H5AD) >= 40
