"""Jobs of a sweep: composed, written to their folders, and read back."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from scyan_exp.config.check import check_config
from scyan_exp.config.compose import configs_folder
from scyan_exp.errors import InputError
from scyan_exp.fleet.grid import compose_grid
from scyan_exp.fleet.job_config import hydra_of, load_config, without_hydra
from scyan_exp.fleet.jobs import Job
from scyan_exp.fleet.manifest import add_job, read_jobs, write_jobs
from scyan_exp.fleet.varied import Base, Varied
from scyan_exp.run.folder import FORMAT
from scyan_exp.run.job import TrainJob
from tests.fleet.grids import command


def test_jobs_come_back_from_their_folders_as_they_were_written(compose_all, tmp_path):
    sweep = tmp_path / "sweep"
    jobs = compose_all(["seed=3", "name=run-${seed}"], ["model.lr=0.1", "tags=[a,b]"])
    write_jobs(jobs, sweep, {"devices": [0, 1], "timeout_min": None})
    again, settings = read_jobs(sweep, check_config)
    assert settings == {"devices": [0, 1], "timeout_min": None}
    assert [one.number for one in again] == [0, 1]
    assert [one.overrides for one in again] == [one.overrides for one in jobs]
    assert [one.checked for one in again] == [one.checked for one in jobs]
    assert [one.plain() for one in again] == [one.plain() for one in jobs]
    assert (
        [one.folder for one in again] == [one.folder for one in jobs] == [sweep / "0", sweep / "1"]
    )
    assert again[0].checked.name == "run-3"
    for one in again:
        assert one.config.hydra.runtime.output_dir == str(one.folder)
        assert str(one.config.hydra.mode) == "RunMode.MULTIRUN"


def test_a_sweep_that_was_moved_is_read_where_it_is(compose_all, tmp_path):
    write_jobs(compose_all(["seed=1"]), tmp_path / "sweep", {})
    (tmp_path / "sweep").rename(tmp_path / "moved")
    (moved,), _ = read_jobs(tmp_path / "moved", check_config)
    assert moved.folder == tmp_path / "moved" / "0"
    assert moved.config.hydra.runtime.output_dir == str(moved.folder)


def test_a_relative_folder_is_read_as_an_absolute_one(compose_all, tmp_path, monkeypatch):
    write_jobs(compose_all(["seed=1"]), tmp_path / "sweep", {})
    monkeypatch.chdir(tmp_path)
    (one,), _ = read_jobs(Path("sweep"), check_config)
    assert one.folder == tmp_path / "sweep" / "0"


def test_files_of_hydra_may_lie_in_another_folder(compose_all, tmp_path):
    write_jobs(
        compose_all(["seed=5"], always=["hydra.output_subdir=.config"]), tmp_path / "sweep", {}
    )
    (one,), _ = read_jobs(tmp_path / "sweep", check_config)
    assert one.checked.seed == 5
    assert load_config(one.folder).seed == 5


def test_batches_of_a_sweeper_add_to_the_list(compose_all, tmp_path):
    write_jobs(compose_all(["seed=0"], ["seed=1"]), tmp_path / "sweep", {})
    write_jobs(compose_all(["seed=2"], ["seed=3"], first=2), tmp_path / "sweep", {"retries": 4})
    jobs, settings = read_jobs(tmp_path / "sweep", check_config)
    assert [(one.number, one.checked.seed) for one in jobs] == [(i, i) for i in range(4)]
    assert settings == {"retries": 4}


def test_a_job_that_is_written_again_is_listed_once(compose_all, tmp_path):
    write_jobs(compose_all(["seed=0"], ["seed=1"]), tmp_path / "sweep", {})
    write_jobs(compose_all(["seed=7"], first=1), tmp_path / "sweep", {})
    manifest = json.loads((tmp_path / "sweep/sweep.json").read_text())
    assert [one["number"] for one in manifest["jobs"]] == [0, 1]
    assert [one["overrides"] for one in manifest["jobs"]] == [["seed=0"], ["seed=7"]]
    jobs, _ = read_jobs(tmp_path / "sweep", check_config)
    assert [one.checked.seed for one in jobs] == [0, 7]


def test_a_sweep_of_the_first_format_is_read(compose_all, tmp_path):
    """Its list has no number of a format, and its logs name a class that has moved since."""
    write_jobs(compose_all(["seed=3"]), tmp_path / "sweep", {"retries": 4})
    path = tmp_path / "sweep/sweep.json"
    manifest = json.loads(path.read_text())
    assert manifest.pop("format") == FORMAT
    path.write_text(json.dumps(manifest))
    of_hydra = tmp_path / "sweep/0/.hydra/hydra.yaml"
    text = of_hydra.read_text()
    assert "class: scyan_exp.terminal.TerminalHandler" in text
    of_hydra.write_text(text.replace("scyan_exp.terminal.Terminal", "scyan_exp.logs.Terminal"))
    (one,), settings = read_jobs(tmp_path / "sweep", check_config)
    assert (one.checked.seed, settings) == (3, {"retries": 4})
    handler = one.config.hydra.job_logging.handlers.console["class"]
    assert handler == "scyan_exp.terminal.TerminalHandler"
    assert one.config.hydra.launcher == load_config(one.folder).hydra.launcher


@pytest.mark.parametrize("more", ['"jobs": []', '"jobs": {"of": "another kind"}'])
def test_a_sweep_of_a_newer_format_is_refused_in_words(tmp_path, more):
    (tmp_path / "sweep.json").write_text(f'{{"format": {FORMAT + 1}, {more}}}')
    with pytest.raises(InputError) as refused:
        read_jobs(tmp_path, check_config)
    expected = f"is of format {FORMAT + 1}, this version reads up to {FORMAT}: update scyan_exp"
    assert expected in str(refused.value)
    assert "sweep.json" in str(refused.value)


def test_all_problems_of_all_jobs_are_named(compose_all, tmp_path):
    with pytest.raises(InputError) as refused:
        compose_all(["model.lr=-1", "seed=-2"], ["seed=1"], ["trainer.max_epochs=0"])
    problems = refused.value.problems
    assert len(problems) == 3
    assert [problem[:5] for problem in problems] == ["job 0", "job 0", "job 2"]
    assert "job 2 (trainer.max_epochs=0): trainer.max_epochs: expected" in problems[2]
    assert not (tmp_path / "sweep").exists()


def test_jobs_that_would_share_a_folder_are_refused(compose_all):
    with pytest.raises(InputError, match=r"jobs 0, 1 would share the folder .*/same; use"):
        compose_all(["seed=0"], ["seed=1"], always=["hydra.sweep.subdir=same"])


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '{"jobs": 3, "launcher": {}}', '{"jobs": [{}], "launcher": {}}']
)
def test_a_damaged_list_of_jobs_is_refused(tmp_path, text):
    (tmp_path / "sweep.json").write_text(text)
    with pytest.raises(InputError) as refused:
        read_jobs(tmp_path, check_config)
    assert "sweep.json" in str(refused.value)


BROKEN = ("a: [1", "- 1\n- 2", "just text", "\x00")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("hydra.yaml", text) for text in BROKEN),  # when empty, Hydra's defaults stand in
        *(("config.yaml", text) for text in (*BROKEN, "", "seed: one")),
    ],
)
def test_a_damaged_config_is_refused_with_the_number_of_its_job(compose_all, tmp_path, name, text):
    write_jobs(compose_all(["seed=0"], ["seed=1"]), tmp_path / "sweep", {})
    (tmp_path / "sweep" / "1" / ".hydra" / name).write_text(text)
    with pytest.raises(InputError) as refused:
        read_jobs(tmp_path / "sweep", check_config)
    assert "job 1" in str(refused.value)


def test_a_job_whose_folder_is_gone_is_refused(compose_all, tmp_path):
    write_jobs(compose_all(["seed=0"], ["seed=1"]), tmp_path / "sweep", {})
    (tmp_path / "sweep" / "1").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="job 1"):
        read_jobs(tmp_path / "sweep", check_config)


# ---------------------------------------------------------------- of a grid


def as_written(job: Job) -> tuple[object, ...]:
    return job.number, job.folder, job.overrides, job.checked, job.plain(), dict(job.hydra)


@pytest.fixture
def write_grid(tmp_path, hydra_restore_singletons):
    """Compose jobs as a grid, and write their list to ``tmp_path/sweep``."""

    def write(*jobs: list[str], always: Sequence[str] = (), first: int = 0) -> list[Job]:
        with command(configs_folder(), "train", tmp_path / "sweep", TrainJob(), always) as one:
            made = compose_grid(one.loader, one.config, one.task, jobs, first)
        (tmp_path / "sweep").mkdir(exist_ok=True)
        write_jobs(made, tmp_path / "sweep", {"retries": 2})
        return made

    return write


def test_a_grid_comes_back_from_one_file(write_grid, tmp_path):
    jobs = write_grid(["seed=3"], ["seed=4"], ["flow=deep", "seed=3"])
    assert [path.name for path in (tmp_path / "sweep").iterdir()] == ["sweep.json"]
    assert len(json.loads((tmp_path / "sweep/sweep.json").read_text())["bases"]) == 2
    again, settings = read_jobs(tmp_path / "sweep", check_config)
    assert settings == {"retries": 2}
    assert [as_written(one) for one in again] == [as_written(one) for one in jobs]
    again[1].write()
    written = load_config(jobs[1].folder)
    assert check_config(without_hydra(written)) == jobs[1].checked
    assert hydra_of(written) == hydra_of(jobs[1].config)
    assert written.hydra.job.num == 1


def test_a_grid_that_was_moved_is_read_where_it_is(write_grid, tmp_path):
    write_grid(["seed=3"], ["seed=4"])
    (tmp_path / "sweep").rename(tmp_path / "moved")
    (_, moved), _ = read_jobs(tmp_path / "moved", check_config)
    assert moved.folder == tmp_path / "moved" / "1"
    assert moved.config.hydra.sweep.dir == str(tmp_path / "moved")
    assert moved.config.hydra.runtime.output_dir == str(moved.folder)


def test_batches_of_a_grid_keep_what_is_in_use(write_grid, tmp_path):
    write_grid(["seed=0"], ["seed=1"])
    write_grid(["seed=2"], first=2)
    write_grid(["seed=7"], ["seed=8"])
    jobs, _ = read_jobs(tmp_path / "sweep", check_config)
    assert [job.checked.seed for job in jobs] == [7, 8, 2]
    assert len(json.loads((tmp_path / "sweep/sweep.json").read_text())["bases"]) == 2


def test_what_json_has_no_word_for_comes_back_too(tmp_path):
    base = Base({1: "a", "x": math.inf}, {"sweep": {"dir": "sweep"}})
    job = Job(0, tmp_path / "0", [], Varied(base, {}))
    write_jobs([job], tmp_path, {})
    listed = json.loads((tmp_path / "sweep.json").read_text())["bases"][0]
    assert OmegaConf.to_container(OmegaConf.create(listed["config"])) == base.config


@pytest.mark.parametrize(
    "damage",
    [
        lambda values: values["bases"].clear(),
        lambda values: values["bases"][0].pop("hydra"),
        lambda values: values["bases"][0].update(config=3),
        lambda values: values["bases"][0]["hydra"].pop("job"),
        lambda values: values["bases"][0].update(config="a: &x [1]\nb: *x"),
        lambda values: values["bases"][0]["config"].pop("model"),
        lambda values: values["jobs"][1].update(values=[[["nowhere", "x"], 1]]),
        lambda values: values["jobs"][1].update(values=[[["seed"], "one"]]),
    ],
)
def test_a_damaged_list_of_a_grid_is_refused(write_grid, tmp_path, damage):
    write_grid(["seed=3"], ["seed=4"])
    path = tmp_path / "sweep/sweep.json"
    values = json.loads(path.read_text())
    damage(values)
    path.write_text(json.dumps(values))
    with pytest.raises(InputError, match=r"job 1 \(.*\): its config is damaged"):
        read_jobs(tmp_path / "sweep", check_config)


def test_trials_are_added_to_the_list(compose_all, tmp_path):
    first, second = compose_all(["seed=0"], ["seed=1"])
    write_jobs([first], tmp_path / "sweep", {"retries": 4})
    before = (tmp_path / "sweep/sweep.json").read_bytes()
    add_job(second, tmp_path / "sweep")
    assert (tmp_path / "sweep/sweep.json").read_bytes() == before
    jobs, settings = read_jobs(tmp_path / "sweep", check_config)
    assert ([job.checked.seed for job in jobs], settings) == ([0, 1], {"retries": 4})
