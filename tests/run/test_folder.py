"""The names of the files of runs and sweeps."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from scyan_exp.errors import InputError
from scyan_exp.run.folder import FORMAT, RunFolder, SweepFolder, check_format


@pytest.mark.parametrize("folder", [RunFolder, SweepFolder])
def test_every_name_is_of_another_file_in_the_folder(folder, tmp_path):
    names = [name for name, value in vars(folder).items() if isinstance(value, property)]
    found = [getattr(folder(tmp_path), name) for name in names]
    paths = [one.path if isinstance(one, RunFolder) else one for one in found]
    assert len(set(paths)) == len(names) > 5
    assert all(tmp_path in path.parents for path in paths)


@pytest.mark.parametrize("durable", [True, False])
def test_a_config_is_written_where_it_is_read(tmp_path, durable):
    folder = RunFolder(tmp_path / "new" / "run")
    config = {"seed": 3, "model": {"prior_std": 0.2}, "name": None}
    hydra = OmegaConf.create({"hydra": {"job": {"num": 2}}})
    folder.write_config(config, durable=durable, hydra=hydra, overrides=["seed=3"])
    assert OmegaConf.load(folder.config) == config
    assert OmegaConf.load(folder.hydra_config) == hydra
    assert OmegaConf.load(folder.overrides) == ["seed=3"]
    written = folder.overrides.stat().st_ino
    folder.write_config(config, overrides=["seed=3"])  # by the worker, after the launcher
    assert folder.overrides.stat().st_ino == written
    folder.write_config({**config, "seed": 4})  # of a repeat, which is no job: the others stay
    assert OmegaConf.load(folder.config).seed == 4
    assert OmegaConf.load(folder.overrides) == ["seed=3"]
    assert config == {"seed": 3, "model": {"prior_std": 0.2}, "name": None}
    assert len(list(folder.path.rglob("*"))) == 4


def test_jobs_are_found_wherever_they_lie_in_the_order_of_their_numbers(tmp_path):
    for name in ("10", "9", "deep/a", "9/seed_0"):
        RunFolder(tmp_path / name).write_config({}, overrides=[])
    RunFolder(tmp_path / "11").write_config({})  # no job: nobody has typed anything
    found = SweepFolder(tmp_path).job_folders()
    assert [str(one.path.relative_to(tmp_path)) for one in found] == ["9", "10", "deep/a"]


def test_a_run_is_no_sweep_of_its_repeats(tmp_path):
    for folder in (RunFolder(tmp_path), RunFolder(tmp_path).repeat(0)):
        folder.write_config({}, overrides=[])
    assert SweepFolder(tmp_path).job_folders() == []


def test_the_best_trials_are_two_files_each(tmp_path):
    folder = SweepFolder(tmp_path)
    (tmp_path / "experiment").mkdir()
    files = [*folder.experiments("best"), *folder.experiments("best_12")]
    for path in [*files, tmp_path / "best_of_mine.yaml", tmp_path / "multirun.yaml"]:
        path.touch()
    assert sorted(folder.best_experiments()) == sorted(files)


@pytest.mark.parametrize(
    ("name", "is_sweep", "is_search"),
    [("nothing", False, False), ("multirun.yaml", True, False), ("sweep.json", True, False)],
)
def test_a_folder_says_what_it_holds(tmp_path, name, is_sweep, is_search):
    (tmp_path / name).touch()
    folder = SweepFolder(tmp_path)
    assert (folder.holds_sweep(), folder.holds_search()) == (is_sweep, is_search)
    (tmp_path / "study.json").touch()
    assert folder.holds_search()


@pytest.mark.parametrize(
    ("values", "found"), [({}, 1), ({"format": 1}, 1), ({"format": 2}, 2), ({"format": 3}, 3)]
)
def test_formats_that_are_known(tmp_path, values, found):
    assert check_format(values, tmp_path) == found


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (FORMAT + 1, f"is of format {FORMAT + 1}, this version reads up to {FORMAT}: update"),
        ("2", "format: expected a number, found '2'"),
        (None, "format: expected a number, found None"),
    ],
)
def test_formats_that_are_not(tmp_path, value, message):
    with pytest.raises(InputError, match=message) as raised:
        check_format({"format": value}, tmp_path / "result.json")
    assert raised.value.where == str(tmp_path / "result.json")
