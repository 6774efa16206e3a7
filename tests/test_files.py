"""Files that are either whole or not there, and what is said when they cannot be."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from scyan_exp.errors import InputError, OutputError
from scyan_exp.files import (
    UNWRITABLE,
    atomic_path,
    explain_unwritable,
    remove_leftovers,
    require_space,
    write_json,
    write_text,
    writing_hdf5,
)


def fail_halfway(path: Path, failure: type[BaseException]) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text("half of the n")
        raise failure


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "folder" / "file.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("content")
        assert temporary.parent == path.parent
        assert temporary.suffix == ".txt"
        assert not path.exists()
    assert path.read_text() == "content"
    assert list(path.parent.iterdir()) == [path]


def test_others_may_read_the_file(tmp_path):
    write_text(tmp_path / "file.txt", "content")
    assert stat.S_IMODE((tmp_path / "file.txt").stat().st_mode) == 0o644


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, OSError])
def test_a_failing_block_keeps_the_old_file_and_nothing_else(tmp_path, failure):
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(failure):
        fail_halfway(path, failure)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_block_leaves_no_new_file(tmp_path):
    with pytest.raises(RuntimeError):
        fail_halfway(tmp_path / "file.txt", RuntimeError)
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_replaced_and_not_written_to(tmp_path):
    """Who has opened the old file goes on reading it; nobody ever sees a part of the new one."""
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with path.open() as reader:
        with atomic_path(path) as temporary:
            temporary.write_text("new")
            new_file = temporary.stat().st_ino
        assert path.stat().st_ino == new_file
        assert reader.read() == "old"
    assert path.read_text() == "new"


@pytest.fixture
def events(monkeypatch) -> list[tuple[str, int, str]]:
    """What reaches the disk and what is renamed, in order: the file's number and its content."""
    seen: list[tuple[str, int, str]] = []
    fsync, replace = os.fsync, os.replace

    def record_fsync(descriptor):
        state = os.fstat(descriptor)
        is_folder = stat.S_ISDIR(state.st_mode)
        content = "" if is_folder else os.pread(descriptor, 100, 0).decode()
        seen.append(("folder" if is_folder else "fsync", state.st_ino, content))
        fsync(descriptor)

    def record_replace(source, target):
        seen.append(("replace", Path(source).stat().st_ino, Path(source).read_text()))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "replace", record_replace)
    return seen


def test_the_content_is_on_the_disk_before_the_file_takes_its_place(tmp_path, events):
    write_text(tmp_path / "file.txt", "content")
    new_file = (tmp_path / "file.txt").stat().st_ino
    folder = tmp_path.stat().st_ino
    assert events == [
        ("fsync", new_file, "content"),
        ("replace", new_file, "content"),
        ("folder", folder, ""),
    ]


def test_new_folders_are_on_the_disk_too(tmp_path, events):
    write_text(tmp_path / "new" / "folder" / "file.txt", "content")
    folders = [number for what, number, _ in events if what == "folder"]
    holders = (tmp_path / "new" / "folder", tmp_path / "new", tmp_path)
    assert folders == [one.stat().st_ino for one in holders]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_syncs_no_folders_is_no_error(tmp_path, monkeypatch, number):
    fsync = os.fsync

    def refuse(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, "not here")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    write_text(tmp_path / "file.txt", "content")
    assert (tmp_path / "file.txt").read_text() == "content"


def test_a_disk_that_fails_is_an_error(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    write_text(tmp_path / "file.txt", "old")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output error"):
        write_text(tmp_path / "file.txt", "new")
    assert (tmp_path / "file.txt").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["file.txt", "archive.tar.gz", "plain"])
def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path, name):
    program = (
        "import os, sys; from pathlib import Path; from scyan_exp.files import atomic_path\n"
        "with atomic_path(Path(sys.argv[1])): os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path / name], check=False)
    (left,) = tmp_path.iterdir()
    others = {name, ".hidden", ".lock", "a-0123abcd.txt", ".a-0123.txt", ".other-0123abcd.txt"}
    for one in others:
        (tmp_path / one).touch()
    remove_leftovers(tmp_path, name)
    assert {path.name for path in tmp_path.iterdir()} == others
    left.touch()
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == others - {".other-0123abcd.txt"}
    remove_leftovers(tmp_path / "no such folder")


def test_what_may_be_lost_with_the_machine_does_not_wait_for_the_disk(tmp_path, events):
    write_text(tmp_path / "file.txt", "content", durable=False)
    assert [what for what, *_ in events] == ["replace"]


def test_json_has_null_for_nan_and_infinity_at_any_depth(tmp_path):
    nan, infinite = float("nan"), float("inf")
    values = {"a": nan, "b": {"c": [1.5, infinite, {"d": -infinite}], "e": "nan"}, "f": True}
    write_json(tmp_path / "file.json", values)
    expected = {"a": None, "b": {"c": [1.5, None, {"d": None}], "e": "nan"}, "f": True}
    assert json.loads((tmp_path / "file.json").read_text()) == expected


def test_json_is_indented_and_ends_with_a_line(tmp_path):
    """As a person reads it, and as ``git diff`` shows it."""
    write_json(tmp_path / "file.json", {"a": {"b": 1}})
    assert (tmp_path / "file.json").read_text() == '{\n  "a": {\n    "b": 1\n  }\n}\n'


def test_text_is_written_in_utf_8_whatever_the_locale(tmp_path):
    program = (
        "import sys; from pathlib import Path; from scyan_exp.files import write_text; "
        "write_text(Path(sys.argv[1]), '\\u03b3\\u03b4 T')"
    )
    latin = {**os.environ, "PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    path = tmp_path / "file.txt"
    subprocess.run([sys.executable, "-c", program, path], check=True, env=latin)
    assert path.read_bytes() == "γδ T".encode()


def test_json_that_cannot_be_written_keeps_the_old_file(tmp_path):
    write_json(tmp_path / "file.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "file.json", {"a": object()})
    assert json.loads((tmp_path / "file.json").read_text()) == {"a": 1}


def test_what_no_json_can_hold_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "file.json", {"a": (float("nan"),)})  # tuples are no part of records
    assert list(tmp_path.iterdir()) == []


def test_required_space_makes_the_folder(tmp_path):
    require_space(tmp_path / "new" / "run", 1000)
    require_space(tmp_path / "new" / "run", 1000)
    assert list((tmp_path / "new" / "run").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes where nobody may")
def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="the results cannot be written"):
        require_space(tmp_path, 10)


def test_the_probe_is_written_to_the_disk_of_the_folder(tmp_path, monkeypatch):
    """A full disk that still says that there is room: nothing else would notice it."""

    class Full(io.BytesIO):
        def write(self, content):
            assert len(content) >= 4096
            raise OSError(errno.ENOSPC, "No space left on device")

    def temporary_file(**where):
        return Full() if where["dir"] == tmp_path else io.BytesIO()

    monkeypatch.setattr(tempfile, "TemporaryFile", temporary_file)
    with pytest.raises(OutputError) as caught:
        require_space(tmp_path, 10)
    assert caught.value.where == str(tmp_path)
    assert "(No space left on device)" in str(caught.value)


def test_too_little_space_is_told_before_anything_is_trained(tmp_path, monkeypatch):
    usage = SimpleNamespace(free=100 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    require_space(tmp_path, 100 * 2**20)
    with pytest.raises(OutputError) as caught:
        require_space(tmp_path, 5000 * 2**20)
    assert str(caught.value) == (
        f"{tmp_path}: 100 MiB are free, the results need about 5,000 MiB: make room or choose "
        "another folder with hydra.run.dir=... (hydra.sweep.dir=...)"
    )


@pytest.mark.parametrize("below", ["file", "file/run"])
def test_a_folder_that_is_a_file_is_refused(tmp_path, below):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="the results cannot be written") as caught:
        require_space(tmp_path / below, 10)
    assert str(tmp_path / "file") in caught.value.where
    assert "hydra.run.dir=..." in str(caught.value)


@pytest.mark.parametrize("number", sorted(UNWRITABLE), ids=errno.errorcode.get)
def test_refusals_of_the_file_system_are_explained(tmp_path, number):
    with pytest.raises(OutputError) as caught, explain_unwritable(tmp_path):
        raise OSError(number, "no way", str(tmp_path / "file"))
    assert str(caught.value) == (
        f"{tmp_path / 'file'}: the results cannot be written (no way): choose another folder "
        "with hydra.run.dir=... (hydra.sweep.dir=...)"
    )
    assert isinstance(caught.value, InputError)
    assert caught.value.__cause__.errno == number


def test_a_refusal_without_a_file_names_the_folder(tmp_path):
    with pytest.raises(OutputError) as caught, explain_unwritable(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.where == str(tmp_path)
    with pytest.raises(OutputError) as caught, explain_unwritable():
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(caught.value).startswith("the results cannot be written (No space left on device)")


def test_a_name_that_is_too_long_is_a_refusal(tmp_path):
    with pytest.raises(OutputError, match="the results cannot be written"):
        require_space(tmp_path / ("x" * 300), 10)


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "none"), ValueError("other")])
def test_other_errors_pass(tmp_path, error):
    with pytest.raises(type(error)) as caught, explain_unwritable(tmp_path):
        raise error
    assert caught.value is error


def test_files_have_the_permissions_of_the_users_umask(tmp_path):
    before = os.umask(0o077)
    try:
        write_text(tmp_path / "private.txt", "mine")
    finally:
        os.umask(before)
    assert (tmp_path / "private.txt").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kind", [OSError, RuntimeError])
def test_what_hdf5_says_of_a_write_becomes_the_error_of_the_system(tmp_path, kind):
    said = (
        "Can't decrement id ref count (file write failed: time = Sun Nov 29 09:46:13 2026\n"
        ", filename = 'x.h5ad', file descriptor = 9, errno = 28, error message = 'No space left"
    )
    with pytest.raises(OSError, match="No space left on device") as raised, writing_hdf5(tmp_path):
        raise kind(said)
    assert raised.value.errno == errno.ENOSPC
    assert raised.value.filename == str(tmp_path)
    with pytest.raises(kind, match="no dataset"), writing_hdf5(tmp_path):
        raise kind("no dataset of this name")
