"""Covariates as columns of numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scyan_exp.data.covariates import CovariateEncoding
from scyan_exp.errors import InputError

OBS = pd.DataFrame(
    {"batch": ["b2", "b10", "a", "b2"], "plate": [1, 2, 1, 1], "age": [0.5, 1.5, 2.5, 3.5]}
)


@settings(deadline=None, max_examples=50)
@given(values=st.lists(st.text("abXY 1-", min_size=1, max_size=3), min_size=1, max_size=20))
def test_one_hot_columns_are_those_of_get_dummies(values):
    obs = pd.DataFrame({"batch": values})
    encoding = CovariateEncoding.fit(obs, ["batch"], [])
    expected = pd.get_dummies(obs["batch"])
    assert encoding.categories == {"batch": list(expected.columns)}
    np.testing.assert_array_equal(encoding.encode(obs), expected.to_numpy(np.float32))


def test_continuous_columns_follow_the_categorical_ones():
    encoding = CovariateEncoding.fit(OBS, ["batch", "plate"], ["age"])
    c = encoding.encode(OBS)
    assert c.dtype == np.float32
    assert encoding.n_columns == c.shape[1] == 6
    np.testing.assert_array_equal(c[1], [0, 1, 0, 0, 1, 1.5])


def test_without_covariates_there_are_no_columns():
    encoding = CovariateEncoding.fit(OBS, [], [])
    assert encoding.n_columns == 0
    assert encoding.encode(OBS).shape == (4, 0)


def test_columns_do_not_depend_on_how_categories_are_stored():
    encoding = CovariateEncoding.fit(OBS, ["batch", "plate"], [])
    stored = OBS.assign(
        batch=pd.Categorical(OBS["batch"], categories=["b2", "unused", "b10", "a"]),
        plate=OBS["plate"].astype(str),
    )
    assert CovariateEncoding.fit(stored, ["batch", "plate"], []) == encoding
    np.testing.assert_array_equal(encoding.encode(stored), encoding.encode(OBS))


def test_fewer_categories_in_new_cells_keep_the_columns():
    encoding = CovariateEncoding.fit(OBS, ["batch"], [])
    np.testing.assert_array_equal(encoding.encode(OBS[:1]), [[0, 0, 1]])


def test_unknown_categories_of_new_cells_are_named():
    encoding = CovariateEncoding.fit(OBS, ["batch", "plate"], [])
    new = pd.DataFrame({"batch": ["a", "c", "d"], "plate": [1, 1, 3]})
    with pytest.raises(InputError) as caught:
        encoding.encode(new)
    assert caught.value.problems == [
        "obs['batch'] has 'c', 'd'; the model knows 'a', 'b10', 'b2'",
        "obs['plate'] has '3'; the model knows '1', '2'",
    ]


def test_cells_are_put_into_another_batch_and_keep_their_other_covariates():
    encoding = CovariateEncoding.fit(OBS, ["plate", "batch"], ["age"], "batch")
    c = torch.from_numpy(encoding.encode(OBS))
    before = c.clone()
    found = encoding.in_batch(c, "b2")
    expected = encoding.encode(OBS.assign(batch="b2"))
    np.testing.assert_array_equal(found.numpy(), expected)
    assert torch.equal(c, before)
    assert encoding.batches == ["a", "b10", "b2"]


@pytest.mark.parametrize(
    ("batch_key", "problem"),
    [
        (
            "batch",
            "correct.batch_ref: 'b11' is no batch of obs['batch']. Did you mean 'b10'? Batches: a, "
            "b10, b2",
        ),
        (
            None,
            "correct.batch_ref: the model knows no batches, so there is no batch effect that it "
            "could correct: train with dataset.batch_key=COLUMN",
        ),
    ],
)
def test_a_batch_that_the_model_does_not_know_is_refused(batch_key, problem):
    encoding = CovariateEncoding.fit(OBS, ["batch"], [], batch_key)
    with pytest.raises(InputError) as caught:
        encoding.in_batch(torch.zeros(2, 3), "b11")
    assert caught.value.problems == [problem]


def test_a_copy_made_of_the_dict_encodes_the_same():
    encoding = CovariateEncoding.fit(OBS, ["plate", "batch"], ["age"], "plate")
    again = CovariateEncoding(**encoding.to_dict())
    assert again == encoding
    np.testing.assert_array_equal(again.encode(OBS), encoding.encode(OBS))
