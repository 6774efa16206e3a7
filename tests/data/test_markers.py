"""Channels are found by what people write, and never guessed."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest

from scyan_exp.data.markers import choose_markers, match_markers, renamed
from scyan_exp.data.names import bare_name, plain_name
from scyan_exp.errors import InputError


@pytest.mark.parametrize(
    ("channel", "marker"),
    [
        ("CD3", "CD3"),
        ("cd3", "CD3"),
        ("CD-3", "CD3"),
        ("HLA DR", "HLA-DR"),
        ("HLADR", "HLA-DR"),
        ("147Sm_CD20", "CD20"),
        ("147Sm-CD20", "CD-20"),
        ("89Y_CD45", "CD45"),
        ("Nd142Di_CD19", "CD19"),
        ("CD19_Nd142", "CD19"),
        ("CD19(Nd142)Di", "CD19"),
        ("CD11b_154Sm", "CD11b"),
        ("FITC-A :: CD4", "CD4"),
        ("Comp-FITC-A::CD4", "CD4"),
        ("TCR γδ", "TCRgd"),
        ("IgE", "ige"),
        ("Ki-67", "Ki67"),
        ("CD4 BV605", "CD4"),
        ("CD4-BV605-A", "CD4"),
        ("CD3_APC-Cy7", "CD3"),
        ("CD25 PE-CF594", "CD25"),
        ("CD127 PerCP-Cy5.5", "CD127"),
        ("CD14 PERCP-CY5-5", "CD14"),
        ("HLA-DR APC-H7", "HLADR"),
        ("CD3 PE/Cyanine7", "CD3"),
        ("CD27 APC/Fire 750", "CD27"),
        ("Ly6C PE-TR", "Ly-6C"),
        ("CD45RA Alexa Fluor 700", "CD45RA"),
        ("CD8 QDot 605", "CD8"),
        ("CD20 Pacific Blue-A", "CD20"),
        ("CD56 Brilliant Violet 711", "CD56"),
        ("CD19 PE", "CD19 FITC"),
    ],
)
def test_names_of_one_marker_match(channel, marker):
    found, problems = match_markers([marker], [["Time"], [channel], ["CD33"], ["FSC-A"]])
    assert found == {marker: 1}
    assert problems == []


@pytest.mark.parametrize(
    ("channel", "marker"),
    [
        ("CD33", "CD3"),
        ("CD8b", "CD8"),
        ("CD4+", "CD4"),
        ("CD45RA", "CD45"),
        ("PE-Cy7-A", "PE-A"),
        ("Comp-PE-A", "Comp-APC-A"),
        ("FL2 PE", "FL2 FITC"),
        ("CD3 PB", "CD3"),
        ("CD62 PE", "CD6"),
    ],
)
def test_names_of_other_markers_do_not(channel, marker):
    found, problems = match_markers([marker], [[channel]])
    assert found == {}
    assert problems[0].lacking


def test_the_very_name_is_taken_before_looser_ones():
    columns = [["cd3"], ["CD3"], ["147Sm_CD3"]]
    assert match_markers(["CD3"], columns)[0] == {"CD3": 1}
    assert match_markers(["Cd3"], columns[1:])[0] == {"Cd3": 0}


def test_a_label_is_taken_before_a_channel_of_that_name():
    columns = [["CD4", "PE-A"], ["CD8", "CD4"]]
    assert match_markers(["CD4", "CD8"], columns)[0] == {"CD4": 0, "CD8": 1}
    assert match_markers(["PE-A"], columns)[0] == {"PE-A": 0}


def test_what_may_be_several_is_refused_with_the_candidates():
    columns = [["147Sm_CD20", "Sm147Di"], ["CD-20", "x"], ["cd20"]]
    found, (problem,) = match_markers(["CD20"], columns)
    assert found == {}
    assert problem.text == (
        "marker 'CD20' of the table may be any of 'CD-20' (x), 'cd20': give it the exact name of "
        "one of them in the table"
    )


def test_one_column_is_not_two_markers():
    _, (problem,) = match_markers(["CD-20", "cd20"], [["CD20"]])
    assert problem.text == (
        "markers 'CD-20', 'cd20' of the table are all column 'CD20' of the data: keep one of them"
    )


def cells() -> anndata.AnnData:
    """Three cells of four channels."""
    var = pd.DataFrame(
        {"channel": ["Time", "a", "b", "c"], "label": ["Time", "147Sm_CD20", "l/d", "CD3"]},
        index=["Time", "147Sm_CD20", "l/d", "CD3"],
    )
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    return anndata.AnnData(x, var=var, uns={"compensation": {"kind": "none"}})


def test_markers_get_the_tables_names_and_order_others_go_to_obs(caplog):
    caplog.set_level("INFO")
    adata = choose_markers(cells(), ["CD3", "CD20"], "a.fcs")
    assert adata.var_names.tolist() == ["CD3", "CD20"]
    assert adata.X.tolist() == [[3, 1], [7, 5], [11, 9]]
    assert adata.obs["Time"].tolist() == [0, 4, 8]
    assert adata.obs["l_d"].tolist() == [2, 6, 10]  # h5ad allows no slash in a name
    assert adata.var["channel"].tolist() == ["c", "a"]
    assert adata.uns["compensation"] == {"kind": "none"}
    assert "a.fcs: 1 markers by their names, others matched: CD20 = 147Sm_CD20" in caplog.text


def test_all_markers_that_are_wrong_are_named_at_once():
    with pytest.raises(InputError) as caught:
        choose_markers(cells(), ["CD3", "CD21", "CD8"], "a.fcs")
    assert caught.value.where == "a.fcs"
    assert caught.value.problems == [
        "marker 'CD21' of the table is not in the data.",
        "marker 'CD8' of the table is not in the data. Did you mean 'CD3'?",
        "the data has: 'Time', '147Sm_CD20' (a), 'l/d' (b), 'CD3' (c)",
    ]


def test_tables_of_numbers_keep_their_columns_where_they_stand():
    adata = renamed(cells(), ["CD3", "CD20", "not there"], "a.csv")
    assert adata.var_names.tolist() == ["Time", "CD20", "l/d", "CD3"]
    with pytest.raises(InputError, match=r"a\.csv: markers 'CD-3', 'cd3' of the table are all"):
        renamed(cells(), ["CD-3", "cd3"], "a.csv")


def test_a_name_of_a_channel_alone_is_a_name():
    assert bare_name("147Sm") == plain_name("147Sm")
    assert bare_name("Nd142Di") == "nd142di"
    for detector in ("PE-A", "APC-Cy7-A", "BV605-A", "Comp-FITC-A", "Alexa Fluor 700-A", "FL1-A"):
        assert bare_name(detector) == plain_name(detector)


@pytest.mark.parametrize(("one", "other"), [("IL-17A", "IL-17F"), ("HLA-A24", "HLA-B27")])
def test_names_that_look_like_isotopes_are_none(one, other):
    found, problems = match_markers([one], [[other]])
    assert (found, len(problems)) == ({}, 1)
