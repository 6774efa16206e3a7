"""Jobs of the fleet that fail: their reasons, further attempts, and the time they may take."""

from __future__ import annotations

import pytest

from tests.fleet.sweeps import (
    ENDLESS,
    FOUR,
    QUICK,
    ended,
    kill_worker,
    no_process_is_left,
    write_experiments,
)


@pytest.mark.slow
def test_four_of_many_jobs_fail_each_for_its_reason(sweep, files):
    n_jobs = 24
    seconds = 30  # far more than a job of two epochs takes, also on a busy machine
    late, damaged, killed, diverging = range(4)
    texts = [f"seed: {n}\ndataset: {{path: {files['cells.h5ad']}}}" for n in range(n_jobs)]
    texts[damaged] = texts[damaged].replace("cells.h5ad", "damaged.h5ad")
    texts[diverging] += "\nmodel: {lr: 1e30}"
    for job in (killed, late):  # the time of training, without what came before a checkpoint
        texts[job] += f'\ntrainer: {{max_epochs: 1000000, max_time: "00:00:00:{seconds + 1:02}"}}'
    configs = sweep.folder.parent / "configs"
    (configs / "trainer").mkdir(parents=True)
    # Values on the command line would win over those of an experiment.
    (configs / "trainer" / "two.yaml").write_text("defaults: [cpu]\nmax_epochs: 2\n")
    swept = write_experiments(configs, texts)
    arguments = [f"--config-dir={configs}", swept, "dataset=h5ad", "flow=shallow", "trainer=two"]
    arguments += ["callbacks=none", "logger=none", f"table.path={files['table.csv']}"]
    process = sweep.train(*arguments, FOUR, f"hydra.launcher.timeout_min={seconds / 60}")
    kill_worker(sweep, killed, process)
    kill_worker(sweep, killed, process)
    output = ended(process, code=1)

    wrong = {damaged: "failed", diverging: "failed", killed: "lost", late: "timed out"}
    assert sweep.statuses == [wrong.get(job, "completed") for job in range(n_jobs)]
    reasons = {int(row["job"]): row["error"] for row in sweep.rows if row["error"]}
    assert reasons.keys() == wrong.keys()
    assert "not an .h5ad file" in reasons[damaged]
    assert "loss became" in reasons[diverging]
    assert "killed by SIGKILL" in reasons[killed]
    assert "hydra.launcher.timeout_min=" in reasons[late]
    for reason in reasons.values():
        assert reason in output
    assert f"4 of {n_jobs} jobs failed (0, 1, 2, 3)" in output
    assert "Traceback" not in output
    assert "not an .h5ad file" in sweep.log(damaged)
    assert "loss became" in sweep.log(diverging)
    assert "Traceback" not in sweep.log(diverging)
    assert "loss became" in sweep.result(diverging)["error"]
    assert sweep.result(killed)["error"].startswith("its process was killed")
    assert sweep.result(late)["error"].startswith("took longer than hydra.launcher.timeout_min=")
    assert "Continuing from" in sweep.log(killed)
    for job in (diverging, killed, late):
        assert sweep.result(job)["status"] == wrong[job]
    no_process_is_left(sweep)

    before = sweep.completed()
    assert len(before) == n_jobs - 4
    files["damaged.h5ad"].write_bytes(files["cells.h5ad"].read_bytes())
    output = ended(sweep.resume("timeout_min=10"), code=1)
    assert f"{n_jobs - 4} of {n_jobs} jobs are completed already" in output
    expected = ["kept"] * n_jobs
    expected[damaged] = expected[killed] = expected[late] = "completed"
    expected[diverging] = "failed"
    assert sweep.statuses == expected
    after = sweep.completed()
    assert {job: after[job] for job in before} == before
    no_process_is_left(sweep)


@pytest.mark.slow
def test_errors_are_tried_again_when_asked_to(sweep):
    arguments = [*QUICK, "model.lr=1e30", "hydra.launcher.error_retries=2"]
    output = ended(sweep.train(*arguments), code=1)
    assert output.count("trying again") == 2
    assert sweep.log(0).count("the run failed") == 3
    assert sweep.statuses == ["failed"]


@pytest.mark.slow
def test_on_failure_stop_starts_no_further_job(sweep):
    arguments = [*QUICK, "hydra.launcher.jobs_per_device=1", "hydra.launcher.on_failure=stop"]
    output = ended(sweep.train(*arguments, "model.lr=0.001,1e30,0.002,0.003"), code=1)
    assert sweep.statuses == ["completed", "failed", "not run", "not run"]
    assert "1 of 4 jobs failed (1), 2 not run" in output
    assert not (sweep.folder / "2" / "train.log").exists()


@pytest.mark.slow
def test_a_job_that_takes_too_long_is_ended_and_continues_later(sweep):
    arguments = [*ENDLESS, "+trainer.max_time=00:00:00:13", "hydra.launcher.timeout_min=0.2"]
    ended(sweep.train(*arguments), code=1)
    assert sweep.statuses == ["timed out"]
    no_process_is_left(sweep)
    epochs = sweep.epochs(0)
    assert epochs > 0
    ended(sweep.resume("timeout_min=null"))
    assert "Continuing from" in sweep.log(0)
    assert sweep.result(0)["epochs"] > epochs
