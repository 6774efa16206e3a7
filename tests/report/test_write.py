"""``scyan-exp report``, and the page that a sweep writes when it ends."""

from __future__ import annotations

import shutil

import pytest

from scyan_exp.config.check import check_config, read_config
from scyan_exp.config.compose import compose_config
from scyan_exp.fleet.jobs import Job
from scyan_exp.fleet.reporting import report_jobs, report_sweep
from scyan_exp.report.write import write_report
from scyan_exp.run.folder import FORMAT
from scyan_exp.run.record import clear_results
from tests.report.conftest import FEW, command

#: Two jobs that take a second.
TWO = (
    "-m",
    "seed=0,1",
    "dataset.n_cells=200",
    *FEW,
    "trainer.max_epochs=1",
    "hydra.sweep.dir=sweep",
)


@pytest.fixture
def copy(sweep, tmp_path):
    return shutil.copytree(sweep, tmp_path / "sweep")


def test_pages_of_several_folders(scyan_exp, copy):
    (copy / "report.html").unlink()
    code, output = scyan_exp("report", str(copy), str(copy / "0"), str(copy / "2"))
    assert code == 0
    pages = [copy / "report.html", copy / "0" / "report.html", copy / "2" / "report.html"]
    assert output.split() == [str(page) for page in pages]
    assert all("<title>sweep" in page.read_text() for page in pages)
    assert not list(copy.glob(".report*"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "usage: scyan-exp report FOLDER [FOLDER ...]"),
        (["--hlp"], "usage: scyan-exp report FOLDER [FOLDER ...]"),
        (["nowhere"], "nowhere: no such folder; expected that of a run, a sweep or a search"),
        (["."], "no run: there is no result.json in it"),
    ],
)
def test_what_cannot_be_reported_is_refused(scyan_exp, arguments, told):
    code, output = scyan_exp("report", *arguments)
    assert code == 2
    assert told in output
    assert "Traceback" not in output


def test_one_wrong_folder_leaves_the_others(scyan_exp, copy):
    code, output = scyan_exp("report", str(copy / "nothing"), str(copy / "0"))
    assert code == 2
    assert "no such folder" in output
    assert (copy / "0" / "report.html").is_file()


def test_a_newer_sweep_is_refused_and_the_old_page_stays(scyan_exp, copy):
    before = (copy / "report.html").read_text()
    text = (copy / "sweep.json").read_text()
    (copy / "sweep.json").write_text(text.replace(f'"format": {FORMAT}', '"format": 99'))
    code, output = scyan_exp("report", str(copy))
    assert code == 2
    assert "is of format 99" in output
    assert (copy / "report.html").read_text() == before


def test_a_page_that_cannot_be_written_says_so(scyan_exp, copy):
    (copy / "report.html").unlink()
    (copy / "report.html").mkdir()
    code, output = scyan_exp("report", str(copy))
    assert code == 2
    assert "report.html: the report cannot be written (Is a directory): make room" in output


def test_a_sweep_ends_with_its_page(sweep):
    output = (sweep.parent / "output.txt").read_text()
    assert "Report: sweep/report.html" in output
    assert (sweep / "report.html").is_file()


def test_a_search_ends_with_its_page(search):
    assert '"kind":"search"' in (search / "report.html").read_text()


def test_under_hydras_own_launcher_too(scyan_exp, monkeypatch, tmp_path):
    monkeypatch.setenv("SCYAN_EXP_REPORT", "1")
    code, output = scyan_exp("train", *TWO)
    assert code == 0
    assert f"Report: {tmp_path / 'sweep' / 'report.html'}" in output.splitlines()
    assert (tmp_path / "sweep" / "report.html").is_file()
    (tmp_path / "sweep" / "report.html").unlink()
    code, output = scyan_exp("train", *TWO, "report=false")  # all are completed already
    assert code == 0
    assert "Report:" not in output
    assert not (tmp_path / "sweep" / "report.html").exists()


@pytest.mark.slow
def test_after_a_resume_the_page_is_written_again(copy):
    (copy / "report.html").unlink()
    done = command("resume", str(copy), cwd=copy.parent, report="1")
    assert done.returncode == 1  # the jobs that fail do so again
    assert f"Report: {copy / 'report.html'}" in done.stdout
    assert (copy / "report.html").is_file()


@pytest.mark.parametrize(
    ("value", "variable", "is_written"),
    [("true", "1", True), ("false", "1", False), ("true", "0", False)],
)
def test_it_can_be_turned_off(copy, monkeypatch, capfd, value, variable, is_written):
    monkeypatch.setenv("SCYAN_EXP_REPORT", variable)
    (copy / "report.html").unlink()
    config = compose_config([f"report={value}"])
    job = Job(0, copy / "0", [], config, check_config(config))
    report_jobs([job], copy)
    assert (copy / "report.html").exists() == is_written
    assert ("Report: " in capfd.readouterr().out) == is_written


def test_jobs_of_other_programs_have_no_page(copy, monkeypatch, capfd):
    monkeypatch.setenv("SCYAN_EXP_REPORT", "1")
    report_jobs([Job(0, copy / "0", [], compose_config([]))], copy)
    assert capfd.readouterr().out == ""


def test_a_failure_is_one_line(copy, capfd, monkeypatch):
    monkeypatch.setenv("SCYAN_EXP_REPORT", "1")
    (copy / "report.html").unlink()
    (copy / "report.html").mkdir()
    report_sweep(copy)
    out, err = capfd.readouterr()
    assert err == ""
    assert len(out.splitlines()) == 1
    assert out.startswith("There is no report (")
    assert "Is a directory): make room in the folder" in out
    assert out.endswith(f": scyan-exp report {copy}\n")


def test_a_run_again_in_its_folder_removes_the_page_of_the_earlier_one(copy):
    path = write_report(copy / "0")
    assert path.is_file()
    clear_results(copy / "0")
    assert not path.exists()


def test_the_key_is_not_part_of_what_a_run_is():
    first, second = (check_config(compose_config([f"report={one}"])) for one in ("true", "false"))
    assert first.hash == second.hash
    assert (first.report, second.report) == (True, False)


def test_configs_from_before_there_was_the_key_want_the_page():
    plain = check_config(compose_config([])).plain()
    del plain["report"]
    assert read_config(plain).report is True
