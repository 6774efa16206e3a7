"""Figures: what they show, and that they can be drawn of whatever names there are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread

from scyan_exp.results.figures.annotated import confusion_figure, counts_figure, latent_figure
from scyan_exp.results.figures.course import loss_figure, population_weights_figure
from scyan_exp.results.figures.drawing import Shown, draw_figures
from tests.results.conftest import make_annotation

POPULATIONS = ["B cells", "T cells", "NK cells"]
CODES = [0] * 50 + [1] * 30 + [2] * 20
LABELS = pd.Series(["B cells"] * 40 + ["T cells"] * 40 + ["other"] * 10 + [None] * 10, dtype=object)


def history_of(populations: list[str], n_epochs: int = 5) -> list[dict[str, float]]:
    weights = np.random.default_rng(0).dirichlet(np.ones(len(populations)), size=n_epochs)
    return [
        {
            "epoch": epoch,
            "loss": 20.0 - epoch,
            "use_temperature": float(epoch % 3 > 0),
            "prior_std": 0.35 if epoch < 4 else 0.3,
            **{f"pi/{name}": w for name, w in zip(populations, weights[epoch], strict=True)},
        }
        for epoch in range(n_epochs)
    ]


def drawn(figure):
    """The figure after it was laid out, and its only axes."""
    FigureCanvasAgg(figure).draw()
    return figure.axes[0]


def texts(labels) -> list[str]:
    return [label.get_text() for label in labels]


@pytest.mark.parametrize("labels", [None, LABELS, pd.Series(["other"] * 100, dtype=object)])
def test_every_figure_that_the_run_allows_is_an_image(tmp_path, labels):
    annotation = make_annotation(POPULATIONS, CODES)
    paths = draw_figures(tmp_path / "figures", Shown(annotation, history_of(POPULATIONS), labels))
    names = ["loss", "population_weights", "latent_expressions", "population_counts"]
    names += ["confusion_matrix"] if labels is LABELS else []
    names += ["threshold"]
    assert [path.name for path in paths] == [f"{name}.png" for name in names]
    assert sorted((tmp_path / "figures").iterdir()) == sorted(paths)
    for path in paths:
        assert path.read_bytes().startswith(b"\x89PNG")
        height, width, _ = (image := imread(path)).shape
        assert 200 < height < 3000
        assert 300 < width < 3000
        colors = (255 * image).astype(np.uint8).view(np.uint32)
        assert len(np.unique(colors)) > 30


def test_loss_of_every_epoch_hollow_at_a_temperature():
    axes = drawn(loss_figure(history_of(POPULATIONS)))
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[e + 1, 20 - e] for e in range(5)])
    plain, hollow = axes.collections
    assert plain.get_offsets()[:, 0].tolist() == [1, 4]
    assert hollow.get_offsets()[:, 0].tolist() == [2, 3, 5]
    assert hollow.get_facecolors().tolist() == [[1, 1, 1, 1]]
    assert (axes.get_xlabel(), axes.get_title()) == ("epoch (the first is 1)", "Training")


def test_the_agreement_stands_below_the_loss_and_both_mark_the_epoch_that_annotates():
    history = [
        {**row, "table_agreement": 0.5 + row["epoch"] / 10} for row in history_of(POPULATIONS)
    ]
    figure = loss_figure(history, best_epoch=3)
    drawn(figure)
    above, below = figure.axes
    np.testing.assert_allclose(below.lines[0].get_ydata(), [0.5, 0.6, 0.7, 0.8, 0.9])
    for axes in (above, below):
        marks = {line.get_label(): line.get_xdata()[0] for line in axes.lines}
        assert marks["the epoch that annotates"] == 4
        assert marks["last epoch"] == 5
    (legend,) = figure.legends
    assert {"last epoch", "the epoch that annotates"} <= set(texts(legend.get_texts()))


def test_a_single_epoch_has_figures(tmp_path):
    history = history_of(POPULATIONS, n_epochs=1)
    annotation = make_annotation(POPULATIONS, CODES)
    assert len(draw_figures(tmp_path, Shown(annotation, history, None))) == 5


def test_weights_in_percent_largest_first():
    history = history_of(POPULATIONS)
    axes = drawn(population_weights_figure(history, POPULATIONS))
    ordered = sorted(POPULATIONS, key=lambda name: -history[-1][f"pi/{name}"])
    assert texts(axes.get_legend().get_texts()) == ordered
    for line in axes.lines:
        expected = [100 * row[f"pi/{line.get_label()}"] for row in history]
        np.testing.assert_allclose(line.get_ydata(), expected)
    assert axes.get_yscale() == "log"


def test_populations_have_colors_of_their_own():
    names = [f"population {i}" for i in range(25)]
    axes = drawn(population_weights_figure(history_of(names), names))
    assert len({tuple(np.ravel(line.get_color())) for line in axes.lines}) == 25


def test_the_table_beside_the_mean_latent_expressions():
    annotation = make_annotation([*POPULATIONS, "nobody"], CODES)
    figure = latent_figure(annotation)
    drawn(figure)
    left, right = (axes.images[0].get_array().filled(np.nan) for axes in figure.axes[:2])
    np.testing.assert_array_equal(left, annotation.table.rho)
    expected = [annotation.latent[annotation.population == p].mean(axis=0) for p in range(3)]
    np.testing.assert_allclose(right[:3], expected, rtol=1e-5)
    assert np.isnan(right[3]).all()
    assert texts(figure.axes[0].get_yticklabels()) == [*POPULATIONS, "nobody"]
    assert texts(figure.axes[1].get_xticklabels()) == annotation.table.markers


def test_bars_are_numbers_of_cells():
    axes = drawn(counts_figure(make_annotation([*POPULATIONS, "nobody"], CODES)))
    names = texts(axes.get_yticklabels())
    widths = [bar.get_width() for bar in axes.patches]
    assert dict(zip(names, widths, strict=True)) == {
        "nobody": 0,
        "NK cells": 20,
        "T cells": 30,
        "B cells": 50,
    }
    assert widths == sorted(widths)
    assert texts(axes.texts) == [" 0 (0.0%)", " 20 (20.0%)", " 30 (30.0%)", " 50 (50.0%)"]


def test_unannotated_cells_have_a_bar_if_there_are_any():
    log_prob = np.where(np.arange(100) % 10 == 0, -99, -1)
    axes = drawn(counts_figure(make_annotation(POPULATIONS, CODES, log_prob=log_prob)))
    names = texts(axes.get_yticklabels())
    widths = [bar.get_width() for bar in axes.patches]
    bars = dict(zip(names, widths, strict=True))
    assert bars == {"(unannotated)": 10, "NK cells": 18, "T cells": 27, "B cells": 45}
    assert names[0] == "(unannotated)"


def test_confusion_in_percent_of_the_label():
    figure = confusion_figure(make_annotation(POPULATIONS, CODES), LABELS)
    axes = drawn(figure)
    # 40 B cells: all found; 40 T cells: 10 annotated B and 30 T; NK cells have no label.
    expected = [[100, 0, 0], [25, 75, 0]]
    np.testing.assert_allclose(axes.images[0].get_array(), expected)
    assert texts(axes.get_yticklabels()) == ["B cells (40)", "T cells (40)"]
    assert texts(axes.get_xticklabels()) == POPULATIONS
    assert texts(axes.texts) == ["100", "25", "75"]


AWKWARD = {
    "one dollar": "price $ of T",
    "mathematics": "a $\\frac$ b",
    "two dollars": "CD$4$ T",
    "underscore": "_B cells",
    "percent": "50% {x} B cells",
    "greek": "γδ T cells ⁺",
    "slash": "T/NK\\cells",
    "number": "12",
}


@pytest.mark.parametrize("name", AWKWARD.values(), ids=AWKWARD.keys())
def test_any_name_can_be_drawn(tmp_path, name):
    populations = [name, "T cells", "NK cells"]
    annotation = make_annotation(populations, CODES, markers=["m0", name, "m2"])
    labels = pd.Series(np.array(populations, dtype=object)[CODES])
    history = history_of(populations)
    assert len(draw_figures(tmp_path, Shown(annotation, history, labels))) == 6
    legend = population_weights_figure(history, populations).axes[0].get_legend()
    assert sorted(texts(legend.get_texts())) == sorted(populations)
    assert name in texts(counts_figure(annotation).axes[0].get_yticklabels())


def test_long_names_leave_room_for_the_figures(tmp_path):
    long = "Terminally differentiated effector memory CD8 T cells that re-express CD45RA"
    populations = [long, "T cells", "NK cells"]
    annotation = make_annotation(populations, CODES)
    labels = pd.Series(np.array(populations, dtype=object)[CODES])
    # A warning of the layout, which is an error here, says that there was none.
    assert len(draw_figures(tmp_path, Shown(annotation, history_of(populations), labels))) == 6


@pytest.mark.parametrize(("n_pops", "n_markers"), [(1, 3), (2, 40), (60, 40)])
def test_tables_of_any_size_can_be_drawn(tmp_path, n_pops, n_markers):
    names = [f"population {i}" for i in range(n_pops)]
    annotation = make_annotation(names, np.arange(120) % n_pops, n_markers)
    labels = pd.Series(np.array(names, dtype=object)[annotation.population])
    paths = draw_figures(tmp_path, Shown(annotation, history_of(names), labels))
    assert len(paths) == 6


def test_of_a_large_table_what_has_no_cells_is_left_out_and_said():
    names = [f"population {i}" for i in range(200)]
    annotation = make_annotation(names, np.arange(400) % 20)
    labels = pd.Series(np.array(names, dtype=object)[annotation.population])
    said = "without 180 populations that have no cells"
    for figure in (
        counts_figure(annotation),
        latent_figure(annotation),
        confusion_figure(annotation, labels),
    ):
        axes = drawn(figure)
        assert axes.get_title().endswith(said)
        assert len(axes.get_yticklabels()) == 20
        assert max(figure.get_size_inches()) < 13
    axes = drawn(population_weights_figure(history_of(names), names))
    legend = axes.get_legend()
    assert len(axes.lines) == 200
    assert len(legend.get_texts()) == 40
    assert legend.get_title().get_text() == "the largest; grey: 160 smaller ones"


@pytest.mark.parametrize("n_pops", [3, 40])
def test_the_longest_names_are_inside_the_figures(n_pops):
    names = [f"{i} {'very long ' * 30}" for i in range(n_pops)]
    annotation = make_annotation(names, np.arange(200) % n_pops, markers=["x" * 300, "b", "c"])
    for figure in (counts_figure(annotation), latent_figure(annotation)):
        axes = drawn(figure)
        box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height
        assert axes.get_window_extent().width > 120


def test_the_real_table_can_be_drawn(tmp_path, real_data):
    from scyan_exp.data import load_table

    table = load_table(real_data / "himc" / "table.csv")
    annotation = make_annotation(table.populations, np.arange(100) % 23, markers=table.markers[:3])
    assert len(draw_figures(tmp_path, Shown(annotation, history_of(table.populations), None))) == 5
