"""Where a study is kept: killed writers, many writers, passwords."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scyan_exp.errors import InputError
from scyan_exp.search.storage.opening import open_storage
from scyan_exp.search.storage.urls import storage_url
from tests.starting import Process


class Program(Process):
    """One of the programs beside these tests; what it says can be read while it runs."""

    def __init__(self, name: str, *arguments: object) -> None:
        reading, writing = os.pipe()
        self.stdout = os.fdopen(reading)
        path = Path(__file__).parent / "programs" / f"{name}.py"
        super().__init__([str(path), *map(str, arguments)], stdout=writing)
        os.close(writing)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        errors = super().communicate(timeout)[1]
        with self.stdout as said:
            return said.read(), errors


def writer_of(url: str, n_trials: int, own: int, lock: str = "ours") -> Program:
    return Program("writer", url, n_trials, own, lock)


STORAGES = ["journal", "sqlite", "postgresql"]
#: With processes of their own, which cost seconds each.
WITH_SLOW = [*STORAGES[:2], pytest.param("postgresql", marks=pytest.mark.slow)]


@pytest.fixture
def url(request, tmp_path) -> str:
    path = tmp_path / f"study.{request.param}"
    found = f"journal://{path}" if request.param == "journal" else f"sqlite:///{path}"
    if request.param == "postgresql":
        found = request.getfixturevalue("new_database")()
    optuna.create_study(study_name="s", storage=open_storage(found))
    return found


def study_of(url: str) -> optuna.Study:
    return optuna.load_study(study_name="s", storage=open_storage(url))


# ---------------------------------------------------------------- writers


@pytest.mark.parametrize("url", STORAGES, indirect=True)
def test_what_is_written_is_read_again(url):
    study = study_of(url)
    trial = study.ask()
    params = (trial.suggest_float("x", 0, 1), trial.suggest_categorical("y", [None, "a", True, 2]))
    trial.report(0.5, 3)
    trial.set_user_attr("metrics", {"loss": 1.5, "none": None})
    study.tell(trial, -1.25)
    (found,) = study_of(url).trials
    assert tuple(found.params.values()) == params
    assert (found.value, found.intermediate_values) == (-1.25, {3: 0.5})
    assert found.user_attrs == {"metrics": {"loss": 1.5, "none": None}}


@pytest.mark.parametrize("url", WITH_SLOW, indirect=True)
def test_four_writers_lose_nothing(url):
    writers = [writer_of(url, 20, own) for own in range(4)]
    outputs = [writer.communicate(timeout=120) for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 4, outputs
    trials = study_of(url).trials
    assert [trial.number for trial in trials] == list(range(80))
    for trial in trials:
        assert trial.value == trial.user_attrs["own"] + trial.params["x"]
        x = trial.params["x"]
        assert trial.intermediate_values == {0: x, 1: x + 1, 2: x + 2}
    said = [sorted(map(int, out.split()[1:])) for out, _ in outputs]
    assert sorted(number for numbers in said for number in numbers) == list(range(80))
    for own, numbers in enumerate(said):
        assert all(trials[number].user_attrs["own"] == own for number in numbers)


@pytest.mark.parametrize("url", WITH_SLOW, indirect=True)
def test_writers_that_are_killed_take_nothing_of_others_with_them(url):
    chance = random.Random(0)
    said: set[int] = set()
    for round_ in range(2):
        writers = [writer_of(url, 10_000, own) for own in range(3)]
        for writer in writers:
            writer.stdout.readline()
        for writer in writers:
            time.sleep(chance.uniform(0.1, 0.6))
            writer.send_signal(signal.SIGKILL)
        for writer in writers:
            # The last line may be cut off, as the process was.
            lines = writer.communicate()[0].splitlines(keepends=True)
            said |= {int(line) for line in lines if line.endswith("\n")}
        trials = study_of(url).trials
        assert [trial.number for trial in trials] == list(range(len(trials)))
        complete = {trial.number for trial in trials if trial.state.name == "COMPLETE"}
        assert said <= complete, round_
    before = len(study_of(url).trials)
    last = writer_of(url, 5, 9)
    out, err = last.communicate(timeout=60)
    assert last.returncode == 0, err
    assert list(map(int, out.split()[1:])) == list(range(before, before + 5))


@pytest.mark.parametrize("kind", WITH_SLOW[1:])
def test_a_new_database_is_opened_by_several_at_once(request, tmp_path, kind):
    urls = [f"sqlite:///{tmp_path}/new{i}.db" for i in range(8)]
    if kind == "postgresql":
        new_database = request.getfixturevalue("new_database")
        urls = [new_database() for _ in range(8)]
    openers = [Program("opener", tmp_path, own, 4, *urls) for own in range(4)]
    outputs = [opener.communicate(timeout=120) for opener in openers]
    assert [opener.returncode for opener in openers] == [0] * 4, outputs
    for url in urls:
        optuna.create_study(study_name="s", storage=open_storage(url))
        assert study_of(url).ask().number == 0


# ---------------------------------------------------------------- the journal


@pytest.fixture
def journal(tmp_path) -> Path:
    path = tmp_path / "study.journal"
    optuna.create_study(study_name="s", storage=open_storage(f"journal://{path}"))
    return path


def test_a_writer_killed_with_the_lock_in_its_hands_holds_up_nobody(journal):
    holder = Program("holder", journal)
    assert holder.stdout.readline() == "held\n"
    waiting = writer_of(f"journal://{journal}", 1, 0)
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(3)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    out, err = waiting.communicate(timeout=20)  # Optuna's own lock would take 30 s
    assert waiting.returncode == 0, err
    assert out.split() == ["ready", "0"]


def test_programs_with_optunas_own_lock_write_beside_ours(journal):
    """Such as a notebook, or optuna-dashboard; its lock has a file of its own."""
    url = f"journal://{journal}"
    writers = [writer_of(url, 20, 1, "theirs"), writer_of(url, 20, 2)]
    for writer in writers:
        try:
            _, err = writer.communicate(timeout=25)  # it would wait 30 s for a lock left behind
        finally:
            writer.kill()
        assert writer.returncode == 0, err
    trials = study_of(f"journal://{journal}").trials
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 40
    assert [trial.number for trial in trials] == list(range(40))


@given(st.integers(0, 300))
def test_a_last_line_that_was_cut_off_is_mended(tmp_path_factory, n_bytes):
    """Wherever the machine went down: what stood before is there, and writing goes on."""
    path = tmp_path_factory.mktemp("cut") / "study.journal"
    url = f"journal://{path}"
    study = optuna.create_study(study_name="s", storage=open_storage(url))
    study.tell(study.ask(), 1.0)
    whole = path.read_bytes()
    study.tell(study.ask(), 2.0)
    added = path.read_bytes()[len(whole) :]
    cut = min(n_bytes, len(added))
    path.write_bytes(whole + added[:cut])
    n_whole = len([t for t in study_of(url).trials if t.state.is_finished()])
    assert n_whole == (2 if cut == len(added) else 1)
    again = study_of(url)
    again.tell(again.ask(), 3.0)
    values = [t.value for t in study_of(url).trials if t.state.is_finished()]
    assert values == [1.0, 2.0, 3.0][:n_whole] + [3.0] * (n_whole < 3 and values[-1] == 3.0)
    assert values[0] == 1.0
    assert values[-1] == 3.0
    assert path.read_bytes().endswith(b"\n")


def test_a_file_that_is_no_journal_is_refused_and_stays_as_it_is(tmp_path):
    for text in ("notes\nwithout a last newline", "one line", "a: 1\nb: [1, 2]", '{"x": 1}\nmore'):
        path = tmp_path / "notes.txt"
        path.write_text(text)
        with pytest.raises(InputError, match=r"hydra\.sweeper\.storage"):
            open_storage(f"journal://{path}")
        assert path.read_text() == text


def test_the_default_is_a_file_in_the_folder_of_the_sweep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url = storage_url(None, Path("sweep"))
    assert url == f"journal://{tmp_path / 'sweep' / 'study.journal'}"
    assert storage_url("sqlite:///x.db", Path("sweep")) == f"sqlite:///{Path.cwd() / 'x.db'}"


@pytest.mark.parametrize(
    "url",
    [
        "foo://me:hunter2@x/y",
        "postgresql://me:hunter2@nowhere.invalid/x",
        "mysql+pymysql://me:hunter2@nowhere.invalid/x",
        "nonsense hunter2@",
        "journal:///no/such/folder/study.journal",
        "sqlite:////no/such/folder/study.db",
        "sqlite:////",
        "journal:///",
        "",
    ],
)
def test_a_storage_that_cannot_be_opened_is_named_without_its_password(url):
    with pytest.raises(InputError) as caught:
        open_storage(url)
    assert "hydra.sweeper.storage" in str(caught.value)
    assert ":hunter2" not in str(caught.value)


OPEN_ON_A_FULL_DISK = """
import resource, sys
from scyan_exp.search.storage.opening import open_storage
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
open_storage(sys.argv[1])
"""


@pytest.mark.parametrize(("n_bytes", "reason"), [(0, "File too large"), (20_000, "disk")])
def test_a_database_that_the_disk_refuses_is_said_to_be_so(tmp_path, n_bytes, reason):
    """SQLite itself says "unable to open database file", whatever the reason."""
    url = f"sqlite:///{tmp_path}/study.db"
    command = [sys.executable, "-c", OPEN_ON_A_FULL_DISK, url, str(n_bytes)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert re.search(f"OutputError: {url}: .*: cannot be written .*{reason}.*; make room", said)


@pytest.mark.parametrize(
    "url", ["sqlite:", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite+pysqlite://"]
)
def test_a_storage_in_memory_is_refused(url):
    with pytest.raises(InputError, match="in memory it would be lost"):
        open_storage(url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql+psycopg2://", r"psycopg2 .*\[postgresql\].*postgresql\+psycopg://"),
        ("mysql://", r"MySQLdb .*\[mysql\].*mysql\+pymysql://"),
        ("oracle://", "oracledb is missing$"),
    ],
)
def test_a_missing_driver_is_named_with_what_to_install(url, expected):
    with pytest.raises(InputError, match=f"hydra.sweeper.storage: .*{expected}") as caught:
        open_storage(f"{url}me:hunter2@host/database")
    assert "hunter2" not in str(caught.value)
