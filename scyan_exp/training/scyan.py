"""The LightningModule that users name."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor

from scyan_exp.data.covariates import CovariateEncoding
from scyan_exp.data.datamodule import Batch
from scyan_exp.data.preprocess import Preprocessing
from scyan_exp.data.table import KnowledgeTable
from scyan_exp.errors import InputError, TrainingDiverged, near_matches
from scyan_exp.fused import FusedModule, fused
from scyan_exp.metrics.agreement import table_agreement
from scyan_exp.module import ScyanModule


class Prediction(NamedTuple):
    """Annotation of B cells.

    The population index (B,), its log p(u | z) (B,), the latent u (B, M), and log p(u | z) + log
    pi_z of every population (B, P).
    """

    population: Tensor
    log_prob: Tensor
    latent: Tensor
    log_joint: Tensor


class Scyan(pl.LightningModule):
    """Trains a :class:`~scyan_exp.module.ScyanModule` and annotates cells with it.

    The hyperparameters have the names and defaults of the reference. All of them are plain numbers,
    strings, lists and dicts, so a checkpoint loads with ``weights_only=True``. It holds all that is
    needed to annotate new cells: table, markers, covariate categories, preprocessing.

    Args:
        table: the knowledge table, or the dict that ``KnowledgeTable.to_dict`` gives.
        encoding: covariates of the cells, or its ``to_dict``; none when None.
        preprocessing: how expressions become inputs, or its ``to_dict``; unchanged when None.
        continuum_markers: markers whose expression is a continuum.
        hidden_size: width of the networks of the flow.
        n_hidden_layers: number of their hidden-to-hidden layers.
        n_layers: number of coupling layers.
        prior_std: standard deviation of the cell-specific term, in (0, 1).
        warm_up: ``(std, epochs)``: in the first epochs the standard deviation is at least this.
        lr: learning rate of Adam.
        batch_size: cells per optimiser step, over all devices; ``auto`` for
            :data:`~scyan_exp.data.datamodule.STEPS_PER_EPOCH` steps an epoch.
        temperature: temperature that favours small populations.
        modulo_temp: the temperature is used in the epochs whose number is not a multiple of this.
        max_samples: the most cells per epoch; None for all of them.
        init: how the flow starts: ``identity`` (u = x), or at random as the ``reference``.
        agreement_tolerance: the epoch that annotates has the lowest loss among those whose
            agreement with the table is at most this far below the highest; None for the lowest loss
            of all.
        seed: seed of the initial weights and of the order of the cells.

    Raises:
        InputError: a continuum marker that is not in the table.
    """

    def __init__(
        self,
        table: KnowledgeTable | dict[str, Any],
        encoding: CovariateEncoding | dict[str, Any] | None = None,
        preprocessing: Preprocessing | dict[str, Any] | None = None,
        continuum_markers: Sequence[str] = (),
        hidden_size: int = 16,
        n_hidden_layers: int = 6,
        n_layers: int = 7,
        prior_std: float = 0.3,
        warm_up: Sequence[float] | None = (0.35, 4),
        lr: float = 5e-4,
        batch_size: int | Literal["auto"] = "auto",
        temperature: float = 0.5,
        modulo_temp: int = 3,
        max_samples: int | None = 200_000,
        init: Literal["identity", "reference"] = "identity",
        agreement_tolerance: float | None = 0.01,
        seed: int = 0,
    ) -> None:
        super().__init__()
        # Lightning stores the arguments by these names, so they are made plain first.
        table = table if isinstance(table, dict) else table.to_dict()
        encoding = _plain(encoding, CovariateEncoding())
        preprocessing = _plain(preprocessing, Preprocessing())
        continuum_markers = list(continuum_markers)
        warm_up = None if warm_up is None else list(warm_up)
        self.save_hyperparameters(logger=False)

        self.table = KnowledgeTable.from_dict(table)
        self.encoding = CovariateEncoding(**encoding)
        self.preprocessing = Preprocessing(**preprocessing)
        self.module = ScyanModule(
            torch.tensor(self.table.rho, dtype=torch.float32),
            self.encoding.n_columns,
            _continuum_mask(self.table, continuum_markers),
            hidden_size,
            n_hidden_layers,
            n_layers,
            prior_std,
            temperature,
            starts_as_identity=init == "identity",
            generator=torch.Generator().manual_seed(seed),
        )
        self._fused = fused(self.module)
        self._totals = torch.zeros(2)

    @property
    def computing(self) -> ScyanModule | FusedModule:
        """What computes the model on the current device: compiled code or PyTorch."""
        return self._fused if self._fused is not None and self._fused.applies else self.module

    @property
    def warm_up_epochs(self) -> int:
        """Number of epochs with a wider prior."""
        return 0 if self.hparams["warm_up"] is None else int(self.hparams["warm_up"][1])

    def prior_std_at(self, epoch: int) -> float:
        """Standard deviation of the prior in an epoch: wider during warm-up."""
        if epoch < self.warm_up_epochs:
            return max(self.hparams["warm_up"][0], self.hparams["prior_std"])
        return self.hparams["prior_std"]

    def uses_temperature(self, epoch: int) -> bool:
        """Whether small populations are favoured in an epoch."""
        return epoch % self.hparams["modulo_temp"] > 0

    def on_train_epoch_start(self) -> None:
        """Set the prior of the epoch, and start its sums."""
        self.module.prior.prior_std.fill_(self.prior_std_at(self.current_epoch))
        self._totals = torch.zeros(2, device=self.device)
        self._n_cells = 0
        self._started = time.perf_counter()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of one batch; it stays on the device, except for a ``loss_step`` now and then."""
        loss, ldj = self.computing.loss_terms(*batch, self.uses_temperature(self.current_epoch))
        n_cells = len(batch[0])
        self._totals += n_cells * torch.stack([loss.detach(), ldj.detach()])
        self._n_cells += n_cells
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]  # set late
        if (self.global_step + 1) % every == 0:
            self._write_to_loggers({"loss_step": loss.item()})
        return loss

    def on_train_epoch_end(self) -> None:
        """Log the epoch, with a single read from the device.

        Raises:
            TrainingDiverged: the loss is not finite.
        """
        values = torch.cat([self._totals / self._n_cells, self.module.pi.detach()])
        loss, ldj, *pi = self.trainer.strategy.reduce(values, reduce_op="mean").tolist()
        if not math.isfinite(loss):
            raise TrainingDiverged(
                f"the loss became {loss} in epoch {self.current_epoch}: try a smaller model.lr, "
                "a larger model.prior_std, or look for extreme expressions"
            )
        n_cells = self._n_cells * self.trainer.world_size
        self.epoch_metrics = {
            "loss": loss,
            "ldj": ldj,
            "prior_std": self.prior_std_at(self.current_epoch),
            "use_temperature": float(self.uses_temperature(self.current_epoch)),
            "lr": self.hparams["lr"],
            "cells_per_second": n_cells / (time.perf_counter() - self._started),
            **self._measured_agreement(),
            **{f"pi/{name}": p for name, p in zip(self.table.populations, pi, strict=True)},
        }
        self._publish(self.epoch_metrics)

    @torch.no_grad()
    def _measured_agreement(self) -> dict[str, float]:
        """Agreement with the table of some cells that are the same in every epoch.

        Each process looks at all of them, so all processes decide alike.
        """
        watched = getattr(getattr(self.trainer, "datamodule", None), "watched", None)
        if watched is None:  # trained without this data module
            return {}
        x, covariates = watched()
        population = self.computing.compute_probabilities(x, covariates)[0].argmax(dim=1)
        agreement = table_agreement(x.cpu().numpy(), population.cpu().numpy(), self.table.rho)
        return {"table_agreement": float(agreement)}

    def _publish(self, metrics: dict[str, float]) -> None:
        """Hand the metrics of an epoch to callbacks and loggers.

        ``self.log`` would wrap each of them in a module of its own and send it to the device:
        with 20 populations that takes a tenth of a short epoch.
        """
        for name, value in metrics.items():
            self.trainer.callback_metrics[name] = torch.tensor(value, dtype=torch.float64)
        self._write_to_loggers(metrics)

    def _write_to_loggers(self, metrics: dict[str, float]) -> None:
        if not self.trainer.is_global_zero:
            return
        for logger in self.trainer.loggers:
            logger.log_metrics({**metrics, "epoch": self.current_epoch}, self.trainer.global_step)
            logger.save()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam; all parameters in one fused step."""
        return torch.optim.Adam(self.parameters(), lr=self.hparams["lr"], fused=True)

    def predict_step(self, batch: Batch, batch_idx: int = 0) -> Prediction:
        """Annotate a batch of cells ``(x (B, M), covariates (B, C))``."""
        log_probs_BP, _, latent = self.computing.compute_probabilities(*batch)
        best = log_probs_BP.max(dim=1)
        log_prob_B = best.values - self.module.log_pi[best.indices]
        return Prediction(best.indices, log_prob_B, latent, log_probs_BP)


def _plain(value: Any, default: Any) -> dict[str, Any]:
    value = default if value is None else value
    return value if isinstance(value, dict) else value.to_dict()


def _continuum_mask(table: KnowledgeTable, continuum_markers: Sequence[str]) -> Tensor:
    problems = [
        f"model.continuum_markers: {name!r} is not in the table.{near_matches(name, table.markers)}"
        for name in continuum_markers
        if name not in table.markers
    ]
    if problems:
        raise InputError(problems)
    return torch.tensor([name in continuum_markers for name in table.markers], dtype=torch.bool)
