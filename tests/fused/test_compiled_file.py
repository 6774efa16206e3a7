"""The compiled file and its folder: made once, for one user, and made again where it is broken."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scyan_exp.fused import compiling
from scyan_exp.fused.compiling import SOURCES, library
from tests.fused.compilers import assert_computes, messages, needs_compiler, path_of, permissions

pytestmark = needs_compiler


def test_compiled_once(quick, cache):
    first = path_of(library())
    assert first.parent == cache
    before = first.stat()
    library.cache_clear()
    second = path_of(library())
    assert second == first
    assert second.stat().st_mtime_ns == before.st_mtime_ns
    assert second.stat().st_ino == before.st_ino
    assert quick() == 1
    assert list(cache.iterdir()) == [first]
    assert_computes(library())


def test_another_compiler_or_other_code_is_compiled_anew(quick, cache, tmp_path, monkeypatch):
    library()
    monkeypatch.setenv("CC", f"{os.environ['CC']} -DANYTHING")
    library.cache_clear()
    library()
    sources = tmp_path / "sources"
    sources.mkdir()
    for source in (*SOURCES.glob("*.c"), *SOURCES.glob("*.h")):
        shutil.copy(source, sources)
    with (sources / "vectors.h").open("a") as file:
        file.write("/* changed */\n")
    monkeypatch.setattr(compiling, "SOURCES", sources)
    library.cache_clear()
    library()
    assert quick() == 3
    assert len(list(cache.iterdir())) == 3


def test_two_processes_may_compile_at_once(choose, cache, tmp_path):
    """Each waits for the other to compile too; both load what they get."""
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    choose(
        f'case " $* " in *" -shared "*) : > {shlex.quote(str(meeting))}/$$; n=0\n'
        f"while [ $(ls {shlex.quote(str(meeting))} | wc -l) -lt 2 ] && [ $n -lt 600 ]\n"
        "do n=$((n + 1)); sleep 0.05; done;; esac\n"
        'exec "$compiler" "$@" -O0'
    )
    program = "from scyan_exp.fused.compiling import library; code = library(); print(code._name)"
    other = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        code = library()
        output, _ = other.communicate(timeout=60)
    finally:
        other.kill()
        other.wait()
    assert other.returncode == 0
    assert output.strip() == str(path_of(code))
    assert len(list(meeting.iterdir())) == 2
    assert list(cache.iterdir()) == [path_of(code)]
    assert_computes(code)


@pytest.mark.usefixtures("quick")
def test_the_folder_belongs_to_the_user_alone(cache):
    before = os.umask(0)
    try:
        path = path_of(library())
    finally:
        os.umask(before)
    assert path.parent == cache
    assert permissions(cache) == 0o700


@pytest.mark.usefixtures("quick")
def test_without_xdg_the_folder_is_that_of_the_home(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert path_of(library()).parent == tmp_path / "home/.cache/scyan_exp/compiled"


@pytest.mark.parametrize("mode", [0o770, 0o720, 0o702, 0o777])
def test_a_folder_that_others_can_write_to_is_not_used(mode, quick, cache):
    """What lies there under the right name is not loaded either."""
    trap = path_of(library())
    trap.unlink()  # it is loaded: what is written must be another file
    trap.write_bytes(b"not a library")
    cache.chmod(mode)
    library.cache_clear()
    path = path_of(library())
    assert path.parent != cache
    assert permissions(path.parent) == 0o700
    assert list(cache.iterdir()) == [trap]
    assert quick() == 2
    assert_computes(library())


def test_a_folder_of_another_user_is_not_used(quick, cache, monkeypatch):
    cache.mkdir(parents=True, mode=0o700)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert path_of(library()).parent != cache
    assert list(cache.iterdir()) == []
    assert quick() == 1


@pytest.mark.parametrize("place", ["", "scyan_exp", "scyan_exp/compiled"])
def test_where_no_folder_can_be_made_another_is_used(place, quick, tmp_path):
    """A file lies in its place."""
    file = tmp_path / "caches" / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    path = path_of(library())
    assert tmp_path not in path.parents
    assert permissions(path.parent) == 0o700
    assert quick() == 1
    assert_computes(library())


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes where nobody may")
def test_a_folder_that_cannot_be_written_to_is_not_used(quick, cache):
    cache.mkdir(parents=True, mode=0o500)
    assert path_of(library()).parent != cache
    assert quick() == 1


def test_a_user_without_a_home_trains(quick, monkeypatch):
    """As in a container that runs under a number that has no name."""

    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", home)
    assert_computes(library())
    assert quick() == 1


def test_a_file_that_cannot_be_loaded_is_made_again(quick, tmp_path, monkeypatch, caplog):
    good = path_of(library())
    other = tmp_path / "others/scyan_exp/compiled" / good.name
    other.parent.mkdir(parents=True, mode=0o700)
    other.write_bytes(good.read_bytes()[:100])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "others"))
    library.cache_clear()
    assert path_of(library()) == other
    assert other.stat().st_size == good.stat().st_size
    assert logging.WARNING not in [level for level, _ in messages(caplog)]
