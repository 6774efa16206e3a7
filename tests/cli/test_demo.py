"""``scyan-exp demo``: what it says, what it leaves, and when it opens a browser."""

from __future__ import annotations

import os
import pty
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from scyan_exp.cli.demo import DESCRIPTIONS, can_open
from scyan_exp.cli.main import main
from scyan_exp.run.folder import RunFolder
from tests.starting import Process, finished

QUICK = ["dataset.n_cells=1200", "trainer.max_epochs=2", "flow=shallow", "figures.draw=[loss]"]


def all_of(terminal: int) -> str:
    """What a terminal shows, until nobody writes to it any more."""
    parts = []
    with suppress(OSError):  # Linux says so when the last writer has gone
        while part := os.read(terminal, 4096):
            parts.append(part)
    os.close(terminal)
    return b"".join(parts).decode()


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> tuple[Path, str]:
    """The folder of a short demo, and what it said on standard output."""
    folder = tmp_path_factory.mktemp("demo")
    code = "import sys; from scyan_exp.cli.demo import explained_run; explained_run(sys.argv[1:])"
    (folder / "demo.py").write_text(code)
    done = finished([str(folder / "demo.py"), *QUICK, "hydra.run.dir=run"], cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "run", done.stdout


def test_every_step_has_its_words(told):
    _, text = told
    heads = [
        "1. The cells and the table",
        "2. The training",
        "3. The verdict: ",
        "4. The files, in run",
    ]
    assert [head for line in text.splitlines() for head in heads if line.startswith(head)] == heads
    assert "1,200 cells" in text
    assert "13 populations" in text
    assert "      Naive CD4 T cells     1    1   -1    -1    -1    -1\n" in text
    assert max(map(len, text.splitlines())) <= 100


def test_every_file_is_described(told):
    folder, text = told
    described = {getattr(RunFolder(folder), name) for name in DESCRIPTIONS}
    assert set(folder.iterdir()) == described
    listed = text.partition("4. The files")[2].splitlines()[1:]
    names = {line.split()[0].rstrip("/") for line in listed if line.strip()}
    assert names == {path.name for path in described}


def test_the_words_change_nothing_of_the_run(told, scyan_exp):
    folder, _ = told
    code, output = scyan_exp("train", *QUICK, "--cfg", "job", "--resolve")
    assert code == 0
    config = OmegaConf.load(folder / ".hydra" / "config.yaml")
    assert OmegaConf.create(output) == config


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["open=maybe"], "open: expected true or false, found 'maybe'"),
        (["folder="], "folder: the current one exists: name a new one"),
        (["flder=x"], "flder=x: unknown. Did you mean 'folder='? usage: scyan-exp demo"),
        (["x"], "usage: scyan-exp demo [folder=FOLDER] [open=false]"),
    ],
)
def test_what_is_wrong_is_said(arguments, message, scyan_exp, tmp_path):
    code, output = scyan_exp("demo", *arguments)
    assert code == 2
    assert message in output
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_left_alone(scyan_exp, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "broken").symlink_to("nowhere")
    for name in ("there", "broken"):
        code, output = scyan_exp("demo", f"folder={name}")
        assert code == 2
        assert f"folder: {name} exists: name a new one" in output
    assert list((tmp_path / "there").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_refused(scyan_exp, tmp_path):
    (tmp_path / "file").touch()
    code, output = scyan_exp("demo", "folder=file/demo")
    assert code == 2
    assert "cannot be written" in output
    assert "Traceback" not in output


def test_help(capsys):
    assert main(["demo", "--help"]) == 0
    told = capsys.readouterr().out
    assert "usage: scyan-exp demo [folder=FOLDER] [open=false]" in told
    assert "open=false" in told.partition("\n")[2]
    assert main(["--help"]) == 0
    assert "scyan-exp demo" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"])
def test_a_browser_is_opened_where_somebody_sits_at_a_screen(name, monkeypatch):
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    for one in screens:
        monkeypatch.delenv(one, raising=False)
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal, os.fdopen(ours):
        monkeypatch.setattr(sys, "stdout", terminal)
        assert not can_open()
        monkeypatch.setenv(name, ":0")
        assert can_open()
    with Path(os.devnull).open("w") as nowhere:
        monkeypatch.setattr(sys, "stdout", nowhere)
        assert not can_open()


@pytest.mark.slow
def test_the_report_opens_in_the_browser(tmp_path):
    """The whole command at a terminal; the browser writes down what it was to open."""
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "BROWSER": f"{browser} %s", "MPLBACKEND": "Agg"}
    process = Process(
        ["-m", "scyan_exp", "demo", "folder=demo"], cwd=tmp_path, env=environment, stdout=theirs
    )
    os.close(theirs)
    said = all_of(ours)
    assert process.wait(300) == 0, said
    assert (tmp_path / "opened").read_text() == f"{(tmp_path / 'demo/report.html').as_uri()}\n"
    assert f"The report: {tmp_path}/demo/report.html" in said
    assert "3. The verdict: good" in said
