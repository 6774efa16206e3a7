"""A table that is changed from the command line: an axis of a sweep like any other."""

from __future__ import annotations

import numpy as np
import pytest

from scyan_exp.config.check import check_config
from scyan_exp.config.compose import compose_config
from scyan_exp.results.annotation import load_model
from scyan_exp.run.folder import RunFolder

QUICK = ("dataset.n_cells=500", "flow=shallow", "trainer.max_epochs=1", "logger=none")
QUICK = (*QUICK, "figures.draw=none")
SET = "table.set={NK cells: {CD16: 1, CD56: null}, Memory B cells: {CD27: -1}}"


def test_the_model_has_the_changed_table_and_the_config_says_so(scyan_exp, tmp_path):
    run = ("hydra.run.dir=run", "table.drop=[Regulatory T cells]")
    code, output = scyan_exp("train", *QUICK, SET, *run)
    assert code == 0, output
    folder = RunFolder(tmp_path / "run")
    table = load_model(folder.best).table
    entry = dict(zip(table.markers, table.rho[table.populations.index("NK cells")], strict=True))
    assert entry["CD16"] == 1
    assert np.isnan(entry["CD56"])
    assert "Regulatory T cells" not in table.populations
    config = folder.config.read_text()
    assert "Memory B cells:\n      CD27: -1" in config
    assert "- Regulatory T cells" in config


def test_another_table_is_another_config():
    hashes = {
        check_config(compose_config(overrides)).hash
        for overrides in ([], [SET], ["table.drop=[NK cells]"], ["table.drop=[Naive B cells]"])
    }
    assert len(hashes) == 4


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("table.set={NK cell: {CD16: 1}}", "'NK cell' is no population of the table. Did you mean"),
        ("table.set={NK cells: {CD161: 1}}", "'CD161' of 'NK cells' is no marker of the table."),
        ("table.drop=[NK]", "table.drop: 'NK' is no population of the table."),
        (
            "table.set={NK cells: {CD16: 2}}",
            "table.set: expected a number less than or equal to 1, found 2",
        ),
        ("table.set={NK cells: 1}", "table.set: expected a dictionary, found 1"),
    ],
)
def test_what_cannot_be_changed_is_refused_in_words(scyan_exp, override, message):
    code, output = scyan_exp("train", *QUICK, override)
    assert code == 2
    assert message in output
    assert "Traceback" not in output


def test_a_sweep_over_tables_has_a_job_each(scyan_exp, tmp_path):
    axis = "table.drop=[NK cells],[Naive B cells]"
    code, output = scyan_exp("train", "-m", *QUICK, axis, "hydra.sweep.dir=sweep")
    assert code == 0, output
    dropped = [
        set(load_model(RunFolder(tmp_path / "sweep" / str(job)).best).table.populations)
        for job in range(2)
    ]
    assert dropped[1] - dropped[0] == {"NK cells"}
    assert dropped[0] - dropped[1] == {"Naive B cells"}
