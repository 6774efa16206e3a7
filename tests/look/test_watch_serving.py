"""``scyan-exp watch`` serves what is in its folder, and nothing else."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scyan_exp.report.guard import Guard, Refused, parts_of
from scyan_exp.report.inside import opened_inside
from scyan_exp.run.folder import RunFolder
from tests.look.conftest import make_sweep
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
