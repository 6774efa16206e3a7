"""``scyan-exp consensus``: runs of different hyperparameters, sweeps and searches combined."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import anndata
import numpy as np
import pytest

from scyan_exp import annotate, read_run
from scyan_exp.run.folder import RunFolder

QUICK = ("dataset.n_cells=600", "model.batch_size=50", "trainer.max_epochs=3", "callbacks=none")
QUICK = (*QUICK, "logger=none", "flow=shallow", "figures.draw=none")


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A sweep over the learning rate, repeats, a run by asinh, of other cells, of other tables."""
    from scyan_exp.cli.main import main

    folder = tmp_path_factory.mktemp("runs")

    def train(*arguments: str) -> None:
        assert main(["train", *QUICK, *arguments]) == 0

    train("-m", "model.lr=0.001,0.002", f"hydra.sweep.dir={folder / 'sweep'}")
    train("repeats=2", "seed=5", f"hydra.run.dir={folder / 'repeats'}")
    train("dataset.transform=asinh", "dataset.center=true", f"hydra.run.dir={folder / 'asinh'}")
    train("dataset.seed=1", "trainer.max_epochs=1", f"hydra.run.dir={folder / 'others'}")
    edits = ["table.set={Naive CD4 T cells:{CD4:0}}", "trainer.max_epochs=1"]
    train(*edits, f"hydra.run.dir={folder / 'edited'}")
    train("table.drop=[NK cells]", "trainer.max_epochs=1", f"hydra.run.dir={folder / 'dropped'}")
    return folder


@pytest.fixture
def copied(runs, tmp_path) -> Path:
    """The runs, for a test that damages them."""
    shutil.copytree(runs, tmp_path / "runs")
    return tmp_path / "runs"


def result(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text())


def test_runs_of_any_hyperparameters_are_combined_as_repeats_are(scyan_exp, runs, tmp_path):
    out = tmp_path / "out"
    folders = [str(runs / name) for name in ("sweep", "repeats", "asinh", "sweep/0")]
    code, output = scyan_exp("consensus", *folders, f"out={out}")
    assert code == 0, output
    found = result(out)
    names = ["sweep_0", "sweep_1", "repeats_seed_5", "repeats_seed_6", "asinh"]
    members = found["repeats"]["members"]
    assert [one["name"] for one in members] == names
    assert [(out / one["folder"]).resolve() for one in members] == [
        runs / path for path in ("sweep/0", "sweep/1", "repeats/seed_5", "repeats/seed_6", "asinh")
    ]
    assert sum(one["weight"] for one in members) == pytest.approx(1)
    for one in members:
        assert one["metrics"] == result(out / one["folder"])["metrics"]
        assert 0.5 < one["agreement"] <= 1
        assert f"{one['name']}: {one['weight']:.2f}" in output
    mean = np.mean([one["metrics"]["accuracy"] for one in members])
    assert found["metrics"]["accuracy"] == pytest.approx(mean)
    assert found["objective"] == found["metrics"]["table_fit"]
    assert found["status"] == "completed"
    assert f"{found['repeats']['consensus']['accuracy']:.4f}" in output
    assert {"agreement", "members"} <= {path.stem for path in (out / "figures").iterdir()}


def test_each_member_sees_the_cells_as_in_its_own_run(scyan_exp, runs, tmp_path):
    """By whatever transform; and the folder annotates new cells alike."""
    out = tmp_path / "out"
    code, output = scyan_exp("consensus", str(runs / "sweep/0"), str(runs / "asinh"), f"out={out}")
    assert code == 0, output
    adata = anndata.read_h5ad(out / "annotated.h5ad")
    for name, own in (("sweep_0", runs / "sweep/0"), ("asinh", runs / "asinh")):
        alone = anndata.read_h5ad(own / "annotated.h5ad").obs["scyan_pop"].astype(str)
        assert (adata.obs[f"scyan_pop_{name}"].astype(str) == alone).all()
    before = adata.obs.copy()
    annotate(out, adata)
    assert (adata.obs["scyan_pop"].astype(str) == before["scyan_pop"].astype(str)).all()
    np.testing.assert_allclose(adata.obs["scyan_agreement"], before["scyan_agreement"], atol=1e-5)
    run = read_run(out)
    assert [one.folder.resolve() for one in run.repeats] == [runs / "sweep/0", runs / "asinh"]


def test_a_consensus_stands_for_its_members(scyan_exp, runs, tmp_path):
    first, out = tmp_path / "first", tmp_path / "out"
    assert scyan_exp("consensus", str(runs / "sweep"), f"out={first}")[0] == 0
    assert scyan_exp("consensus", str(first), str(runs / "asinh"), f"out={out}")[0] == 0
    assert len(result(out)["repeats"]["members"]) == 3


def test_it_lies_in_the_first_folder_and_is_never_written_over(scyan_exp, copied):
    code, output = scyan_exp("consensus", str(copied / "sweep"))
    assert code == 0, output
    assert output.rstrip().endswith(f"Results: {copied / 'sweep' / 'consensus'}")
    before = result(copied / "sweep" / "consensus")
    code, output = scyan_exp("consensus", str(copied / "sweep"))
    assert code == 2
    assert "exists already, and nothing is overwritten: choose another with out=" in output
    assert result(copied / "sweep" / "consensus") == before


@pytest.mark.slow
def test_the_best_trials_of_a_search(scyan_exp, tmp_path):
    search = tmp_path / "search"
    space = ["hydra/sweeper=study", "model.lr=interval(0.0005,0.005)"]
    sampler = ["hydra.sweeper.sampler=random", "hydra.sweeper.n_trials=4"]
    short = [*QUICK, *space, *sampler, "hydra.sweeper.pruner=none", f"hydra.sweep.dir={search}"]
    code, output = scyan_exp("train", "-m", *short)
    assert code == 0, output
    code, output = scyan_exp("consensus", str(search), "best=2")
    assert code == 0, output
    values = {
        path.parent.name: result(path.parent)["objective"] for path in search.glob("[0-3]/*.json")
    }
    found = result(search / "consensus")["repeats"]["members"]
    chosen = [values[Path(one["folder"]).name] for one in found]
    assert chosen == sorted(values.values(), reverse=True)[:2]
    assert min(values.values()) < chosen[1]
    code, output = scyan_exp("consensus", str(search), "best=9", "out=other")
    assert code == 2
    assert "best=9: only 4 trials are completed" in output
    description = search / "study.json"
    values = json.loads(description.read_text())
    description.write_text(json.dumps({**values, "directions": ["minimize"] * 2}))
    code, output = scyan_exp("consensus", str(search), "best=2", "out=other")
    assert code == 2
    assert "best= needs one objective, this search has 2" in output


def test_other_cells_and_other_tables_are_refused_in_words(scyan_exp, runs, tmp_path):
    def refused(*names: str) -> str:
        out = tmp_path / "out"
        code, output = scyan_exp("consensus", *(str(runs / one) for one in names), f"out={out}")
        assert code == 2, output
        assert "Traceback" not in output
        assert not out.exists()
        return output

    assert f"{runs / 'others'}: was trained on other cells" in refused("sweep", "others")
    output = refused("sweep", "edited", "dropped")
    assert output.startswith("2 problems")
    assert "edited: its table has other entries: Naive CD4 T cells at CD4 is 0, not 1" in output
    assert "dropped: its table lacks rows NK cells" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "usage: scyan-exp consensus"),
        (["--best", "3"], "usage: scyan-exp consensus"),
        (["best=none", "sweep"], "best: expected a number of trials, found 'none'"),
        (["best=0", "sweep"], "best: expected a number of trials, found '0'"),
        (["best=2", "sweep"], "best=2: expected the folder of a search among those named"),
        (
            ["swep", "asinh"],
            "swep: no such folder; expected that of a run, a sweep or a search. Did",
        ),
        (["nowhere", ".empty"], "2 problems"),
        ([".empty"], "neither a run nor a sweep: there are no result.json and no jobs in it"),
        (["asinh"], "expected two completed runs or more, found only asinh: name more folders"),
    ],
)
def test_what_cannot_be_combined_is_refused(scyan_exp, copied, monkeypatch, arguments, message):
    monkeypatch.chdir(copied)
    (copied / ".empty").mkdir()
    code, output = scyan_exp("consensus", *arguments)
    assert code == 2
    assert message in output


def test_unfinished_and_damaged_runs_are_refused(scyan_exp, copied):
    one, other = copied / "sweep" / "0", copied / "sweep" / "1"
    record = result(one)
    (one / "result.json").write_text(json.dumps({**record, "status": "failed"}))
    code, output = scyan_exp("consensus", str(one), str(other))
    assert (code, "no completed run in it (found: failed)" in output) == (2, True)
    (one / "result.json").write_text(json.dumps(record))
    best = RunFolder(one).best
    best.write_bytes(b"damaged")
    code, output = scyan_exp("consensus", str(copied / "sweep"))
    assert (code, "not a checkpoint" in output) == (2, True)
    best.unlink()
    code, output = scyan_exp("consensus", str(copied / "sweep"))
    assert (code, f"{best}: the model of this run is gone" in output) == (2, True)


def test_cells_that_are_gone_are_taken_from_another_run_or_missed(scyan_exp, copied):
    sweep = copied / "sweep"
    (sweep / "0" / "annotated.h5ad").unlink()
    assert scyan_exp("consensus", str(sweep))[0] == 0
    (sweep / "1" / "annotated.h5ad").unlink()
    code, output = scyan_exp("consensus", str(sweep), "out=other")
    assert (code, "none of the other runs has its cells either" in output) == (2, True)


def test_a_folder_that_cannot_be_written_is_refused(scyan_exp, runs, tmp_path):
    (tmp_path / "file").write_text("")
    code, output = scyan_exp("consensus", str(runs / "sweep"), f"out={tmp_path / 'file' / 'out'}")
    assert code == 2
    assert "the consensus cannot be written" in output


def test_samples_of_a_consensus_are_measured(scyan_exp, runs, tmp_path):
    out = tmp_path / "out"
    folders = [str(runs / "sweep" / name) for name in ("0", "1")]
    assert scyan_exp("consensus", *folders, f"out={out}")[0] == 0
    code, output = scyan_exp("biomarkers", str(out), "sample_key=population")
    assert code == 0, output
    rows = (out / "populations.csv").read_text().splitlines()
    assert rows[1].startswith("Classical monocytes,population,")
