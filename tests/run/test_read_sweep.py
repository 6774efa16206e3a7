"""The table of a sweep: from whatever its launcher left, at any moment."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from scyan_exp.errors import InputError
from scyan_exp.run.folder import RunFolder, SweepFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.read_sweep import read_sweep
from scyan_exp.run.record import RunRecord

HEADER = "job,overrides,status,objective,seconds,device,error,folder\n"


def job(folder: Path, *overrides: str, status: str = "completed", **values) -> None:
    """What a job leaves, as far as a table needs it."""
    hydra = {"hydra": {"job": {"num": values.pop("num", 0)}}}
    RunFolder(folder).write_config({}, hydra=hydra, overrides=list(overrides))
    if status != "not run":
        RunRecord(folder, "abc", 0, status=Outcome(status), **values).write()


def manifest(folder: Path, jobs: dict[int, list[str]]) -> None:
    listed = [{"number": n, "folder": str(n), "overrides": o} for n, o in jobs.items()]
    SweepFolder(folder).manifest.write_text(json.dumps({"launcher": {}, "jobs": listed}))


def rows(folder: Path, *lines: str) -> None:
    SweepFolder(folder).table.write_text(HEADER + "".join(f"{line}\n" for line in lines))


def test_a_sweep_of_any_launcher_has_a_row_a_job(tmp_path):
    job(tmp_path / "10", "seed=1", metrics={"loss": 2.0}, objective=2.0, epochs=4, fit_seconds=1.5)
    job(tmp_path / "2", "seed=0", status="failed", error="ValueError: no")
    job(tmp_path / "11", "seed=2", status="not run")
    table = read_sweep(tmp_path)
    assert table.index.tolist() == [2, 10, 11]
    assert table.index.name == "job"
    assert table.columns.tolist() == [
        *("seed", "outcome", "objective", "loss"),
        *("epochs", "fit_seconds", "seconds", "device", "error", "folder"),
    ]
    assert table["seed"].tolist() == [0, 1, 2]
    assert table["outcome"].tolist() == ["failed", "completed", "not run"]
    assert table.loc[10, ["loss", "objective", "epochs", "fit_seconds"]].tolist() == [2, 2, 4, 1.5]
    assert table["loss"].isna().tolist() == [True, False, True]
    assert table["error"][2] == "ValueError: no"
    assert table["folder"][10] == str(tmp_path / "10")


def test_the_list_of_the_fleet_tells_its_jobs_and_its_table_the_rest(tmp_path):
    manifest(tmp_path, {0: ["seed=0"], 1: ["seed=1"], 2: ["seed=2"], 3: ["seed=3"]})
    job(tmp_path / "0", "seed=0", objective=1.0)
    job(tmp_path / "1", "seed=1", status="running")
    job(tmp_path / "2", "seed=2", status="running")
    rows(tmp_path, "0,seed=0,completed,1.0,4.25,cpu:0,,x", "1,seed=1,timed out,,60,cpu:1,slow,x")
    table = read_sweep(tmp_path)
    assert table["outcome"].tolist() == ["completed", "timed out", "running", "not run"]
    assert table["seconds"].dropna().tolist() == [4.25, 60]
    assert table["device"].dropna().tolist() == ["cpu:0", "cpu:1"]
    assert table["error"].dropna().tolist() == ["slow"]


def test_a_trial_that_was_refused_before_it_had_a_folder_is_there(tmp_path):
    manifest(tmp_path, {0: ["flow=deep"]})
    job(tmp_path / "0", "flow=deep")
    rows(tmp_path, "1,flow=deep name='a b' +model.x=0.5,failed,,,,model.x: unknown key,.")
    table = read_sweep(tmp_path)
    assert table["outcome"].tolist() == ["completed", "failed"]
    assert table.loc[1, ["flow", "name", "model.x"]].tolist() == ["deep", "a b", 0.5]
    assert table.loc[1, "error"] == "model.x: unknown key"


def test_values_are_what_was_meant(tmp_path):
    typed = {
        "seed=3": 3,
        "model.prior_std=1e-2": 0.01,
        "dataset.scale=true": True,
        "ckpt_path=null": None,
        "tags=[a,b]": ["a", "b"],
        "name='x,y z'": "x,y z",
        "flow=deep": "deep",
        "+model.hidden_size=4": 4,
        "~callbacks.early_stopping": "removed",
        "own=(not=Hydra's": "(not=Hydra's",
    }
    job(tmp_path / "0", *typed)
    found = read_sweep(tmp_path).loc[0]
    for override, value in typed.items():
        assert found[override.partition("=")[0].lstrip("+~")] == value, override


def test_of_a_key_that_was_given_twice_the_last_value_counts(tmp_path):
    job(tmp_path / "0", "seed=1", "seed=2")
    assert read_sweep(tmp_path)["seed"].tolist() == [2]


def test_a_key_that_only_some_jobs_were_given_is_missing_for_the_others(tmp_path):
    job(tmp_path / "0", "seed=1", "flow=deep")
    job(tmp_path / "1", "seed=2")
    table = read_sweep(tmp_path)
    assert table["flow"].isna().tolist() == [False, True]


def test_a_key_with_the_name_of_another_column_gets_a_longer_one(tmp_path):
    job(tmp_path / "0", "objective=accuracy", "loss=3", metrics={"loss": 0.5}, objective=0.9)
    table = read_sweep(tmp_path)
    assert table.loc[0, ["override.objective", "override.loss"]].tolist() == ["accuracy", 3]
    assert table.loc[0, ["objective", "loss"]].tolist() == [0.9, 0.5]
    assert table.columns.is_unique


def test_several_objectives_are_a_list_and_no_number_is_missing(tmp_path):
    job(tmp_path / "0", metrics={"loss": None, "accuracy": 0.5}, objective=[1.0, 0.5])
    table = read_sweep(tmp_path)
    assert table["objective"][0] == [1.0, 0.5]
    assert np.isnan(table["loss"][0])


def test_numbers_are_numbers_also_where_there_are_none(tmp_path):
    job(tmp_path / "0", status="not run")
    table = read_sweep(tmp_path)
    for name in ("objective", "epochs", "fit_seconds", "seconds"):
        assert table[name].dtype == float, name


def test_repeats_are_no_jobs(tmp_path):
    job(tmp_path / "0", "seed=0", "repeats=2")
    job(tmp_path / "0" / "seed_0", "seed=0", "repeats=2")
    assert len(read_sweep(tmp_path)) == 1


def test_folders_with_names_of_their_own_keep_the_numbers_of_their_jobs(tmp_path):
    job(tmp_path / "flow=deep" / "a", "flow=deep", num=7)
    job(tmp_path / "flow=shallow" / "a", "flow=shallow", num=3)
    assert read_sweep(tmp_path)["flow"].to_dict() == {3: "shallow", 7: "deep"}
    RunFolder(tmp_path / "flow=deep" / "a").hydra_config.write_text("hydra: {}")
    RunFolder(tmp_path / "flow=shallow" / "a").hydra_config.unlink()
    assert read_sweep(tmp_path)["flow"].to_dict() == {0: "deep", 1: "shallow"}


def test_it_may_be_named_from_the_folder_above(tmp_path, monkeypatch):
    job(tmp_path / "sweep" / "0", "seed=0")
    monkeypatch.chdir(tmp_path)
    assert read_sweep("sweep")["folder"].tolist() == [str(tmp_path / "sweep" / "0")]


# ---------------------------------------------------------------- what is no sweep


@pytest.mark.parametrize("text", ["", "[]", '{"jobs": 3}', '{"jobs": [{"number": 0}]}'])
def test_a_damaged_list_is_refused(tmp_path, text):
    SweepFolder(tmp_path).manifest.write_text(text)
    with pytest.raises(InputError, match=r"sweep\.json: not the list of a sweep's jobs"):
        read_sweep(tmp_path)


def test_overrides_that_are_no_yaml_are_refused(tmp_path):
    job(tmp_path / "0", "seed=0")
    RunFolder(tmp_path / "0").overrides.write_text("[")
    with pytest.raises(InputError, match=r"overrides\.yaml: not YAML"):
        read_sweep(tmp_path)


def test_later_formats_are_refused(tmp_path):
    SweepFolder(tmp_path).manifest.write_text('{"format": 99, "jobs": []}')
    with pytest.raises(InputError, match=r"sweep\.json: is of format 99"):
        read_sweep(tmp_path)


def test_what_is_no_sweep_is_refused(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder; expected that of a sweep"):
        read_sweep(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"no sweep: there are neither a sweep\.json nor folders"):
        read_sweep(tmp_path)
    job(tmp_path, "seed=0")
    with pytest.raises(
        InputError, match=r"the folder of a run, not of a sweep \(in Python: scyan_exp\.read_run\)"
    ):
        read_sweep(tmp_path)
