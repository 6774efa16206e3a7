"""A sweep as its page has it, against what ``read_sweep`` and the files say."""

from __future__ import annotations

import json
import math
import os
import shutil

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest

from scyan_exp.errors import InputError
from scyan_exp.report.sweep_data import SweepReader, changed_jobs, sweep_data
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.read_sweep import read_sweep
from tests.report.conftest import IMAGE, POPULATIONS


@pytest.fixture(scope="module")
def data(sweep):
    return sweep_data(sweep)


@pytest.fixture(scope="module")
def table(sweep):
    return read_sweep(sweep)


def test_numbers_are_those_of_read_sweep_to_the_digit(data, table):
    assert [job["number"] for job in data["jobs"]] == list(table.index)
    numbers = ["objective", "epochs", "fit_seconds", "seconds"]
    metrics = [*table.columns][table.columns.get_loc("objective") + 1 :]
    for job, (_, row) in zip(data["jobs"], table.iterrows(), strict=True):
        assert job["outcome"] == row["outcome"]
        assert job["error"] == row["error"]
        for name in numbers:
            assert job[name] == (None if math.isnan(row[name]) else row[name])
        for name in data["sweep"]["metrics"]:
            assert name in metrics
            expected = None if math.isnan(row[name]) else row[name]
            assert job["metrics"].get(name) == expected
        for key, value in job["overrides"].items():
            assert value == row[key] or str(row[key]) == value
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_names_are_what_the_jobs_differ_in(data):
    assert data["sweep"]["varied"] == ["model.prior_std", "seed", "dataset.subset"]
    assert data["sweep"]["parameters"] == ["model.prior_std", "dataset.subset"]
    first = data["jobs"][0]
    assert first["name"].startswith("model.prior_std=0.2 seed=0 dataset.subset=")
    assert first["command"].startswith("scyan-exp train dataset=h5ad dataset.path=cells.h5ad")
    assert first["folder"] == "0"
    assert "trust.png" in first["figures"]


def test_shares_are_of_the_cells_and_weights_of_the_model(data, sweep):
    names = data["sweep"]["populations"]
    assert names == list(POPULATIONS)
    job = next(one for one in data["jobs"] if one["outcome"] == "completed")
    cells = anndata.read_h5ad(sweep / job["folder"] / "annotated.h5ad").obs["scyan_pop"]
    expected = [float((cells == name).mean()) for name in names]
    assert job["shares_of"] == "cells"
    assert job["shares"] == pytest.approx(expected, rel=1e-3)
    assert job["unannotated"] == pytest.approx(float(cells.isna().mean()), rel=1e-3, abs=1e-9)
    weights = pd.read_csv(sweep / job["folder"] / "population_weights.csv", index_col="epoch")
    assert job["weights"]["epoch"] == list(weights.index)
    np.testing.assert_allclose(np.array(job["weights"]["of"]).T, weights[names], rtol=1e-3)
    np.testing.assert_allclose(np.sum(job["weights"]["of"], axis=0), 1, atol=1e-3)


def test_without_annotated_cells_the_last_weights_are_the_shares(sweep, tmp_path):
    copy = shutil.copytree(sweep, tmp_path / "copy")
    (copy / "0" / "annotated.h5ad").unlink()
    job = sweep_data(copy)["jobs"][0]
    assert (job["shares_of"], job["unannotated"]) == ("weights", None)
    assert job["shares"] == [values[-1] for values in job["weights"]["of"]]


def test_curves_leave_out_epochs_at_a_temperature(data, sweep):
    job = data["jobs"][0]
    rows = pd.read_csv(sweep / "0" / "metrics.csv").dropna(subset="loss")
    plain = rows[rows["use_temperature"] == 0]
    assert 0 < len(plain) < len(rows)
    assert job["curve"]["epoch"] == plain["epoch"].tolist()
    assert job["curve"]["loss"] == pytest.approx(plain["loss"].tolist(), rel=1e-4)
    assert job["curve"]["agreement"] == pytest.approx(plain["table_agreement"].tolist(), rel=1e-3)


def test_agreement_is_the_share_of_cells_alike(data, sweep):
    found = data["sweep"]["agreement"]
    completed = [job["number"] for job in data["jobs"] if job["outcome"] == "completed"]
    assert sorted(found["jobs"]) == completed
    assert found["jobs"][0] == data["sweep"]["best"]
    first, second = found["jobs"][:2]
    of = [
        anndata.read_h5ad(sweep / str(n) / "annotated.h5ad").obs["scyan_pop"]
        for n in (first, second)
    ]
    alike = np.mean(of[0].cat.codes.to_numpy() == of[1].cat.codes.to_numpy())
    assert found["shares"][0][1] == found["shares"][1][0] == pytest.approx(alike, rel=1e-3)
    assert found["shares"][0][0] == 1


def test_jobs_of_other_cells_are_not_compared(sweep, tmp_path):
    copy = shutil.copytree(sweep, tmp_path / "copy")
    config = RunFolder(copy / "0").config
    config.write_text(config.read_text().replace("path: cells.h5ad", "path: others.h5ad"))
    before, after = sweep_data(sweep)["sweep"]["agreement"], sweep_data(copy)["sweep"]["agreement"]
    assert 0 in before["jobs"]
    assert set(before["jobs"]) - set(after["jobs"]) == {0}


def test_failed_jobs_keep_their_messages(data):
    failed = [job for job in data["jobs"] if job["outcome"] == "failed"]
    assert len(failed) == 4
    assert all(IMAGE in job["error"] for job in failed)
    assert all(job["shares"] is None and job["curve"]["epoch"] == [] for job in failed)


def test_a_search_with_repeats_has_a_front_and_their_spread(search):
    data = sweep_data(search)
    assert data["sweep"]["kind"] == "search"
    assert [one["name"] for one in data["sweep"]["objectives"]] == ["heuristic", "loss"]
    front = data["sweep"]["front"]
    assert front
    assert data["sweep"]["best"] is None
    job = data["jobs"][front[0]]
    assert [one["name"] for one in job["repeats"]["members"]] == ["seed_0", "seed_1"]
    assert sum(one["weight"] for one in job["repeats"]["members"]) == pytest.approx(1)
    agreements = [one["agreement"] for one in job["repeats"]["populations"]]
    assert agreements == sorted(agreements)
    cells = anndata.read_h5ad(search / job["folder"] / "annotated.h5ad").obs
    least = job["repeats"]["populations"][0]
    mean = cells.loc[cells["scyan_pop"] == least["name"], "scyan_agreement"].mean()
    assert least["agreement"] == pytest.approx(mean, rel=1e-3)
    assert job["curve"]["epoch"].count(None) == 1  # a gap between the two trainings
    assert job["curve"]["epoch"][0] == 0
    assert "search=" not in job["command"]
    assert "repeats=2" in job["command"]


def test_only_changed_jobs_are_read_again_and_told(sweep, tmp_path):
    copy = shutil.copytree(sweep, tmp_path / "copy")
    reader = SweepReader(copy)
    before = reader.read()
    assert changed_jobs(before, reader.read()) == []
    weights = copy / "2" / "population_weights.csv"
    weights.write_text(weights.read_text() + "9,0.5,0.25,0.25\n")
    # A file that changes behind the reader's back is not read: neither its time nor its size did.
    other = copy / "0" / "metrics.csv"
    times = other.stat()
    other.write_bytes(other.read_bytes().replace(b"0", b"1"))
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = reader.read()
    (changed,) = changed_jobs(before, after)
    assert changed["number"] == 2
    assert changed["weights"]["epoch"][-1] == 9
    assert after["sweep"]["agreement"] is before["sweep"]["agreement"]


def test_a_half_written_last_line_is_left_out(sweep, tmp_path):
    copy = shutil.copytree(sweep, tmp_path / "copy")
    with (copy / "0" / "population_weights.csv").open("a") as file:
        file.write("7")
    job = sweep_data(copy)["jobs"][0]
    assert job["weights"]["of"][0][-1] is None
    with (copy / "0" / "population_weights.csv").open("a") as file:
        file.write(",garb")
    assert sweep_data(copy)["jobs"][0]["weights"]["of"][0][-1] is None


def test_a_letter_that_is_half_written_ends_the_log(sweep, tmp_path):
    copy = shutil.copytree(sweep, tmp_path / "copy")
    path = copy / "0" / "population_weights.csv"
    path.write_bytes("epoch,γδ T cells".encode()[:8])
    assert sweep_data(copy)["jobs"][0]["weights"]["of"] is not None


def test_cells_of_another_program_are_no_cells(sweep, tmp_path):
    copy = shutil.copytree(sweep, tmp_path / "copy")
    with h5py.File(copy / "0" / "annotated.h5ad", "w") as file:
        file["x"] = 1
    assert sweep_data(copy)["jobs"][0]["shares_of"] == "weights"


@pytest.mark.parametrize("damage", [b"", b"not hdf5", None])
def test_damaged_cells_are_no_cells(sweep, tmp_path, damage):
    copy = shutil.copytree(sweep, tmp_path / "copy")
    path = copy / "0" / "annotated.h5ad"
    path.write_bytes(path.read_bytes()[:2000] if damage is None else damage)
    assert sweep_data(copy)["jobs"][0]["shares_of"] == "weights"


def test_no_sweep_is_said_in_words(tmp_path):
    with pytest.raises(InputError, match=r"no sweep: there are neither a sweep\.json nor"):
        sweep_data(tmp_path)
