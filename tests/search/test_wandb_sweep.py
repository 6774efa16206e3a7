"""Searches as sweeps of W&B's own; ``tests/run/test_wandb_sent.py`` runs one as an agent does."""

from __future__ import annotations

import hydra.core.override_parser.overrides_parser as hydra_parser
import pytest
import yaml

from scyan_exp.cli.main import main
from scyan_exp.config.check import check_config
from scyan_exp.config.compose import compose_config
from scyan_exp.errors import InputError
from scyan_exp.search.wandb_sweep import METHODS, wandb_sweep

SPACE = [
    "search=quick",
    "model.modulo_temp=range(2,5)",
    "model.batch_size=tag(log,int(interval(256,4096)))",
    "model.hidden_size=choice(16,32)",
    "flow=choice(shallow,deep)",
    "model.lr=range(0.001,0.004,0.001)",
]


def test_each_kind_of_parameter_in_the_words_of_wandb():
    found = wandb_sweep(SPACE, "random")["parameters"]
    assert found == {
        "model.prior_std": {"distribution": "uniform", "min": 0.15, "max": 0.4},
        "model.temperature": {"distribution": "log_uniform_values", "min": 0.25, "max": 4},
        "model.modulo_temp": {"distribution": "int_uniform", "min": 2, "max": 4},
        "model.batch_size": {"distribution": "q_log_uniform_values", "min": 256, "max": 4096},
        "model.hidden_size": {"values": [16, 32]},
        "flow": {"values": ["shallow", "deep"]},
        "model.lr": {"values": [0.001, 0.002, 0.003]},
    }


def test_the_command_composes_with_every_extreme_value():
    sweep = wandb_sweep([*SPACE, "objective=accuracy"])
    assert sweep["metric"] == {"name": "accuracy", "goal": "maximize"}
    assert sweep["run_cap"] == 10
    assert sweep["command"][:3] == ["${env}", "scyan-exp", "train"]
    assert sweep["command"][-1] == "${args_no_hyphens}"
    assert not [one for one in sweep["command"] if one.startswith(("search=", "hydra.sweeper"))]
    run = sweep["command"][3:-1]
    assert "logger.mode=online" in run
    for ends in (min, max):
        given = [
            f"{key}={ends(one['values']) if 'values' in one else one[ends.__name__]}"
            for key, one in sweep["parameters"].items()
        ]
        for text in given:
            assert (
                not hydra_parser.OverridesParser.create().parse_override(text).is_sweep_override()
            )
        check_config(compose_config([*run, *given]))


@pytest.mark.parametrize("preset", ["quick", "depth_prior_temperature", "reference"])
def test_every_preset_of_trials_becomes_a_sweep(preset, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["wandb-sweep", f"search={preset}", "repeats=1", "out=s.yaml"]) == 0
    sweep = yaml.safe_load((tmp_path / "s.yaml").read_text())
    assert sweep["method"] == "bayes"
    assert sweep["name"] == preset
    assert len(sweep["parameters"]) >= 2
    out = capsys.readouterr().out
    assert "Next: wandb sweep s.yaml, then wandb agent SWEEP_ID" in out
    assert "agents do not prune" in out


@pytest.mark.parametrize(
    ("overrides", "method", "message"),
    [
        (["search=reference"], "bayes", "so 5 trainings would land in one W&B run"),
        (["search=quick", "repeats=3"], "bayes", "so 3 trainings would land in one W&B run"),
        (
            ["search=quick", "objective=[loss,accuracy]"],
            "bayes",
            "one metric, found loss, accuracy",
        ),
        (["search=quick"], "tpe", "method: expected bayes, random, grid, found 'tpe'"),
        (["search=quick"], "grid", "model.prior_std, model.temperature can have any value"),
        (["search=quik"], "bayes", "Could not find 'search/quik'"),
        (["search=quick", "model.lr=-1"], "bayes", "model.lr"),
        (["search=table_entries"], "bayes", "nothing to search"),
        (["search=quick", "logger=none"], "bayes", "logger: W&B would see no run of the sweep"),
    ],
)
def test_what_agents_cannot_do_is_refused(overrides, method, message):
    with pytest.raises(InputError) as error:
        wandb_sweep(overrides, method)
    assert message in str(error.value)


def test_a_grid_needs_values():
    found = wandb_sweep(["model.n_layers=range(2,5)", "prior=choice(tight,loose)"], "grid")
    assert found["parameters"]["model.n_layers"] == {"values": [2, 3, 4]}
    assert found["parameters"]["prior"] == {"values": ["tight", "loose"]}
    assert "grid" in METHODS


def test_without_a_search_the_usage_is_shown(scyan_exp):
    for arguments in ([], ["--hlp"], ["quick"]):
        code, output = scyan_exp("wandb-sweep", *arguments)
        assert code == 2
        assert "usage: scyan-exp wandb-sweep search=NAME" in output
