"""Five seeds of the default hyperparameters on real cells: members, their mean, the consensus."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
import pytest
import torch
from torch import Tensor

from scyan_exp import annotate
from scyan_exp.data.cells import encode_cells
from scyan_exp.metrics import METRICS
from scyan_exp.results.annotation import load_model
from scyan_exp.results.measuring import label_codes
from tests.data.spleen import read_spleen
from tests.starting import finished
from tests.test_real_data import himc

SCORES = ("accuracy", "f1_macro")
SEEDS = tuple(range(5))


@dataclass
class FiveSeeds:
    """A run with five repeats.

    Attributes:
        folder: its folder.
        result: its record.
        cells: the cells it annotated.
        plain_mean: the scores of the plain mean of the members' posteriors.
    """

    folder: Path
    result: dict
    cells: anndata.AnnData
    plain_mean: Mapping[str, float]

    @property
    def members(self) -> list[dict]:
        """Seed, weight and metrics of each."""
        return self.result["repeats"]["members"]

    def table(self, title: str) -> str:
        """Members, their mean, the plain mean of posteriors and the consensus."""
        lines = [f"{title:<28}  accuracy  macro F1  weight  agreement with the table"]
        for one in self.members:
            numbers = [one["metrics"][name] for name in SCORES]
            agreement = one["metrics"]["table_agreement"]
            lines.append(_line(f"seed {one['seed']}", numbers, one["weight"], agreement))
        std = self.result["repeats"]["std"]
        rows = {
            "mean of the members": self.result["metrics"],
            "standard deviation": std,
            "plain mean of posteriors": self.plain_mean,
            "consensus": self.result["repeats"]["consensus"],
        }
        lines += [_line(name, [values[s] for s in SCORES]) for name, values in rows.items()]
        return "\n".join(lines)


def _line(name: str, scores: list[float], *others: float) -> str:
    rest = "".join(f"  {value:6.3f}" for value in others)
    return f"{name:<28}  {scores[0]:8.4f}  {scores[1]:8.4f}{rest}"


def run(folder: Path, arguments: list[str]) -> FiveSeeds:
    """Train on the fleet."""
    command = ["-m", "scyan_exp", "train", "-m", "hydra/launcher=fleet"]
    command += [f"hydra.sweep.dir={folder}", "logger=none", f"repeats={len(SEEDS)}", *arguments]
    if "PYTEST_XDIST_WORKER" in os.environ:  # the other processes of pytest need cores, too
        command.append("hydra.launcher.jobs_per_device=2")
    done = finished(command, timeout=None)
    assert done.returncode == 0, done.stdout + done.stderr
    job = folder / "0"
    cells = anndata.read_h5ad(job / "annotated.h5ad")
    result = json.loads((job / "result.json").read_text())
    return FiveSeeds(job, result, cells, score_plain_mean(job, cells))


def score_plain_mean(folder: Path, cells: anndata.AnnData) -> dict[str, float]:
    """The consensus that asks nobody how good members are: the mean of their posteriors."""
    total_NP: Tensor | float = 0.0
    for seed in SEEDS:
        model = load_model(folder / f"seed_{seed}" / "checkpoints" / "best.ckpt").eval()
        x, covariates = encode_cells(cells, model.table, model.preprocessing, model.encoding)
        with torch.inference_mode():
            joint_NP, _, _ = model.module.compute_probabilities(x, covariates)
        total_NP = total_NP + joint_NP.softmax(dim=1)
    true_N = label_codes(cells.obs["cell_type"], model.table.populations)
    scored = true_N >= 0
    predicted_S = total_NP.argmax(dim=1).numpy()[scored]
    return {name: METRICS[name].function(true_N[scored], predicted_S) for name in SCORES}


@pytest.fixture(scope="module", params=["himc", "spleen"])
def five_seeds(request, real_data, tmp_path_factory) -> FiveSeeds:
    """HIMC Plate3, and the mouse spleen: trained on all events, scored on the gated ones."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "himc":
        arguments = himc(real_data)
    else:
        read_spleen(real_data / "mouse_spleen").write_h5ad(folder / "spleen.h5ad")
        arguments = [
            "dataset=h5ad",
            f"dataset.path={folder / 'spleen.h5ad'}",
            "dataset.label_key=cell_type",
            "dataset.transform=none",
            "table=csv",
            f"table.path={real_data / 'mouse_spleen' / 'table.csv'}",
        ]
    found = run(folder / "sweep", arguments)
    print(f"\n{found.table(request.param)}\n")
    return found


@pytest.mark.slow
def test_the_consensus_beats_the_mean_of_its_members(five_seeds):
    consensus, mean = five_seeds.result["repeats"]["consensus"], five_seeds.result["metrics"]
    for score in SCORES:
        own = [one["metrics"][score] for one in five_seeds.members]
        assert mean[score] == pytest.approx(np.mean(own))
        assert consensus[score] > mean[score]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cells", "settings"),
    [("aml/short.h5ad", []), ("hipc_tcell/cells.h5ad", ["dataset.check_range=false"])],
)
def test_it_does_so_where_repeats_are_alike_or_rows_have_blanks(
    scyan_exp, real_data, tmp_path, cells, settings
):
    """Of the few AML cells all repeats but the fifth give nearly all the same population."""
    path = real_data / cells
    arguments = ["dataset=h5ad", f"dataset.path={path}", f"table.path={path.parent / 'table.csv'}"]
    arguments += [*settings, "dataset.label_key=cell_type", f"repeats={len(SEEDS)}"]
    arguments += ["logger=none", "figures.draw=none", f"hydra.run.dir={tmp_path}"]
    code, output = scyan_exp("train", *arguments)
    assert code == 0, output
    result = json.loads((tmp_path / "result.json").read_text())
    for score in SCORES:
        assert result["repeats"]["consensus"][score] >= result["metrics"][score]


@pytest.mark.slow
def test_the_consensus_is_no_worse_than_the_plain_mean_of_posteriors(five_seeds):
    """Weights must not cost what they cannot win: equally good members weigh the same."""
    consensus = five_seeds.result["repeats"]["consensus"]
    for score in SCORES:
        assert consensus[score] > five_seeds.plain_mean[score] - 0.005


@pytest.mark.slow
def test_cells_on_which_members_agree_are_annotated_better(five_seeds):
    obs = five_seeds.cells.obs
    scored = obs["cell_type"].isin(obs["scyan_pop"].cat.categories)
    right = (obs["scyan_pop"].astype(str) == obs["cell_type"].astype(str))[scored]
    agreement = obs["scyan_agreement"][scored]
    assert agreement.between(0, 1 + 1e-6).all()
    agreed = agreement > 0.95  # of members that count
    assert 1 - right[agreed].mean() < 0.5 * (1 - right[~agreed].mean())


@pytest.mark.slow
def test_the_folder_annotates_the_same_cells_alike(five_seeds):
    cells = five_seeds.cells.copy()
    del cells.obs["scyan_pop"]
    annotate(five_seeds.folder, cells)
    alike = cells.obs["scyan_pop"].astype(str) == five_seeds.cells.obs["scyan_pop"].astype(str)
    assert alike.mean() > 0.9999
