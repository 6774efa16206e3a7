"""What is said of a config: whole sentences, in the order of its sections."""

from __future__ import annotations

import pytest

from scyan_exp.config.check import check_config, read_config
from scyan_exp.config.compose import compose_config
from scyan_exp.config.targets import is_allowed, target_problems
from scyan_exp.errors import InputError
from tests.config.test_check import changed, default, said

__all__ = ["default"]

OURS = (
    "PublicDataset",
    "SyntheticDataset",
    "H5adDataset",
    "CsvDataset",
    "ParquetDataset",
    "FcsDataset",
)
FORMATS = ", ".join(f"scyan_exp.data.{name}" for name in OURS)
TABLES = ", ".join(
    f"scyan_exp.data.load_{name}" for name in ("table", "public_table", "pbmc_table")
)
ALLOWED = (
    "is not allowed; expected something of scyan_exp, a data format of an installed package, or "
    "pytorch_lightning.callbacks.*, pytorch_lightning.loggers.*"
)
COFACTOR = "dataset.cofactor: expected a number greater than 0, or such numbers by marker, found "


def required(*keys: str) -> list[str]:
    return [f"{key}: a value is required ({key}=... on the command line)" for key in keys]


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        ({"dataset": None}, [f"dataset._target_: expected one of {FORMATS}; found None."]),
        ({"table": {}}, [f"table._target_: expected one of {TABLES}; found None."]),
        (
            {"dataset___target_": "scyan_exp.data.H5adDatase"},
            [
                f"dataset._target_: expected one of {FORMATS}; found 'scyan_exp.data.H5adDatase'. "
                "Did you mean 'scyan_exp.data.H5adDataset'?"
            ],
        ),
        ({"dataset__cofactor": 0.5}, []),
        ({"dataset__cofactor": 0}, [COFACTOR + "0."]),
        ({"dataset__cofactor": {"CD3": 1, "CD4": "x"}}, [COFACTOR + "{'CD3': 1, 'CD4': 'x'}."]),
        ({"model": 3}, ["model: the section is missing"]),
        ({"logger": None}, ["logger: the section is missing"]),
        (
            {"model___target_": "scyan_exp.Scyn", "model__lr": 0},
            [
                "model._target_: expected 'scyan_exp.Scyan'; found 'scyan_exp.Scyn'. "
                "Did you mean 'scyan_exp.Scyan'?",
                "model.lr: expected a number greater than 0, found 0.",
            ],
        ),
        ({"model___target_": None}, ["model._target_: expected 'scyan_exp.Scyan'; found None."]),
        (
            {"trainer": {}},
            [
                "trainer._target_: expected 'pytorch_lightning.Trainer'; found None.",
                *required("trainer.accelerator", "trainer.devices", "trainer.max_epochs"),
            ],
        ),
        (
            {"logger": {"backend": "none", "mode": "online"}},
            required("logger.project", "logger.entity", "logger.job_type"),
        ),
        ({"logger___target_": "x"}, ["logger._target_: unknown key."]),
        ({"modle": 1}, ["modle: unknown key. Did you mean 'model'?"]),
        ({"tabel": 1}, ["tabel: unknown key. Did you mean 'table'?"]),
        ({"callback": 1}, ["callback: unknown key. Did you mean 'callbacks'?"]),
        ({"sead": 1}, ["sead: unknown key. Did you mean 'seed'?"]),
        ({"model__sead": 1}, ["model.sead: unknown key."]),
        ({"dataset__subset": 1}, ["dataset.subset: unknown key."]),
        (
            {"trainer__gradient_clip": 1, "trainer__max_epoch": 3},
            [
                "trainer.gradient_clip: unknown key. Did you mean 'gradient_clip_val'?",
                "trainer.max_epoch: unknown key. Did you mean 'max_epochs'?",
            ],
        ),
        ({"trainer__gradient_clip_val": 0.5, "trainer__max_time": "00:01:00:00"}, []),
        (
            {"trainer__max_steps": 0},
            ["trainer.max_steps: expected a number of steps, or -1 for no limit, found 0."],
        ),
        (
            {"trainer__devices": [1, 1], "trainer__accelerator": "gpu"},
            ["trainer.devices: expected an integer, or distinct numbers of devices, found [1, 1]."],
        ),
        (
            {"callbacks": None},
            ["callbacks: expected a section (callbacks=none for none), found None."],
        ),
        (
            {"callbacks__x": 3, "callbacks__y": {"patience": 1}},
            [
                "callbacks.x: expected a section with _target_, found 3. Use ~callbacks.x to "
                "leave it out",
                "callbacks.y: expected a section with _target_, found {'patience': 1}. Use "
                "~callbacks.y to leave it out",
            ],
        ),
        (
            {"callbacks__x": {"_target_": "os.system"}},
            [f"callbacks.x._target_: 'os.system' {ALLOWED}"],
        ),
        ({"callbacks__x": {"_target_": 3}}, [f"callbacks.x._target_: 3 {ALLOWED}"]),
        (
            {"trainer__plugins": [{}, [{"_target_": "os.system"}], {"a": {"_target_": "x"}}]},
            [
                "trainer.plugins: unknown key.",
                f"trainer.plugins[1][0]._target_: 'os.system' {ALLOWED}",
                f"trainer.plugins[2].a._target_: 'x' {ALLOWED}",
            ],
        ),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_in_whole_sentences(default, values, problems):
    assert said(changed(default, **values)) == problems
    if problems:
        with pytest.raises(InputError) as refused:
            read_config(changed(default, **values))
        assert (refused.value.where, refused.value.problems) == ("config", problems)


def test_a_section_that_is_missing_is_named(default):
    for name in ("model", "trainer", "logger"):
        without = {key: value for key, value in default.items() if key != name}
        assert said(without) == [f"{name}: the section is missing"]


def test_each_section_is_checked_and_named_in_turn(default):
    wrong = {
        "seed": -1,
        "dataset__scale": 3,
        "table__x": 1,
        "model__lr": 0,
        "trainer__max_epochs": 0,
        "logger__mode": "on",
        "callbacks__x": 3,
        "objective": "los",
    }
    keys = [problem.partition(":")[0] for problem in said(changed(default, **wrong))]
    assert keys == [key.replace("__", ".") for key in wrong]


def test_a_config_that_is_right_has_the_classes_of_its_sections(default):
    config = check_config(compose_config([]))
    assert read_config(default) == config
    assert [type(part).__name__ for part in (config.dataset, config.model, config.trainer)] == [
        *("SyntheticDataset", "ModelConfig", "TrainerConfig")
    ]
    assert list(config.callbacks) == list(default["callbacks"])
    assert config.plain() == default


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        ("scyan_exp.data.SyntheticDataset", True),
        ("scyan_exp.data.load_pbmc_table", True),
        ("scyan_exp.Scyan", True),
        ("scyan_exp.data.SyntheticDataset2", False),
        ("pytorch_lightning.callbacks.timer", False),
    ],
)
def test_formats_and_tables_may_be_named(target, allowed):
    assert is_allowed(target) is allowed
    texts = [str(one) for one in target_problems([{"_target_": target}])]
    assert texts == ([] if allowed else [f"[0]._target_: {target!r} {ALLOWED}"])
