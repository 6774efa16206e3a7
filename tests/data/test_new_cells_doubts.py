"""New cells that are like those of the training, and others."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pytest

from scyan_exp.data.new_cells_doubts import new_cells_doubts
from scyan_exp.data.preprocess import Preprocessing
from tests.data.raw_cells import flow
from tests.data.spleen import read_spleen

NAMES = ["CD3", "CD4", "CD8", "CD19"]


def counts(n_cells: int = 2000, seed: int = 0) -> np.ndarray:
    """Raw counts of a mass cytometer: a mass at 0, and a positive group in each marker."""
    rng = np.random.default_rng(seed)
    is_positive = rng.random((n_cells, 4)) < [0.6, 0.4, 0.2, 0.1]
    positive = rng.gamma(4, [60, 20, 40, 30], size=(n_cells, 4))
    negative = rng.exponential(2, size=(n_cells, 4)) * (rng.random((n_cells, 4)) < 0.6)
    return np.where(is_positive, positive, negative).astype(np.float32)


def doubts(train: np.ndarray, new: np.ndarray, **settings: object) -> list[str]:
    settings = {"transform": "none", **settings}
    return new_cells_doubts(NAMES, Preprocessing.fit(train, **settings), new)


def asinh(x: np.ndarray, cofactor: float = 5.0) -> np.ndarray:
    return np.arcsinh(x / cofactor)


@pytest.mark.parametrize("n_cells", [200, 2000, 30_000])
@pytest.mark.parametrize("scale", [True, False])
def test_cells_like_those_of_the_training_are_not_doubted(n_cells, scale):
    for seed in range(1, 6):
        new = counts(n_cells, seed)
        assert doubts(counts(), new, transform="asinh", scale=scale) == []
        assert doubts(asinh(counts()), asinh(new), scale=scale) == []


def test_a_rare_population_that_is_not_there_is_not_doubted():
    train = counts(20_000)
    train[:100] = 400
    assert doubts(train, counts(2000, 1), transform="asinh") == []


def test_a_few_cells_are_not_doubted():
    assert doubts(counts(), 1000 + counts(199, 1)) == []
    assert doubts(counts(), 1000 + counts(200, 1))


def test_a_model_of_an_earlier_version_knows_nothing_to_compare_with():
    assert new_cells_doubts(NAMES, Preprocessing(), counts()) == []


NARROWER = "narrower: are they transformed already, or with a larger cofactor?"
WIDER = "wider: are they not transformed, or with a smaller cofactor?"


def test_cells_on_the_logicle_scale():
    assert doubts(flow(), flow(seed=1), transform="logicle") == []
    first, *_ = doubts(flow(), asinh(flow(seed=1), 150), transform="logicle")
    assert NARROWER in first


@pytest.mark.parametrize(
    ("train", "new", "settings", "cause"),
    [
        (asinh(counts()), asinh(asinh(counts(seed=1))), {}, NARROWER),
        (counts(), asinh(counts(seed=1)), {"transform": "asinh"}, NARROWER),
        (asinh(counts()), asinh(counts(seed=1), 150), {}, NARROWER),
        (asinh(counts(), 150), asinh(counts(seed=1)), {}, WIDER),
        (asinh(counts()), counts(seed=1), {}, WIDER),
        (asinh(counts()), counts(seed=1), {"scale": False}, WIDER),
    ],
    ids=["twice", "transformed already", "150 for 5", "5 for 150", "raw", "raw, not scaled"],
)
def test_cells_in_another_state_are_doubted_first_of_all(train, new, settings, cause):
    first, *each = doubts(train, new, **settings)
    assert "most markers (4 of 4 markers are far from the training cells)" in first
    assert "the annotation is likely wrong" in first
    assert cause in first
    assert [text.split(":")[0] for text in each] == [f"marker {name!r}" for name in NAMES]


def test_the_state_in_which_cells_are_expected_is_told():
    transforming = doubts(counts(), asinh(counts()), transform="asinh")[0]
    assert "dataset.transform=asinh, dataset.cofactor=5" in transforming
    cofactors = {"transform": "asinh", "cofactor": [5.0, 5.0, 150.0, 20.0]}
    by_marker = doubts(counts(), asinh(counts()), **cofactors)[0]
    assert "dataset.transform=asinh, dataset.cofactor=5 to 150, by marker" in by_marker
    logicle = doubts(flow(), asinh(flow(), 150), transform="logicle")[0]
    assert "dataset.transform=logicle, measured on raw intensities" in logicle
    transforming_nothing = doubts(counts(), 0 * counts())[0]
    assert "the model transforms nothing: dataset.transform=none" in transforming_nothing


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("file", "(compensated by the matrix of their file; the model transforms nothing"),
        ("matrix", "(compensated by a matrix of a CSV; the model"),
        ("none", "(not compensated; the model"),
        ("unheard of", "(the model"),
    ],
)
def test_how_training_cells_were_compensated_is_told(kind, state):
    assert state in doubts(counts(), 0 * counts(), compensation={"kind": kind})[0]


def test_a_shift_of_all_markers_has_no_likely_cause():
    first = doubts(asinh(counts()), asinh(counts(seed=1)) + 5)[0]
    assert first.endswith("Are they compensated, of the same panel and instrument, or sorted?")


def test_one_marker_that_is_far_is_told_with_both_ranges():
    train, new = np.zeros((500, 4)), np.zeros((500, 4))
    train[:] = new[:] = np.linspace(0, 100, 500)[:, None]
    new[:, 2] += 1000
    first, marker = doubts(train, new)
    assert first.startswith("1 of 4 markers are far from the training cells: are these columns")
    assert marker == (
        "marker 'CD8': 99% of the cells from 1e+03 to 1.1e+03, median 1.05e+03; "
        "in training 99% of the cells from 0.5 to 99.5, median 50"
    )


def test_swapped_columns_are_noticed_if_their_distributions_differ():
    new = counts(seed=1)
    assert len(doubts(counts(), new[:, [3, 1, 2, 0]], transform="asinh")) == 3
    train, new = counts(), counts(seed=1)
    train[:, 1], new[:, 1] = counts(seed=2)[:, 0], counts(seed=3)[:, 0]
    assert doubts(train, new[:, [1, 0, 2, 3]], transform="asinh") == []


# ---------------------------------------------------------------- real cells


def test_the_other_plate_of_himc(real_data: Path):
    """Honest, transformed twice, and with another cofactor."""
    cells = anndata.read_h5ad(real_data / "himc" / "himc.h5ad")
    names = cells.var_names.tolist()
    plates = [cells[cells.obs["batch"] == name].X for name in ("Plate3", "Plate4")]
    for train, new in (plates, plates[::-1]):
        preprocessing = Preprocessing.fit(train, transform="none")
        assert new_cells_doubts(names, preprocessing, new) == []
        for spoilt in (asinh(new), asinh(5 * np.sinh(new), 150), 5 * np.sinh(new)):
            assert len(new_cells_doubts(names, preprocessing, spoilt)) > 0.9 * len(names)


def test_the_spleen_without_its_compensation(real_data: Path):
    flowio, flowutils = pytest.importorskip("flowio"), pytest.importorskip("flowutils")
    folder = real_data / "mouse_spleen"
    cells = read_spleen(folder)
    names = cells.var_names.tolist()
    preprocessing = Preprocessing.fit(cells.X[::2], transform="none")
    assert new_cells_doubts(names, preprocessing, cells.X[1::2]) == []
    fcs = flowio.FlowData(str(folder / "spleen_raw.fcs"))
    events = np.reshape(fcs.events, (-1, fcs.channel_count)).astype(float)
    columns = [fcs.pns_labels.index(name) for name in names]
    raw = flowutils.transforms.logicle(events, columns)[:, columns]
    first, *each = new_cells_doubts(names, preprocessing, raw)
    assert "Are they compensated" in first
    assert len(each) == 4
    linear = read_spleen(folder, transformed=False).X
    preprocessing = Preprocessing.fit(linear[::2], transform="logicle")
    assert new_cells_doubts(names, preprocessing, linear[1::2]) == []
    assert "Are they compensated" in new_cells_doubts(names, preprocessing, events[:, columns])[0]
