"""What the usual definitions say of populations, by their names."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import scyan_exp.cli
from scyan_exp.data.phenotypes import LINEAGES, SUBSETS, Usual, usual_sign
from scyan_exp.data.population_names import against_names, said_by_name
from scyan_exp.data.synthetic import load_pbmc_table
from scyan_exp.data.table import load_table

ROOT = Path(__file__).parents[2]
TEMPLATE = Path(scyan_exp.cli.__file__).parent / "templates" / "table.csv"


@pytest.mark.parametrize(
    ("population", "marker", "sign", "kind"),
    [
        ("T cells", "CD3", 1, "T cells"),
        ("T cells", "CD3e", 1, "T cells"),
        ("CD4 T", "CD8a", -1, "CD4 T cells"),
        ("TCD8 Naive", "CCR7", 1, "naive T cells"),
        ("TCD8 Naive", "CD197", 1, "naive T cells"),
        ("Na\N{LATIN SMALL LETTER I WITH DIAERESIS}ve CD4 T cells", "CD45RA", 1, "naive T cells"),
        ("CD4-CM", "CD45RA", -1, "central memory T cells"),
        ("CD8 effector memory", "CCR7", -1, "effector memory T cells"),
        ("CD8+ TEMRA", "CD45RA", 1, "TEMRA cells"),
        ("CD8 effector memory RA", "CD45RA", 1, "TEMRA cells"),
        ("CD8-Eff", "CCR7", -1, "effector T cells"),
        ("Tregs", "CD127", -1, "regulatory T cells"),
        (
            "\N{GREEK SMALL LETTER GAMMA}\N{GREEK SMALL LETTER DELTA} T",
            "TCR gd",
            1,
            "gamma-delta T cells",
        ),
        ("CD4 T cells", "TCRb", 1, "CD4 T cells"),
        ("NK T cells", "NK1.1", 1, "NKT cells"),
        ("NKT", "CD3", 1, "T cells"),
        ("Non-B cells_NK", "CD3", -1, "NK cells"),
        ("CD56brightNK", "CD16", -1, "CD56bright NK cells"),
        ("CD56dim NK", "CD16", 1, "CD56dim NK cells"),
        ("B-IgDposCD27neg", "CD19", 1, "B cells"),
        ("Naive B cells", "CD27", -1, "naive B cells"),
        ("B Mem", "CD20", 1, "B cells"),
        ("cMonocytes", "CD14", 1, "classical monocytes"),
        ("Non-classical monocytes", "CD16", 1, "non-classical monocytes"),
        ("nc-Mono", "CD3", -1, "monocytes"),
        ("mDCs", "CD11c", 1, "myeloid dendritic cells"),
        ("Plasmacytoid DC", "CD123", 1, "plasmacytoid dendritic cells"),
        ("DC", "HLA.DR", 1, "dendritic cells"),
        ("Basophils", "HLADR", -1, "basophils"),
        ("NK cells", "170Er_CD3", -1, "NK cells"),
        ("NK cells", "CD3 APC-Cy7", -1, "NK cells"),
    ],
)
def test_a_definition_gives_a_sign(population, marker, sign, kind):
    assert usual_sign(population, marker) == Usual(sign, kind)


@pytest.mark.parametrize(
    ("population", "marker"),
    [
        ("T cells", "CD38"),  # no definition
        ("Monocytes", "CD14"),  # not all of them
        ("TCD8 TEM", "CCR7"),  # transitional in some tables
        ("iNKT", "CD56"),
        ("Pre B cells", "CD19"),
        ("Plasma B cells", "CD19"),
        ("Plasmablasts", "CD19"),
        ("T-ALL", "CD3"),
        ("Thymic T", "CD3"),
        ("NK/T cells", "CD3"),  # two kinds
        ("T + B cells", "CD3"),
        ("Monocyte-derived DC", "HLA-DR"),
        ("T-bet+ B cells", "CD3"),
        ("not T cells", "CD3"),
        ("cMonocytes CD14mid", "CD14"),  # the name speaks of the marker itself
        ("CD4 CD8 T cells", "CD8"),
        ("CD4-CD8- T cells", "TCRgd"),  # often gamma-delta
        ("T DN CD8 CD4", "TCRgd"),
        ("Non-T cells", "CD3"),
        ("HSC", "CD34"),
        ("CD4 activated", "CD38"),  # by CD69 or CD25 in some panels
        ("CD8 EM-RA", "CD45RA"),
        ("Terminally differentiated effector memory CD8 T cells", "CD45RA"),
        ("CD4 negative T cells", "CD8"),
        ("Effector Treg", "CCR7"),
        ("NK, T", "CD3"),
        ("pDC & mDC", "CD11c"),
        ("B cells CD27hiCD38hi", "CD20"),
        ("Follicular dendritic cells", "CD45"),
        ("T zone reticular cells", "CD3"),
        ("Cluster B", "CD19"),
        ("Invariant NKT cells", "CD56"),
        ("cluster 7", "CD3"),
        ("", "CD3"),
    ],
)
def test_a_name_that_tells_no_kind_or_several_gives_none(population, marker):
    assert usual_sign(population, marker) is None


def test_no_definition_names_a_marker_twice_or_a_lineage_that_is_not_there():
    lineages = {one.kind for one in LINEAGES}
    for one in (*LINEAGES, *SUBSETS):
        markers = re.findall(r"(\S+)[+-](?:\s|$)", one.signs)
        assert len(set(markers)) == len(one.signs.split()), one.kind
        assert one.of in lineages or one in LINEAGES


def test_the_built_in_table_and_the_one_of_a_new_project_follow_the_definitions():
    for table in (load_pbmc_table(), load_table(TEMPLATE)):
        assert list(against_names(table)) == []


@pytest.mark.parametrize("name", ["aml", "himc", "hipc_tcell", "mouse_spleen", "multicenter"])
def test_shared_tables_follow_the_definitions(name, real_data):
    table = load_table(real_data / name / "table.csv")
    assert list(against_names(table)) == []
    known = np.argwhere(np.nan_to_num(table.rho) != 0)
    said = [said_by_name(table.populations[p], table.markers[m]) for p, m in known]
    assert sum(one is not None for one in said) > 0.2 * len(known)


def test_the_page_shows_every_definition():
    page = (ROOT / "docs" / "table.md").read_text(encoding="utf-8")
    table = page[page.index("| cells | by definition |") :].split("\n\n")[0].splitlines()[2:]
    shown = [tuple(line.strip("| ").split(" | ")) for line in table]
    assert shown == [(one.kind, one.signs) for one in (*LINEAGES, *SUBSETS)]
