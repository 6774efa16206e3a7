"""A config's hash through the whole check: what decides a result is in it."""

from __future__ import annotations

import pytest

from scyan_exp.config.check import check_config
from scyan_exp.config.compose import compose_config
from scyan_exp.config.hashing import ADDED_KEYS, config_hash
from scyan_exp.config.wanted import ADDED_SECTIONS


def hash_of(*overrides: str) -> str:
    return check_config(compose_config(overrides)).hash


@pytest.mark.parametrize(
    "override",
    [
        "trainer.precision=bf16-mixed",
        "+trainer.max_steps=7",
        "+trainer.gradient_clip_val=1",
        "model.lr=0.1",
        "repeats=3",
    ],
)
def test_what_decides_the_result_changes_the_hash(override):
    assert hash_of(override) != hash_of()


@pytest.mark.parametrize("override", ["trainer.devices=2", "trainer.accelerator=gpu", "name=mine"])
def test_where_it_runs_and_its_name_do_not(override):
    assert hash_of(override) == hash_of()


def test_sections_that_earlier_versions_lacked_count_where_they_differ_from_the_defaults():
    plain = check_config(compose_config([])).plain()
    earlier = {key: value for key, value in plain.items() if key not in ADDED_SECTIONS}
    assert len(ADDED_SECTIONS) == len(plain) - len(earlier)
    assert config_hash(plain) == config_hash(earlier) == config_hash({**earlier, "predict": None})
    changes = ("predict.log_prob_th=-40", "predict.log_prob_th=-30", "correct.batch_ref=a")
    changes += ("biomarkers.sample_key=a", "biomarkers.sample_key=b", "predict.proba=true")
    batch = ("dataset.batch_key=a",)
    hashes = {hash_of(*batch, change) for change in changes}
    assert len(hashes | {hash_of(*batch)}) == len(changes) + 1


def test_keys_of_cells_that_earlier_versions_lacked_count_where_they_are_set():
    plain = check_config(compose_config(["dataset=fcs", "dataset.path=a", "table.path=b"])).plain()
    assert set(ADDED_KEYS) <= set(plain["dataset"])
    earlier = {key: value for key, value in plain["dataset"].items() if key not in ADDED_KEYS}
    assert config_hash({**plain, "dataset": earlier}) == config_hash(plain)
    hashes = {config_hash({**plain, "dataset": {**plain["dataset"], key: 1}}) for key in ADDED_KEYS}
    other = config_hash({**plain, "dataset": {**plain["dataset"], "path": "c"}})
    assert len(hashes | {config_hash(plain), other}) == len(ADDED_KEYS) + 2
