"""Synthetic cells, drawn from the model of a run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from scyan_exp.errors import InputError, absent, listed
from scyan_exp.results.consensus import Member
from scyan_exp.run.annotating.models import load_members
from scyan_exp.run.drawn_covariates import draw_covariates
from scyan_exp.run.read_run import Run
from scyan_exp.training.scyan import Scyan

if TYPE_CHECKING:
    from anndata import AnnData

    from scyan_exp.data.table import KnowledgeTable

#: The column of the drawn cells with their population; the second if a covariate or a marker has
#: the first name.
NAMES = ("population", "sampled_population")
#: Number of cells that are drawn at a time.
CHUNK = 65_536
#: More cells would not fit into the memory of most machines.
MOST_CELLS = 10_000_000


def sample_cells(
    run: str | Path | Scyan | Run,
    n: int,
    populations: Sequence[str] = (),
    batch: str | None = None,
    seed: int = 0,
) -> AnnData:
    """Draw synthetic cells from a run's model.

    First a population is drawn by its weight, then its latent expressions, which the flow turns
    into expressions. With repeats, the model of each cell is drawn as well, by its weight in the
    consensus. Covariates are taken from randomly drawn cells of the run.

    Args:
        run: the folder of a run, ``checkpoints/best.ckpt`` of one, what ``read_run`` gives, or a
            model.
        n: number of cells.
        populations: draw only from these, by their weights; empty for all. The name of a level
            means all of its populations.
        batch: the batch of all cells; None to draw it like the other covariates.
        seed: the same seed gives the same cells.

    Returns:
        (n, M) expressions in raw units, as the run's cells had. ``obs`` has the population as its
        first column, then the covariates.

    Raises:
        InputError: populations or batch are unknown; ``n`` is out of range; there is no run, or it
            has no model; or covariates are needed, but the run's cells are gone.
    """
    import anndata

    what = run.folder if isinstance(run, Run) else run
    if not 1 <= n <= MOST_CELLS:
        raise InputError(f"n: expected 1 to {MOST_CELLS:,} cells, found {n:,}")
    members = load_members(what)
    table = members[0].model.table
    wanted = _indices(populations, table)
    rng = np.random.default_rng(seed)
    obs = draw_covariates(what, members, n, batch, rng)
    weights = np.array([one.weight for one in members])
    member_N = rng.choice(len(members), n, p=weights / weights.sum())
    x_NM = np.empty((n, len(table.markers)), np.float32)
    population_N = np.empty(n, np.int64)
    for i, one in enumerate(members):
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        for own in _chunks(np.flatnonzero(member_N == i)):
            x_NM[own], population_N[own] = _drawn(one, obs.iloc[own], wanted, generator)
    names = pd.Categorical.from_codes(population_N, categories=table.populations)
    obs.insert(0, population_column(obs, table.markers), names)
    obs.index = [f"sampled_{i}" for i in range(n)]
    return anndata.AnnData(x_NM, obs=obs, var=pd.DataFrame(index=table.markers))


def population_column(obs: pd.DataFrame, markers: Sequence[str]) -> str:
    """The name of the column of populations, which no covariate and no marker has.

    Raises:
        InputError: all such names are taken.
    """
    taken = {*map(str, obs), *markers}
    free = [name for name in NAMES if name not in taken]
    if not free:
        raise InputError(
            f"the populations of the cells need a column, and {listed(NAMES)} are covariates or "
            "markers of the model: rename one of them"
        )
    return free[0]


def _drawn(
    member: Member, obs: pd.DataFrame, wanted: np.ndarray, generator: torch.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(B, M) raw expressions and (B,) populations of cells with these covariates."""
    model = member.model.eval()
    covariates = torch.from_numpy(model.encoding.encode(obs))
    weight_P = model.module.pi.detach().double()[torch.from_numpy(wanted)]
    drawn_B = torch.multinomial(weight_P, len(obs), replacement=True, generator=generator)
    z_B = torch.from_numpy(wanted)[drawn_B]
    x = model.module.sample(len(obs), covariates, z_B, generator=generator)
    assert isinstance(x, torch.Tensor)
    limit = model.preprocessing.max_value if model.preprocessing.std is not None else None
    x_BM = x.numpy() if limit is None else x.clamp(-limit, limit).numpy()  # as for real cells
    return model.preprocessing.undo(x_BM), z_B.numpy()


def _indices(names: Sequence[str], table: KnowledgeTable) -> np.ndarray:
    """The rows of the table from which cells are drawn."""
    groups: dict[str, list[int]] = {}
    for of_level in table.levels.values():
        for p, name in enumerate(of_level):
            groups.setdefault(name, []).append(p)
    groups |= {name: [p] for p, name in enumerate(table.populations)}
    said = "population: {} is not in the table of the run."
    if problems := absent(names, groups, said, "It has"):
        raise InputError([*problems, *_several_in_one(names, groups)])
    chosen = {p for name in names for p in groups[name]}
    return np.array(sorted(chosen) or range(len(table.populations)))


def _several_in_one(names: Sequence[str], known: Collection[str]) -> list[str]:
    """The hint for several names in one text, such as ``[A,B]`` or ``A,B``."""
    parts = [[part.strip() for part in name.strip("[]").split(",")] for name in names]
    lists = [mine for mine in parts if len(mine) > 1 and set(mine) <= set(known)]
    typed = [" ".join(f'"population={name}"' for name in mine) for mine in lists]
    return [f"population: several are given one by one: {words}" for words in typed]


def _chunks(index_N: np.ndarray) -> list[np.ndarray]:
    return [index_N[i : i + CHUNK] for i in range(0, len(index_N), CHUNK)]
