"""What a run sends to W&B besides its metrics, read back from the files that W&B writes offline."""

from __future__ import annotations

import collections
import json
import os
import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml

from scyan_exp.data.table import KnowledgeTable, load_table
from scyan_exp.run.tracked import TABLES, table_hash
from tests.wandb_files import column, records, summary, table


@pytest.fixture(scope="module")
def single(tracked_sweep) -> Path:
    return tracked_sweep / "0"


@pytest.fixture(scope="module")
def repeated(tracked_sweep) -> Path:
    return tracked_sweep / "1"


def test_the_options_of_all_groups_are_in_the_config(single):
    config = summary(single)["config"]
    assert config["choices"]["flow"] == "shallow"
    assert {"dataset", "table", "prior", "temperature", "model", "trainer"} <= set(
        config["choices"]
    )
    assert not [group for group in config["choices"] if group.startswith("hydra")]
    assert config["table_file"]["hash"] == table_hash_of(single)


def table_hash_of(folder: Path) -> str:
    import torch

    saved = torch.load(folder / "checkpoints/best.ckpt", weights_only=True)
    return table_hash(KnowledgeTable.from_dict(saved["hyper_parameters"]["table"]))


def test_a_table_file_is_named(scyan_exp, tmp_path, table_file, cells_file):
    code, output = scyan_exp(
        *("train", "dataset=h5ad", f"dataset.path={cells_file}", f"table.path={table_file}"),
        *("table=csv", "trainer.max_epochs=1", "flow=shallow", "hydra.run.dir=run"),
        "figures.draw=none",
    )
    assert code == 0, output
    config = summary(tmp_path / "run")["config"]
    assert config["table_file"] == {"name": "table.csv", "hash": table_hash(load_table(table_file))}
    assert config["choices"]["table"] == "csv"
    _, rows = table(tmp_path / "run", "populations")
    assert len(rows) == 3
    assert "confusion_matrix" not in summary(tmp_path / "run")["summary"]  # no labels


def test_a_table_is_known_by_what_it_says(table_file, tmp_path):
    table = load_table(table_file)
    again = tmp_path / "again.csv"
    again.write_text(table_file.read_text().replace(",1", ",1.0").replace("-1.0", "-1"))
    assert table_hash(load_table(again)) == table_hash(table)
    others = [table.edited({"B cells": {"CD4": 1.0}}, ()), table.edited({}, ["B cells"])]
    assert len({table_hash(one) for one in (table, *others)}) == 3


def test_the_table_of_populations_agrees_with_the_annotated_cells(single):
    obs = anndata.read_h5ad(single / "annotated.h5ad").obs
    names = column(single, "populations", "population")
    assert names == list(obs["scyan_pop"].cat.categories)
    shares = obs["scyan_pop"].value_counts().reindex(names) / len(obs)
    assert column(single, "populations", "share") == pytest.approx(shares.tolist())
    true = obs["population"].value_counts().reindex(names, fill_value=0) / len(obs)
    assert column(single, "populations", "true_share") == pytest.approx(true.tolist())
    assert sum(column(single, "populations", "weight")) == pytest.approx(1, abs=1e-5)
    agreement = [one for one in column(single, "populations", "right_side") if one is not None]
    assert agreement
    assert all(0 <= one <= 1 for one in agreement)
    means = [one for one in column(single, "populations", "mean_log_prob") if one is not None]
    assert min(means) >= obs["scyan_log_prob"].min()
    assert max(means) <= obs["scyan_log_prob"].max()


def test_the_weights_are_those_of_the_epoch_that_annotates(single):
    weights = pd.read_csv(single / "population_weights.csv")
    rows = weights.drop(columns="epoch")[column(single, "populations", "population")].to_numpy()
    sent = np.array(column(single, "populations", "weight"))
    assert np.abs(rows - sent).max(axis=1).min() < 1e-5


def test_the_confusion_matrix_counts_the_cells(single):
    columns, rows = table(single, "confusion_matrix")
    assert tuple(columns) == TABLES["confusion_matrix"]
    frame = pd.DataFrame(rows, columns=columns)
    assert frame["cells"].sum() == 600
    assert (frame.groupby("label")["share"].sum() - 1).abs().max() < 1e-9
    right = frame.loc[frame["label"] == frame["annotated"], "cells"].sum() / 600
    assert right == pytest.approx(summary(single)["summary"]["accuracy"])


def test_repeats_send_their_consensus_and_who_agrees(repeated):
    seen = summary(repeated)["summary"]
    record = json.loads((repeated / "result.json").read_text())["repeats"]
    assert seen["consensus/agreement"] == pytest.approx(record["consensus"]["agreement"])
    assert seen["std/accuracy"] == pytest.approx(record["std"]["accuracy"])
    assert column(repeated, "members", "seed") == [0, 1]
    weights = [one["weight"] for one in record["members"]]
    assert column(repeated, "members", "weight") == pytest.approx(weights)
    assert sum(column(repeated, "populations", "weight")) == pytest.approx(1, abs=1e-5)
    given = [one for one in column(repeated, "populations", "agreement") if one is not None]
    assert given
    assert all(0 < one <= 1 for one in given)


def test_nothing_is_sent_twice(single, repeated):
    for folder in (single, repeated):
        seen = summary(folder)
        names = collections.Counter(
            name.split("/")[-1]
            for name in seen["summary"]
            if not name.startswith(("_", "std/", "consensus/", "figures/", "pi/"))
        )
        assert [name for name, times in names.items() if times > 1] == []
        assert not set(seen["config"]) & set(seen["config"]["model"])
        assert not set(seen["config"]) & set(seen["summary"])
        steps = [one["history"]["item"] for one in records(folder) if one["type"] == "history"]
        medias = collections.Counter(
            name for row in steps for name in row if name.startswith(("figures/", *TABLES))
        )
        assert {name: n for name, n in medias.items() if n > 1} == {}
        losses = [row["epoch"] for row in steps if "loss" in row]
        assert len(losses) == len(set(losses))


def artifacts(folder: Path) -> dict[str, dict]:
    """The artifacts that were asked for, by kind; W&B makes one of each table as well."""
    found = [one["artifact"] for one in records(folder) if one["type"] == "artifact"]
    return {one["type"]: one for one in found if one["type"] in ("model", "dataset")}


def test_artifacts_have_their_aliases_and_are_not_copied(single, repeated):
    found = artifacts(single)
    assert set(found) == {"model", "dataset"}
    for one in found.values():
        assert set(one["aliases"]) >= {"best", "my_sweep"}
    (entry,) = found["model"]["manifest"]["contents"]
    assert Path(entry["local_path"]) == single / "checkpoints/best.ckpt"
    (entry,) = found["dataset"]["manifest"]["contents"]
    assert Path(entry["local_path"]) == single / "annotated.h5ad"
    assert set(artifacts(repeated)) == {"dataset"}  # a consensus has no model of its own
    assert set(artifacts(repeated / "seed_1")) == {"model", "dataset"}


def test_all_that_is_to_be_uploaded_lies_in_the_run_folder(single):
    for one in records(single):
        if one["type"] == "artifact":
            for entry in one["artifact"]["manifest"]["contents"]:
                assert single in Path(entry["local_path"]).parents
                assert Path(entry["local_path"]).is_file()


def test_no_artifact_by_default_and_a_wrong_one_is_named(scyan_exp, tmp_path):
    code, output = scyan_exp("train", "logger.artifacts=[checkpoints,cells]")
    assert code == 2
    assert "logger.artifacts[0]: expected 'checkpoint' or 'cells', found 'checkpoints'" in output
    assert "Did you mean 'checkpoint'?" in output
    code, output = scyan_exp("train", "--cfg", "job")
    assert "artifacts: []" in output


# ---------------------------------------------------------------- agents of W&B's sweeps


def run_as_agent(command: list[str], values: dict, folder: Path) -> subprocess.CompletedProcess:
    """Run the command of a sweep's file as an agent does."""
    given = [f"{name}={value}" for name, value in values.items()]
    words = []
    for word in command:
        words += {"${env}": ["/usr/bin/env"], "${args_no_hyphens}": given}.get(word, [word])
    place = words.index("scyan-exp")
    words[place : place + 1] = [sys.executable, "-m", "scyan_exp"]
    parameters = folder / "config-abc.yaml"
    parameters.write_text(yaml.safe_dump({k: {"value": v} for k, v in values.items()}))
    environment = {
        **os.environ,
        "WANDB_SWEEP_ID": "sweep123",
        "WANDB_RUN_ID": "abc45678",
        "WANDB_PROJECT": "scyan_exp",
        "WANDB_SWEEP_PARAM_PATH": str(parameters),
        "WANDB_DIR": str(folder),
    }
    return subprocess.run(
        words, check=False, cwd=folder, env=environment, capture_output=True, text=True
    )


def test_an_agent_runs_the_command_of_the_sweep_file(scyan_exp, tmp_path):
    code, output = scyan_exp(
        *("wandb-sweep", "search=quick", "dataset.n_cells=300", "trainer.max_epochs=1"),
        *("flow=shallow", "logger.mode=offline", "figures.draw=none", "hydra.run.dir=run"),
    )
    assert code == 0, output
    sweep = yaml.safe_load((tmp_path / "sweep.yaml").read_text())
    sweep["command"].insert(-1, "hydra.run.dir=run")
    values = {"model.prior_std": 0.21, "model.temperature": 1.5}
    assert set(sweep["parameters"]) == set(values)
    done = run_as_agent(sweep["command"], values, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = summary(tmp_path / "run")
    assert seen["run_id"] == "abc45678"
    assert seen["config"]["model"]["prior_std"] == 0.21
    assert sweep["metric"]["name"] in seen["summary"]
    (run,) = [one["run"] for one in records(tmp_path / "run") if one["type"] == "run"]
    assert run["sweep_id"] == "sweep123"


@pytest.mark.parametrize("arguments", [["repeats=2"], ["-m", "seed=0,1"]])
def test_several_trainings_under_one_id_are_refused(scyan_exp, tmp_path, monkeypatch, arguments):
    monkeypatch.setenv("WANDB_RUN_ID", "abc45678")
    code, output = scyan_exp("train", "dataset.n_cells=300", *arguments, "hydra.run.dir=run")
    assert code == (1 if "-m" in arguments else 2)
    assert f"{arguments[0]}: WANDB_RUN_ID is set, as agents of W&B's sweeps do" in output
    assert not list(tmp_path.rglob("*.ckpt"))
