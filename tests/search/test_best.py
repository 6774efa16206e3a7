"""What a search leaves to be used: the best configs, importances, the dashboard."""

from __future__ import annotations

import csv
import json
import shlex
import socket
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path

import optuna
import pytest

from scyan_exp.config.compose import compose_config
from scyan_exp.search.best import report_best
from scyan_exp.search.experiment_file import with_absolute_paths
from tests.fleet.sweeps import QUICK, TWO, ended, until
from tests.search.apps import QUADRATIC_SPACE, open_study

BASE = ("hydra/sweeper=study", TWO, *(one for one in QUICK if not one.startswith("flow")))
STD = "model.prior_std=interval(0.2,0.4)"


def again_of(output: str) -> list[list[str]]:
    """The commands that run the best trials again, as a shell would read them."""
    lines = [line.strip() for line in output.splitlines()]
    commands = [line.partition("again: ")[2] for line in lines if line.startswith("again: ")]
    return [shlex.split(command)[1:] for command in commands]


@pytest.fixture
def own_groups(tmp_path) -> list[str]:
    """A folder of groups of one's own: a flow, an experiment, a table of the cells' data set."""
    folder = tmp_path / "my configs"
    texts = {
        "flow/mine.yaml": "# @package model\nhidden_size: 7\nn_hidden_layers: 1\nn_layers: 2\n",
        "experiment/base.yaml": "# @package _global_\nmodel:\n  max_samples: 500\ntags: [mine]\n"
        "trainer:\n  gradient_clip_val: 0.5\n",
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(text)
    return ["--config-dir", str(folder)]


CASES = {
    "values": [
        *(STD, "model.lr=tag(log,interval(1e-4,1e-3))", "model.n_layers=range(2,4)"),
        *("model.warm_up=[0.4,1],[0.35,2]", "model.continuum_markers=[]", "tags=[a,b]"),
        *("callbacks=default", "callbacks.early_stopping.min_delta=1,2"),
        *("name='a b, c'", "dataset.label_key=null,population"),
    ],
    "groups": ["flow=shallow,default", "prior=choice(tight,loose)", "temperature=low,high"],
    "added and removed keys": [
        *(STD, "+trainer.min_epochs=range(1,3)", "+trainer.gradient_clip_val=0.1"),
        *("callbacks=default", "~callbacks.early_stopping.patience"),
    ],
    "null": ["model.warm_up=null,[0.35,1]", "model.max_samples=null"],
    "removed": [STD, "callbacks=default", "~callbacks.early_stopping"],
    "experiment": [STD, "experiment=smoke", "name=mine", "seed=3"],
    "repeats": [STD, "repeats=2"],
}
FAST = {"groups"}


@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=[pytest.mark.slow] * (c not in FAST)) for c in CASES]
)
def test_the_best_config_runs_again_and_is_the_same(sweep, scyan_exp, case):
    chosen = [*BASE, *CASES[case], "hydra.sweeper.n_trials=2"]
    where = ["hydra/launcher=fleet", f"hydra.sweep.dir={sweep.folder}"]
    code, output = scyan_exp("train", "-m", *chosen, *where)
    assert code == 0, output
    trial = open_study(sweep.folder).best_trial
    (command,) = again_of(output)
    code, said = scyan_exp(*command, "hydra.run.dir=again", "logger=none")
    assert code == 0, said
    expected = sweep.result(trial.number)
    found = json.loads(Path("again/result.json").read_text())
    assert found["config_hash"] == expected["config_hash"]
    assert found["objective"] == pytest.approx(trial.value, rel=1e-3)
    assert found["seed"] == expected["seed"]


@pytest.mark.slow
def test_the_best_of_own_groups_runs_again(sweep, scyan_exp, own_groups, tmp_path):
    flags = [f"--config-dir={own_groups[1]}"]
    chosen = [*flags, *BASE, "flow=mine", "experiment=base", STD, "hydra.sweeper.n_trials=2"]
    output = ended(sweep.train(*chosen))
    (command,) = again_of(output)
    code, said = scyan_exp(*command, f"hydra.run.dir={tmp_path}/again", "logger=none")
    assert code == 0, said
    trial = open_study(sweep.folder).best_trial
    found = json.loads((tmp_path / "again" / "result.json").read_text())
    assert found["config_hash"] == sweep.result(trial.number)["config_hash"]
    (sweep.folder / "experiment" / "best.yaml").unlink()
    mine = tmp_path / "configs" / "experiment"
    mine.mkdir(parents=True)
    (mine / "of_search.yaml").write_text((sweep.folder / "best.yaml").read_text())
    flags = ["--config-dir", str(tmp_path / "configs"), "experiment=of_search"]
    flags += [f"hydra.searchpath=['file://{own_groups[1]}']"]
    code, said = scyan_exp("train", *flags, "hydra.run.dir=third", "logger=none")
    assert code == 0, said
    found = json.loads(Path("third/result.json").read_text())
    assert found["config_hash"] == sweep.result(trial.number)["config_hash"]


@pytest.mark.slow
def test_the_best_is_shown_with_its_model_and_changes_with_more_trials(sweep):
    chosen = [*BASE, "flow=shallow", STD, "objective=loss"]
    output = ended(sweep.train(*chosen, "hydra.sweeper.n_trials=1"))
    for n_trials in (1, 4):
        if n_trials > 1:
            output = ended(sweep.resume(f"n_trials={n_trials}"))
        best = open_study(sweep.folder).best_trial
        assert f"Best: trial {best.number}, loss {best.value:.4g}: " in output
        model = sweep.folder / str(best.number) / "checkpoints" / "best.ckpt"
        assert model.is_file()
        assert str(model) in output
        for text in (
            (sweep.folder / "best.yaml").read_text(),
            (sweep.folder / "experiment" / "best.yaml").read_text(),
        ):
            assert str(model) in text
            assert f"Trial {best.number} of sweep: loss {best.value:.6g}" in text
            assert repr(best.params["model.prior_std"]) in text
    assert "Importances: " in output
    assert (sweep.folder / "importances.csv").exists()


@pytest.mark.slow
def test_each_of_a_front_is_written_and_no_other(sweep, scyan_exp):
    """Also when the front of more trials is another one."""
    chosen = [*BASE, "flow=shallow", STD, "model.lr=tag(log,interval(1e-4,1e-2))"]
    chosen += ["objective=[heuristic,loss]", "hydra.sweeper.sampler=nsga2"]
    output = ended(sweep.train(*chosen, "hydra.sweeper.n_trials=1"))
    for n_trials in (1, 3, 8):
        if n_trials > 1:
            output = ended(sweep.resume(f"n_trials={n_trials}"))
        front = [trial.number for trial in open_study(sweep.folder).best_trials]
        names = ["best"] if len(front) == 1 else [f"best_{number}" for number in front]
        for folder in (sweep.folder, sweep.folder / "experiment"):
            assert sorted(path.stem for path in folder.glob("best*.yaml")) == sorted(names)
        assert len(again_of(output)) == len(front)
    command = again_of(output)[-1]
    code, said = scyan_exp(*command, "hydra.run.dir=again", "logger=none")
    assert code == 0, said
    found = json.loads(Path("again/result.json").read_text())
    assert found["config_hash"] in {sweep.result(number)["config_hash"] for number in front}


# ---------------------------------------------------------------- programs of other kinds


def test_importances_sum_to_one_and_name_what_matters(make_app):
    app = make_app(body="return 10 * config.x + 0.01 * config.y", config="x: 0\ny: 0\n")
    arguments = ["x=interval(0,1)", "y=interval(0,1)", "hydra.sweeper.n_trials=30"]
    output = ended(app.search(*arguments, "hydra.sweeper.sampler=random"))
    with (app.folder / "importances.csv").open(newline="") as file:
        found = {row["parameter"]: float(row["importance"]) for row in csv.DictReader(file)}
    assert found.keys() == {"x", "y"}
    assert sum(found.values()) == pytest.approx(1, abs=1e-3)
    assert found["x"] > 0.6
    assert f"Importances: x {found['x']:.2f}, y {found['y']:.2f}" in output


@pytest.mark.parametrize("n_trials", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_of_few_trials_no_importances_are_claimed(make_app, n_trials):
    app = make_app()
    output = ended(app.search(*QUADRATIC_SPACE, f"hydra.sweeper.n_trials={n_trials}"))
    assert "Importances" not in output
    assert not (app.folder / "importances.csv").exists()


@pytest.mark.parametrize("values", [[1.0, 2.0, 0.5, 3.0], [2.0] * 4], ids=["varies", "constant"])
def test_of_one_parameter_it_is_known_without_asking_optuna(tmp_path, capsys, values):
    """Which would import scikit-learn for it: seconds at the end of every small search."""
    study = optuna.create_study()
    distributions = {"x": optuna.distributions.FloatDistribution(0, 1)}
    for i, value in enumerate(values):
        trial = {"params": {"x": i / 4}, "distributions": distributions, "value": value}
        study.add_trial(optuna.trial.create_trial(**trial))
    report_best(study, tmp_path, "journal://study.journal", ["minimize"], compose_config)
    expected = {} if len(set(values)) == 1 else optuna.importance.get_param_importances(study)
    path = tmp_path / "importances.csv"
    rows = path.read_text().splitlines()[1:] if path.exists() else []
    assert rows == [f"{name},{value:.4f}" for name, value in expected.items()]
    assert ("Importances: x 1.00" in capsys.readouterr().out) == bool(expected)


def test_a_function_that_is_constant_has_no_importances_and_no_warning(make_app):
    app = make_app(body="return 1.0")
    output = ended(app.search(*QUADRATIC_SPACE, "hydra.sweeper.n_trials=6"))
    assert "Best: trial 0, " in output
    assert "Traceback" not in output
    assert "Warning" not in output


# ---------------------------------------------------------------- the dashboard


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def studies(port: int) -> list[str]:
    """Names of the studies that a dashboard shows; none while it is not there."""
    address = f"http://127.0.0.1:{port}/api/studies"
    with suppress(OSError), urllib.request.urlopen(address, timeout=10) as answer:
        return [one["study_name"] for one in json.load(answer)["study_summaries"]]
    return []


def shown_by_dashboard(command: str, name: str) -> None:
    """Run the command that was printed; the study is listed."""
    program, *rest = shlex.split(command)
    assert program == "optuna-dashboard"
    port = free_port()
    path = str(Path(sys.executable).with_name(program))
    process = subprocess.Popen(
        [path, *rest, "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: name in studies(port) or process.poll() is not None, None, "dashboard")
        assert studies(port) == [name]
    finally:
        process.kill()
        process.wait()


def dashboard_of(output: str) -> str:
    (line,) = [one for one in output.splitlines() if "optuna-dashboard" in one]
    return line[line.index("optuna-dashboard") :]


@pytest.mark.parametrize("storage", ["journal", pytest.param("sqlite", marks=pytest.mark.slow)])
def test_the_printed_command_shows_the_study(make_app, tmp_path, storage):
    pytest.importorskip("optuna_dashboard")
    app = make_app("my search")
    arguments = [*QUADRATIC_SPACE, "hydra.sweeper.n_trials=3"]
    arguments[:0] = (
        [] if storage == "journal" else [f"hydra.sweeper.storage=sqlite:///{tmp_path}/s.db"]
    )
    output = ended(app.search(*arguments))
    shown_by_dashboard(dashboard_of(output), "my search")


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["journal", "sqlite"])
def test_the_dashboard_can_be_looked_at_while_trials_run(make_app, tmp_path, storage):
    pytest.importorskip("optuna_dashboard")
    body = "while not Path(config.flag).exists(): time.sleep(0.05)\nreturn config.x"
    app = make_app(body=body, config="x: 0\nflag: ???\n")
    flag = tmp_path / "flag"
    arguments = ["x=interval(0,1)", f"flag={flag}", "hydra.sweeper.n_trials=12"]
    url = None if storage == "journal" else f"sqlite:///{tmp_path}/s.db"
    if url is not None:
        arguments.append(f"hydra.sweeper.storage={url}")
    process = app.search(*arguments)
    until((app.folder / "sweep.csv").exists, process)
    until(lambda: len(list(app.folder.glob("[0-9]*"))) > 1, process)
    where = str(app.folder / "study.journal") if url is None else url
    shown_by_dashboard(shlex.join(["optuna-dashboard", where]), "sweep")
    flag.touch()
    ended(process)
    assert len(open_study(app.folder, url).trials) == 12


def test_files_of_the_best_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.fcs", "b.fcs", "samples.csv"):
        (tmp_path / name).touch()
    cells = {"path": ["a.fcs", "b.fcs"], "metadata": "samples.csv", "compensation": False}
    found = with_absolute_paths({"dataset": cells, "table": {"path": "*.csv"}, "name": "a.fcs"})
    assert found["dataset"]["path"] == [str(tmp_path / "a.fcs"), str(tmp_path / "b.fcs")]
    assert found["dataset"]["metadata"] == str(tmp_path / "samples.csv")
    assert found["dataset"]["compensation"] is False
    assert found["table"]["path"] == str(tmp_path / "*.csv")
    assert found["name"] == "a.fcs"
