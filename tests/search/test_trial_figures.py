"""The figures of trials, as optuna-dashboard shows them."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import optuna
import pytest
from optuna.artifacts import get_all_artifact_meta

from scyan_exp.search.figures import LinkedStore, attach_figures
from scyan_exp.search.optuna_internals import StoredTrial
from tests.search.test_best import dashboard_of, free_port, studies, until
from tests.starting import finished


@pytest.fixture
def study(tmp_path) -> optuna.Study:
    study = optuna.create_study(storage=f"sqlite:///{tmp_path}/s.db")
    study.ask()
    return study


@pytest.fixture
def run(tmp_path) -> Path:
    figures = tmp_path / "0" / "figures"
    figures.mkdir(parents=True)
    for name in ("loss", "trust"):
        (figures / f"{name}.png").write_bytes(name.encode())
    return tmp_path / "0"


def names(study: optuna.Study) -> list[str]:
    found = get_all_artifact_meta(study.trials[0], storage=StoredTrial(study, 0).storage)
    return sorted(one.filename for one in found)


def test_figures_are_links_and_take_no_room(study, run, tmp_path):
    attach_figures(study, 0, run, tmp_path)
    assert names(study) == ["loss.png", "trust.png"]
    assert study.trials[0].user_attrs["run_folder"] == str(run)
    for one in (run / "figures").iterdir():
        assert one.stat().st_nlink == 2
    files = {path.stat().st_ino for path in (tmp_path / "artifacts").iterdir()}
    assert files == {path.stat().st_ino for path in (run / "figures").iterdir()}


def test_a_trial_that_is_run_again_has_each_figure_once(study, run, tmp_path):
    attach_figures(study, 0, run, tmp_path)
    attach_figures(study, 0, run, tmp_path)
    assert names(study) == ["loss.png", "trust.png"]


def test_trials_without_figures_and_trials_that_ended_have_none(study, run, tmp_path):
    attach_figures(study, 0, tmp_path / "nowhere", tmp_path)
    assert not (tmp_path / "artifacts").exists()
    study.tell(0, 1.0)
    attach_figures(study, 0, run, tmp_path)
    assert names(study) == []


def test_a_store_that_cannot_be_written_costs_a_warning_only(study, run, tmp_path, caplog):
    (tmp_path / "artifacts").write_text("in the way")
    attach_figures(study, 0, run, tmp_path)
    assert "trial 0: its figures are not in the dashboard" in caplog.text
    study.tell(0, 1.0)


def test_across_file_systems_figures_are_copied(run, tmp_path):
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system")
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        store = LinkedStore(Path(folder))
        with (run / "figures" / "loss.png").open("rb") as file:
            store.write("an-id", file)
        assert (Path(folder) / "an-id").read_bytes() == b"loss"
        with store.open_reader("an-id") as file:
            assert file.read() == b"loss"


def test_the_dashboard_serves_the_figures_of_a_search(tmp_path):
    pytest.importorskip("optuna_dashboard")
    command = [
        *("-m", "scyan_exp", "train", "search=quick", "logger=none"),
        *("hydra.sweeper.n_trials=1", "hydra.sweeper.n_parallel=1", "dataset.n_cells=300"),
        *("trainer.max_epochs=1", "flow=shallow", "hydra.sweep.dir=found"),
    ]
    done = finished(command, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    program, *rest = shlex.split(dashboard_of(done.stdout))
    assert rest[-2:] == ["--artifact-dir", str(tmp_path / "found" / "artifacts")]
    port = free_port()
    path = str(Path(sys.executable).with_name(program))
    process = subprocess.Popen(
        [path, *rest, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: studies(port) or process.poll() is not None, None, "dashboard")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/studies/0", timeout=10) as answer:
            (trial,) = json.load(answer)["trials"]
        figures = {one["filename"]: one["artifact_id"] for one in trial["artifacts"]}
        assert set(figures) == {one.name for one in (tmp_path / "found/0/figures").iterdir()}
        at = f"http://127.0.0.1:{port}/artifacts/0/{trial['trial_id']}/{figures['loss.png']}"
        with urllib.request.urlopen(at, timeout=10) as answer:
            assert answer.read() == (tmp_path / "found/0/figures/loss.png").read_bytes()
        attributes = {one["key"]: one["value"] for one in trial["user_attrs"]}
        assert str(tmp_path / "found" / "0") in attributes["run_folder"]
    finally:
        process.kill()
        process.wait()
