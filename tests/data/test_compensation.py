"""Spillover is taken out, by the file or by a CSV; matrices that cannot be right are refused."""

from __future__ import annotations

import numpy as np
import pytest

from scyan_exp.data.compensation import Spillover, compensate, read_matrix
from scyan_exp.data.reading import read_cells
from scyan_exp.errors import InputError
from tests.data.fcs_files import FcsFile

TRUE = np.random.default_rng(0).gamma(2.0, 100.0, size=(90, 3))
MATRIX = np.array([[1, 0.2], [0.05, 1]])
SPILL = "2,FITC-A,PE-A,1,0.2,0.05,1"
NAMES = ["FSC-A", "FITC-A", "PE-A"]


def spilt(**keywords: str) -> FcsFile:
    """What the detectors see of ``TRUE``."""
    seen = np.hstack([TRUE[:, :1], TRUE[:, 1:] @ MATRIX])
    return FcsFile(seen, NAMES, keywords=dict(keywords))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.fcs"


@pytest.mark.parametrize("keyword", ["$SPILLOVER", "SPILL", "spillover", "$Spill"])
def test_the_matrix_of_the_file_is_used(path, keyword):
    adata = read_cells(spilt(**{keyword: SPILL}).write(path))
    np.testing.assert_allclose(adata.X, TRUE, rtol=1e-5)
    assert adata.uns["compensation"] == {"kind": "file"}


def test_it_can_be_left_out(path):
    adata = read_cells(spilt(SPILL=SPILL).write(path), compensation=False)
    np.testing.assert_allclose(adata.X[:, 1:], TRUE[:, 1:] @ MATRIX, rtol=1e-5)
    assert adata.uns["compensation"] == {"kind": "none"}


@pytest.mark.parametrize(
    "keywords",
    [{}, {"SPILL": "2,FITC-A,PE-A,1,0,0,1"}, {"SPILL": " "}],
    ids=["none", "identity", "blank"],
)
def test_files_without_a_matrix_are_as_they_are(path, keywords):
    adata = read_cells(spilt(**keywords).write(path))
    np.testing.assert_allclose(adata.X[:, 1:], TRUE[:, 1:] @ MATRIX, rtol=1e-5)
    assert adata.uns["compensation"] == {"kind": "none"}


DONE = ["FSC-A", "Comp-FITC-A", "Comp-PE-A"]
SPILL_OF_DONE = "2,Comp-FITC-A,Comp-PE-A,1,0.2,0.05,1"


@pytest.mark.parametrize("spill", [SPILL, SPILL_OF_DONE, SPILL_OF_DONE.lower()])
def test_channels_that_were_compensated_before_are_not_again(path, caplog, spill):
    caplog.set_level("INFO")
    file = FcsFile(TRUE, DONE, keywords={"SPILL": spill}).write(path)
    adata = read_cells(file)
    np.testing.assert_allclose(adata.X, TRUE, rtol=1e-6)
    assert adata.uns["compensation"] == {"kind": "before"}
    assert "a.fcs: compensated before, by the names of its channels" in caplog.text


def test_raw_channels_beside_compensated_ones_are_compensated(path):
    seen = np.hstack([TRUE[:, 1:] @ MATRIX, TRUE[:, 1:]])
    file = FcsFile(seen, [*NAMES[1:], *DONE[1:]], keywords={"SPILL": SPILL}).write(path)
    np.testing.assert_allclose(read_cells(file).X, np.hstack([TRUE[:, 1:]] * 2), rtol=1e-5)


@pytest.mark.parametrize("names", [NAMES[1:], DONE[1:]])
def test_a_matrix_for_channels_that_were_compensated_before_is_refused(path, tmp_path, names):
    (tmp_path / "m.csv").write_text(f"{','.join(names)}\n1,0.2\n0.05,1\n")
    file = FcsFile(TRUE, DONE).write(path)
    with pytest.raises(InputError, match=r"a\.fcs: the channels say that they were compensated be"):
        read_cells(file, compensation=str(tmp_path / "m.csv"))


CSVS = {
    "plain": "FITC-A,PE-A\n1,0.2\n0.05,1\n",
    "with rows named": ",FITC-A,PE-A\nFITC-A,1,0.2\nPE-A,0.05,1\n",
    "rows in another order": ",FITC-A,PE-A\nPE-A,0.05,1\nFITC-A,1,0.2\n",
    "columns in another order": "PE-A;FITC-A\n1;0.05\n0.2;1\n",
    "case": "\ufefffitc-a\tpe-a\n1\t0.2\n0.05\t1\n\n",
}


@pytest.mark.parametrize("text", CSVS.values(), ids=CSVS.keys())
def test_the_matrix_of_a_csv_is_used_instead(path, tmp_path, text):
    (tmp_path / "m.csv").write_text(text, encoding="utf-8")
    file = spilt(SPILL="2,FITC-A,PE-A,1,0.9,0.9,1").write(path)
    adata = read_cells(file, compensation=str(tmp_path / "m.csv"))
    np.testing.assert_allclose(adata.X, TRUE, rtol=1e-5)
    again = read_cells(file, compensation=adata.uns["compensation"])  # as new cells are read
    np.testing.assert_array_equal(again.X, adata.X)
    assert again.uns["compensation"] == adata.uns["compensation"]
    assert adata.uns["compensation"]["kind"] == "matrix"


@pytest.mark.parametrize(
    ("kind", "expected"), [("file", "file"), ("none", "none"), ("before", "file")]
)
def test_new_cells_are_read_as_those_of_a_training_were(path, kind, expected):
    adata = read_cells(spilt(SPILL=SPILL).write(path), compensation={"kind": kind})
    assert adata.uns["compensation"] == {"kind": expected}


def test_many_events_are_compensated_in_parts(monkeypatch):
    events = np.hstack([TRUE[:, :1], TRUE[:, 1:] @ MATRIX]).astype(np.float32)
    parts = events.copy()
    spillover = Spillover(("FITC-A", "PE-A"), MATRIX)
    compensate(events, NAMES, spillover)
    monkeypatch.setattr("scyan_exp.data.compensation.CHUNK", 7)
    compensate(parts, NAMES, spillover)
    np.testing.assert_allclose(parts, events, rtol=1e-6)


WRONG = {
    "2,FITC-A,PE-A,1,0,0": "expected a number K, K channels and K x K numbers, found 6 parts",
    "hello": "expected a number K, K channels and K x K numbers, found 1 parts",
    "0": "expected a number K",
    "2,FITC-A,PE-A,1,x,0,1": "holds something else than numbers",
    "2,FITC-A,PE-A,1,nan,0,1": "holds NaN or infinite numbers",
    "2,FITC-A,PE-A,100,5,5,100": "reaches 100: expected shares with 1 on the diagonal, not percent",
    "2,FITC-A,PE-A,0,1,1,0": "not above 0 on the diagonal at FITC-A, PE-A",
    "2,FITC-A,PE-A,1,1,1,1": "is singular, or nearly",
    "2,FITC-A,FITC-A,1,0.1,0,1": "names channels twice: FITC-A",
    "2,FITC-A,PE-B,1,0.1,0,1": "names channels that the file lacks: 'PE-B'. Did you mean 'PE-A'?",
}


@pytest.mark.parametrize(("value", "told"), WRONG.items(), ids=WRONG.keys())
def test_a_matrix_that_cannot_be_is_refused_with_the_way_out(path, value, told):
    file = spilt(SPILL=value).write(path)
    with pytest.raises(InputError) as caught:
        read_cells(file)
    assert told in str(caught.value)
    assert "a.fcs" in str(caught.value)
    assert read_cells(file, compensation=False).n_obs == 90


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "expected as many rows as channels, found 0 rows below the channels (none)"),
        (b"FITC-A,PE-A\n1,0\n", "found 1 rows below the channels FITC-A, PE-A"),
        (b"FITC-A,PE-A\n1,0,3,4\n1,0,3,4\n", "expected as many rows as channels"),
        (b"FITC-A,PE-A\n1,0\n0,x\n", "holds something else than numbers"),
        (b"\x89HDF\xff", "not a text file"),
        (b"FITC-A,PE-A\n1,1\n1,1\n", "is singular, or nearly"),
    ],
)
def test_a_csv_that_holds_no_matrix_is_refused(tmp_path, content, told):
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_matrix(tmp_path / "m.csv")
    assert told in str(caught.value)
    assert "m.csv" in str(caught.value)
