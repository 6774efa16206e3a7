"""The list of edits in the folder of a sweep, and what is said of damaged ones."""

import pytest

from scyan_exp.entries.edits import Edit
from scyan_exp.entries.listing import listed_edits, read_edits
from scyan_exp.entries.report import report_entries
from scyan_exp.errors import InputError
from scyan_exp.run.sweep_files import ListedJob, Manifest

EDITS = [Edit("T", "CD3", 1.0, None), Edit("T", "CD19", None, -1.0)]


def test_the_list_is_read_as_it_was_written(tmp_path):
    with listed_edits(tmp_path, EDITS):
        pass
    assert read_edits(tmp_path) == {1: EDITS[0], 2: EDITS[1]}


def test_a_refused_sweep_leaves_nothing(tmp_path):
    folder = tmp_path / "sweep"
    with pytest.raises(InputError), listed_edits(folder, EDITS):
        raise InputError("refused")
    assert not folder.exists()


def test_a_damaged_list_is_named(tmp_path):
    (tmp_path / "table_entries.json").write_text('{"format": 2}')
    with pytest.raises(InputError, match="not a list of a table's edits"):
        read_edits(tmp_path)


def test_of_another_sweep_nothing_is_said(tmp_path, capsys):
    report_entries(tmp_path)
    assert capsys.readouterr().out == ""


def test_without_the_unchanged_table_there_is_nothing_to_compare_with(tmp_path, capsys):
    with listed_edits(tmp_path, EDITS):
        Manifest([ListedJob(n, str(n), []) for n in range(3)], {}).write(tmp_path / "sweep.json")
    report_entries(tmp_path)
    assert "job 0, the unchanged table, is not completed" in capsys.readouterr().out
