"""Figures that somebody adds: what they may take, and what becomes of those that fail."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

from scyan_exp.results.consensus import Consensus, Member
from scyan_exp.results.figures import FIGURES, canvas, figure
from scyan_exp.results.figures.drawing import Shown, draw_figures
from tests.results.conftest import make_annotation
from tests.results.test_figures import CODES, LABELS, POPULATIONS, history_of

FIRST = ["loss", "population_weights", "latent_expressions", "population_counts"]
ALONE = [*FIRST, "threshold"]


@pytest.fixture(autouse=True)
def figures_of_a_test(monkeypatch):
    len(FIGURES)  # read what there is, before it is copied
    monkeypatch.setattr(FIGURES, "_parts", dict(FIGURES._parts))
    monkeypatch.setattr(FIGURES, "_origins", dict(FIGURES._origins))


@pytest.fixture
def annotation():
    return make_annotation(POPULATIONS, CODES)


def names(paths) -> list[str]:
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    return [path.stem for path in paths]


def test_one_that_is_added_is_drawn_when_all_that_it_takes_is_there(tmp_path, annotation):
    taken = {}

    @figure("mine")
    def mine(labels, batches, x_NM, populations, members=None):
        taken.update(locals())
        return canvas(3, 3)[0]

    history, x = history_of(POPULATIONS), np.zeros((100, 3))
    batches = pd.Series(["a"] * 100)
    assert "mine" not in names(draw_figures(tmp_path, Shown(annotation, history, LABELS)))
    other = LABELS.map(str.upper, na_action="ignore")
    shown = Shown(annotation, history, other, batches, x)
    assert "mine" not in names(draw_figures(tmp_path, shown))
    shown = Shown(annotation, history, LABELS, batches, x)
    assert names(draw_figures(tmp_path, shown)) == [*FIRST, "confusion_matrix", "threshold", "mine"]
    assert taken["labels"] is LABELS
    assert taken["batches"] is batches
    assert taken["x_NM"] is x
    assert taken["populations"] == POPULATIONS
    assert taken["members"] is None


def test_a_consensus_has_its_own_figures_and_no_course(tmp_path, annotation):
    consensus = Consensus(
        **vars(annotation), agreement=np.full(100, 0.5), members={"seed_0": annotation}
    )
    shown = Shown(consensus, members=[Member("seed_0", None, 1.0)])
    expected = ["members", "agreement", "latent_expressions", "population_counts"]
    assert names(draw_figures(tmp_path, shown)) == [*expected, "threshold"]


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda annotation: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda annotation: None, "AttributeError: 'NoneType' object has no attribute 'set_dpi'"),
        (lambda annotation: annotation.no_such, "AttributeError: "),
    ],
    ids=["raises", "no figure", "other attribute"],
)
def test_one_that_fails_costs_a_warning_and_no_other(tmp_path, annotation, caplog, draw, said):
    figure("mine")(draw)
    shown = Shown(annotation, history_of(POPULATIONS))
    assert names(draw_figures(tmp_path, shown)) == ALONE
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f"figure mine cannot be drawn ({said}")
    assert record.exc_info  # where it failed
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(ALONE)


def test_a_folder_that_cannot_be_written_is_no_fault_of_a_figure(tmp_path, annotation):
    (tmp_path / "figures").write_text("a file")
    with pytest.raises(OSError, match="figures"):
        draw_figures(tmp_path / "figures", Shown(annotation))


@pytest.mark.parametrize("name", ["", "../mine", "a/b", ".mine", "-mine", "my figure"])
def test_the_name_is_that_of_a_file_in_the_folder(name):
    with pytest.raises(ValueError, match="expected a name of letters"):
        figure(name)


def test_what_it_takes_must_be_something_that_there_is():
    with pytest.raises(ValueError, match="'mine' takes annotaton; a figure can take annotation, "):
        figure("mine")(lambda annotaton: None)


def test_another_of_the_same_name_is_refused_naming_both():
    with pytest.raises(ValueError, match=r"two figures named 'loss': .*course\.loss_figure and "):
        figure("loss")(lambda annotation: None)
