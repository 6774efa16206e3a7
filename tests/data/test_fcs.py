"""FCS files are read as other programs read them, or refused with their name."""

from __future__ import annotations

import warnings
from pathlib import Path

import flowio
import flowkit
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scyan_exp.data.fcs import read_fcs
from scyan_exp.data.fcs_events import read_events
from scyan_exp.data.fcs_head import read_head
from scyan_exp.data.reading import read_cells
from scyan_exp.errors import InputError
from tests.data.fcs_files import FcsFile, small_fcs


def of_flowio(path: Path) -> np.ndarray:
    """Linear events by FlowIO."""
    return flowio.FlowData(str(path), ignore_offset_error=True).as_array()


RNG = np.random.default_rng(0)
FLOATS = RNG.normal(size=(50, 3)) * 1000
WHOLE = RNG.integers(0, 250, size=(50, 3))
LOG = {"$P2E": "4,1", "$P2R": "1024", "$P3E": "4,0", "$P3R": "1000"}
READ = {
    "little-endian": FcsFile(FLOATS, ["a", "b", "c"]),
    "big-endian": FcsFile(FLOATS, ["a", "b", "c"], order=">"),
    "64 bits": FcsFile(FLOATS, ["a", "b", "c"], ["f8"] * 3),
    "64 bits, big-endian": FcsFile(FLOATS, ["a", "b", "c"], ["f8"] * 3, order=">"),
    "bytes": FcsFile(WHOLE, ["a", "b", "c"], ["u1"] * 3),
    "16 bits": FcsFile(WHOLE * 200, ["a", "b", "c"], ["u2"] * 3, order=">"),
    "32 bits": FcsFile(WHOLE * 99999, ["a", "b", "c"], ["u4"] * 3),
    "mixed widths": FcsFile(WHOLE, ["a", "b", "c"], ["u1", "u4", "u2"], order=">"),
    "bits that do not count": FcsFile(
        WHOLE + 1024, ["a", "b", "c"], ["u2"] * 3, {f"$P{n}R": "1024" for n in (1, 2, 3)}
    ),
    "logarithmic": FcsFile(WHOLE * 4, ["a", "b", "c"], ["u2"] * 3, LOG),
    "gains": FcsFile(FLOATS, ["a", "b", "c"], keywords={"$P1G": "2.5", "$P2G": "0", "$P3G": "1"}),
    "time": FcsFile(FLOATS, ["Time", "b", "c"], keywords={"$TIMESTEP": "0.01", "$P1G": "7"}),
    "FCS 2.0": FcsFile(FLOATS, ["a", "b", "c"], version="2.0"),
    "FCS 3.0": FcsFile(FLOATS, ["a", "b", "c"], version="3.0", delimiter="|"),
    "large, so not in the header": FcsFile(FLOATS, ["a", "b", "c"], version="2.0"),
    "last byte one too far": FcsFile(FLOATS, ["a", "b", "c"], shift=(0, 1)),
    "checksum behind": FcsFile(FLOATS, ["a", "b", "c"], tail=b"00001234"),
    "delimiters in values": FcsFile(FLOATS, ["FITC/A", "b", "c"], keywords={"PATH": "x/y/z"}),
    "latin-1": FcsFile(FLOATS, ["a", "b", "c"], keywords={"OP": "Zoë µ"}, encoding="latin-1"),
}


@pytest.mark.parametrize("file", READ.values(), ids=READ.keys())
@pytest.mark.filterwarnings("ignore:FCS file")
def test_events_are_those_of_another_reader(tmp_path, file):
    path = file.write(tmp_path / "a.fcs")
    adata = read_cells(path)
    assert adata.X.dtype == np.float32
    if file.encoding != "latin-1":  # which FlowIO does not read
        np.testing.assert_allclose(adata.X, of_flowio(path), rtol=1e-6)
    if not (file.types or "$TIMESTEP" in file.keywords or "$P1G" in file.keywords):
        np.testing.assert_array_equal(adata.X, file.events.astype(np.float32))
    assert adata.var["channel"].tolist() == file.names


def test_numbers_are_those_that_the_file_holds(tmp_path):
    """By the standard: mask, amplifier and gain by hand."""
    keywords = {"$P1R": "1000", "$P2E": "4,1", "$P2R": "1024", "$P3G": "2", "$TIMESTEP": "0.5"}
    file = FcsFile(
        np.array([[1025, 512, 10, 3, 2**40]]),
        ["a", "b", "c", "time", "e"],
        ["u2", "u2", "u1", "u4", "u8"],
        keywords,
        order=">",
    )
    x = read_cells(file.write(tmp_path / "a.fcs")).X
    np.testing.assert_allclose(x, [[1, 100, 5, 1.5, 2**40]], rtol=1e-6)


def test_floating_point_numbers_are_linear_whatever_their_amplifier(tmp_path):
    file = FcsFile(FLOATS, ["a", "b", "c"], keywords={"$P1E": "4,1", "$P2E": "x"})
    x = read_cells(file.write(tmp_path / "a.fcs")).X
    np.testing.assert_array_equal(x, FLOATS.astype(np.float32))


def test_events_may_stand_only_in_the_keywords(tmp_path):
    file = FcsFile(FLOATS, ["a", "b", "c"], in_header=False)
    assert read_cells(file.write(tmp_path / "a.fcs")).n_obs == 50


@pytest.mark.parametrize("wrong", ["header", "text"])
def test_of_two_places_the_one_that_holds_the_events_counts(tmp_path, wrong):
    content = bytearray(FcsFile(FLOATS, ["a", "b", "c"]).content())
    begin = read_head(FcsFile(FLOATS, ["a", "b", "c"]).write(tmp_path / "b.fcs")).start
    if wrong == "header":
        content[26:34] = b"     100"
    else:
        content = content.replace(f"{begin:>8}/$ENDDATA".encode(), b"     100/$ENDDATA")
    (tmp_path / "a.fcs").write_bytes(content)
    np.testing.assert_array_equal(read_cells(tmp_path / "a.fcs").X, FLOATS.astype(np.float32))


def test_fcs_2_may_leave_out_the_number_of_events(tmp_path):
    file = FcsFile(FLOATS, ["a", "b", "c"], version="2.0", keywords={"$TOT": None})
    assert read_cells(file.write(tmp_path / "a.fcs")).n_obs == 50


def test_empty_values_are_read_as_many_programs_write_them(tmp_path):
    """Two delimiters in a row, which by the standard are one that belongs to the value."""
    content = FcsFile(FLOATS, ["a", "b", "c"], keywords={"$COM": "", "$CELLS": ""}).content()
    assert b"/$COM//$CELLS//" in content
    (tmp_path / "a.fcs").write_bytes(content)
    assert read_cells(tmp_path / "a.fcs").n_obs == 50


def test_keywords_of_a_second_segment_are_read(tmp_path):
    file = FcsFile(FLOATS, ["a", "b", "c"], keywords={"$BEGINSTEXT": "0000", "$ENDSTEXT": "0000"})
    content, more = file.content(), b"/$P2S/CD4/"
    places = f"{len(content):04}", f"{len(content) + len(more) - 1:04}"
    content = content.replace(b"STEXT/0000/$END", f"STEXT/{places[0]}/$END".encode())
    content = content.replace(b"$ENDSTEXT/0000", f"$ENDSTEXT/{places[1]}".encode())
    (tmp_path / "a.fcs").write_bytes(content + more)
    assert read_cells(tmp_path / "a.fcs").var_names.tolist() == ["a", "CD4", "c"]


def test_names_are_the_labels_else_the_channels(tmp_path):
    labels = {"$P1S": "CD3", "$P2S": " ", "$P3S": "CD3"}
    file = FcsFile(np.ones((9, 4)), ["a", "b", "c", "d"], keywords=labels)
    var = read_cells(file.write(tmp_path / "a.FCS")).var
    assert var.index.tolist() == ["CD3 (a)", "b", "CD3 (c)", "d"]
    assert var["channel"].tolist() == ["a", "b", "c", "d"]


@pytest.mark.parametrize("chunk", [1, 50, 2**20])
def test_files_are_read_in_chunks_and_rows_are_chosen(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr("scyan_exp.data.fcs_events.CHUNK_BYTES", chunk)
    head = read_head(FcsFile(FLOATS, ["a", "b", "c"]).write(tmp_path / "a.fcs"))
    np.testing.assert_array_equal(read_events(head), FLOATS.astype(np.float32))
    rows = np.array([0, 7, 8, 49])
    np.testing.assert_array_equal(read_events(head, rows), FLOATS[rows].astype(np.float32))


def test_the_spleen_is_read_and_compensated_as_flowkit_does(real_data):
    path = real_data / "mouse_spleen" / "spleen_raw.fcs"
    sample = flowkit.Sample(str(path))
    np.testing.assert_allclose(
        read_cells(path, compensation=False).X, sample.get_events("raw"), rtol=1e-6
    )
    sample.apply_compensation(sample.metadata["spill"])
    adata = read_cells(path)
    np.testing.assert_allclose(adata.X, sample.get_events("comp"), rtol=1e-4, atol=1e-2)
    assert adata.uns["compensation"] == {"kind": "file"}
    assert adata.var_names[14] == "NK1/1"


TEXT = st.text(
    st.characters(min_codepoint=32, max_codepoint=1000, exclude_characters="/"), max_size=6
)
PLACES = ["$BEGINDATA", "$ENDDATA", "$BEGINSTEXT", "$ENDSTEXT", "$NEXTDATA"]
CHANNELS = ["$P1B", "$P2R", "$P1E", "$P2G", "$P1S", "SPILL", "$SPILLOVER", "$TIMESTEP", "x"]
KEYS = st.sampled_from(["$TOT", "$PAR", "$MODE", "$DATATYPE", "$BYTEORD", *PLACES, *CHANNELS])
NUMBERS = st.sampled_from(["", "0", "1", "-1", "2", "8", "16", "32", "1e9", "99999999999", "nan"])


@given(
    n_events=st.integers(0, 5),
    types=st.lists(st.sampled_from(["u1", "u2", "u4", "u8"]), min_size=1, max_size=4)
    | st.integers(1, 4).flatmap(lambda n: st.sampled_from([["f4"] * n, ["f8"] * n])),
    order=st.sampled_from("<>"),
    version=st.sampled_from(["2.0", "3.0", "3.1", "3.2", "4.0"]),
    delimiter=st.sampled_from("/|\\\x0c.*^+a"),
    keywords=st.dictionaries(KEYS, st.none() | TEXT | NUMBERS, max_size=3),
    shift=st.tuples(st.integers(-3, 3), st.integers(-3, 3)) | st.just((0, 0)),
    cut=st.none() | st.integers(0, 400),
    flips=st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255)), max_size=3),
    seed=st.integers(0, 99),
)
@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow])
def test_any_file_is_read_or_refused_by_name(
    tmp_path_factory, n_events, types, order, version, delimiter, keywords, shift, cut, flips, seed
):
    events = np.random.default_rng(seed).integers(0, 200, size=(n_events, len(types)))
    file = FcsFile(
        *(events, [f"c{i}" for i in range(len(types))], types, keywords, order, version),
        delimiter=delimiter,
        shift=shift,
    )
    content = bytearray(file.content()[:cut])
    for place, value in flips:
        if place < len(content):
            content[place] = value
    path = tmp_path_factory.getbasetemp() / "any.fcs"
    path.write_bytes(content)
    told = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            adata = read_cells(path)
    except InputError as error:
        told = str(error)
    if told:
        assert "any.fcs" in told
        return
    assert adata.X.shape[0] > 0
    untouched = not keywords and cut is None and not flips
    if untouched:
        np.testing.assert_array_equal(adata.X, events)  # not shifted, if read at all


FLOAT = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(
    events=st.integers(1, 5).flatmap(
        lambda n: st.lists(
            st.lists(
                st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=n, max_size=n
            ),
            min_size=1,
            max_size=6,
        )
    ),
    order=st.sampled_from("<>"),
    delimiter=st.sampled_from("/|\\\x0c*"),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_right_files_are_read_by_others_alike(tmp_path_factory, events, order, delimiter):
    numbers = np.array(events, np.float32)
    names = [f"c{i}" for i in range(numbers.shape[1])]
    path = tmp_path_factory.getbasetemp() / "right.fcs"
    FcsFile(numbers, names, order=order, delimiter=delimiter).write(path)
    x = read_cells(path).X
    np.testing.assert_array_equal(x, numbers)
    np.testing.assert_array_equal(x, of_flowio(path))


def test_a_keyword_behind_an_empty_one_is_not_lost(tmp_path):
    keywords = {"$OP": "", "$P2S": "CD3", "SPILL": "2,FITC-A,PE-A,1,0.1,0,1"}
    head = read_head(small_fcs(9, keywords=keywords).write(tmp_path / "a.fcs"))
    assert head.text.get("OP") in ("", None)
    assert head.channels[1].label == "CD3"
    assert read_fcs(tmp_path / "a.fcs").uns["compensation"] == {"kind": "file"}


def test_an_absurd_width_is_refused_at_once(tmp_path):
    path = small_fcs(9, types=["u2"] * 5, keywords={"$P2B": "9999999999"}).write(tmp_path / "a.fcs")
    with pytest.raises(InputError, match="P2B is '9999999999'"):
        read_head(path)
