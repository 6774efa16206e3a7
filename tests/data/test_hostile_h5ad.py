"""Files of cells of somebody else: read, or refused by name, at the memory of honest ones."""

from __future__ import annotations

import json
from pathlib import Path

from tests.starting import finished

#: Changes that leave cells as they were.
HARMLESS = {
    *("X dense that says sparse", "X of an unknown kind", "X of a kind that is a number"),
    "X of a later version",
}
#: Files that are whole; what is wrong with their values is said by column and marker.
OF_VALUES = {"X of records", "a column without values", "no var"}
#: HDF5 itself may fall over, or never end, where references within a file are damaged.
SIGNALS = {"signal 6", "signal 7", "signal 9", "signal 11", "signal 24"}


def said_of(what: str, folder: Path) -> dict[str, dict[str, str]]:
    """What readers say of files, by case and reader."""
    done = finished(
        ["-m", "tests.data.hostile_h5ad", what, str(folder)], cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, dict[str, str]] = json.loads(done.stdout)
    return said


def test_what_is_no_honest_file_is_refused_by_name(tmp_path):
    said = said_of("spoilt", tmp_path)
    assert len(said) > 60
    taken = {case.partition(": ")[2] for case, readers in said.items() if not readers["train"]}
    assert taken == HARMLESS
    for case, readers in said.items():
        for reader, text in readers.items():
            assert "Traceback" not in text, (case, reader, text)
            is_named = not text or "cells.h5ad" in text
            assert is_named or case.partition(": ")[2] in OF_VALUES, (case, reader, text)
    assert "claims 5,000,000,000,000,000 values" in said["dense: X of 10^15 cells"]["train"]
    assert "another file" in said["dense: X stored in another file"]["annotate"]
    assert "nested without end" in said["dense: ways without end"]["train"]


def test_damaged_files_are_read_or_refused(tmp_path):
    texts = [one for readers in said_of("25", tmp_path).values() for one in readers.values()]
    refused = [text for text in texts if text.startswith(str(tmp_path / "cells.h5ad"))]
    assert len(refused) > len(texts) / 4
    assert not [text for text in texts if "Traceback" in text]
    assert not [text for text in texts if text.startswith("signal") and text not in SIGNALS]
