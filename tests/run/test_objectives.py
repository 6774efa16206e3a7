"""Every metric as the objective: what is returned and recorded, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import anndata
import pytest

from scyan_exp.config.check import config_problems
from scyan_exp.config.objectives import METRICS
from scyan_exp.config.schema import objective_names
from scyan_exp.run.job import TrainJob
from tests.conftest import TABLE, small_adata

SMALL = (
    "dataset=h5ad",
    "flow=shallow",
    "model.batch_size=200",
    "trainer.max_epochs=2",
    "callbacks=none",
    "logger=none",
    "figures.draw=none",
)
LABELS = ("dataset.label_key=cell_type", "dataset.batch_key=batch")
OF_LABELS = [name for name, one in METRICS.items() if "labels" in one.needs]
OF_BATCHES = [name for name, one in METRICS.items() if "batches" in one.needs]
EVERYWHERE = [name for name in METRICS if name not in (*OF_LABELS, *OF_BATCHES)]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[str]:
    """Cells with labels and batches, as overrides."""
    folder = tmp_path_factory.mktemp("files")
    small_adata(300).write_h5ad(folder / "cells.h5ad")
    (folder / "table.csv").write_text(TABLE)
    return [f"dataset.path={folder / 'cells.h5ad'}", f"table.path={folder / 'table.csv'}"]


@pytest.fixture
def returned(monkeypatch) -> list:
    """What the task function returned: what a sweeper of Hydra's optimises."""
    values, call = [], TrainJob.__call__

    def remember(self, config):
        values.append(call(self, config))
        return values[-1]

    monkeypatch.setattr(TrainJob, "__call__", remember)
    return values


@pytest.fixture
def train(scyan_exp, files, tmp_path):
    """Train with an objective: exit code, output, and the record."""

    def run(objective: str, *arguments: str) -> tuple[int, str, dict]:
        folder = tmp_path / "run"
        code, output = scyan_exp(
            "train", *SMALL, *files, f"objective={objective}", f"hydra.run.dir={folder}", *arguments
        )
        path = folder / "result.json"
        return code, output, json.loads(path.read_text()) if path.exists() else {}

    return run


@pytest.mark.parametrize("name", ["loss", "ilisi"])
def test_a_metric_can_be_the_objective(train, returned, name):
    code, output, result = train(name, *LABELS)
    assert code == 0, output
    assert result["objective"] == result["metrics"][name]
    assert returned == [result["objective"]]
    assert isinstance(returned[0], float)


@pytest.mark.parametrize("names", [[*METRICS], [*METRICS][::-1]])
def test_all_metrics_can_be_objectives_in_their_order(train, returned, names):
    code, output, result = train(f"[{','.join(names)}]", *LABELS)
    assert code == 0, output
    assert set(result["metrics"]) == set(METRICS)
    assert result["objective"] == [result["metrics"][name] for name in names]
    assert returned == [result["objective"]]
    assert all(isinstance(value, float) for value in returned[0])
    assert {one.direction for one in METRICS.values()} == {"minimize", "maximize"}


@pytest.mark.parametrize("name", METRICS)
def test_each_metric_is_an_objective_by_itself(name):
    given = {"label_key": "cell_type", "batch_key": "batch"}
    problems = config_problems({"objective": name, "dataset": given})
    assert not [one for one in map(str, problems) if "objective" in one]


def test_repeats_return_the_mean(train, returned):
    code, output, result = train("f1_macro", *LABELS, "repeats=2")
    assert code == 0, output
    own = [one["metrics"]["f1_macro"] for one in result["repeats"]["members"]]
    assert returned == [result["objective"]] == [pytest.approx(sum(own) / 2)]


def test_what_needs_neither_labels_nor_batches_is_possible_everywhere(train):
    code, output, result = train(f"[{','.join(EVERYWHERE)}]")
    assert code == 0, output
    assert result["objective"] == [result["metrics"][name] for name in EVERYWHERE]
    assert set(result["metrics"]) == set(EVERYWHERE)


@pytest.mark.parametrize("name", EVERYWHERE)
def test_each_of_them_is_an_objective_by_itself(name):
    problems = config_problems({"objective": name, "dataset": {}})
    assert not [one for one in map(str, problems) if "objective" in one]


# ---------------------------------------------------------------- what cannot be


@pytest.mark.parametrize("name", OF_LABELS)
def test_without_labels_their_metrics_are_refused(train, name):
    code, output, result = train(name, "dataset.batch_key=batch")
    assert (code, result) == (2, {})
    assert f"objective: '{name}' needs labels; set dataset.label_key, or choose one of" in output
    possible = output.partition("choose one of ")[2].split("\n")[0].split(", ")
    assert sorted(possible) == sorted([*EVERYWHERE, *OF_BATCHES])


@pytest.mark.parametrize("name", OF_BATCHES)
def test_without_batches_their_metric_is_refused(train, name):
    code, output, result = train(name)
    assert (code, result) == (2, {})
    assert f"objective: '{name}' needs batches; set dataset.batch_key, or choose one of" in output
    possible = output.partition("choose one of ")[2].split("\n")[0].split(", ")
    assert sorted(possible) == sorted(EVERYWHERE)


def test_of_several_each_that_cannot_be_is_named(train):
    code, output, _ = train("[heuristic,ilisi,accuracy]")
    assert code == 2
    assert "objective: 'ilisi' needs batches" in output
    assert "objective: 'accuracy' needs labels" in output
    assert "'heuristic' needs" not in output


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ("acuracy", "Did you mean 'accuracy'?"),
        ("[heuristic,acuracy]", "Did you mean 'accuracy'?"),
        ("[heuristic,heuristic]", "distinct metrics, found"),
        ("[heuristic]", "at least 2"),
        ("[]", "at least 2"),
        ("null", "found None"),
        ("3", "found 3"),
    ],
)
def test_what_is_no_objective_is_refused(train, objective, message):
    code, output, result = train(objective, *LABELS)
    assert (code, result) == (2, {})
    assert message in output
    assert ("Did you mean" in output) == ("acuracy" in objective)
    for absent in ("Traceback", "Value error", "List should have"):  # pydantic's own words
        assert absent not in output


def test_labels_that_are_no_rows_of_the_table_are_refused(train, files, tmp_path):
    adata = small_adata(300)
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.rename_categories(str.upper)
    adata.write_h5ad(tmp_path / "other.h5ad")
    other = f"dataset.path={tmp_path / 'other.h5ad'}"
    for objective in ("accuracy", "[heuristic,accuracy]"):
        code, output, result = train(objective, *LABELS, other)
        assert (code, result) == (2, {})
        assert "objective: 'accuracy' needs labels that are rows of the table" in output


def test_labels_in_one_batch_only_are_enough(train, tmp_path):
    adata = small_adata(300)
    adata.obs.loc[adata.obs["batch"] == "b", "cell_type"] = None
    adata.write_h5ad(tmp_path / "half.h5ad")
    code, output, result = train("accuracy", *LABELS, f"dataset.path={tmp_path / 'half.h5ad'}")
    assert code == 0, output
    cells = anndata.read_h5ad(Path(tmp_path / "run" / "annotated.h5ad"))
    assert cells.n_obs == 300
    assert math.isfinite(result["objective"])


def test_the_names_of_objectives():
    assert objective_names("loss") == ["loss"]
    assert objective_names(["loss", "ilisi"]) == ["loss", "ilisi"]


def test_the_problems_of_objectives_come_with_all_others():
    """A config that is wrong elsewhere, too, even where the data set is none."""
    for dataset in (None, {}, {"label_key": None}, "none"):
        problems = config_problems({"objective": ["accuracy", "loss"], "dataset": dataset})
        assert any("'accuracy' needs labels" in str(problem) for problem in problems)
