"""Edits of a table: which there are, and the overrides that make them."""

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from scyan_exp.data.table import KnowledgeTable
from scyan_exp.entries.edits import Edit, edits_of
from scyan_exp.entries.settings import EntriesSettings, check_entries_settings
from scyan_exp.entries.sweep import announcement
from scyan_exp.errors import InputError

TABLE = KnowledgeTable(["T cells", "B (IgD+)"], ["CD3", "NK1/1"], np.array([[1, np.nan], [-1, 1]]))


def edits(**settings):
    return edits_of(TABLE, EntriesSettings(**settings))


def test_known_entries_are_made_blank_and_blanks_filled_with_both_signs():
    assert edits() == [
        Edit("T cells", "CD3", 1, None),
        Edit("T cells", "NK1/1", None, -1),
        Edit("T cells", "NK1/1", None, 1),
        Edit("B (IgD+)", "CD3", -1, None),
        Edit("B (IgD+)", "NK1/1", 1, None),
    ]


@pytest.mark.parametrize(
    ("settings", "n"),
    [
        ({"kinds": ["blank"]}, 3),
        ({"kinds": ["fill"]}, 2),
        ({"rows": ["T cells"]}, 3),
        ({"markers": ["CD3"]}, 2),
        ({"rows": ["T cells"], "markers": ["NK1/1"]}, 2),
    ],
)
def test_rows_markers_and_kinds_restrict_them(settings, n):
    assert len(edits(**settings)) == n


@pytest.mark.parametrize("edit", edits(), ids=str)
def test_the_override_of_an_edit_makes_it(edit):
    changes = OverridesParser.create().parse_override(edit.override()).value()
    assert changes == {edit.population: {edit.marker: edit.after}}
    rho = TABLE.edited(changes).rho
    p, m = TABLE.populations.index(edit.population), TABLE.markers.index(edit.marker)
    after = np.nan if edit.after is None else edit.after
    np.testing.assert_equal(rho[p, m], after)
    rho[p, m] = TABLE.rho[p, m]
    np.testing.assert_equal(rho, TABLE.rho)


def test_an_edit_can_be_one_of_several():
    assert edits()[0].override(is_another=True) == "++table.set={T cells:{CD3:null}}"


def test_names_that_the_table_does_not_have_are_refused_all_at_once():
    with pytest.raises(InputError) as refused:
        edits(rows=["T cell"], markers=["CD33"])
    first, second = refused.value.problems
    assert "rows: 'T cell' is no population of the table. Did you mean 'T cells'" in first
    assert "markers: 'CD33' is no marker of the table. Did you mean 'CD3'" in second


def test_nothing_to_change_is_refused():
    with pytest.raises(InputError, match="no blank entries; choose other rows"):
        edits(rows=["B (IgD+)"], kinds=["fill"])


def test_names_that_an_override_cannot_hold_are_refused():
    table = KnowledgeTable(["T∂ cells", "45"], ["CD3"], np.array([[1.0], [-1.0]]))
    with pytest.raises(InputError) as refused:
        edits_of(table, EntriesSettings())
    assert [problem.split(":")[0] for problem in refused.value.problems] == [
        "population 'T∂ cells'",
        "population '45'",
    ]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kinds": ["flip"]}, "hydra.sweeper.kinds"),
        ({"rows": []}, "hydra.sweeper.rows"),
        ({"row": ["T cells"]}, "hydra.sweeper.row"),
    ],
)
def test_settings_that_are_wrong_are_named(settings, words):
    with pytest.raises(InputError, match=words):
        check_entries_settings(settings)


def test_the_number_of_jobs_is_said_before_the_first():
    assert announcement(edits()).startswith(
        "6 jobs: the table as it is, 3 known entries made blank, 2 fillings of blanks."
    )
