"""Groups of samples compared: which tests, of what, and how p-values are adjusted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, kruskal, mannwhitneyu

from scyan_exp.results.biomarkers import measure_biomarkers
from scyan_exp.results.group_tests import FEWEST_CELLS, UNANNOTATED, Groups, compare_groups
from scyan_exp.results.samples import Samples
from tests.results.samples_data import POPULATIONS, example


@pytest.fixture(scope="module")
def biomarkers():
    return measure_biomarkers(*example(), "level")


@pytest.fixture(scope="module")
def tests(biomarkers) -> pd.DataFrame:
    return biomarkers.groups.tests


def test_shares_medians_and_shares_of_parents_are_compared(tests, biomarkers):
    of_share = tests[(tests["measure"] == "share") & (tests["level"] == "population")]
    assert of_share["population"].tolist() == [*POPULATIONS, UNANNOTATED]
    of_level = tests[(tests["measure"] == "share") & (tests["level"] == "level")]
    assert of_level["population"].tolist() == ["T cells", "B", "Basophils"]
    of_parent = tests[tests["measure"] == "share_of_parent"]
    assert of_parent["population"].tolist() == ["CD4 T cells", "CD8 T cells"]  # B is alone in its
    of_median = tests[tests["measure"] == "median"]
    assert len(of_median) == len(POPULATIONS) * 3
    assert biomarkers.groups.names == ["even", "odd"]
    assert (of_share[["n_even", "n_odd"]] == 4).all(axis=None)


def test_a_row_is_scipys_test_of_the_samples(tests, biomarkers):
    rows = biomarkers.populations
    rows = rows[(rows["level"] == "population") & (rows["population"] == "B cells")]
    even, odd = (rows[rows["group"] == name]["share"] for name in ("even", "odd"))
    found = tests[(tests["population"] == "B cells") & (tests["measure"] == "share")].iloc[0]
    expected = mannwhitneyu(even, odd)
    assert (found["test"], found["statistic"], found["p"]) == ("Mann-Whitney", *expected)
    assert found["median_odd"] == np.median(odd) > 1.5 * found["median_even"]
    brighter = tests[(tests["population"] == "B cells") & (tests["marker"] == "m0")].iloc[0]
    assert brighter["median_odd"] > brighter["median_even"] + 50


def test_p_values_are_adjusted_within_each_measure_and_level(tests):
    families = tests.groupby(["measure", "level"])
    assert len(families) == 4
    for _, rows in families:
        tested = rows[rows["p"].notna()]
        expected = false_discovery_control(tested["p"])
        np.testing.assert_allclose(tested["p_adjusted"], expected)
        assert rows.loc[rows["p"].isna(), "p_adjusted"].isna().all()


def test_what_differs_is_found_the_surest_first(tests, biomarkers):
    found = biomarkers.groups.found()
    assert (found["p_adjusted"] < 0.05).all()
    assert found["p_adjusted"].is_monotonic_increasing
    assert len(found) == (tests["p_adjusted"] < 0.05).sum() > 0


def frames(shares, counts=None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Shares of one population, and its medians of one marker, by sample."""
    names = [f"s{i}" for i in range(len(shares))]
    about = {"sample": names, "population": "B"}
    populations = pd.DataFrame({**about, "level": "population", "share": shares})
    counts = counts or [100] * len(shares)
    intensities = {**about, "marker": "m", "count": counts, "median": 2 * np.array(shares)}
    return populations, pd.DataFrame(intensities)


def compared(shares, groups, counts=None) -> Groups:
    populations, intensities = frames(shares, counts)
    samples = Samples(populations["sample"].tolist(), np.arange(len(shares)), groups)
    own = [frame.assign(group=groups) for frame in (populations, intensities)]
    return compare_groups(*own, samples)


def test_more_than_two_groups_are_compared_by_kruskal_and_wallis():
    shares, groups = np.linspace(0.1, 0.9, 9), ["a"] * 3 + ["b"] * 3 + ["c"] * 3
    row = compared(shares, groups).tests.iloc[0]
    expected = kruskal(shares[:3], shares[3:6], shares[6:])
    assert (row["test"], row["statistic"], row["p"]) == ("Kruskal-Wallis", *expected)
    assert row[["n_a", "n_b", "n_c"]].tolist() == [3, 3, 3]


def test_where_nothing_varies_nothing_differs():
    tests = compared([0.0] * 8, ["a", "b"] * 4).tests
    assert tests["p"].tolist() == tests["p_adjusted"].tolist() == [1, 1]


def test_medians_of_too_few_cells_are_left_out_and_too_few_samples_not_tested():
    few = FEWEST_CELLS - 1
    shares, groups = np.linspace(0.1, 0.8, 8), ["a", "b"] * 4
    share, median = compared(shares, groups, [few] + [100] * 7).tests.to_dict("records")
    assert (share["n_a"], median["n_a"], median["n_b"]) == (4, 3, 4)
    assert median["p"] == mannwhitneyu(2 * shares[2::2], 2 * shares[1::2]).pvalue
    _, median = compared(shares, groups, [few, 100, few] + [100] * 5).tests.to_dict("records")
    assert median["n_a"] == 2
    assert np.isnan([median["p"], median["p_adjusted"], median["statistic"]]).all()
    _, median = compared(shares, groups, [few, 100] * 4).tests.to_dict("records")
    assert median["n_a"] == 0
    assert np.isnan(median["median_a"])


@settings(max_examples=25)
@given(st.lists(st.integers(0, 9), min_size=8, max_size=16))
def test_p_is_a_probability_and_the_same_for_groups_of_other_names(counts):
    shares, groups = np.array(counts) / 10, ["a", "b"] * (len(counts) // 2)
    groups += ["a"] * (len(counts) % 2)
    one = compared(shares, groups).tests
    other = compared(shares, [{"a": "z", "b": "b"}[name] for name in groups]).tests
    assert one["p"].between(0, 1).all()
    assert (one["p_adjusted"] >= one["p"]).all()
    np.testing.assert_allclose(one["p"], other["p"])
