"""What the benchmarks of searches choose, and say: on tables of numbers, nothing is trained."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks import deciding, flips, objectives
from scyan_exp.data import load_pbmc_table
from scyan_exp.data.table import KnowledgeTable
from scyan_exp.entries.edits import Edit
from scyan_exp.entries.effects import Annotated, Effect


def trainings(n: int = 12) -> list[dict]:
    """Trainings on two data sets: the loss ranks both, the heuristic one, the others none."""
    rng = np.random.default_rng(0)
    rows = []
    for data in ("one", "two"):
        for number in range(n):
            accuracy = number / n
            row = {name: float(rng.random()) for name in (*objectives.MEASURED, *objectives.SIGNS)}
            row |= {"data": data, "number": number, "accuracy": accuracy, "loss": -accuracy}
            row |= {"n_missing_populations": 0.0}
            row |= {"heuristic": -accuracy if data == "one" else accuracy}
            rows.append(row)
    return rows


def test_correlations_are_turned_so_that_1_is_best():
    found = objectives.correlations(pd.DataFrame(trainings()))
    assert found.loc["loss"].tolist() == pytest.approx([1, 1])
    assert found.loc["heuristic"].tolist() == pytest.approx([1, -1])
    assert found.loc["n_missing_populations"].tolist() == [0, 0]  # it ranks nothing


def test_a_number_that_is_not_finite_is_the_worst():
    frame = pd.DataFrame(trainings())
    worst = frame["accuracy"] == 0
    frame.loc[worst, "loss"] = np.inf
    assert objectives.correlations(frame).loc["loss"].tolist() == pytest.approx([1, 1])


@pytest.mark.parametrize(("second", "first"), [((0.79, 0.7), "b"), ((0.6, 0.85), "a")])
def test_the_rule_takes_the_best_mean_and_of_equals_the_better_worst(second, first):
    found = pd.DataFrame([(1.0, 0.5), second, (0.0, 0.0)], index=["a", "b", "c"])
    order = objectives.by_rule(found)
    assert order[0] == first
    assert order[-1] == "c"


def test_the_table_has_the_chosen_one_first_and_both_halves():
    rows = [{key: str(value) for key, value in row.items()} for row in trainings()]
    head, _, first, *_ = objectives.markdown(rows).splitlines()
    assert head.endswith("| mean, even | worst, even | mean, odd | worst, odd |")
    assert first.startswith("| loss | +1.00 | +1.00 |")
    assert objectives.markdown([]) == ""


def test_settings_are_the_same_each_time_and_within_what_is_searched():
    found = [objectives.settings(number) for number in range(50)]
    assert found == [objectives.settings(number) for number in range(50)]
    assert {one["n_layers"] for one in found} == set(range(3, 10))
    assert all(0.1 <= one["prior_std"] <= 0.6 for one in found)
    assert all(0.2 <= one["temperature"] <= 2 for one in found)


def test_of_simulated_trials_the_rule_saves_more_than_optunas(monkeypatch):
    monkeypatch.setattr(deciding, "N_SIMULATED", 10)
    monkeypatch.setattr(deciding, "BEHIND", (8.0,))
    ours, wilcoxon = deciding.simulate()
    assert ours["trained"] < 2
    assert wilcoxon["trained"] == 4  # with fewer pairs its p-value cannot be small enough
    assert ours["stopped, best"] == wilcoxon["stopped, best"] == 0
    assert "| 8 sd |" in deciding.markdown([ours, wilcoxon])


def test_flips_are_known_entries_of_large_populations():
    table = load_pbmc_table()
    many = table.populations[:4]
    drawn = [flips.flips(draw, table, many) for draw in range(5)]
    assert drawn == [flips.flips(draw, table, many) for draw in range(5)]
    assert len({tuple(one) for one in drawn}) == 5
    for chosen in drawn:
        assert len(set(chosen)) == flips.N_FLIPS
        assert all(p < 4 and table.rho[p, m] in (-1, 1) for p, m in chosen)


def test_a_flip_that_no_word_names_is_said_to_be_so():
    row = {"data": "one", "draw": 0, "population": "a", "marker": "m", "flipped to": "+1"}
    row |= {"named": 3, "opposite_side": 0.2, "loss": -1.0, "entries": 9}
    text = flips.markdown([{**row, "place": None}, {**row, "place": 2}])
    assert "| one | 0 | a, m: +1 | not named of 9 entries | 20% |" in text
    assert "9 entries | not told |" in flips.markdown(
        [{**row, "place": None, "opposite_side": np.nan}]
    )
    assert "| one | 0 | a, m: +1 | 2 of 3 that are named, of 9 entries | 20% |" in text


def test_flipped_entries_are_placed_as_the_sweep_places_them():
    table = KnowledgeTable(["a", "b"], ["m", "n", "o"], np.array([[1.0, 1, 1], [-1, -1, -1]]))
    cells = Annotated(table, np.repeat(table.rho, 50, axis=0), np.repeat([0, 1], 50))
    effects = [
        Effect(Edit("a", marker, 1, None), 0, "", "", 0, 0, np.nan, share)
        for marker, share in {"m": 0.9, "n": 0.2, "o": 0.7}.items()
    ]
    rows = flips.places(cells, effects, {("a", "o"): 1.0, ("a", "n"): 1.0})
    assert [row["place"] for row in rows] == [2, None]
    assert rows[0]["named"] == 2
