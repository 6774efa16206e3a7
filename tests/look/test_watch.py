"""``scyan-exp watch``: a server that tells what changes, reads only, and stays in its folder."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scyan_exp.report.guard import Guard, Refused, parts_of
from scyan_exp.report.inside import opened_inside
from scyan_exp.run.folder import RunFolder
from tests.look.conftest import make_run, make_sweep
from tests.look.watching import watched

SECRET = b"not to be seen"


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a sweep, a secret beside it, and links of all kinds in it."""
    folder = tmp_path_factory.mktemp("place")
    sweep = make_sweep(folder / "sweep", {0: 3.0, 1: 1.0, 2: None})
    (folder / "secret.txt").write_bytes(SECRET)
    (sweep / ".hidden").write_bytes(SECRET)
    (sweep / "link.txt").symlink_to(folder / "secret.txt")
    (sweep / "inner.txt").symlink_to(RunFolder(sweep / "0").result)
    (sweep / "up").symlink_to(folder)
    os.mkfifo(sweep / "pipe")
    (sweep / "0" / "train.log").write_text("a line\n")
    (sweep / "0" / "a <b>+%.csv").write_text("x\n1\n")
    (sweep / "0" / "report.html").write_text("<script>1</script>")
    (sweep / "0" / "annotated.h5ad").write_bytes(bytes(range(256)) * 4096)
    return folder


@pytest.fixture(scope="module")
def watch(place):
    with watched(place / "sweep") as watch:
        yield watch


# ---------------------------------------------------------------- what is served


def test_the_page_and_the_files_of_the_folder_are_served(watch, place):
    code, head, body = watch.ask("/")
    assert code == 200
    assert "frame-ancestors 'none'" in head
    assert "x-content-type-options: nosniff" in head
    assert "access-control" not in head
    assert b"EventSource" in body
    assert watch.ask("/0/train.log")[2] == b"a line\n"
    assert watch.ask("/0/a%20%3Cb%3E%2B%25.csv")[2] == b"x\n1\n"
    code, head, body = watch.ask("/0/annotated.h5ad")
    assert body == (place / "sweep/0/annotated.h5ad").read_bytes()
    assert "content-disposition: attachment" in head
    code, head, body = watch.ask("/0/annotated.h5ad", method="HEAD")
    assert (code, body) == (200, b"")
    assert f"content-length: {256 * 4096}" in head


def test_a_file_of_the_folder_is_no_part_of_the_page(watch):
    """Scripts in it run, as those of a report, but in a world of their own."""
    code, head, body = watch.ask("/0/report.html")
    assert (code, body) == (200, b"<script>1</script>")
    assert "content-security-policy: sandbox allow-scripts; frame-ancestors 'none'" in head


def test_folders_are_listed_without_what_is_hidden_or_a_link(watch):
    assert watch.ask("/0")[0] == 307
    assert "location: ./0/" in watch.ask("/0")[1]
    body = watch.ask("/0/")[2].decode()
    assert '<a href="./a%20%3Cb%3E%2B%25.csv">a &lt;b&gt;+%.csv</a>' in body
    assert ".hydra" not in body


@pytest.mark.parametrize(
    "target",
    [
        "/../secret.txt",
        "/..%2fsecret.txt",
        "/..%2Fsecret.txt",
        "/%2e%2e/secret.txt",
        "/%2e%2e%2fsecret.txt",
        "/0/../../secret.txt",
        "/0%2f..%2f..%2fsecret.txt",
        "/..%5csecret.txt",
        "/..%252fsecret.txt",
        "//{place}/secret.txt",
        "/{place}/secret.txt",
        "/%2f{quoted}%2fsecret.txt",
        "/{quoted}%2fsecret.txt",
        "/link.txt",
        "/inner.txt",
        "/up/",
        "/up/secret.txt",
        "/.hidden",
        "/.hydra/config.yaml",
        "/0/.hydra/config.yaml",
        "/pipe",
        "/0//train.log",
        "/0/train.log%00.png",
        "/%ff",
        "/nothing",
        "/events/..",
        "http://localhost/../secret.txt",
        "file://{place}/secret.txt",
        "*",
    ],
)
def test_nothing_outside_of_the_folder_is_served(watch, place, target):
    quoted = str(place).strip("/").replace("/", "%2f")
    target = target.format(place=str(place), quoted=quoted)
    code, _, body = watch.ask(target)
    assert code in (400, 404), target
    assert SECRET not in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "WRITE"])
def test_nothing_can_be_written(watch, place, method):
    before = (place / "sweep/0/train.log").read_bytes()
    code, head, body = watch.ask("/0/train.log", method=method)
    assert code == 405
    assert "allow: get, head" in head
    assert b"this server only reads" in body
    assert (place / "sweep/0/train.log").read_bytes() == before


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("localhost", 200),
        ("LOCALHOST:9999", 200),  # as through a tunnel
        ("127.0.0.1:80", 200),
        ("[::1]:80", 200),
        ("localhost.", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("evil.example:localhost", 421),
        ("localhost@evil.example", 421),
        ("[", 421),
        ("", 421),
        (None, 400),
    ],
)
def test_a_page_of_the_internet_cannot_ask_under_a_name_of_its_own(watch, host, code):
    found, _, body = watch.ask("/", host=host)
    assert found == code
    if code == 421:
        assert b"this server has another name; watch it with host=NAME" in body


def test_a_host_twice_is_refused(watch):
    assert watch.ask("/", host="localhost\r\nHost: evil.example")[0] in (400, 421)


PARTS = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4)


@given(parts=PARTS)
def test_every_path_leads_down_or_is_refused(parts):
    raw = "/" + "/".join(quote(part, safe="") for part in parts)
    if any(part in (".", "..") or set(part) & {"/", "\\", "\0"} for part in parts):
        with pytest.raises(Refused, match="not found"):
            parts_of(raw.encode())
    else:
        assert parts_of(raw.encode()) == parts


@given(raw=st.binary(max_size=40))
def test_any_bytes_give_names_without_a_way_up(raw):
    found: list[str] = []
    with suppress(Refused):
        found = parts_of(b"/" + raw)
    assert not set(found) & {"", ".", ".."}
    assert "/" not in "".join(found)


def test_a_link_that_takes_the_place_of_a_folder_is_not_followed(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").write_bytes(SECRET)
    (tmp_path / "in" / "a").symlink_to(tmp_path / "out")
    for parts in (["a", "file"], ["a"], ["..", "out", "file"], ["a/file"], [""], ["no", "file"]):
        with opened_inside(tmp_path / "in", parts) as descriptor:
            assert descriptor is None, parts


# ---------------------------------------------------------------- the token


def test_elsewhere_than_here_the_address_holds_a_token(place):
    with watched(place / "sweep", "host=0.0.0.0") as watch:
        assert len(watch.prefix) > 30
        assert watch.ask(watch.prefix)[0] == 200
        assert watch.ask(watch.prefix + "0/train.log")[2] == b"a line\n"
        assert "location: ./" in watch.ask(watch.prefix.rstrip("/"))[1]
        assert watch.ask(watch.prefix, host=socket.gethostname())[0] == 200
        assert watch.ask(watch.prefix, host="evil.example")[0] == 421
        wrong = watch.prefix.rstrip("/")[:-1] + "/"
        for target in ("/", "/0/train.log", "/events", wrong, wrong + "0/train.log", "/%C3%A9/"):
            code, head, body = watch.ask(target)
            assert (code, body) == (404, b"not found\n"), target
            assert "set-cookie" not in head
        viewer = watch.viewer()
        assert viewer.next("update")[1]["jobs"]
        code, output = watch.end()
        assert code == 0
        assert "Whoever knows this address can read the folder." in output
        assert watch.prefix.strip("/") not in output  # nor in a log


def test_two_servers_have_different_tokens():
    scope = {"method": "GET", "headers": [(b"host", b"localhost")], "raw_path": b"/abc/0"}
    assert Guard(token="abc").path(scope) == ["0"]
    for token in ("abd", "ab", "abcd", ""):
        with pytest.raises(Refused, match="not found"):
            Guard(token=token).path(scope)


# ---------------------------------------------------------------- the news


def test_each_viewer_is_told_what_changed_and_no_more(tmp_path):
    sweep = make_sweep(tmp_path / "sweep", {0: 3.0, 1: 1.0, 2: None})
    with watched(sweep) as watch:
        one, other = watch.viewer(), watch.viewer()
        for viewer in (one, other):
            assert len(viewer.next("update")[1]["jobs"]) == 3
            assert viewer.next("status")[1]["state"] == "ended"
        make_run(sweep / "2", "seed=2", "flow=deep", status="running")
        version = ""
        for viewer in (one, other):
            version, update = viewer.next("update")
            assert [job["number"] for job in update["jobs"]] == [2]
            assert update["jobs"][0]["outcome"] == "running"
            assert viewer.next("status")[1]["state"] == "stopped"
        other.close()
        make_run(sweep / "0", "seed=0", "flow=deep", objective=0.5, metrics={"accuracy": 0.5})
        assert [job["number"] for job in one.next("update")[1]["jobs"]] == [0]
        # Who comes again is told what was missed, and a new page what it does not hold.
        again = watch.viewer(headers=f"Last-Event-ID: {version}\r\n")
        assert [job["number"] for job in again.next("update")[1]["jobs"]] == [0]
        page = watch.ask("/")[2].decode()
        known = re.search(r'"version":"([\w-]+)"', page)[1]
        new = watch.viewer(f"?since={known}")
        assert new.next("status")[1]["state"] == "stopped"
        assert new.waiting() == []
        assert watch.ask("/events", method="HEAD")[2] == b""


def test_many_viewers_come_and_go(tmp_path):
    sweep = make_sweep(tmp_path / "sweep", {0: 3.0})
    with watched(sweep) as watch:
        viewers = [watch.viewer() for _ in range(50)]
        for viewer in viewers:
            viewer.next("update")
        code, _, body = watch.ask("/events")
        assert (code, body) == (503, b"50 viewers are looking already\n")
        for viewer in viewers:
            viewer.close()
        until = time.monotonic() + 30
        while watch.ask("/events", method="HEAD")[0] != 200 and time.monotonic() < until:
            time.sleep(0.2)
        watch.viewer().next("update")


def test_ctrl_c_ends_it_while_somebody_looks(tmp_path):
    sweep = make_sweep(tmp_path / "sweep", {0: 3.0})
    with watched(sweep) as watch:
        watch.viewer().next("update")
        code, output = watch.end()
    assert code == 0
    assert output == "The page is served no more; the sweep goes on.\n"


def test_a_page_before_the_first_job_looks_again(tmp_path):
    sweep = make_sweep(tmp_path / "sweep", {})
    with watched(sweep) as watch:
        assert b"No job has begun yet. This page looks again" in watch.ask("/")[2]
        make_sweep(tmp_path / "sweep", {0: 1.0})
        assert b"seed=0" in watch.ask("/")[2]


# ---------------------------------------------------------------- wrong arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "usage: scyan-exp watch"),
        (["nowhere"], "nowhere: no such folder; expected that of a sweep"),
        (["sweep/0"], "sweep/0: this is the folder of a run"),
        (["sweep", "port=high"], "port: expected a number from 0 to 65535, found 'high'"),
        (["sweep", "port=70000"], "port: expected a number from 0 to 65535, found '70000'"),
        (["sweep", "every=often"], "every: expected seconds from 0.01 to 3600, found 'often'"),
        (["sweep", "every=0"], "every: expected seconds from 0.01 to 3600, found '0'"),
        (["sweep", "host=no such.host"], "host=no such.host: no such host"),
        (["sweep", "prt=1"], "prt=1: unknown. Did you mean 'port='"),
    ],
)
def test_wrong_arguments_are_explained(scyan_exp, tmp_path, arguments, message):
    make_sweep(tmp_path / "sweep", {0: 1.0})
    code, output = scyan_exp("watch", *arguments)
    assert code == 2
    assert message in output


def test_a_port_that_is_taken_is_said(scyan_exp, tmp_path):
    make_sweep(tmp_path / "sweep", {0: 1.0})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, output = scyan_exp("watch", "sweep", f"port={port}", "host=127.0.0.1")
    assert code == 2
    assert f"host=127.0.0.1 port={port}: cannot listen there (Address already in use" in output


def test_without_its_libraries_it_says_what_to_install(tmp_path):
    """In a Python that does not find them."""
    sweep = make_sweep(tmp_path / "sweep", {0: 1.0})
    code = (
        "import sys, importlib.machinery as m\n"
        "find = m.PathFinder.find_spec\n"
        "m.PathFinder.find_spec = lambda name, *a: None if name == 'uvicorn' else find(name, *a)\n"
        "from scyan_exp.cli.main import main\n"
        "sys.exit(main(['watch', sys.argv[1]]))\n"
    )
    run = subprocess.run([sys.executable, "-c", code, str(sweep)], text=True, capture_output=True)
    assert run.returncode == 2, run.stderr
    assert run.stderr == (
        "not installed: uvicorn. A live page needs them: pip install 'scyan_exp[watch]'\n"
    )


def test_it_starts_without_what_trains(tmp_path):
    sweep = make_sweep(tmp_path / "sweep", {0: 1.0})
    with watched(sweep) as watch:
        assert watch.url.startswith("http://localhost:")
        maps = Path(f"/proc/{watch.process.pid}/maps").read_text()
        watch.ask("/")
    assert "libtorch" not in maps


def test_the_process_answers_under_the_name_it_is_bound_to(place):
    with watched(place / "sweep", "host=127.0.0.1") as watch:
        assert watch.url.startswith("http://127.0.0.1:")
        assert watch.ask("/")[0] == 200
