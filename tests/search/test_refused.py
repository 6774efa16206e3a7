"""Searches that are refused: by name, all at once, with nothing trained and nothing left."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from scyan_exp.cli.problems import command_problems
from scyan_exp.config.compose import configs_folder
from scyan_exp.search.space import parse_space
from tests.fleet.sweeps import QUICK
from tests.search.apps import open_study

STUDY = ("hydra/sweeper=study", "hydra/launcher=fleet", "hydra.sweep.dir=sweep")
STD = "model.prior_std=interval(0.2,0.4)"
PRESETS = sorted(
    path.stem
    for path in (configs_folder() / "search").glob("*.yaml")
    if path.stem != "table_entries"  # a sweep of its own kind
)


@pytest.fixture
def refused(scyan_exp, tmp_path) -> Callable[..., str]:
    """The output of a search that must be refused without leaving anything."""

    def run(*arguments: str, chosen: tuple[str, ...] = ("-m", *STUDY, *QUICK)) -> str:
        before = sorted(tmp_path.rglob("*"))
        code, output = scyan_exp("train", *chosen, *arguments)
        assert code == 2, output
        assert "Traceback" not in output
        assert sorted(tmp_path.rglob("*")) == before
        return output

    return run


@pytest.fixture
def preset(tmp_path) -> Callable[[str], tuple[str, ...]]:
    """A search of one's own, in a file; the arguments that choose it."""

    def write(params: str) -> tuple[str, ...]:
        path = tmp_path / "configs" / "search" / "mine.yaml"
        path.parent.mkdir(parents=True)
        lines = "\n".join(f"      {line}" for line in params.splitlines())
        path.write_text(
            "# @package _global_\ndefaults:\n  - override /hydra/sweeper: study\n"
            "  - override /hydra/launcher: fleet\n"
            f"hydra:\n  sweeper:\n    n_trials: 2\n    params:\n{lines}\n"
        )
        flags = ("--config-dir", str(path.parents[1]))
        quick = (one for one in QUICK if not one.startswith("flow"))
        return (*flags, "search=mine", *quick, "hydra.sweep.dir=sweep")

    return write


# ---------------------------------------------------------------- keys and ranges

WRONG = [
    ("model.prior_sdt=interval(0.1,0.2)", "model.prior_sdt: unknown key. Did you mean 'model.pri"),
    ("model.prior_std=interval(0.4,0.2)", "model.prior_std=interval(0.4,0.2): bad range"),
    ("model.prior_std=interval(0.4,1.5)", "model.prior_std: expected a number less than 1"),
    ("model.lr=interval(-1,0.1)", "model.lr: expected a number greater than 0"),
    ("model.lr=tag(log,interval(0,0.1))", "must be above 0"),
    ("model.n_layers=interval(2,5)", "model.n_layers: expected an integer"),
    ("model.n_layers=range(0,3)", "model.n_layers: expected a number greater than or equal to 1"),
    ("flow=shallow,deeep", "flow=deeep: no such option. Did you mean 'deep'?"),
    ("model.hidden_size=choice(16,wide)", "model.hidden_size: expected an integer"),
    ("model.lr=interval(1e-4,inf)", "bad range"),
    ("model.lr=interval(1e-4,", "cannot be read"),
    ("trainer.min_epochs=range(1,3)", "write +trainer.min_epochs="),
    ("+model.unknown=1,2", "model.unknown: unknown key"),
]


def batches() -> list[list[tuple[str, str]]]:
    """All of them, in groups where each key stands once: the last value of a key counts."""
    found: list[dict[str, tuple[str, str]]] = []
    for override, message in WRONG:
        key = override.partition("=")[0]
        group = next((one for one in found if key not in one), None)
        if group is None:
            found.append(group := {})
        group[key] = (override, message)
    return [list(group.values()) for group in found]


def assert_all_are_named(output: str, batch: list[tuple[str, str]]) -> None:
    assert [message for _, message in batch if message not in output] == []
    assert len(batch) == 1 or " problems\n" in output


@pytest.mark.parametrize("batch", batches())
def test_wrong_keys_and_ranges_are_named_at_once(refused, batch):
    assert_all_are_named(refused(*(override for override, _ in batch)), batch)


@pytest.mark.parametrize("batch", batches())
def test_wrong_keys_and_ranges_of_a_file_are_named_at_once(refused, preset, batch):
    written = [override.partition("=") for override, _ in batch]
    lines = [f"{key}: '{text}'" for key, _, text in written]
    chosen = preset("\n".join([*lines, "model.temperature: interval(0.5,2)"]))
    assert_all_are_named(refused(chosen=chosen), batch)


def test_problems_of_space_values_and_settings_are_named_at_once(refused):
    output = refused(
        "model.prior_sdt=interval(0.1,0.2)",
        "model.temperature=interval(2,1)",
        "model.lr=-1",
        "hydra.sweeper.n_trials=0",
        "hydra.sweeper.sampler=tpee",
    )
    for part in (
        "model.prior_sdt: unknown key",
        "model.temperature=interval(2,1): bad range",
        "model.lr: expected",
        "n_trials: expected a number greater than or equal to 1, found 0",
        "hydra.sweeper.sampler: ",
    ):
        assert part in output


def test_a_combination_of_extremes_is_checked(refused):
    output = refused("objective=accuracy", "dataset.label_key=population,null")
    assert "objective: 'accuracy' needs labels" in output


def test_nothing_to_search_is_named(refused):
    assert "nothing to search" in refused()


@pytest.mark.parametrize("params", ["3", "[a, b]", "text"])
def test_params_that_are_no_keys_are_refused(refused, params):
    assert "hydra.sweeper.params" in refused(f"hydra.sweeper.params={params}", STD)


def test_nested_params_are_refused_or_searched(scyan_exp, preset):
    chosen = preset("model:\n  prior_std: interval(0.2,0.4)")
    code, output = scyan_exp("train", *chosen)
    assert "Traceback" not in output
    assert (code == 2 and "model" in output) or Path("sweep/sweep.csv").exists()


def test_several_values_without_a_sweep_are_refused(refused):
    chosen = (*STUDY, *QUICK)
    assert "add -m for a sweep" in refused(STD, chosen=chosen)


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["hydra.sweeper.n_trails=3"], "Did you mean 'hydra.sweeper.n_trials'"),
        (["hydra.sweeper.n_trials=many"], "hydra.sweeper.n_trials"),
        (["hydra.sweeper.sampler={_target_: os.system, command: 'touch owned'}"], "os.system"),
        (["hydra.sweeper.sampler={_target_: optuna.samplers.TPESampler, x: 1}"], "sampler.x"),
        (["hydra.sweeper.sampler={_target_: optuna.samplers._base.x}"], "optuna.samplers._base.x"),
        (["hydra.sweeper.storage=nonsense"], "hydra.sweeper.storage"),
        (["hydra.sweeper.storage='foo://x'"], "hydra.sweeper.storage"),
        (["hydra.sweeper.storage='sqlite:////no/such/folder/s.db'"], "hydra.sweeper.storage"),
        (["hydra.sweeper.storage='journal:///no/such/folder/s'"], "/no/such/folder"),
        (["hydra.sweeper.storage='postgresql://me:hunter2@db/x'"], "holds a password"),
        (["hydra.launcher.retires=2"], "Did you mean 'hydra.launcher.retries'"),
        (["objective=accuracy", "dataset.label_key=null"], "'accuracy' needs labels"),
        (["objective=ilisi"], "'ilisi' needs batches"),
        (["objective=acuracy"], "Did you mean 'accuracy'"),
        (["objective=[loss,heuristic]", "hydra.sweeper.pruner=median"], "cannot be pruned"),
        (["objective=[loss,heuristic]", "hydra.sweeper.direction=minimize"], "one for each"),
        (["objective=[loss,loss]"], "distinct"),
        (["objective=heuristic,loss"], "objective"),
        (["hydra.sweep.subdir=same"], "share the folder"),
        (["hydra.launcher.devices=[0]"], "but the jobs train on the CPU"),
    ],
)
def test_a_wrong_setting_is_named(refused, settings, message):
    output = refused(STD, *settings)
    assert message in output
    assert "hunter2" not in output
    assert not Path("owned").exists()


def test_all_wrong_settings_are_named_at_once(refused):
    names = ("n_trials=0", "sampler=tpee", "pruner=medain", "monitor=accuracy", "seed=-1")
    names += ("direction=up",)
    unknown = "+hydra.sweeper.n_trails=3"
    output = refused(STD, unknown, *(f"hydra.sweeper.{name}" for name in names))
    for name in names:
        assert f"hydra.sweeper.{name.partition('=')[0]}: " in output
    for message in (
        "n_trials: expected a number greater than or equal to 1, found 0",
        "hydra.sweeper.sampler: expected tpe, random",
        "Did you mean 'median'?",
        "hydra.sweeper.n_trails: unknown key. Did you mean 'n_trials'",
    ):
        assert message in output


@pytest.mark.parametrize("launcher", ["fleet", "basic"])
def test_nothing_else_is_made_from_a_file(scyan_exp, preset, tmp_path, launcher):
    victim = tmp_path / "victim"
    chosen = preset("model.prior_std: interval(0.2,0.4)")
    path = tmp_path / "configs" / "search" / "mine.yaml"
    evil = f"{{_target_: builtins.open, file: {victim}, mode: w}}"
    nested = f"{{_target_: optuna.pruners.PatientPruner, patience: 1, wrapped_pruner: {evil}}}"
    for text in (f"sampler: {evil}", f"pruner: {evil}", f"pruner: {nested}"):
        base = path.read_text().partition("    sampler")[0].partition("    pruner")[0]
        path.write_text(f"{base}    {text}\n")
        code, output = scyan_exp("train", *chosen, f"hydra/launcher={launcher}")
        assert code == 2
        assert "builtins.open" in output
        assert not victim.exists()
        assert not Path("sweep").exists()


# ---------------------------------------------------------------- presets


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_composes_and_all_of_its_space_is_fine(name):
    assert command_problems(["-m", f"search={name}"]) == []


@pytest.mark.parametrize("name", ["reference", "quick", "depth_prior_temperature"])
def test_every_preset_of_the_specification_is_there(name):
    assert name in PRESETS


def test_the_reference_searches_what_the_reference_searched():
    params = OmegaConf.load(configs_folder() / "search" / "reference.yaml").hydra.sweeper.params
    assert set(params) == {
        "model.temperature",
        "model.modulo_temp",
        "model.hidden_size",
        "model.n_hidden_layers",
        "model.n_layers",
        "model.prior_std",
        "model.lr",
        "model.batch_size",
        "callbacks.early_stopping.patience",
        "callbacks.early_stopping.min_delta",
    }
    (batch_size,) = parse_space({"k": params["model.batch_size"]}, []).dimensions
    assert batch_size.choices == (2048, 4096, 8192, 16384)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_search_with_and_without_m(scyan_exp, name):
    """Shown, not run; on the command line a value of the preset can be another."""
    code, output = scyan_exp("train", f"search={name}", "--cfg", "hydra")
    assert code == 0, output
    hydra = OmegaConf.create(output).hydra
    assert hydra.sweeper._target_.endswith("StudySweeper")
    assert hydra.sweeper.n_trials >= 10
    code, output = scyan_exp("train", f"search={name}", "--cfg", "job")
    assert code == 0, output
    assert "prior_std" in output
    assert not Path("outputs").exists()


@pytest.mark.parametrize("flags", [[], pytest.param(["-m"], marks=pytest.mark.slow)])
def test_a_preset_searches(scyan_exp, flags):
    arguments = ["search=quick", *QUICK, "hydra.sweep.dir=sweep", "hydra.sweeper.n_trials=1"]
    code, output = scyan_exp("train", *flags, *arguments, "hydra.launcher.jobs_per_device=1")
    assert code == 0, output
    assert "1 trials" in output
    assert "Best: trial 0" in output
    assert Path("sweep/0/result.json").exists()


def test_values_of_a_preset_can_be_replaced(refused):
    chosen = ("search=quick", *QUICK, "hydra.sweep.dir=sweep")
    assert "bad range" in refused("model.prior_std=interval(2,1)", chosen=chosen)
    assert "less than 1" in refused("model.prior_std=5", chosen=chosen)
    assert "temperature" in refused("+model.temperature=interval(2,1)", chosen=chosen)


def test_a_glob_searches_all_options_of_a_group(scyan_exp, preset):
    chosen = preset("flow: glob(*)\nmodel.prior_std: 0.25")
    code, output = scyan_exp("train", *chosen, "hydra.launcher.jobs_per_device=2")
    assert code == 0, output
    assert "2 trials" in output


def test_a_wrong_combination_of_fine_values_is_a_failed_trial_in_the_table(scyan_exp):
    """One that the check of the extremes, each with the first of the others, does not see."""
    grid = "{repeats: [1, 2], ckpt_path: [null, /no/such.ckpt]}"
    sampler = f"{{_target_: optuna.samplers.GridSampler, search_space: {grid}}}"
    space = ["repeats=1,2", "ckpt_path=null,/no/such.ckpt", f"hydra.sweeper.sampler={sampler}"]
    arguments = ["-m", *STUDY, *QUICK, *space, "hydra.sweeper.n_trials=4"]
    code, output = scyan_exp("train", *arguments, "hydra.launcher.jobs_per_device=2")
    assert code == 1, output
    assert "Traceback" not in output
    trials = open_study(Path("sweep").absolute()).trials
    wrong = [t for t in trials if t.params == {"repeats": 2, "ckpt_path": "/no/such.ckpt"}]
    assert [trial.state.name for trial in wrong] == ["FAIL"]
    assert "ckpt_path: is of one training" in wrong[0].user_attrs["error"]
    with Path("sweep/sweep.csv").open(newline="") as file:
        rows = {int(row["job"]): row for row in csv.DictReader(file)}
    assert rows.keys() == {0, 1, 2, 3}
    for trial in trials:
        fine = trial.params["ckpt_path"] is None
        assert trial.state.name == ("COMPLETE" if fine else "FAIL")
        assert rows[trial.number]["status"] == ("completed" if fine else "failed")


def test_trials_that_would_improve_different_objectives_are_refused(refused):
    output = refused("model=choice(scyan,reference)")
    assert "objective: the trials would improve different ones, table_fit and heuristic" in output
    assert "choose one: objective=..." in output
