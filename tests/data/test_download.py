"""Downloads that are cut, stall, or bring another file: nothing half is ever there."""

from __future__ import annotations

import fcntl
import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from scyan_exp.data.download import BLOCK, TRIES, download
from scyan_exp.errors import InputError, OutputError
from tests.data.file_server import FileServer, serving

CONTENT = np.random.default_rng(0).bytes(3_000_000)
SOME, MORE = 60 * BLOCK, 40 * BLOCK
NAME = "/mine/cells.h5ad"


@pytest.fixture
def server():
    with serving(FileServer({NAME: CONTENT})) as served:
        yield served


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "cache" / "cells.h5ad"


def is_right(path: Path) -> bool:
    return path.read_bytes() == CONTENT


def get(server: FileServer, path: Path, **settings) -> None:
    download(server.url + NAME, path, is_right, **settings)


def said(server: FileServer, path: Path, **settings) -> str:
    with pytest.raises(InputError) as caught:
        get(server, path, **settings)
    return str(caught.value)


def left_over(path: Path) -> dict[str, int]:
    """Names and sizes of what lies in the folder."""
    return {one.name: one.stat().st_size for one in path.parent.iterdir()}


def test_the_file_alone_is_there_afterwards(server, path):
    get(server, path)
    assert left_over(path) == {"cells.h5ad": len(CONTENT)}
    assert is_right(path)
    assert server.requests == [(NAME, None)]


def test_a_file_that_is_there_is_not_asked_for(server, path):
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    get(server, path)
    assert server.requests == []


def test_a_connection_that_is_cut_goes_on_where_it_was(server, path, caplog):
    server.cuts = [SOME, MORE]
    get(server, path)
    assert is_right(path)
    assert [asked for _, asked in server.requests] == [
        None,
        f"bytes={SOME}-",
        f"bytes={SOME + MORE}-",
    ]
    assert f"Cut off after 1.0 MB of {server.url}{NAME}: going on" in caplog.messages


def test_a_download_that_was_given_up_goes_on_the_next_time(server, path):
    server.cuts = [SOME, 0]
    message = said(server, path)
    assert "cannot be downloaded (the connection was cut). 1.0 MB are kept" in message
    assert f"Without network access, fetch it elsewhere and put it at {path}" in message
    assert left_over(path) == {"cells.h5ad.part": SOME}
    get(server, path)
    assert left_over(path) == {"cells.h5ad": len(CONTENT)}
    assert server.requests[-1] == (NAME, f"bytes={SOME}-")


def test_of_a_cut_connection_less_than_a_block_is_lost(server, path):
    server.cuts = [SOME + BLOCK - 1, 0]
    said(server, path)
    assert left_over(path) == {"cells.h5ad.part": SOME}


def test_a_line_that_is_cut_again_and_again_is_given_up(server, path):
    server.cuts = [BLOCK] * (TRIES + 5)
    assert f"{TRIES * BLOCK / 1e6:.1f} MB are kept" in said(server, path)
    assert len(server.requests) == TRIES


def test_a_server_without_ranges_sends_it_all_again(server, path):
    server.knows_ranges, server.cuts = False, [SOME]
    get(server, path)
    assert is_right(path)
    assert len(server.requests) == 2


@pytest.mark.parametrize("n_bytes", [1000, len(CONTENT), len(CONTENT) + 1000])
def test_a_beginning_of_another_file_is_thrown_away(server, path, n_bytes):
    path.parent.mkdir()
    path.with_name("cells.h5ad.part").write_bytes(b"0" * n_bytes)
    get(server, path)
    assert left_over(path) == {"cells.h5ad": len(CONTENT)}


def test_a_beginning_that_is_the_whole_is_not_downloaded_again(server, path):
    path.parent.mkdir()
    path.with_name("cells.h5ad.part").write_bytes(CONTENT)
    get(server, path)
    assert is_right(path)
    assert server.requests == [(NAME, f"bytes={len(CONTENT)}-")]


def test_another_file_is_refused_and_not_kept(server, path):
    server.files[NAME] = b"Please log in"
    message = said(server, path)
    assert "the downloaded file is not the expected one" in message
    assert "a login page" in message
    assert left_over(path) == {}


PAGE = b"\n<!DOCTYPE html><html><head><title>Sign in\n &amp; pay</title></head></html>"


@pytest.mark.parametrize("size", [None, len(CONTENT)])
@pytest.mark.parametrize("media_type", [None, "text/html; charset=utf-8"])
def test_a_page_in_place_of_the_file_is_told_and_costs_nothing(server, path, size, media_type):
    server.cuts = [SOME, 0]
    said(server, path)
    server.files[NAME], server.knows_ranges, server.media_type = PAGE, False, media_type
    message = said(server, path, size=size)
    if media_type or size is None:
        assert "a web page ('Sign in & pay') came instead of the file" in message
        assert "1.0 MB of the file are kept" in message
    assert left_over(path) == {"cells.h5ad.part": SOME}
    server.files[NAME], server.knows_ranges = CONTENT, True
    get(server, path)
    assert server.requests[-1] == (NAME, f"bytes={SOME}-")
    assert is_right(path)


def test_a_page_without_a_name_leaves_nothing(server, path):
    server.files[NAME] = b"<html>Please log in</html>"
    assert "a web page came instead of the file: something between here and" in said(server, path)
    assert left_over(path) == {}


def test_another_size_is_refused_before_its_bytes_come(server, path):
    server.files[NAME] = CONTENT + b"0"
    message = said(server, path, size=len(CONTENT))
    assert "the file has 3,000,001 bytes, expected 3,000,000" in message
    assert left_over(path) == {}
    server.files[NAME], server.cuts = CONTENT, [SOME]  # the size of the whole, not of the rest
    get(server, path, size=len(CONTENT))
    assert is_right(path)


def test_a_length_that_is_not_told_is_no_matter(server, path):
    server.says_length = False
    get(server, path)
    assert is_right(path)


def test_more_than_the_disk_holds_is_not_begun(server, path):
    server.announced = 10**16
    message = said(server, path)
    assert "10,000,000,000.0 MB are to be downloaded" in message
    assert f"are free in {path.parent}: make room, or name another folder in SCYAN" in message


def test_a_file_that_moved_is_followed(server, path):
    server.moved["/old"] = server.url + NAME
    server.cuts = [SOME]
    download(f"{server.url}/old", path, is_right)
    assert is_right(path)


def test_a_file_that_is_not_there(server, path):
    with pytest.raises(InputError, match=r"cannot be downloaded \(the server answers 404 Not F"):
        download(f"{server.url}/nothing", path, is_right)
    assert left_over(path) == {}


@pytest.mark.parametrize("n_bytes", [0, SOME])
def test_a_server_that_goes_silent(server, path, n_bytes):
    server.stalls = [n_bytes, 0]
    message = said(server, path, timeout=0.3)
    assert "no answer for 0.3 seconds" in message
    assert left_over(path) == ({"cells.h5ad.part": n_bytes} if n_bytes else {})


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:9/cells", "Connection refused"),
        ("http://no-such-host.invalid/cells", "the server's name is not known"),
    ],
)
def test_without_a_server_the_reason_is_one_plain_phrase(path, url, reason):
    with pytest.raises(InputError) as caught:
        download(url, path, is_right)
    message = str(caught.value)
    assert message.startswith(f"{url}: cannot be downloaded ({reason}")
    assert "HTTPConnectionPool" not in message
    assert left_over(path) == {}


def test_a_server_whose_certificate_is_not_trusted(server, path):
    """An HTTP server asked for HTTPS answers with what is no certificate at all."""
    url = server.url.replace("http:", "https:") + NAME
    with pytest.raises(InputError, match=r"certificate is not trusted: does a proxy stand"):
        download(url, path, is_right)


def test_a_folder_that_cannot_be_written(server, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OutputError):
        get(server, tmp_path / "cache" / "cells.h5ad")


def test_those_who_want_the_same_file_download_it_once(server, path):
    threads = [threading.Thread(target=get, args=(server, path)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.requests) == 1
    assert left_over(path) == {"cells.h5ad": len(CONTENT)}


def test_a_lock_that_was_removed_meanwhile_is_none(server, path, caplog):
    """Of three who want a file, the second waits for the first, and then for the third."""
    caplog.set_level("INFO", "scyan_exp.data.download")
    lock = path.with_name("cells.h5ad.lock")
    path.parent.mkdir()
    first = lock.open("a")
    fcntl.flock(first, fcntl.LOCK_EX)
    second = threading.Thread(target=get, args=(server, path))
    second.start()
    _until(lambda: len(caplog.messages) == 1)
    lock.unlink()
    with lock.open("a") as third:
        fcntl.flock(third, fcntl.LOCK_EX)
        first.close()
        _until(lambda: len(caplog.messages) == 2)
        assert server.requests == []
    second.join()
    assert caplog.messages[0] == f"Another process is downloading {path}: waiting for it"
    assert is_right(path)


def _until(is_so: Callable[[], bool]) -> None:
    for _ in range(1000):
        if is_so():
            return
        time.sleep(0.01)
    raise AssertionError("it never was so")


PROGRAM = """
import sys
from pathlib import Path
from scyan_exp.data.download import download
path = Path(sys.argv[2])
download(sys.argv[1], path, lambda found: found.stat().st_size == 3_000_000)
"""


def test_a_process_that_is_killed_leaves_a_beginning(server, path):
    server.stalls = [1_500_000]
    with subprocess.Popen([sys.executable, "-c", PROGRAM, server.url + NAME, path]) as process:
        part = path.with_name("cells.h5ad.part")
        while not (part.is_file() and part.stat().st_size >= 1_300_000):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    kept = part.stat().st_size
    get(server, path)
    assert server.requests[-1] == (NAME, f"bytes={kept}-")
    assert left_over(path) == {"cells.h5ad": len(CONTENT)}


def test_a_terminal_shows_a_bar_and_a_file_does_not(server, path, tmp_path):
    command = [sys.executable, "-c", PROGRAM, server.url + NAME, str(path)]
    assert subprocess.run(command, capture_output=True, check=True).stderr == b""
    path.unlink()
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(command, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        try:
            while block := os.read(ours, 65_536):
                shown += block
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        assert process.wait() == 0
    assert b"cells.h5ad" in shown
    assert b"3.0/3.0 MB" in shown
