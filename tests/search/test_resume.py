"""Going on with a search: more trials, another one in its folder, damaged files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from scyan_exp.config.compose import configs_folder
from scyan_exp.run.folder import SweepFolder
from scyan_exp.run.sweep_files import Manifest
from scyan_exp.search.description import NEEDED
from scyan_exp.search.resume import search_arguments
from scyan_exp.search.space import parse_space
from tests.fleet.sweeps import (
    ENDLESS,
    PATIENCE,
    QUICK,
    TWO,
    ended,
    no_process_is_left,
    until,
)
from tests.search.apps import open_study, states
from tests.search.searches import SEARCH, SHORT, SPACE, assert_whole

#: Holds the lock of a sweep's folder, as whoever runs its jobs does, until it is killed.
HOLDER = """\
import sys, time
from pathlib import Path
from scyan_exp.fleet.locking import locked

with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def held(two_trials) -> Iterator[subprocess.Popen]:
    """Another process that runs the jobs of ``two_trials``."""
    command = [sys.executable, "-c", HOLDER, str(two_trials.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_who_comes_second_is_refused_until_the_first_is_gone(two_trials, held, scyan_exp):
    before = two_trials.finished()
    where = ["hydra/launcher=fleet", f"hydra.sweep.dir={two_trials.folder}"]
    again = ["train", "-m", *where, *SEARCH, *QUICK, "hydra.sweeper.n_trials=2"]
    for second in (["resume", str(two_trials.folder)], again):
        code, output = scyan_exp(*second)
        assert code == 2, output
        assert "another process is running the jobs of this sweep" in output
        assert "Traceback" not in output
    assert two_trials.finished() == before
    held.kill()
    held.wait()
    code, output = scyan_exp("resume", str(two_trials.folder))
    assert code == 0, output


@pytest.mark.slow
def test_two_who_go_on_with_a_search_are_refused_but_one(own_search):
    arguments = [*ENDLESS, "hydra.sweeper.n_trials=2"]
    process = own_search.begin(*arguments)
    until(lambda: min(own_search.epochs(0), own_search.epochs(1)) > 0, process)
    for second in (own_search.resume(), own_search.begin(*arguments)):
        output = ended(second, code=2)
        assert "another process is running the jobs of this sweep" in output
        assert "Traceback" not in output
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    ended(process, code=130)
    assert states(own_search.study) == ["RUNNING"] * 2


@pytest.mark.slow
def test_of_two_resumers_at_the_same_time_one_is_refused(own_search):
    process = own_search.begin(*SHORT, "hydra.sweeper.n_trials=5")
    until(lambda: own_search.epochs(0) > 0, process)
    process.kill()
    process.communicate()
    no_process_is_left(own_search)
    both = [own_search.resume(), own_search.resume()]
    for one in both:
        one.wait(PATIENCE)
    assert sorted(one.returncode for one in both) == [0, 2], [one.communicate() for one in both]
    assert_whole(own_search, 5)


def test_a_search_can_be_given_more_trials_and_remembers_it(two_trials, scyan_exp):
    before = two_trials.finished()
    code, output = scyan_exp("resume", str(two_trials.folder), "n_trials=4", "jobs_per_device=1")
    assert code == 0, output
    assert "4 trials (2 of them have ended), 1 at a time" in output
    after = two_trials.finished()
    assert {number: after[number] for number in before} == before
    assert_whole(two_trials, 4)
    assert scyan_exp("resume", str(two_trials.folder), "n_trials=3", "timeout_min=9")[0] == 0
    arguments = json.loads((two_trials.folder / "study.json").read_text())["arguments"]
    assert [one for one in arguments if "n_trials" in one] == ["hydra.sweeper.n_trials=3"]
    assert "hydra.launcher.timeout_min=9" in arguments
    assert "hydra.launcher.jobs_per_device=1" in arguments
    code, output = scyan_exp("resume", str(two_trials.folder))
    assert code == 0
    assert "3 trials (4 of them have ended)" in output
    assert two_trials.finished() == after


def test_a_completed_search_has_nothing_to_do(two_trials, scyan_exp):
    before, description = two_trials.finished(), two_trials.folder / "study.json"
    described = json.loads(description.read_text())
    code, output = scyan_exp("resume", str(two_trials.folder))
    assert code == 0
    assert "2 trials (2 of them have ended)" in output
    assert "Best: trial " in output
    assert two_trials.finished() == before
    assert json.loads(description.read_text()) == described


def test_the_list_of_a_search_that_was_killed_at_its_end_becomes_one_file(two_trials, scyan_exp):
    files = SweepFolder(two_trials.folder)
    whole = files.manifest.read_bytes()
    listed = Manifest.read(files.manifest)
    replace(listed, jobs=listed.jobs[:1]).write(files.manifest)
    Manifest.add(files.manifest, listed.jobs[1])
    assert scyan_exp("resume", str(two_trials.folder))[0] == 0
    assert files.manifest.read_bytes() == whole
    assert not files.new_jobs.exists()


def test_a_trial_that_was_told_to_the_study_alone_gets_its_row(two_trials, scyan_exp):
    """The study is told first; a sweep that is killed then has a row of a trial that runs."""
    table = two_trials.folder / "sweep.csv"
    begun, ended = table.read_text().splitlines(keepends=True)[1:]
    table.write_text(table.read_text().replace(begun, begun.replace("completed", "running")))
    assert two_trials.statuses == ["running", "completed"]
    assert scyan_exp("resume", str(two_trials.folder))[0] == 0
    assert two_trials.statuses == ["kept", "completed"]
    assert two_trials.rows[0]["objective"] == str(two_trials.result(0)["objective"])
    assert ended in table.read_text()
    table.unlink()  # lost with the machine
    assert scyan_exp("resume", str(two_trials.folder))[0] == 0
    assert two_trials.statuses == ["kept", "kept"]


def test_another_search_in_the_same_folder_is_refused_by_name(two_trials, scyan_exp):
    before = two_trials.finished()
    same = ["train", "-m", "hydra/sweeper=study", "hydra/launcher=fleet", *QUICK]
    same += [TWO, "hydra.sweeper.n_trials=3", f"hydra.sweep.dir={two_trials.folder}"]
    wider = ["model.prior_std=interval(0.2,0.5)", SPACE[1]]
    for changed, names in (
        ([*wider], ["model.prior_std", "0.5"]),
        (
            [*SPACE, "model.lr=0.01", "model.n_layers=3", "seed=5"],
            ["model.lr", "0.01", "model.n_layers", "seed"],
        ),
        (
            [*SPACE, *(f"hydra.sweeper.{one}" for one in ("direction=minimize", "study_name=s2"))],
            ["directions", "study_name"],
        ),
        ([*SPACE, "objective=loss"], ["objective"]),
    ):
        code, output = scyan_exp(*same, *changed)
        assert code == 2, output
        assert "Traceback" not in output
        assert str(two_trials.folder) in output
        assert all(name in output for name in names), output
        assert "use another folder" in output
    assert two_trials.finished() == before
    assert len(two_trials.rows) == 2


@pytest.mark.slow
def test_a_sweep_that_is_no_search_is_not_searched(sweep, scyan_exp):
    ended(sweep.train(*QUICK, "seed=0"))
    where = ["hydra/sweeper=study", "hydra/launcher=fleet", f"hydra.sweep.dir={sweep.folder}"]
    code, output = scyan_exp("train", "-m", *QUICK, *where, *SPACE)
    assert code == 2
    assert "not a search" in output
    assert sweep.statuses == ["completed"]
    assert not (sweep.folder / "study.json").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("n_trails=4", "n_trails: unknown setting. Did you mean 'n_trials'"),
        ("n_trials=0", "n_trials: expected a number greater than or equal to 1, found 0"),
        ("n_trials", "expected key=value"),
        ("model.lr=0.1", "model.lr: unknown setting"),
    ],
)
def test_wrong_changes_are_refused(two_trials, scyan_exp, change, message):
    code, output = scyan_exp("resume", str(two_trials.folder), change)
    assert code == 2
    assert message in output
    assert "Traceback" not in output
    assert len(two_trials.finished()) == 2


@pytest.mark.slow
def test_a_search_that_was_moved_goes_on(own_search):
    ended(own_search.begin(*QUICK, "hydra.sweeper.n_trials=2"))
    moved = own_search.folder.with_name("moved")
    own_search.folder.rename(moved)
    own_search.folder = moved
    ended(own_search.resume("n_trials=3"))
    assert states(open_study(moved, name="sweep")) == ["COMPLETE"] * 3


@pytest.mark.slow
def test_a_search_is_resumed_in_the_folder_where_it_was_begun(own_search, tmp_path):
    """Paths of its command are relative to that folder."""
    (tmp_path / "elsewhere").mkdir()
    ended(own_search.begin(*QUICK, "hydra.sweeper.n_trials=1", "hydra.sweep.dir=sweep"))
    here = Path.cwd()
    try:
        os.chdir(tmp_path / "elsewhere")
        ended(own_search.resume("n_trials=2"))
    finally:
        os.chdir(here)
    assert_whole(own_search, 2)


def test_a_search_of_the_reference_s_goes_on_in_the_space_in_which_it_was_begun(tmp_path):
    """Until there were its four batch sizes, ``search=reference`` drew any between them."""
    params = OmegaConf.load(configs_folder() / "search" / "reference.yaml").hydra.sweeper.params
    earlier = parse_space({**params, "model.batch_size": "int(interval(2048, 16384))"}, [])
    study = dict.fromkeys(NEEDED, "") | {
        "space": {one.key: str(one) for one in earlier.dimensions},
        "config": {"model._target_": "scyan_exp.Scyan"},
        "arguments": ["search=reference"],
        "cwd": str(tmp_path),
    }
    (tmp_path / "study.json").write_text(json.dumps(study))
    typed = search_arguments(tmp_path, [])
    space = [one for one in typed if one.startswith("model.batch_size=int(")]
    assert parse_space(params, space) == earlier
    assert len([one for one in typed if one.startswith("model.batch_size=")]) == 1
