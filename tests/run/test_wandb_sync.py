"""Uploading the offline runs of a sweep: real ``wandb sync``, to a server on loopback."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.wandb_files import records
from tests.wandb_server import KEY, wandb_server


@pytest.fixture
def sweep(tracked_sweep, tmp_path) -> Path:
    """A copy of the sweep, as markers are written into it."""
    return shutil.copytree(tracked_sweep, tmp_path / "my_sweep", symlinks=True)


def sync(folder: Path, environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "scyan_exp", "sync", str(folder), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


def ids(folder: Path) -> dict[str, str]:
    """The id of each W&B run by its run folder."""
    return {
        str(path.parent.relative_to(folder)): json.loads(path.read_text())["wandb_run_id"]
        for path in folder.rglob("result.json")
    }


def test_a_sweep_is_uploaded_once(sweep):
    with wandb_server() as server:
        code, output = sync(sweep, server.environment, "n_parallel=2")
        assert code == 0, output
        assert "4 runs: 0 uploaded earlier, 4 to upload, 0 still running" in output
        assert "4 of 4 runs are uploaded" in output
        assert set(server.runs) == set(ids(sweep).values()) == server.finished
        single = ids(sweep)["0"]
        assert server.artifacts[f"checkpoint-{single}"] == {"best", "latest", "my_sweep"}
        assert server.files > 20
        before = server.files
        code, output = sync(sweep, server.environment)
        assert code == 0
        assert "4 runs: 4 uploaded earlier, 0 to upload" in output
        assert server.files == before


def test_what_is_refused_is_named_and_left_for_the_next_time(sweep):
    with wandb_server() as server:
        refused = ids(sweep)["1/seed_0"]
        server.refused = {refused}
        code, output = sync(sweep, server.environment)
        assert code == 1, output
        assert "3 of 4 runs are uploaded" in output
        assert "1 runs are left, and stay where they are:" in output
        assert "1/seed_0/wandb/offline-run-" in output
        assert f"To go on: scyan-exp sync {sweep}" in output
        assert "Traceback" not in output
        server.refused = set()
        code, output = sync(sweep, server.environment)
        assert code == 0, output
        assert "4 runs: 3 uploaded earlier, 1 to upload" in output
        assert refused in server.finished


def test_a_run_that_is_still_written_waits(sweep):
    result = sweep / "0" / "result.json"
    result.write_text(json.dumps({**json.loads(result.read_text()), "status": "running"}))
    (file,) = sweep.glob("0/wandb/offline-run-*/run-*.wandb")
    file.touch()
    with wandb_server() as server:
        code, output = sync(sweep, server.environment)
        assert code == 0, output
        assert "3 to upload, 1 still running" in output
        assert set(server.runs) == set(ids(sweep).values()) - {ids(sweep)["0"]}


def test_without_a_server_nothing_is_lost(sweep):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    code, output = sync(sweep, {"WANDB_BASE_URL": url, "WANDB_API_KEY": KEY})
    assert code == 2
    assert f"{url} does not answer (" in output
    assert "The runs stay where they are" in output
    assert "Traceback" not in output
    assert records(sweep / "0")
    assert not list(sweep.rglob("*.synced"))


def test_without_a_login_it_says_so(sweep, tmp_path):
    code, output = sync(sweep, {"WANDB_API_KEY": "", "NETRC": str(tmp_path / "none")})
    assert code == 2
    assert "nobody is logged in to W&B, so nothing can be uploaded: run `wandb login`" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "usage: scyan-exp sync FOLDER"),
        (["nowhere"], "nowhere: no such folder."),
        (["empty"], "empty: there are no offline runs of W&B in it: were they run with logger"),
        (["empty", "n_parallel=no"], "n_parallel: expected a number of runs, found 'no'"),
        (["empty", "n_parallell=3"], "unknown option 'n_parallell'. Did you mean 'n_parallel'?"),
        (["empty", "--n_parallel"], "n_parallel: expected a value, as in n_parallel=..."),
    ],
)
def test_wrong_arguments_are_explained(scyan_exp, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    code, output = scyan_exp("sync", *arguments)
    assert code == 2
    assert message in output
