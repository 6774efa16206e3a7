"""Which sample each cell is of, and what is said of columns that cannot be samples or groups."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scyan_exp.config.wanted import BiomarkersConfig
from scyan_exp.results.samples import sample_problems, samples_of
from tests.results.samples_data import KEYS, cells_of

EIGHT = np.repeat(np.arange(8), 5)


def said(obs: pd.DataFrame, levels=("level",), **keys) -> list[str]:
    settings = KEYS.model_copy(update=keys)
    return [str(problem) for problem in sample_problems(obs, list(levels), settings)]


def test_samples_are_in_the_order_of_their_numbers_with_their_groups():
    samples = samples_of(cells_of([10, 2, 2, 1, 10, 9]).obs, KEYS)
    assert samples.names == ["s1", "s2", "s9", "s10"]
    assert samples.codes.tolist() == [3, 1, 1, 0, 3, 2]
    assert samples.groups == ["odd", "even", "odd", "even"]
    assert samples.group_names == ["even", "odd"]


def test_ordered_categories_keep_their_order_and_numbers_are_names():
    days = pd.Categorical(["week", "day", "day"], ["day", "week", "year"], ordered=True)
    obs = pd.DataFrame({"day": days, "number": [10, 9, 9]})
    assert samples_of(obs, BiomarkersConfig(sample_key="day")).names == ["day", "week"]
    samples = samples_of(obs, BiomarkersConfig(sample_key="number"))
    assert (samples.names, samples.codes.tolist()) == (["9", "10"], [1, 0, 0])
    assert (samples.groups, samples.group_names) == (None, [])


def test_nothing_is_said_of_good_columns_or_without_samples():
    assert said(cells_of(EIGHT).obs) == []
    assert said(pd.DataFrame(), levels=[], sample_key=None) == []


def test_unknown_names_are_said_all_at_once_with_near_matches():
    found = said(cells_of(EIGHT).obs, sample_key="smple", group_key="disease", level="Level 1")
    assert found == [
        "biomarkers.sample_key: the cells have no column 'smple'. Did you mean 'sample'? They "
        "have: sample, group",
        "biomarkers.group_key: the cells have no column 'disease'. They have: sample, group",
        "biomarkers.level: the table has no level 'Level 1'. Did you mean 'level'? It has: level",
    ]
    (found,) = said(cells_of(EIGHT).obs, levels=())
    assert found == "biomarkers.level: the table has no level 'level'. It has: no levels"


def test_channels_are_columns_of_numbers():
    obs = cells_of(EIGHT).obs.assign(Ki67=1.0)
    assert said(obs, channels=["Ki67"]) == []
    assert said(obs, channels=["Ki-67", "group"]) == [
        "biomarkers.channels: the cells have no column 'Ki-67'. Did you mean 'Ki67'? They have: "
        "sample, group, Ki67. The markers of the cells need no mention",
        "biomarkers.channels: obs['group'] holds no numbers",
    ]


def test_missing_values_are_counted():
    obs = cells_of(EIGHT).obs
    obs.loc[["0", "7"], "sample"] = None
    obs.loc["3", "group"] = None
    assert said(obs) == [
        "biomarkers.sample_key: obs['sample'] is missing in 2 of 40 cells: fill it, or leave these "
        "cells out",
        "biomarkers.group_key: obs['group'] is missing in 1 of 40 cells: fill it, or leave these "
        "cells out",
    ]


def test_a_single_sample_and_a_single_group_are_refused():
    assert said(cells_of([3] * 9).obs) == [
        "biomarkers.sample_key: obs['sample'] names only one sample, 's3'; expected two or more",
        "biomarkers.group_key: obs['group'] names only one group, odd (1); expected two",
    ]


def test_a_column_that_has_a_value_a_cell_names_no_samples():
    obs = cells_of(EIGHT).obs.assign(time=np.arange(40))
    (found,) = said(obs, sample_key="time", group_key=None)
    assert found == (
        "biomarkers.sample_key: obs['time'] has 40 values in 40 cells (0, 1, 2, ... (40 in all)): "
        "does it name samples?"
    )


def test_groups_of_fewer_than_three_samples_are_refused_with_the_counts():
    assert said(cells_of(np.repeat(np.arange(5), 9)).obs) == [
        "biomarkers.group_key: a group needs at least 3 samples to be compared, found even (3), "
        "odd (2). Leave group_key out, or add samples"
    ]


def test_a_group_that_varies_within_samples_is_refused_naming_them():
    obs = cells_of(EIGHT).obs
    obs.loc["0", "group"] = "odd"
    obs.loc["7", "group"] = "even"
    assert said(obs) == [
        "biomarkers.group_key: obs['group'] has several values within a sample: s0 (even, odd), "
        "s1 (even, odd). Expected one group a sample"
    ]
