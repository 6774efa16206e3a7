"""Which signs the names of populations give their markers."""

from __future__ import annotations

import numpy as np
import pytest

from scyan_exp.data.population_names import (
    Said,
    against_names,
    said_by_name,
    sign_in_name,
    speaks_of,
)
from scyan_exp.data.table import KnowledgeTable


@pytest.mark.parametrize(
    ("population", "marker", "sign"),
    [
        ("Monocytes-CD16negCD14pos", "CD16", -1),
        ("Monocytes-CD16negCD14pos", "CD14", 1),
        ("B-IgDnegCD27pos", "IgD", -1),
        ("CD4pos_Treg", "CD4", 1),
        ("CD8+ T cells", "CD8a", 1),
        ("CD14+CD16+ monocytes", "CD16", 1),
        ("IgD- CD27- B cells", "IgD", -1),
        ("CD11b\N{MINUS SIGN} cells", "CD11b", -1),
        ("cd56 BRIGHT NK", "CD56", 1),
        ("CD4 positive", "CD4", 1),
        ("CD4-negative T cells", "CD4", -1),
        ("CD38high plasma cells", "CD38", 1),
        ("NK1.1+", "NK1.1", 1),
        ("Non-TCRgd_NKT", "TCRgd", -1),
        ("non CD8 T cells", "CD8a", -1),
    ],
)
def test_a_name_says_a_sign(population, marker, sign):
    assert sign_in_name(population, marker) == sign


@pytest.mark.parametrize(
    ("population", "marker"),
    [
        ("CD4-Naive", "CD4"),  # a dash between words
        ("CD4 T cells", "CD4"),
        ("CD45RA+ T cells", "CD4"),
        ("CD45RA+ T cells", "CD45"),
        ("NKG2D+ cells", "D"),
        ("CD56dim NK", "CD56"),  # in tables + and -
        ("CD3 hippocampal", "CD3"),
        ("CD1c+ DC", "CD1a"),
        ("nonCD4 cells with CD45RA", "CD45"),
        ("", "CD3"),
    ],
)
def test_a_name_says_nothing(population, marker):
    assert sign_in_name(population, marker) == 0


@pytest.mark.parametrize(
    ("population", "marker"),
    [("CD4 T cells", "CD4"), ("CD8-EM", "CD8a"), ("TCRgd T cells", "TCRgd"), ("T, CD8", "CD8")],
)
def test_a_name_speaks_of_a_marker_that_its_cells_carry(population, marker):
    assert speaks_of(population, marker)


@pytest.mark.parametrize(
    ("population", "marker"),
    [
        ("CD45RA T cells", "CD4"),
        ("Non-TCRgd_NKT", "TCRgd"),
        ("CD4-CD8- T cells", "CD4"),
        ("CD4- T cells", "CD4"),
        ("CD8 cells without CD4", "CD4"),
        ("CD56dim NK", "CD56"),
        ("CD56 dim NK", "CD56"),
        ("Lin CD34 cells", "CD34"),
        ("Live cells", "Live"),
        ("B cells", "CD19"),
    ],
)
def test_a_name_speaks_of_no_marker(population, marker):
    assert not speaks_of(population, marker)


def test_entries_against_names_are_given_with_what_the_name_says():
    rho = np.array([[-1, 1, -1], [np.nan, -1, 0], [1, -1, 1], [1, -1, -1]], float)
    names = ["CD4 T cells", "CD4 CD8 T cells", "CD4+ CD14- cells", "Monocytes"]
    table = KnowledgeTable(names, ["CD4", "CD8", "CD14"], rho)
    found = [(one.row, one.column, one.said.sign, one.said.why) for one in against_names(table)]
    assert found == [
        (0, 0, 1, "the name says 1"),
        (0, 1, -1, "CD4 T cells are CD8- by definition"),
        (1, 1, 1, "the name says 1"),
        (2, 2, -1, "the name says -1"),
    ]


@pytest.mark.parametrize(
    "minus", ["\N{SUPERSCRIPT MINUS}", "\N{EN DASH}", "\N{NON-BREAKING HYPHEN}"]
)
def test_signs_of_text_programs_are_read(minus):
    assert said_by_name(f"CD4{minus} T cells", "CD4").sign == -1
    assert said_by_name(f"CD4{minus} T cells", "CD8") is None
    assert said_by_name("CD4\N{SUPERSCRIPT PLUS SIGN} T cells", "CD4").sign == 1


def test_an_entry_of_dim_cells_and_a_marker_without_a_name_are_not_against():
    table = KnowledgeTable(["NK cells"], ["CD3", " "], np.array([[0.2, 1]]))
    assert list(against_names(table)) == []


@pytest.mark.parametrize("marker", ["CD14 BV605", "160Gd_CD14", "FITC-A :: CD14", "CD14"])
def test_metals_and_dyes_beside_a_marker_do_not_count(marker):
    assert said_by_name("CD14+ cells", marker) == Said(1, "the name says 1")
    assert said_by_name("T cells", marker) == Said(-1, "T cells are CD14- by definition")


def test_a_name_goes_before_the_definition_of_its_cells():
    assert said_by_name("CD14+ T cells", "CD14").why == "the name says 1"
    assert said_by_name("T cells", "CD14") == Said(-1, "T cells are CD14- by definition")
    assert said_by_name("T cells", "CD38") is None
