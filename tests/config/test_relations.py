"""Values that are right alone and not together: the whole of what is said of them."""

from __future__ import annotations

import importlib.machinery
import sys
import types
from typing import Any

import pytest

from scyan_exp.config.figures import FIGURES
from scyan_exp.config.relations import relation_problems
from tests.config.test_check import changed, default, said

__all__ = ["default"]

ALWAYS = (
    "loss, n_missing_populations, davies_bouldin, neg_log_dirichlet, heuristic, table_agreement, "
    "avoidable, table_fit"
)
MIXING = "ilisi, ilisi_uncorrected"
LABELS = "accuracy, f1_macro, balanced_accuracy"
NO_METRIC = f"objective: expected one of {ALWAYS}, {MIXING}, {LABELS}, or a list "
NO_METRIC += "of several, found "
NO_CHECKPOINT = (
    "ckpt_path: is of one training, and there are repeats; a run with repeats that was cut off "
    "goes on in its own folder (hydra.run.dir=...)"
)
NO_BATCHES = "needs batches; set dataset.batch_key to the column of obs that has them"
NO_FIGURE = f"figures.draw: expected all, none, or a list of {', '.join(FIGURES)}, found "
OVERWRITTEN = "that column would be overwritten. Choose another"
NO_SAMPLES = "there are no samples; set biomarkers.sample_key to the column that has them"
LAST = 2**32 - 1
NO_KEYS = {"dataset__label_key": None, "dataset__batch_key": None}
OF_SAMPLES = {"group_key": "group", "level": "kinds", "channels": ["age"]}
GPU = {"trainer__accelerator": "gpu"}


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        ({"objective": "acuracy"}, [f"{NO_METRIC}'acuracy'. Did you mean 'accuracy'?"]),
        ({"objective": 3}, [f"{NO_METRIC}3."]),
        (
            {"objective": ["loss", "hueristic", 3, "ilsi"]},
            [
                f"{NO_METRIC}['loss', 'hueristic', 3, 'ilsi']. Did you mean 'heuristic'? "
                "Did you mean 'ilisi'?"
            ],
        ),
        (
            {"objective": ["loss"]},
            ["objective: expected at least 2 distinct metrics, found ['loss']."],
        ),
        ({"objective": []}, ["objective: expected at least 2 distinct metrics, found []."]),
        (
            {"objective": ["loss", "ilisi", "loss"], **NO_KEYS},
            ["objective: expected at least 2 distinct metrics, found ['loss', 'ilisi', 'loss']."],
        ),
        (
            {"objective": ["accuracy", "ilisi"], **NO_KEYS},
            [
                "objective: 'accuracy' needs labels; set dataset.label_key, or choose one of "
                f"{ALWAYS}",
                "objective: 'ilisi' needs batches; set dataset.batch_key, or choose one of "
                f"{ALWAYS}",
            ],
        ),
        (
            {"objective": "ilisi", "dataset__batch_key": None, "dataset__label_key": "cell_type"},
            [
                "objective: 'ilisi' needs batches; set dataset.batch_key, or choose one of "
                f"{ALWAYS}, {LABELS}"
            ],
        ),
        ({"objective": ["loss", "heuristic"], **NO_KEYS}, []),
        ({"repeats": 2, "ckpt_path": "last.ckpt"}, [NO_CHECKPOINT]),
        ({"repeats": 1, "ckpt_path": "last.ckpt"}, []),
        ({"repeats": 2, "ckpt_path": None}, []),
        (
            {"correct__batch_ref": "b", "correct__refine": True, "dataset__batch_key": None},
            [f"correct.batch_ref: {NO_BATCHES}", f"correct.refine: {NO_BATCHES}"],
        ),
        ({"correct__refine": False, "dataset__batch_key": None}, []),
        (
            {"correct__batch_ref": 3, "correct__refine": True, "dataset__batch_key": "batch"},
            [],
        ),
        ({"figures": {}}, []),
        (
            {"figures__draw": ["los", "trsut", "al"]},
            [f"{NO_FIGURE}['los', 'trsut', 'al']. Did you mean 'loss'? Did you mean 'trust'?"],
        ),
        ({"figures__draw": "al"}, [f"{NO_FIGURE}'al'. Did you mean 'all'?"]),
        ({"figures__draw": "noen"}, [f"{NO_FIGURE}'noen'. Did you mean 'none'?"]),
        ({"predict__key_added": "kind", "dataset__label_key": "cell_type"}, []),
        (
            {"predict__key_added": "cell_type", "dataset__label_key": "cell_type"},
            [f"predict.key_added: 'cell_type' is dataset.label_key: {OVERWRITTEN}"],
        ),
        (
            {"predict__key_added": "plate", "dataset__batch_key": "plate"},
            [f"predict.key_added: 'plate' is dataset.batch_key: {OVERWRITTEN}"],
        ),
        (
            {"predict__key_added": "both", "dataset__batch_key": "both"}
            | {"dataset__label_key": "both"},
            [f"predict.key_added: 'both' is dataset.label_key: {OVERWRITTEN}"],
        ),
        (
            {"predict__key_added": "scyan_kind"},
            [
                "predict.key_added: names that begin with 'scyan_' are the program's own, found "
                "'scyan_kind'"
            ],
        ),
        (
            {f"biomarkers__{key}": value for key, value in OF_SAMPLES.items()},
            [f"biomarkers.{key}: {NO_SAMPLES}" for key in OF_SAMPLES],
        ),
        (
            {f"biomarkers__{key}": value for key, value in OF_SAMPLES.items()}
            | {"biomarkers__sample_key": "sample"},
            [],
        ),
        ({"seed": LAST, "repeats": 1}, []),
        ({"seed": LAST - 1, "repeats": 2}, []),
        (
            {"seed": LAST - 1, "repeats": 3},
            [f"repeats: seeds go up to 4294967295, and 3 from {LAST - 1} on do not"],
        ),
        (
            {"trainer__devices": [0]},
            ["trainer.devices: on the CPU expected a number of processes, found [0]"],
        ),
        ({"trainer__devices": [0], **GPU}, []),
        ({"trainer__devices": 3, "model__batch_size": 3}, []),
        (
            {"trainer__devices": 4, "model__batch_size": 3},
            ["model.batch_size: 3 cells cannot be shared by 4 devices"],
        ),
        (
            {"trainer__devices": [7, 8], "model__batch_size": 1, **GPU},
            ["model.batch_size: 1 cells cannot be shared by 2 devices"],
        ),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_said_in_whole_sentences(default, values, problems):
    assert said(changed(default, **values)) == problems


@pytest.mark.parametrize(
    "values",
    [
        {"repeats": None, "ckpt_path": "last.ckpt"},
        {"repeats": "two"},
        {"repeats": 0, "seed": LAST},
        {"seed": "last", "repeats": 3},
        {"seed": 2**32, "repeats": 1},
        {"model__batch_size": 0, "trainer__devices": 2},
        {"model__batch_size": "many", "trainer__devices": 2},
        {"trainer__devices": "all"},
        {"dataset": None, "objective": "loss"},
        {"model": 3},
        {"correct": 3, "dataset__batch_key": None},
        {"predict": 3},
        {"biomarkers": 3},
        {"predict__key_added": 3},
        {"dataset": None, "predict__key_added": "kind"},
    ],
    ids=str,
)
def test_what_is_wrong_alone_is_not_said_twice(default, values):
    assert len(said(changed(default, **values))) == 1


def test_without_sections_there_is_nothing_to_relate():
    """Each of them is missed by itself."""
    plain: dict[str, Any] = {"objective": "loss"}
    assert list(relation_problems(plain)) == []
    assert [one.key for one in relation_problems({**plain, "objective": "accuracy"})] == [
        "objective"
    ]


@pytest.mark.parametrize("is_there", [True, False])
def test_a_umap_needs_its_package(default, monkeypatch, is_there):
    package = types.ModuleType("umap")
    package.__spec__ = importlib.machinery.ModuleSpec("umap", None)
    monkeypatch.setitem(sys.modules, "umap", package if is_there else None)
    missing = ["figures.umap: not installed; pip install 'scyan_exp[umap]'"]
    assert said(changed(default, figures__umap=True)) == ([] if is_there else missing)
    assert said(changed(default, figures__umap=False)) == []
