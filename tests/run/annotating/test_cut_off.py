"""Annotations that are killed go on, and end as if they had not been; memory stays the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.annotate import LARGE, write_cells, write_model
from benchmarks.cases import Case
from scyan_exp.cli.main import main
from scyan_exp.errors import InputError
from scyan_exp.run.annotating import h5ad, row_sources
from scyan_exp.run.annotating.alone import alone_on
from scyan_exp.run.annotating.files import annotate_files
from scyan_exp.run.annotating.ledger import Ledger, identity_of_file
from scyan_exp.run.annotating.overlap import overlapped
from scyan_exp.run.annotating.partial import Partial, file_of, note_of
from scyan_exp.run.annotating.plan import Job
from scyan_exp.run.annotating.ways import Task
from tests.conftest import small_adata

#: The command with blocks of a moment and a note after each, so that little has to be computed.
OFTEN = """
import sys
from scyan_exp.cli.main import main
from scyan_exp.run.annotating import filling, h5ad, row_sinks, row_sources
filling.EVERY = row_sinks.EVERY = 0.0
h5ad.BLOCK_BYTES = 1
row_sources.ROWS = 8192
sys.exit(main(sys.argv[1:]))
"""


def command(folder: Path, out: Path, *options: str) -> list[str]:
    cells = folder / ("cells.csv" if "format=csv" in options else "cells.h5ad")
    arguments = ["annotate", str(folder / "model.ckpt"), str(cells), f"out={out}", *options]
    return [sys.executable, "-m", "scyan_exp", *arguments]


def often(folder: Path, out: Path, *options: str) -> list[str]:
    return [sys.executable, "-c", OFTEN, *command(folder, out, *options)[3:]]


def done_cells(output: Path) -> int:
    """How far an annotation says it is."""
    try:
        return int(json.loads(note_of(output).read_text())["done"])
    except (FileNotFoundError, ValueError):
        return 0


def cut(folder: Path, output: Path, number: int, *options: str) -> int:
    """Run until it is further than before, and end it; return how far it says it is."""
    before = done_cells(output)
    process = subprocess.Popen(often(folder, output.parent, *options))
    deadline = time.monotonic() + 60
    while done_cells(output) <= before and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert process.poll() is None, "it came to its end before it could be cut off"
    process.send_signal(number)
    code = process.wait(60)
    assert code == (-number if number == signal.SIGKILL else 130)
    assert not output.exists()
    return done_cells(output)


@pytest.fixture(scope="module")
def slow_model(tmp_path_factory) -> Path:
    """A folder with a model that takes seconds, and cells for it."""
    folder = tmp_path_factory.mktemp("slow")
    case = Case(130_000, LARGE.n_markers, LARGE.n_pops, n_layers=60)
    write_cells(case, folder / "cells.h5ad")
    write_model(case, folder / "model.ckpt")
    rng = np.random.default_rng(0)
    numbers = rng.standard_normal((case.n_cells, case.n_markers)).round(3)
    names = [f"m{i}" for i in range(case.n_markers)]
    pd.DataFrame(numbers, columns=names).to_csv(folder / "cells.csv", index=False)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["format=csv"]], ids=["h5ad", "csv"])
def test_a_killed_annotation_goes_on_and_ends_as_if_it_had_not_been(
    slow_model, tmp_path, monkeypatch, options
):
    suffix = "csv" if options else "h5ad"
    output = tmp_path / "cut" / f"cells.annotated.{suffix}"
    how_far = [cut(slow_model, output, one, *options) for one in (signal.SIGKILL, signal.SIGINT)]
    assert 0 < how_far[0] < how_far[1] < 130_000
    whole = tmp_path / "whole" / output.name
    monkeypatch.setattr(h5ad, "BLOCK_BYTES", 1)  # as in the processes
    monkeypatch.setattr(row_sources, "ROWS", 8192)
    cells = slow_model / ("cells.csv" if options else "cells.h5ad")
    for out in (output.parent, whole.parent):
        annotate_files(slow_model / "model.ckpt", [cells], out, result=suffix)
    assert output.read_bytes() == whole.read_bytes()
    ledgers = [json.loads((one.parent / "annotated.json").read_text()) for one in (output, whole)]
    assert ledgers[0] == ledgers[1]
    assert len(list(output.parent.iterdir())) == 2


@pytest.fixture
def cells(tmp_path) -> Path:
    small_adata(200).write_h5ad(tmp_path / "new.h5ad")
    return tmp_path / "new.h5ad"


def leave(output: Path, identity: str, **values: object) -> None:
    """Leave what a cut-off annotation might have left."""
    output.parent.mkdir()
    file_of(output).write_bytes(b"something")
    note = {"format": 2, "identity": identity, "done": 50, "counts": [], "size": 9, "places": {}}
    note_of(output).write_text(json.dumps({**note, **values}))


LEFT = {
    "of another model": {"identity": "another"},
    "of another version": {"format": 99},
    "damaged": {"done": None, "places": None, "unknown": 1},
}


@pytest.mark.parametrize("what", LEFT)
def test_what_others_have_left_is_begun_again(trained, tmp_path, cells, what):
    output = tmp_path / "out" / "new.annotated.h5ad"
    leave(output, **{"identity": "this", **LEFT[what]})
    annotate_files(trained / "single", [cells], output.parent)
    annotate_files(trained / "single", [cells], tmp_path / "whole")
    assert output.read_bytes() == (tmp_path / "whole" / output.name).read_bytes()
    assert len(list(output.parent.iterdir())) == 2


def test_a_note_without_its_whole_file_is_none(tmp_path):
    output, partial = tmp_path / "new.annotated.h5ad", Partial("this", 5, [2, 3], size=9)
    partial.write(output)
    assert Partial.read(output, "this") is None
    file_of(output).write_bytes(b"so far")
    assert Partial.read(output, "this") is None
    file_of(output).write_bytes(b"something")
    assert Partial.read(output, "this") == partial
    assert Partial.read(output, "another") is None


def test_blocks_leave_no_hole_and_all_cells_are_counted():
    partial = Partial("this").after(0, 5, [2, 3])
    with pytest.raises(RuntimeError, match="cell 7 is not the next to be written: 5 are done"):
        partial.after(7, 2, [0, 2])
    partial.after(5, 2, [0, 2]).check_whole(7)
    with pytest.raises(RuntimeError, match="5 cells are written and 5 counted; the input has 7"):
        partial.check_whole(7)
    with pytest.raises(RuntimeError, match="7 cells are written and 6 counted"):
        partial.after(5, 2, [0, 1]).check_whole(7)


#: A disk that is full until something could not be written, and the same command again.
FULL = """
import resource, signal, sys
from scyan_exp.cli.main import main
from scyan_exp.run.annotating import filling, row_sinks, row_sources
filling.EVERY = row_sinks.EVERY = -1.0
row_sources.ROWS = 40
def limit(n_bytes):
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, resource.RLIM_INFINITY))
signal.signal(signal.SIGXFSZ, lambda *_: limit(resource.RLIM_INFINITY))
for format in sys.argv[1:4]:
    for n_bytes, code in ((9_000, 2), (resource.RLIM_INFINITY, 0)):
        limit(n_bytes)
        assert main([*sys.argv[4:], f"format={format}"]) == code, format
"""


def test_a_full_disk_is_told_and_the_same_command_goes_on(trained, tmp_path, cells):
    formats, out = ("h5ad", "csv", "parquet"), tmp_path / "out"
    arguments = [*formats, "annotate", str(trained / "single"), str(cells), f"out={out}"]
    done = subprocess.run(
        [sys.executable, "-c", FULL, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = "the results cannot be written (File too large): make room, or choose"
    assert done.stderr.count(told) == 3
    assert "Traceback" not in done.stderr
    assert len(list(out.iterdir())) == 4
    for result in formats:
        (whole,) = annotate_files(trained / "single", [cells], tmp_path / "whole", result=result)
        name = f"new.annotated.{result}"
        if result == "parquet":  # whose groups of rows are of another size
            pd.testing.assert_frame_equal(*map(pd.read_parquet, (out / name, whole.output)))
        else:
            assert (out / name).read_bytes() == whole.output.read_bytes()


def test_nothing_is_written_behind_what_could_not_be(tmp_path):
    """Results that waited already, while the third of them met a full disk."""
    with (tmp_path / "good").open("wb", 0) as good, Path("/dev/full").open("wb", 0) as full:

        def write(block: int) -> None:
            time.sleep(0.01)
            (full if block == 2 else good).write(bytes([block]))

        with pytest.raises(OSError, match="No space left"):
            overlapped(iter(range(10)), lambda block: block, write, 20)
    assert (tmp_path / "good").read_bytes() == bytes([0, 1])


# ---------------------------------------------------------------- several at once


def test_another_annotation_of_the_same_file_is_refused(trained, tmp_path, cells, capfd):
    output = tmp_path / "out" / "new.annotated.h5ad"
    output.parent.mkdir()
    arguments = ["annotate", str(trained / "single"), str(cells), f"out={output.parent}"]
    with alone_on(output):
        assert main(arguments) == 2
        assert f"{output}: another annotation writes this file now: wait" in capfd.readouterr().err
    assert main(arguments) == 0
    assert {one.name for one in output.parent.iterdir()} == {"annotated.json", output.name}


def test_annotations_into_one_folder_all_stand_in_its_ledger(tmp_path):
    outputs = [tmp_path / f"{i}.annotated.csv" for i in range(24)]
    for output in outputs:
        output.touch()
    with ThreadPoolExecutor(8) as several:
        list(several.map(lambda output: Ledger(tmp_path).add(output, "this", {}), outputs))
    assert Ledger(tmp_path).outputs == {output.name for output in outputs}
    assert not (tmp_path / "annotated.json.lock").exists()


def test_a_file_that_changes_meanwhile_is_refused(tmp_path, cells):
    job = Job(cells, "h5ad", tmp_path / "out.h5ad", "h5ad")
    task = Task(job, None, seen=identity_of_file(cells))  # type: ignore[arg-type]
    task.check_unchanged()
    for change in (lambda: cells.write_bytes(b"other"), cells.unlink):
        change()
        with pytest.raises(InputError, match="changed while it was annotated"):
            task.check_unchanged()


def peak_mib(folder: Path, n_cells: int) -> float:
    """The peak memory of the annotation of so many cells."""
    case = Case(n_cells, LARGE.n_markers, LARGE.n_pops)
    folder.mkdir()
    write_cells(case, folder / "cells.h5ad")
    write_model(case, folder / "model.ckpt")
    process = subprocess.Popen(command(folder, folder / "out"))
    _, process.returncode, usage = os.wait4(process.pid, 0)
    assert process.returncode == 0
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_cells(tmp_path):
    """Three million cells are 96 MB of expressions, 190 MB of names and 150 MB of results."""
    few, many = (peak_mib(tmp_path / str(n), n) for n in (300_000, 3_000_000))
    assert many < few + 120
