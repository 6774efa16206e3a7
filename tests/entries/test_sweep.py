"""Sweeps over the entries of a table, end to end on synthetic cells."""

import csv

import pytest

from scyan_exp.cli.main import main
from tests.data.spleen import read_spleen
from tests.fleet.sweeps import QUICK

ONE_ROW = ("search=table_entries", *QUICK, "hydra.sweeper.rows=[NK cells]")


def train(folder, *arguments):
    return main(["train", *ONE_ROW, f"hydra.sweep.dir={folder}", *arguments])


@pytest.mark.slow
def test_a_sweep_writes_its_table_and_figure_and_a_resume_writes_them_again(tmp_path, capfd):
    folder = tmp_path / "sweep"
    assert train(folder, "hydra.sweeper.markers=[CD19,CD27]", "table.set={NK cells:{CD3:0}}") == 0
    said = capfd.readouterr().out
    assert said.index("4 jobs: the table as it is, 1 known") < said.index("4 jobs, ")
    assert "These entries contradict" in said or "No entry contradicts" in said
    table = (folder / "table_entries.csv").read_text()
    rows = list(csv.DictReader(table.splitlines()))
    assert [(row["marker"], row["before"], row["after"]) for row in rows] == [
        ("CD19", "-1", ""),
        ("CD27", "", "-1"),
        ("CD27", "", "1"),
    ]
    assert all(0 <= float(row["changed"]) <= 1 and row["accuracy"] for row in rows)
    figure = folder / "figures" / "table_entries.png"
    assert figure.read_bytes().startswith(b"\x89PNG")

    (folder / "table_entries.csv").unlink()
    assert main(["resume", str(folder)]) == 0
    assert (folder / "table_entries.csv").read_text() == table


@pytest.mark.slow
def test_on_the_spleen_the_blanks_of_the_nk_t_cells_matter_most(real_data, tmp_path, capfd):
    """Half of the CD4 T cells can end in this row: it says nothing of CD4 and CD8."""
    spleen = real_data / "mouse_spleen"
    read_spleen(spleen).write_h5ad(tmp_path / "cells.h5ad")
    cells = ["dataset=h5ad", f"dataset.path={tmp_path / 'cells.h5ad'}", "dataset.transform=none"]
    cells += ["dataset.label_key=cell_type", f"table.path={spleen / 'table.csv'}"]
    options = ["hydra.sweeper.kinds=[fill]", f"hydra.sweep.dir={tmp_path / 'sweep'}"]
    options += ["logger=none", "figures.draw=none", "hydra.launcher.jobs_per_device=1"]
    assert main(["train", "search=table_entries", *cells, *options]) == 0
    said = capfd.readouterr().out.partition("Of the blanks, these change most when filled:\n")[2]
    named = [line.partition(": blank -> ")[0].strip() for line in said.splitlines()[:2]]
    assert sorted(named) == ["NK T cells, CD4", "NK T cells, CD8"]


def test_what_is_wrong_is_refused_and_nothing_is_left(tmp_path, capsys):
    folder = tmp_path / "sweep"
    assert train(folder, "hydra.sweeper.markers=[CD200]") == 2
    assert "hydra.sweeper.markers: 'CD200' is no marker of the table." in capsys.readouterr().err
    assert train(folder, "seed=0,1") == 2
    assert "seed=0,1: expected one value, as only the table varies" in capsys.readouterr().err
    assert not (folder / "table_entries.json").exists()
