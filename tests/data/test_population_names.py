"""Which signs the names of populations give their markers."""

from __future__ import annotations

import pytest

from scyan_exp.data.population_names import sign_in_name


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
        ("CD38high plasma cells", "CD38", 1),
        ("NK1.1+", "NK1.1", 1),
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
        ("Non-TCRgd_NKT", "TCRgd"),
        ("", "CD3"),
    ],
)
def test_a_name_says_nothing(population, marker):
    assert sign_in_name(population, marker) == 0
