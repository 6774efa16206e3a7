"""How probable populations are, given the cells: p(z | x)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scyan_exp.data.table import KnowledgeTable

#: Log of the least odds against the population chosen that are told from none: 2e-35. Numbers below
#: 1e-38 have no normal float32, and sums of such take ten times as long.
LEAST_LOG_ODDS = -80.0


class Posteriors:
    """Posteriors of the populations chosen, of their names at each level, and of all populations.

    All of them are sums of a few columns of the same exponentials, so one matrix product gives
    them. Of 159,594 cells of HIMC, that is 6% of the time of their annotation.

    Args:
        table: the table, P populations, L levels.
        keeps_all: whether the posterior of every population is kept.
    """

    def __init__(self, table: KnowledgeTable, keeps_all: bool) -> None:
        self._levels, self._keeps_all = list(table.levels), keeps_all
        n_pops = len(table.populations)
        columns, own = [np.ones(n_pops)], []
        for names in table.levels.values():
            distinct = list(dict.fromkeys(names))
            own.append([len(columns) + distinct.index(name) for name in names])
            columns += [np.array(names, object) == name for name in distinct]
        #: (P, G) which populations belong to a group: to all, and to each name of each level.
        self._members = torch.from_numpy(np.stack(columns, axis=1).astype(np.float32))
        #: (P, L) the groups of each population.
        self._groups = torch.tensor(own, dtype=torch.int64).reshape(-1, n_pops).T

    def of(self, log_joint_BP: Tensor, population_B: Tensor) -> list[Tensor]:
        """The posteriors of B cells; what :meth:`named` takes for all of them.

        Args:
            log_joint_BP: log p(x, z), or anything else that differs from it by a constant a cell.
            population_B: the populations chosen: the largest of each row.

        Returns:
            (B, 1 + L) of the population and of its names; and (B, P), if all are kept.
        """
        largest_B1 = log_joint_BP.gather(1, population_B[:, None])
        odds_BP = (log_joint_BP - largest_B1).clamp_(min=LEAST_LOG_ODDS).exp_()
        sums_BG = odds_BP @ self._members.to(odds_BP)
        own_BL = sums_BG.gather(1, self._groups.to(population_B.device)[population_B])
        total_B1 = sums_BG[:, :1]
        found = [torch.cat([total_B1.reciprocal(), own_BL / total_B1], dim=1)]
        return [*found, odds_BP / total_B1] if self._keeps_all else found

    def named(self, found: Sequence[np.ndarray]) -> dict[str, Any]:
        """What :meth:`of` gave for N cells, by the names that an annotation has for it."""
        own_N, *of_levels = np.ascontiguousarray(found[0].T)
        return {
            "confidence": own_N,
            "level_confidence": dict(zip(self._levels, of_levels, strict=True)),
            "proba": found[1] if self._keeps_all else None,
        }
