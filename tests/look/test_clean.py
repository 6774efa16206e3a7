"""``scyan-exp clean``: what nobody needs any more goes, and every record stays."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import anndata
import pytest

from scyan_exp import annotate, read_run, read_sweep
from scyan_exp.errors import InputError
from scyan_exp.fleet.locking import is_locked, locked
from scyan_exp.run.folder import RunFolder, SweepFolder
from tests.look.conftest import make_run, make_sweep


def files(folder: Path) -> set[str]:
    return {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}


def plant(folder: Path, n_bytes: int = 1000) -> None:
    """What a job leaves that is large."""
    RunFolder(folder).checkpoints.mkdir(exist_ok=True)
    for path in (RunFolder(folder).best, RunFolder(folder).last, RunFolder(folder).annotated):
        path.write_bytes(b"0" * n_bytes)


LARGE = ("checkpoints/best.ckpt", "checkpoints/last.ckpt", "annotated.h5ad")


def large(*jobs: int) -> set[str]:
    return {f"{job}/{name}" for job in jobs for name in LARGE}


@pytest.fixture
def sweep(tmp_path) -> Path:
    folder = make_sweep(tmp_path / "sweep", {0: 3.0, 1: 1.0, 2: None, 3: 2.0})
    for number in range(4):
        plant(folder / str(number))
    return folder


def test_nothing_goes_before_it_was_agreed_to(scyan_exp, sweep):
    before = files(sweep)
    code, output = scyan_exp("clean", str(sweep), "best=1")
    assert code == 0
    assert files(sweep) == before
    assert "The best stay whole: job 1" in output
    assert "9 checkpoints and annotated files, 8.8 KiB in all" in output
    command = re.search(r"To remove these files: (.*)", output)[1]
    assert command == f"scyan-exp clean {sweep} best=1 --yes"
    assert scyan_exp(*command.split()[1:])[0] == 0
    assert before - files(sweep) == large(0, 2, 3)
    assert files(sweep) - before == {*(f"{n}/cleaned.json" for n in (0, 2, 3)), ".lock"}


def test_without_a_number_only_failed_jobs_are_cleaned(scyan_exp, sweep):
    before = files(sweep)
    code, output = scyan_exp("clean", str(sweep), "--yes")
    assert code == 0
    assert "They are removed." in output
    assert before - files(sweep) == large(2)
    assert "Nothing is left to remove of failed jobs" in scyan_exp("clean", str(sweep))[1]
    assert scyan_exp("clean", str(sweep), "best=3")[1].count("Nothing is left to remove:") == 1


def test_a_cleaned_sweep_is_complete_and_says_what_it_has_lost(scyan_exp, copied):
    sweep = copied / "sweep"
    ranked = read_sweep(sweep)["objective"].dropna().sort_values(ascending=False).index
    best, other = (sweep / str(number) for number in ranked)
    assert scyan_exp("consensus", str(sweep))[0] == 0
    cells = anndata.read_h5ad(RunFolder(best).annotated)
    before = read_sweep(sweep)
    code, output = scyan_exp("clean", str(sweep), "best=1", "--yes")
    assert code == 0
    assert f"look: {sweep / 'consensus'}: loses 1 of its models" in output
    why = r"scyan-exp clean removed it on \d{4}-\d\d-\d\d; to train it again, delete result\.json"
    for use in (
        lambda: annotate(other, cells),
        lambda: annotate(RunFolder(other).best, cells),
        lambda: annotate(sweep / "consensus", cells),
        lambda: read_run(other).model,
        lambda: read_run(other).cells,
    ):
        with pytest.raises(InputError, match=why):
            use()
    code, output = scyan_exp("consensus", str(sweep), "out=again")
    assert code == 2
    assert re.search(f"the model of this run is gone .{why}", output)
    annotate(best, cells)  # the best is whole
    after = read_sweep(sweep)
    assert after["outcome"].tolist() == before["outcome"].tolist()
    code, output = scyan_exp("resume", str(sweep))
    assert code == 1  # the failed job fails again; the cleaned one stays completed
    assert [line.split()[2] for line in output.splitlines() if line[:1].isdigit() and
            "model.lr" in line] == ["kept", "kept", "failed"]  # fmt: skip
    assert RunFolder(other).cleaned.is_file()
    # Trained again, it has lost nothing any more.
    RunFolder(other).result.unlink()
    assert scyan_exp("resume", str(sweep))[0] == 1
    assert not RunFolder(other).cleaned.exists()
    annotate(other, cells)


def test_refined_models_go_with_the_others(scyan_exp, sweep):
    refined = RunFolder(sweep / "0").refined
    refined.checkpoints.mkdir(parents=True)
    refined.best.write_bytes(b"0")
    refined.metrics.write_text("epoch,loss\n")
    assert scyan_exp("clean", str(sweep), "best=1", "--yes")[0] == 0
    assert not refined.checkpoints.exists()
    assert refined.metrics.exists()
    gone = json.loads((sweep / "0" / "cleaned.json").read_text())["files"]
    assert "refined/checkpoints/best.ckpt" in gone


def test_not_while_the_sweep_runs(scyan_exp, sweep):
    before = files(sweep) | {".lock"}
    with locked(sweep):
        assert is_locked(sweep)
        code, output = scyan_exp("clean", str(sweep))
        assert code == 2
        assert "this sweep is running; clean it when it has ended" in output
        code, output = scyan_exp("clean", str(sweep), "--yes")
        assert code == 2
        assert "another process is running the jobs of this sweep" in output
    assert files(sweep) == before
    assert not is_locked(sweep)


def test_a_job_that_may_run_is_left_alone_where_nobody_says(scyan_exp, tmp_path):
    """Other launchers than the fleet hold no lock."""
    sweep = make_sweep(tmp_path / "sweep", {0: 1.0, 1: 2.0})
    SweepFolder(sweep).manifest.unlink()
    make_run(sweep / "2", "seed=2", status="running")
    for number in range(3):
        plant(sweep / str(number))
    before = files(sweep)
    assert scyan_exp("clean", str(sweep), "best=1", "--yes")[0] == 0
    assert before - files(sweep) == large(1)


def test_of_a_killed_sweep_it_is_said_that_a_job_starts_again(scyan_exp, sweep):
    make_run(sweep / "4", "seed=4", status="running")
    jobs = json.loads(SweepFolder(sweep).manifest.read_text())
    jobs["jobs"].append({"number": 4, "folder": "4", "overrides": ["seed=4"]})
    SweepFolder(sweep).manifest.write_text(json.dumps(jobs))
    plant(sweep / "4")
    assert scyan_exp("clean", str(sweep))[1].count("job 4") == 0
    output = scyan_exp("clean", str(sweep), "best=3")[1]
    assert "look: job 4: a resume would start again at the first epoch" in output


@pytest.mark.parametrize("record", ["{", '{"format": 99, "status": "completed"}'])
def test_a_job_whose_record_cannot_be_read_is_left_alone(scyan_exp, sweep, record):
    before = files(sweep)
    RunFolder(sweep / "3").result.write_text(record)
    code, output = scyan_exp("clean", str(sweep), "best=1", "--yes")
    assert code == 0
    assert "look: job 3: its record cannot be read, so it is left alone" in output
    assert before - files(sweep) == large(0, 2)


def test_links_lead_nowhere(scyan_exp, sweep, tmp_path):
    """Neither a link to a file, nor to checkpoints, nor to a job's folder is followed."""
    outside = make_run(tmp_path / "outside")
    plant(outside)
    shutil.rmtree(RunFolder(sweep / "0").checkpoints)
    RunFolder(sweep / "0").checkpoints.symlink_to(RunFolder(outside).checkpoints)
    RunFolder(sweep / "0").annotated.unlink()
    RunFolder(sweep / "0").annotated.symlink_to(RunFolder(outside).annotated)
    shutil.rmtree(sweep / "3")
    (sweep / "3").symlink_to(sweep / "1")  # another job of the sweep, the best
    jobs = json.loads(SweepFolder(sweep).manifest.read_text())
    jobs["jobs"].append({"number": 5, "folder": str(outside), "overrides": []})
    SweepFolder(sweep).manifest.write_text(json.dumps(jobs))
    code, output = scyan_exp("clean", str(sweep), "best=1", "--yes")
    assert code == 0
    assert f"look: job 5 lies elsewhere ({outside}): it is left alone" in output
    assert set(LARGE) <= files(outside)
    assert set(LARGE) <= files(sweep / "1")
    assert RunFolder(sweep / "0").annotated.is_symlink()
    assert not large(2) & files(sweep)


def test_finished_repeats_of_an_unfinished_job_stay_for_the_resume(scyan_exp, tmp_path):
    sweep = make_sweep(tmp_path / "sweep", {0: 1.0, 1: None, 2: 2.0})
    for job in ("1", "2"):
        for repeat, status in (("seed_0", "completed"), ("seed_1", "failed")):
            make_run(sweep / job / repeat, status=status)
            plant(sweep / job / repeat)
    code, output = scyan_exp("clean", str(sweep), "best=1", "--yes")
    assert code == 0, output
    kept = {f"1/seed_0/{name}" for name in LARGE}
    assert {one for one in files(sweep) if one.endswith(LARGE)} == kept
    assert (sweep / "2" / "seed_0" / "cleaned.json").is_file()


def test_a_sweep_over_entries_keeps_the_cells_that_it_compares(scyan_exp, sweep):
    SweepFolder(sweep).entries.write_text("{}")
    before = files(sweep)
    code, output = scyan_exp("clean", str(sweep), "best=1", "--yes")
    assert code == 0
    gone = {*large(0, 2, 3)} - {"0/annotated.h5ad", "3/annotated.h5ad"}
    assert before - files(sweep) == gone
    assert "annotated files of completed jobs stay" in output


def test_trials_that_violate_a_constraint_are_not_among_the_best(scyan_exp, sweep):
    described = {
        "id": "x", "study_name": "x", "storage": None, "space": {}, "directions": ["minimize"],
        "objectives": ["heuristic"], "config": {}, "arguments": [], "cwd": ".",
        "constraints": ["accuracy>=0.2"],
    }  # fmt: skip
    SweepFolder(sweep).search.write_text(json.dumps(described))
    assert "The best stay whole: job 3\n" in scyan_exp("clean", str(sweep), "best=1")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "usage: scyan-exp clean"),
        (["nowhere"], "nowhere: no such folder; expected that of a sweep"),
        (["sweep/0"], "sweep/0: this is the folder of a run"),
        (["sweep", "best=0"], "best: expected a number of jobs, 1 or more, found '0'"),
        (["sweep", "best=two"], "best: expected a number of jobs, 1 or more, found 'two'"),
        (["failed", "best=1"], "failed: best=1: no job is completed and has an objective"),
        (["two", "best=1"], "two: best= needs one objective, this sweep has 2"),
        (["mine", "best=1"], "mine: best=1: its jobs have no objective in common"),
        (["sweep", "--y"], "--y: unknown"),
    ],
)
def test_wrong_arguments_are_explained(scyan_exp, sweep, tmp_path, arguments, message):
    make_sweep(tmp_path / "failed", {0: None})
    make_sweep(tmp_path / "two", {0: [1.0, 2.0]}, goal=["loss", "accuracy"])
    make_sweep(tmp_path / "mine", {0: 1.0}, goal="mine")
    before = files(tmp_path)
    code, output = scyan_exp("clean", *arguments)
    assert code == 2
    assert re.search(message, output), output
    assert files(tmp_path) == before


def test_a_folder_that_cannot_be_changed_loses_nothing(scyan_exp, sweep):
    SweepFolder(sweep).lock.mkdir()
    before = files(sweep)
    code, output = scyan_exp("clean", str(sweep), "best=1", "--yes")
    assert code == 2
    assert "sweep: its files cannot be changed (Is a directory)" in output
    assert files(sweep) == before
