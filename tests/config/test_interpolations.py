"""Values that stand for others: resolved before they are checked, named where they lead nowhere."""

from __future__ import annotations

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from scyan_exp.config.check import check_config
from scyan_exp.config.compose import compose_config
from scyan_exp.config.problems import override_problems
from scyan_exp.errors import InputError


@pytest.mark.parametrize(
    ("overrides", "several"),
    [
        (["model.batch_size=${model.hidden_size}", "seed=0,1"], True),
        (["seed=0,1", "model.lr=0.1,${model.prior_std}"], True),
        (["name=run-${hydra:job.num}", "group=${name}", "seed=0,1"], True),
        (["name=run-${seed}", "tags=['${name}',b]"], False),
    ],
    ids=str,
)
def test_values_that_stand_for_others_are_right_before_a_run_and_before_a_sweep(overrides, several):
    assert override_problems(overrides, [], several)[0] == []


NOTHING = "Interpolation key 'nothing' not found"


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["name=${nothing}", "sead=1"], ["sead: unknown key. Did you mean 'seed'?"]),
        (
            ["name=${nothing}", "seed=0,-1"],
            ["seed: expected a number greater than or equal to 0, found -1."],
        ),
        (["name=${nothing}", "group=${name}", "model.lr=${name}"], []),
    ],
    ids=str,
)
def test_one_that_leads_nowhere_is_named_once_beside_other_mistakes(overrides, told):
    found = override_problems(overrides, [], several=True)[0]
    assert sorted(found) == sorted([f"name: {NOTHING}", *told])


def test_one_that_leads_to_a_missing_value_is_not_named_beside_it():
    with pytest.raises(InputError) as caught:
        check_config(
            compose_config(
                [
                    "dataset=h5ad",
                    "name=${dataset.path}",
                    "group=${nothing}",
                    "tags=['${b}']",
                    "seed=-1",
                ]
            )
        )
    assert caught.value.where == "config"
    assert caught.value.problems == [
        "dataset.path: a value is required (dataset.path=... on the command line)",
        "table.path: a value is required (table.path=... on the command line)",
        f"group: {NOTHING}",
        "tags[0]: Interpolation key 'b' not found",
        "seed: expected a number greater than or equal to 0, found -1.",
    ]


def test_what_only_a_job_knows_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(HydraConfig.instance(), "cfg", None)  # an earlier test may have run one
    with pytest.raises(InputError, match=r"^config: name: .*HydraConfig was not set$"):
        check_config(compose_config(["name=${hydra:job.num}"]))


def test_checking_changes_nothing_in_the_composed_config():
    config = compose_config(["name=${nothing}", "tags=['${nothing}']", "model.lr=${nothing}"])
    before = OmegaConf.to_container(config)
    with pytest.raises(InputError):
        check_config(config)
    assert OmegaConf.to_container(config) == before
