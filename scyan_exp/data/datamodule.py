"""Batches of cells, gathered by index from tensors on the training device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytorch_lightning as pl
import torch
from torch import Tensor

from scyan_exp.data.cells import Cells

Batch = tuple[Tensor, Tensor]

#: Optimiser steps per epoch when the batch size is automatic, and the bounds of that size. A few
#: large steps leave a small sample untrained, and its annotation then depends on the seed.
STEPS_PER_EPOCH = 40
SMALLEST_BATCH, LARGEST_BATCH = 256, 8192
#: Cells per epoch for each cell that is watched, and the least number watched.
WATCHED_SHARE, FEWEST_WATCHED = 20, 2000


def automatic_batch_size(n_cells: int) -> int:
    """Cells per optimiser step for an epoch of ``n_cells`` cells."""
    return min(max(n_cells // STEPS_PER_EPOCH, SMALLEST_BATCH), LARGEST_BATCH)


class CellSampler:
    """Cells of each epoch, drawn without replacement, as whole batches of indices.

    The order depends on the seed and the epoch alone, so a resumed run sees the cells that it would
    have seen otherwise. Several processes share each batch: rank r takes the r-th part of it, and
    no cell is seen twice in an epoch.

    Args:
        n_cells: number of cells N.
        batch_size: cells per optimiser step, over all processes; at most ``max_samples``.
        max_samples: cells an epoch at most; None for all of them.
        seed: seed of the order.
        rank: index of this process.
        world_size: number of processes.
    """

    def __init__(
        self,
        n_cells: int,
        batch_size: int,
        max_samples: int | None,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        n_drawn = min(max_samples or n_cells, n_cells)
        self.n_cells, self.seed, self.rank = n_cells, seed, rank
        self.cells_per_process = min(batch_size, n_drawn) // world_size
        if self.cells_per_process == 0:
            raise ValueError(f"{min(batch_size, n_drawn)} cells a step for {world_size} processes")
        self.cells_per_step = self.cells_per_process * world_size
        self.n_steps = n_drawn // self.cells_per_step
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order the next iteration follows (Lightning calls this)."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n_steps

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.order())

    def order(self) -> Tensor:
        """Indices of this process's cells in the epoch, (steps, cells per step)."""
        generator = torch.Generator().manual_seed(_mix(self.seed, self.epoch))
        drawn = torch.randperm(self.n_cells, generator=generator)
        steps = drawn[: self.n_steps * self.cells_per_step].view(self.n_steps, -1)
        first = self.rank * self.cells_per_process
        return steps[:, first : first + self.cells_per_process]


class BatchLoader:
    """Iterates over ``(x, covariates)`` batches; the cells stay on their device."""

    def __init__(self, x: Tensor, covariates: Tensor, sampler: CellSampler) -> None:
        self.x, self.covariates, self.sampler = x, covariates, sampler

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[Batch]:
        for indices in self.sampler.order().to(self.x.device):  # one transfer an epoch
            yield self.x.index_select(0, indices), self.covariates.index_select(0, indices)


class ChunkLoader:
    """Iterates over all cells in order, as views of ``batch_size`` cells."""

    def __init__(self, x: Tensor, covariates: Tensor, batch_size: int) -> None:
        self.x, self.covariates, self.batch_size = x, covariates, batch_size

    def __len__(self) -> int:
        return -(-len(self.x) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        return zip(
            self.x.split(self.batch_size), self.covariates.split(self.batch_size), strict=True
        )


class CellDataModule(pl.LightningDataModule):
    """Cells as one tensor on the training device, for training and annotation.

    Args:
        cells: the prepared cells.
        batch_size: cells per optimiser step, whatever the number of devices; ``auto`` for
            :func:`automatic_batch_size`.
        max_samples: cells an epoch at most; None for all of them.
        seed: seed of the order of the cells.
    """

    def __init__(
        self,
        cells: Cells,
        batch_size: int | Literal["auto"] = "auto",
        max_samples: int | None = 200_000,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.cells, self.seed, self.max_samples = cells, seed, max_samples
        n_drawn = min(max_samples or len(cells), len(cells))
        self.batch_size = automatic_batch_size(n_drawn) if batch_size == "auto" else batch_size
        n_watched = min(max(n_drawn // WATCHED_SHARE, FEWEST_WATCHED), len(cells))
        order = torch.randperm(len(cells), generator=torch.Generator().manual_seed(0))
        self._watched = order[:n_watched].sort().values
        self._watched_cells: Batch | None = None

    def watched(self) -> Batch:
        """Some cells on the training device: the same ones in every epoch and for every seed."""
        if self._watched_cells is None:
            x, covariates = self._on_device()
            indices = self._watched.to(x.device)
            self._watched_cells = x[indices], covariates[indices]
        return self._watched_cells

    def train_dataloader(self) -> BatchLoader:
        """Shuffled batches of the cells of one epoch."""
        assert self.trainer is not None
        sampler = CellSampler(
            len(self.cells),
            self.batch_size,
            self.max_samples,
            self.seed,
            self.trainer.global_rank,
            self.trainer.world_size,
        )
        return BatchLoader(*self._on_device(), sampler)

    def predict_dataloader(self) -> ChunkLoader:
        """All cells in their order."""
        return ChunkLoader(*self._on_device(), LARGEST_BATCH)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Leave the batch where it is: batches are gathered on the device."""
        return batch

    def _on_device(self) -> Batch:
        assert self.trainer is not None
        device = self.trainer.strategy.root_device
        return self.cells.x.to(device), self.cells.covariates.to(device)


def _mix(seed: int, epoch: int) -> int:
    """One 63-bit seed from two numbers (the mixing steps of splitmix64)."""
    value = (seed * 0x9E3779B97F4A7C15 + epoch + 1) % 2**64
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        value = (value ^ (value >> shift)) * factor % 2**64
    return (value ^ (value >> 31)) % 2**63
