"""``scyan-exp watch``: what viewers are told while a sweep runs, and how it starts and ends."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.look.conftest import make_run, make_sweep
from tests.look.watching import watched


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a sweep."""
    folder = tmp_path_factory.mktemp("place")
    make_sweep(folder / "sweep", {0: 3.0, 1: 1.0, 2: None})
    return folder


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
