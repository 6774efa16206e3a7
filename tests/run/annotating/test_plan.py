"""Which files are annotated, and what the results are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from scyan_exp.errors import InputError
from scyan_exp.run.annotating.plan import plan


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ("a.h5ad", "b.FCS", "c.tsv", "d.parquet", "notes.md", ".e.h5ad", "one/a.csv"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    return tmp_path / "in"


def told(*paths: Path, out: Path, result: str = "h5ad") -> str:
    with pytest.raises(InputError) as raised:
        plan(paths, out, result)
    return str(raised.value)


def test_a_folder_stands_for_its_files_of_cells(folder, tmp_path):
    jobs = plan([folder, folder / "a.h5ad"], tmp_path / "out", "csv")
    assert [(job.source.name, job.kind, job.output.name) for job in jobs] == [
        ("a.h5ad", "h5ad", "a.annotated.csv"),
        ("b.FCS", "fcs", "b.annotated.csv"),
        ("c.tsv", "csv", "c.annotated.csv"),
        ("d.parquet", "parquet", "d.annotated.csv"),
    ]
    assert {job.output.parent for job in jobs} == {tmp_path / "out"}


def test_all_that_is_wrong_with_names_is_told_at_once(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    words = told(
        *(folder / "a.h5da", folder / "notes.md", tmp_path / "empty", folder / "a.h5ad"),
        folder / "one" / "a.csv",
        out=tmp_path / "out",
    )
    assert f"{folder / 'a.h5da'}: no such file. Did you mean 'a.h5ad'?" in words
    assert f"{folder / 'notes.md'}: expected a file whose name ends with one of .h5ad" in words
    assert f"{tmp_path / 'empty'}: no files of cells in this folder" in words
    assert "all would become a.annotated.h5ad; rename them, or" in words


def test_an_input_is_not_written_over(tmp_path):
    for name in ("a.h5ad", "a.annotated.h5ad"):
        (tmp_path / name).touch()
    words = told(*tmp_path.iterdir(), out=tmp_path)
    assert f"{tmp_path / 'a.annotated.h5ad'}: is an input, and no input is overwritten" in words


def test_results_in_a_folder_are_not_taken_for_inputs(tmp_path, caplog):
    """Of a command that goes to the folder itself, and of earlier ones, as its ledger says."""
    caplog.set_level("INFO")
    for name in ("a.h5ad", "a.annotated.h5ad", "b.annotated.h5ad"):
        (tmp_path / name).touch()
    (tmp_path / "annotated.json").write_text('{"format": 1, "files": {"a.annotated.h5ad": {}}}')

    def sources(out: Path) -> list[str]:
        return [job.source.name for job in plan([tmp_path], out)]

    assert sources(tmp_path) == ["a.h5ad"]
    assert "left out, as results of an annotation: a.annotated.h5ad, b.annotated" in caplog.text
    assert sources(tmp_path / "out") == ["a.h5ad", "b.annotated.h5ad"]
    (tmp_path / "a.h5ad").unlink()
    assert "only results of an annotation are in this folder" in told(tmp_path, out=tmp_path)


def test_only_fcs_files_become_fcs_files(folder, tmp_path):
    words = told(folder, out=tmp_path / "out", result="fcs")
    assert words.count("only FCS files become FCS files") == 3


def test_formats_are_known_by_name(folder, tmp_path):
    words = told(folder, out=tmp_path / "out", result="parket")
    assert "format: expected one of h5ad, csv, parquet, fcs, found 'parket'. Did you mean" in words
