"""Figures of samples: what they show, few or many, with groups or without."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.image import imread

from scyan_exp.config.wanted import ALL_FIGURES, BiomarkersConfig
from scyan_exp.results.biomarkers import Biomarkers, measure_biomarkers
from scyan_exp.results.figures.biomarkers import intensities_figure, shares_figure
from scyan_exp.results.figures.canvas import colors
from scyan_exp.results.figures.drawing import Shown, draw_figures, draw_given, of_biomarkers
from scyan_exp.results.figures.groups import groups_figure
from scyan_exp.results.group_tests import UNANNOTATED
from scyan_exp.results.samples import Samples, samples_of
from tests.results.conftest import make_annotation
from tests.results.samples_data import KEYS, POPULATIONS, assigned_of, cells_of, example

SAMPLE = BiomarkersConfig(sample_key="sample")


@pytest.fixture(scope="module")
def biomarkers() -> Biomarkers:
    return measure_biomarkers(*example(), "level")


def drawn(figure):
    FigureCanvasAgg(figure).draw()
    return figure.axes


def texts(labels) -> list[str]:
    return [label.get_text() for label in labels]


def test_they_are_drawn_where_samples_and_groups_were_measured(tmp_path, biomarkers):
    annotation = make_annotation(["a", "b"], [0, 1] * 20)
    names = {path.stem for path in draw_figures(tmp_path / "none", Shown(annotation))}
    assert not names & {"sample_shares", "sample_intensities", "group_shares"}
    alone = Biomarkers(biomarkers.populations, biomarkers.intensities)
    for one, expected in ((alone, 2), (biomarkers, 3)):
        paths = draw_given(tmp_path / str(expected), of_biomarkers(one), ALL_FIGURES)
        assert len(paths) == expected
        for path in paths:
            height, width, _ = imread(path).shape
            assert 300 < height < 3000
            assert 300 < width < 3000


def test_shares_in_percent_a_row_a_sample_by_group(biomarkers):
    axes, bar = drawn(shares_figure(biomarkers))
    rows = texts(axes.get_yticklabels())
    assert [row.split()[0] for row in rows] == [f"s{i}" for i in (0, 2, 4, 6, 1, 3, 5, 7)]
    assert texts(axes.get_xticklabels()) == [*POPULATIONS, UNANNOTATED]
    own = biomarkers.populations.set_index(["level", "sample", "population"])["share"]
    first = float(axes.texts[0].get_text())
    assert first == pytest.approx(100 * own["population", "s0", "CD4 T cells"], abs=0.5)
    assert {"even", "odd"} <= set(texts(axes.texts))
    assert texts(bar.get_yticklabels()) == ["x1/4", "x1/2", "x1", "x2", "x4"]
    folds = axes.images[0].get_array()
    assert (folds[:4, 2] < 0).all()  # even samples have fewer B cells
    assert (folds[4:, 2] > 0).all()


def test_one_cell_more_is_no_difference_and_a_thousand_are():
    codes, of_sample = [0] * 1000 + [1] * 2 + [0] * 1000 + [1] * 1 + [0] * 1000, []
    of_sample = [0] * 1002 + [1] * 1001 + [2] * 1000
    adata = cells_of(of_sample)
    samples = Samples(["s0", "s1", "s2"], np.array(of_sample))
    axes, _ = drawn(shares_figure(measure_biomarkers(adata, assigned_of(codes), samples)))
    assert texts(axes.get_xticklabels()) == POPULATIONS[:2]  # the others have no cells
    assert np.abs(axes.images[0].get_array()).max() < 0.2
    codes[:600] = [1] * 600
    axes, _ = drawn(shares_figure(measure_biomarkers(adata, assigned_of(codes), samples)))
    assert axes.images[0].get_array()[0, 1] > 2


def test_sixty_samples_can_be_read():
    adata = cells_of(np.repeat(np.arange(60), 20))
    samples = samples_of(adata.obs, KEYS)
    codes = np.random.default_rng(0).integers(-1, 4, size=adata.n_obs)
    figure = shares_figure(measure_biomarkers(adata, assigned_of(codes), samples))
    axes, _ = drawn(figure)
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert len(boxes) == 60
    assert not any(a.overlaps(b) for a, b in itertools.pairwise(boxes))


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (0.01, "scaled a marker"),
        (1, "scaled a marker, by arcsinh(x / 5)"),
        (1000, "scaled a marker, by arcsinh(x / 150)"),
    ],
)
def test_intensities_are_shown_in_their_units_and_coloured_by_marker(biomarkers, factor, words):
    frame = biomarkers.intensities
    scaled = frame.assign(median=factor * frame["median"])
    axes, bar = drawn(intensities_figure(Biomarkers(biomarkers.populations, scaled)))
    assert bar.get_ylabel() == words
    colors_PM = axes.images[0].get_array()
    assert colors_PM.min() == 0
    assert colors_PM.max() <= 1
    medians = scaled.groupby(["population", "marker"])["median"].median()
    shown = float(axes.texts[0].get_text())
    assert shown == pytest.approx(medians["CD4 T cells", "m0"], rel=0.05)
    assert texts(axes.get_yticklabels()) == POPULATIONS


def test_a_population_that_no_sample_has_is_left_out_and_a_flat_marker_is_pale():
    adata = cells_of([0, 0, 1, 1] * 20)
    adata.X[:, 1] = 30.0
    samples = Samples(["s0", "s1"], np.array([0, 0, 1, 1] * 20))
    measured = measure_biomarkers(adata, assigned_of([0, 1, 0, 1] * 20), samples)
    axes, _ = drawn(intensities_figure(measured))
    assert texts(axes.get_yticklabels()) == POPULATIONS[:2]
    assert (axes.images[0].get_array()[:, 1] == 0).all()


def test_where_no_cell_is_annotated_there_are_no_colours():
    adata = cells_of([0, 1] * 20)
    measured = measure_biomarkers(adata, assigned_of([-1] * 40), samples_of(adata.obs, SAMPLE))
    axes, _ = drawn(intensities_figure(measured))
    assert axes.images[0].get_array().mask.all()
    axes, _ = drawn(shares_figure(measured))
    assert texts(axes.get_xticklabels()) == [UNANNOTATED]


def test_groups_have_a_box_and_a_point_a_sample_the_surest_first(biomarkers):
    figure = groups_figure(biomarkers, biomarkers.groups)
    panels = [axes for axes in drawn(figure) if axes.get_title()]
    tests = biomarkers.groups.tests
    assert len(panels) == len(POPULATIONS)
    for axes in panels:
        population, p = axes.get_title().split("\n")
        assert texts(axes.get_xticklabels()) == ["even\nn = 4", "odd\nn = 4"]
        assert [len(points.get_offsets()) for points in axes.collections] == [4, 4]
        faces = [to_hex(points.get_facecolor()[0]) for points in axes.collections]
        assert faces == [to_hex(one) for one in colors(2)]
        measure = "share_of_parent" if "T cells" in population else "share"
        rows = tests[(tests["population"] == population) & (tests["level"] == "population")]
        (row,) = rows[rows["measure"] == measure].to_dict("records")
        assert p == f"p = {row['p_adjusted']:.2g}"
        whole = "T cells" if "T cells" in population else "all cells"
        assert axes.get_ylabel() == f"% of {whole}"
    assert figure.get_suptitle().startswith("Shares by sample; Mann-Whitney")
    shown = [float(axes.get_title().split("= ")[1]) for axes in panels]
    assert shown == sorted(shown)


def test_of_many_populations_the_surest_have_a_panel(biomarkers, monkeypatch):
    monkeypatch.setattr("scyan_exp.results.figures.groups.MOST_PANELS", 5)
    own = biomarkers.populations
    own = own[(own["level"] == "population") & (own["population"] == "B cells")]
    names = [f"{i} {'long ' * 60}" for i in range(9)]
    rows = pd.concat([own.assign(population=n, count=int(n[0] not in "678")) for n in names])
    test = {"measure": "share", "level": "population", "marker": "", "test": "Mann-Whitney"}
    tests = pd.DataFrame(
        [{**test, "population": n, "n_even": 4, "n_odd": 4, "p_adjusted": 0.5} for n in names]
    )
    figure = groups_figure(
        Biomarkers(rows, biomarkers.intensities), type(biomarkers.groups)(["even", "odd"], tests)
    )
    panels = [axes for axes in drawn(figure) if axes.get_title()]
    assert len(panels) == 5
    assert figure.get_suptitle().endswith(
        "without 3 populations that have no cells; the 5 surest; groups.csv has 1 more"
    )
    boxes = [axes.title.get_window_extent() for axes in panels[:5]]
    assert not any(a.overlaps(b) for a, b in itertools.pairwise(boxes))
    assert boxes[-1].x1 <= figure.bbox.x1


def test_names_are_not_mathematics_and_p_may_be_tiny_or_missing(tmp_path, biomarkers):
    tests = biomarkers.groups.tests.assign(p_adjusted=np.nan)
    tests.loc[tests["population"] == "B cells", "p_adjusted"] = 1e-9
    groups = type(biomarkers.groups)(["even", "odd"], tests)
    panels = [axes for axes in drawn(groups_figure(biomarkers, groups)) if axes.get_title()]
    titles = [axes.get_title() for axes in panels]
    assert titles[0] == "B cells\np < 0.001"
    assert "Basophils\nnot tested" in titles[1:]
