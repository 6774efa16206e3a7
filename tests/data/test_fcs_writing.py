"""Files written are read by us and by another program as what was written."""

from __future__ import annotations

import flowio
import flowkit
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scyan_exp.data.fcs_text import read_text
from scyan_exp.data.fcs_writing import add_channels, write_fcs
from scyan_exp.data.reading import read_cells
from scyan_exp.errors import InputError
from tests.data.fcs_files import FcsFile

X = (np.random.default_rng(0).normal(size=(70, 3)) * 1000).astype(np.float32)
NAMES = ["FITC-A", "PE-A", "APC-A"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new.fcs"


@pytest.mark.parametrize("chunk", [13, 10_000])
def test_what_is_written_is_read_again_also_by_another_program(path, monkeypatch, chunk):
    monkeypatch.setattr("scyan_exp.data.fcs_writing.CHUNK", chunk)
    write_fcs(path, X, NAMES, ["CD3", "", "HLA/DR"], {"SCYAN 1": "B cells, é", "PATH": "a/b|c"})
    adata = read_cells(path)
    np.testing.assert_array_equal(adata.X, X)
    assert adata.var_names.tolist() == ["CD3", "PE-A", "HLA/DR"]
    sample = flowkit.Sample(str(path))
    np.testing.assert_array_equal(sample.get_events("raw").astype(np.float32), X)
    assert sample.pnn_labels == NAMES
    assert sample.pns_labels == ["CD3", "", "HLA/DR"]
    assert sample.version == "3.1"
    assert sample.metadata["scyan 1"] == "B cells, é"
    assert sample.metadata["path"] == "a/b|c"


def test_values_with_every_delimiter_are_written(path):
    write_fcs(path, X, NAMES, None, {"ODD": "/|\\\x0c\x1e~^!", "EMPTY": ""})
    assert read_text(path).get("ODD") == "/|\\\x0c\x1e~^!"
    assert read_text(path).get("EMPTY") == " "
    np.testing.assert_array_equal(read_cells(path).X, X)


@given(
    n_events=st.integers(1, 3000),
    n_channels=st.integers(1, 4),
    value=st.text(st.characters(min_codepoint=33, max_codepoint=400), min_size=1, max_size=30),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_places_in_the_text_are_right_whatever_its_length(
    tmp_path_factory, n_events, n_channels, value
):
    path = tmp_path_factory.getbasetemp() / "law.fcs"
    x = np.arange(n_events * n_channels, dtype=np.float32).reshape(n_events, n_channels)
    write_fcs(path, x, NAMES[:n_channels] + ["D"] * (n_channels - 3), None, {"NOTE": value})
    np.testing.assert_array_equal(read_cells(path).X, x)
    assert read_text(path).get("NOTE") == value


SOURCES = {
    "floats": FcsFile(X, NAMES, keywords={"$COM": "x/y", "odd key": "z"}),
    "floats, big-endian": FcsFile(X, NAMES, order=">", version="3.0"),
    "64 bits": FcsFile(X, NAMES, ["f8"] * 3, order=">"),
    "whole numbers": FcsFile(
        X % 100, NAMES, ["u1", "u2", "u4"], {"$P1E": "4,1", "$P3G": "2"}, order=">"
    ),
    "latin-1": FcsFile(X, NAMES, keywords={"$OP": "Zoë"}, encoding="latin-1"),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_channels_are_added_and_the_others_stay_bit_by_bit(tmp_path, path, source):
    old = source.write(tmp_path / "old.fcs")
    numbers = np.arange(70) % 7
    add_channels(old, path, ["scyan_pop"], [numbers], {"SCYAN_POP 1": "γδ T cells"})
    adata, before = read_cells(path), read_cells(old)
    np.testing.assert_array_equal(adata.X[:, :3], before.X)
    np.testing.assert_array_equal(adata.X[:, 3], numbers)
    row = len(source.data()) // 70
    rows = path.read_bytes()[-70 * (row + 4 * (1 + (source.types[:1] == ["f8"]))) :]
    width = len(rows) // 70
    assert b"".join(rows[i * width : i * width + row] for i in range(70)) == source.data()
    kept, given_keywords = read_text(path).keywords, read_text(old).keywords
    moved = {"$PAR", "$BEGINDATA", "$ENDDATA"}
    assert {k: v for k, v in given_keywords.items() if kept.get(k) != v}.keys() <= moved
    assert kept["SCYAN_POP 1"] == "γδ T cells"
    events = flowio.FlowData(str(path)).as_array()
    np.testing.assert_allclose(events, adata.X, rtol=1e-6)


def test_fractions_beside_whole_numbers_make_all_of_them_floats_on_a_linear_scale(tmp_path, path):
    old = SOURCES["whole numbers"].write(tmp_path / "old.fcs")
    add_channels(old, path, ["log_prob"], [np.linspace(-3, 0, 70)])
    np.testing.assert_allclose(read_cells(path).X[:, :3], read_cells(old).X, rtol=1e-6)
    np.testing.assert_allclose(flowkit.Sample(str(path)).get_events("raw"), read_cells(path).X)
    assert read_text(path).get("DATATYPE") == "F"


@pytest.mark.parametrize("key", ["$TIMESTEP", "$timestep"])
def test_the_step_of_time_is_applied_once(tmp_path, path, key):
    events = np.column_stack([np.arange(70), np.arange(70) % 9])
    file = FcsFile(events, ["Time", "FL1"], ["u4", "u4"], {key: "0.01"})
    old = file.write(tmp_path / "old.fcs")
    for column in (np.linspace(-3, 0, 70), np.arange(70)):
        add_channels(old, path, ["new"], [column])
        np.testing.assert_allclose(read_cells(path).X[:, 0], np.arange(70) * 0.01, rtol=1e-6)
        times = flowkit.Sample(str(path)).get_events("raw")[:, 0]
        np.testing.assert_allclose(times, np.arange(70) * 0.01, rtol=1e-6)


def test_a_file_may_be_replaced_by_itself_with_more(tmp_path):
    path = FcsFile(X, NAMES).write(tmp_path / "a.fcs")
    add_channels(path, path, ["p", "q"], [np.zeros(70), np.ones(70)])
    assert read_cells(path).X[:, 3:].tolist() == [[0, 1]] * 70


def test_the_analysis_segment_stays(tmp_path, path):
    file = FcsFile(X, NAMES, tail=b"/GATE/1/")
    content = bytearray(file.content())
    content[42:58] = f"{len(content) - 8:>8}{len(content) - 1:>8}".encode()
    (tmp_path / "a.fcs").write_bytes(content)
    add_channels(tmp_path / "a.fcs", path, ["p"], [np.zeros(70)])
    assert flowio.FlowData(str(path)).analysis == {"gate": "1"}


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda path: write_fcs(path, X, ["a", "b", "a"]), "channels that occur twice: a"),
        (lambda path: write_fcs(path, X, ["a", "b", " "]), "a channel has no name"),
        (
            lambda path: write_fcs(path, X, NAMES, None, {"$tot": "1", "$P1B": "8", "x": "y"}),
            "keywords that say where the events are cannot be given: $tot, $P1B",
        ),
        (
            lambda path: add_channels(
                FcsFile(X, NAMES).write(path.with_name("old.fcs")), path, ["PE-A"], [X[:, 0]]
            ),
            "old.fcs: channels that occur twice: PE-A",
        ),
    ],
)
def test_what_no_program_could_read_is_not_written(path, call, told):
    with pytest.raises(InputError) as caught:
        call(path)
    assert told in str(caught.value)
    assert not path.exists()


def test_shapes_must_agree(tmp_path, path):
    with pytest.raises(ValueError, match="expected 3 channels"):
        write_fcs(path, X, ["a"])
    old = FcsFile(X, NAMES).write(tmp_path / "old.fcs")
    with pytest.raises(ValueError, match="expected 70 values a channel"):
        add_channels(old, path, ["a"], [np.zeros(3)])
    assert [one.name for one in tmp_path.iterdir()] == ["old.fcs"]
