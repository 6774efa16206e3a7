"""What is wrong with overrides, all at once: the whole of what is said, and what is left."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path

import pytest

from scyan_exp.config import problems as checking
from scyan_exp.config.compose import compose_config
from scyan_exp.config.problems import override_problems

REQUIRED = "a value is required ({key}=... on the command line)"
FLOWS = "flow can be deep, default, shallow"
PATHS = [f"{key}: {REQUIRED.format(key=key)}" for key in ("dataset.path", "table.path")]
FLOW_KEYS = [f"model.{key}" for key in ("hidden_size", "n_hidden_layers", "n_layers")]


def problems(*overrides: str, several: bool = False, folder: Path | None = None) -> list[str]:
    return override_problems(overrides, [str(folder)] if folder else [], several)[0]


MISTAKES = [
    ("sead=1", "sead: unknown key. Did you mean 'seed'?"),
    ("flwo=deep", "flwo: unknown key. Did you mean 'flow'?"),
    ("Xyz=deep", "Xyz: unknown key."),
    (
        "callbacks.early_stopping.x=1",
        "callbacks.early_stopping.x: unknown key. Did you mean 'callbacks.early_stopping.monitor' "
        "or 'callbacks.early_stopping.patience' or 'callbacks.early_stopping.min_delta'?",
    ),
    ("model.priorstd=1", "model.priorstd: unknown key. Did you mean 'model.prior_std'?"),
    (
        "trainer.max_epoch=1",
        "trainer.max_epoch: unknown key. Did you mean 'trainer.max_epochs'?",
    ),
    ("+trainer.max_epoch=1", "trainer.max_epoch: unknown key. Did you mean 'max_epochs'?"),
    ("hydra.run.dirr=x", "hydra.run.dirr: unknown key. Did you mean 'hydra.run.dir'?"),
    (
        "callbacks.early_stopping.patienc=3",
        "callbacks.early_stopping.patienc: unknown key. Did you mean "
        "'callbacks.early_stopping.patience'?",
    ),
    (
        "trainer.max_steps=3",
        "trainer.max_steps: is not set by default; write +trainer.max_steps=3",
    ),
    (
        "trainer.max_time='a=b'",
        "trainer.max_time: is not set by default; write +trainer.max_time='a=b'",
    ),
    ("flow=depp", f"flow=depp: no such option. Did you mean 'deep'? {FLOWS}"),
    ("+flow=depp", f"flow=depp: no such option. Did you mean 'deep'? {FLOWS}"),
    ("flow=x", f"flow=x: no such option. {FLOWS}"),
    (
        "hydra/launcher=flet",
        "hydra/launcher=flet: no such option. Did you mean 'fleet'? hydra/launcher can be basic, "
        "fleet, joblib, submitit_local, submitit_slurm",
    ),
    ("~flow=deep", "~flow=deep: Could not delete 'flow=deep'. No match in the defaults list"),
    (
        "+flow=deep",
        "+flow=deep: Multiple values for flow. To override a value use 'override flow: deep'",
    ),
    (
        "~model.priorstd",
        "~model.priorstd: Could not delete from config. 'model.priorstd' does not exist.",
    ),
    (
        "+model.lr=3",
        "+model.lr=3: Could not append to config. An item is already at 'model.lr'.: Either "
        "remove + prefix: 'model.lr=3': Or add a second + to add or override 'model.lr': "
        "'++model.lr=3'",
    ),
    (
        "model.lr=[1",
        "model.lr=[1: cannot be read. Values look like key=1, key=[1,2], key={a:1}",
    ),
    (
        "model.lr=1,,2",
        "model.lr=1,,2: cannot be read. Values look like key=1, key=[1,2], key={a:1}",
    ),
    ("a b=1", "a b=1: cannot be read. Values look like key=1, key=[1,2], key={a:1}"),
    ("model.lr", "model.lr: missing EQUAL at '<EOF>'"),
    ("=3", "=3: Config group override must be a string or a list. Got int"),
    (
        "seed=0,1",
        "seed=0,1: several values; add -m for a sweep, or write a list: seed=[0,1]",
    ),
    (
        "name='a=b',c",
        "name='a=b',c: several values; add -m for a sweep, or write a list: name=['a=b',c]",
    ),
    ("flow=glob(x*)", "flow=glob(x*): there are no values to sweep over"),
    ("~model.lr", f"model.lr: {REQUIRED.format(key='model.lr')}"),
    ("name=${nothing}", "name: Interpolation key 'nothing' not found"),
    ("tags=[a,'${seed}']", "tags[1]: expected a string, found 0."),
]


@pytest.mark.parametrize(("override", "text"), MISTAKES, ids=[one for one, _ in MISTAKES])
def test_one_mistake_is_one_sentence(override, text):
    assert problems(override) == [text]


def test_the_name_of_a_class_is_nobodys_mistyped_key():
    (told,) = problems("model._targt_=x")
    assert told.startswith("model._targt_: unknown key.")
    assert "_target_" not in told


@pytest.mark.parametrize(
    "path", ["a=b.h5ad", "a[1].h5ad", "a,b.h5ad", "a{1}.h5ad", "[a.h5ad", "/my/a}.h5ad"]
)
def test_paths_that_are_no_plain_text_are_shown_in_quotes_that_work(path):
    told, *_ = problems("dataset=h5ad", f"dataset.path={path}", "table.path=t.csv")
    shown = told.partition(" goes in quotes: ")[2]
    assert shown == f"'dataset.path=\"{path}\"'"
    assert compose_config(["dataset=h5ad", *shlex.split(shown)]).dataset.path == path


@pytest.mark.parametrize(
    "path", ["it's [1].h5ad", 'a"b=1].h5ad', "it's", "a\\'b", "'[\"\\.h5ad", "a,\\"]
)
def test_quotes_in_a_path_are_kept(path):
    told, *_ = problems("dataset=h5ad", f"dataset.path={path}", "table.path=t.csv")
    shown = told.partition(" goes in quotes: ")[2]
    assert compose_config(["dataset=h5ad", *shlex.split(shown)]).dataset.path == path


@pytest.mark.parametrize("override", ["seed=range(3,3)", "flow=glob(x*)"])
def test_a_sweep_over_nothing_is_refused(override):
    assert problems(override, several=True) == [f"{override}: there are no values to sweep over"]
    assert problems(override, "model.lr=1,-1", several=True) == [
        f"{override}: there are no values to sweep over",
        "model.lr: expected a number greater than 0, found -1.",
    ]


def test_mistakes_of_all_kinds_are_named_once_each():
    overrides = ["model.priorstd=1", "flow=depp", "seed=0,1", "model.lr=0", "flow=depp", "name=[1"]
    assert problems(*overrides, "dataset=h5ad") == [
        f"flow=depp: no such option. Did you mean 'deep'? {FLOWS}",
        "model.priorstd: unknown key. Did you mean 'model.prior_std'?",
        "seed=0,1: several values; add -m for a sweep, or write a list: seed=[0,1]",
        "name=[1: cannot be read. Values look like key=1, key=[1,2], key={a:1}",
        *PATHS,
        "model.lr: expected a number greater than 0, found 0.",
    ]


def test_overrides_are_tried_after_the_groups_that_they_belong_to():
    """A key of the data set that is chosen behind it."""
    found = problems("dataset.path=c.h5ad", "dataset.n_cells=5", "dataset=h5ad", "table=csv")
    assert found[0].startswith("dataset.n_cells: unknown key.")
    assert found[1:] == PATHS[1:]


def test_what_is_good_is_left_as_its_choices():
    found, good = override_problems(["seed=1,2", "flow=deep", "name='a,b'"], [], True)
    assert (found, good) == ([], [["seed=1", "seed=2"], ["flow=deep"], ["name='a,b'"]])
    found, good = override_problems(["seed=1,2", "sead=1", "flow=deep"], [], True)
    assert found == ["sead: unknown key. Did you mean 'seed'?"]
    assert good == [["flow=deep"], ["seed=1", "seed=2"]]


# ---------------------------------------------------------------- sweeps


def test_every_value_of_a_sweep_is_checked():
    overrides = ["model.lr=1,0,2,-3", "seed=-1,5,-2", "flow=deep,shallow"]
    assert problems(*overrides, several=True) == [
        "seed: expected a number greater than or equal to 0, found -1.",
        "model.lr: expected a number greater than 0, found 0.",
        "model.lr: expected a number greater than 0, found -3.",
        "seed: expected a number greater than or equal to 0, found -2.",
    ]


@pytest.mark.parametrize(
    "overrides",
    [
        ["flow=deep,depp,shallow"],
        ["flow=deep,depp", "seed=0,1"],
        ["seed=0", "flow=depp,deep", "prior=tight,wide"],
    ],
    ids=str,
)
def test_an_option_of_a_sweep_that_is_none_is_named(overrides):
    found = problems(*overrides, several=True)
    assert found[0] == f"flow=depp: no such option. Did you mean 'deep'? {FLOWS}"


def test_every_option_of_a_sweep_is_checked_with_its_values():
    found = problems("dataset=synthetic,h5ad", "model.lr=1,0", "table=synthetic,csv", several=True)
    assert found == ["model.lr: expected a number greater than 0, found 0.", *PATHS]


def test_a_removed_group_is_missed_by_its_keys():
    assert problems("~flow") == [f"{key}: {REQUIRED.format(key=key)}" for key in FLOW_KEYS]


def test_options_of_the_users_own_are_among_those_that_can_be(tmp_path):
    (tmp_path / "flow").mkdir()
    (tmp_path / "flow" / "dense.yaml").write_text(
        "# @package model\ndefaults: [deep]\nn_layers: 0\n"
    )
    assert problems("flow=dense", folder=tmp_path) == [
        "model.n_layers: expected a number greater than or equal to 1, found 0."
    ]
    assert problems("flow=dense", "sead=1", folder=tmp_path) == [
        "sead: unknown key. Did you mean 'seed'?",
        "model.n_layers: expected a number greater than or equal to 1, found 0.",
    ]
    assert problems("flow=densse", "sead=1", folder=tmp_path) == [
        "flow=densse: no such option. Did you mean 'dense'? "
        "flow can be deep, default, shallow, dense",
        "sead: unknown key. Did you mean 'seed'?",
    ]
    assert problems("flow=glob(den*)", "seed=0,1", several=True, folder=tmp_path) == [
        "model.n_layers: expected a number greater than or equal to 1, found 0."
    ]


def test_options_of_ones_own_for_hydra_are_among_those_that_can_be(tmp_path):
    (tmp_path / "hydra" / "launcher").mkdir(parents=True)
    (tmp_path / "hydra" / "launcher" / "cluster.yaml").write_text("defaults: [fleet]\n")
    (told,) = problems("hydra/launcher=clutser", folder=tmp_path)
    assert "no such option. Did you mean 'cluster'?" in told


def test_a_group_of_the_users_own_that_is_not_yet_chosen_is_added(tmp_path):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "first.yaml").write_text("# @package _global_\ntags: [study]\n")
    assert problems("study=first", folder=tmp_path) == [
        "study=first: Could not override 'study'. No match in the defaults list.: To append to "
        "your default list use +study=first"
    ]
    assert problems("+study=first", folder=tmp_path) == []


@pytest.mark.parametrize(
    ("override", "values"),
    [
        ("seed=0,1,0", "seed=0"),
        ("flow=deep,deep", "flow=deep"),
        ("tags=[a],[b],[a],[b]", "tags=[a], tags=[b]"),
    ],
)
def test_a_value_given_twice_is_named(override, values):
    expected = f"{values}: given twice, so that jobs would be the same; leave one out"
    assert problems(override, several=True) == [expected]


def test_every_one_of_many_values_is_checked():
    """Also where a key stands for another one, and where a value is no plain one."""
    lr = "model.lr=0.1,-1,${model.prior_std},-2"
    expected = [f"model.lr: expected a number greater than 0, found {n}." for n in (-1, -2)]
    assert problems(lr, several=True) == expected
    assert problems(lr, "name=of-${seed}", several=True) == expected
    stands_for_another = "model.batch_size=${model.hidden_size}"
    assert problems(lr, stands_for_another, several=True) == expected


@pytest.mark.parametrize("key", ["trainer.max_epochs", "dataset.n_cells", "repeats"])
def test_every_one_of_many_values_is_checked_beside_a_key_without_a_value(key):
    assert problems(f"{key}=???", "seed=0,1,-1", several=True) == [
        f"{key}: {REQUIRED.format(key=key)}",
        "seed: expected a number greater than or equal to 0, found -1.",
    ]


@pytest.mark.parametrize("bad", [(), ("name=[1",)], ids=["all good", "another is bad"])
def test_hundreds_of_values_are_checked_without_composing_for_each(monkeypatch, bad):
    """Composing and resolving a config takes a tenth of a second."""
    composed: Counter[str] = Counter()

    def counted(name):
        original = getattr(checking, name)

        def count(*arguments):
            composed[name] += 1
            return original(*arguments)

        monkeypatch.setattr(checking, name, count)

    counted("compose_config")
    counted("composed_problems")
    seeds = f"seed={','.join(map(str, range(-1, 200)))}"
    told = problems(seeds, "model.lr=1,0", *bad, several=True)
    assert "seed: expected a number greater than or equal to 0, found -1." in told
    assert "model.lr: expected a number greater than 0, found 0." in told
    assert max(composed.values()) < 5
