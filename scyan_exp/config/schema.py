"""What a config holds: every key, its type and its range.

A checked config is a :class:`RunConfig`, frozen; it becomes plain containers again only where it
leaves the program (YAML, W&B, JSON, the hash). Importing this module loads neither torch nor
Lightning.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr

from scyan_exp.config.formats import DataFormat, TableSource
from scyan_exp.config.hashing import config_hash
from scyan_exp.config.types import (
    Count,
    Fraction,
    Name,
    OneOrMore,
    Positive,
    Section,
    not_zero,
)
from scyan_exp.config.wanted import (
    NO_CORRECTION,
    NO_SAMPLES,
    PREDICT,
    BiomarkersConfig,
    CorrectConfig,
    FiguresConfig,
    PredictConfig,
    Wanted,
)

#: Arguments of ``pytorch_lightning.Trainer`` that a run supports besides those with a type below.
#: Loggers and callbacks have config groups; folders, processes and the rest are the run's own
#: business.
TRAINER_ARGUMENTS = {
    "accumulate_grad_batches": "batches whose gradients are summed before an optimiser step",
    "benchmark": "let cuDNN measure which of its algorithms is fastest here",
    "detect_anomaly": "report anomalies of autograd where they arise; slow",
    "deterministic": "use deterministic algorithms only; warn: say where there are none",
    "gradient_clip_algorithm": "how gradients are clipped: norm or value",
    "gradient_clip_val": "clip gradients at this",
    "max_time": "train no longer than this: DD:HH:MM:SS",
    "min_epochs": "train so many epochs at least",
    "min_steps": "train so many steps at least",
}


def _distinct(devices: list[int]) -> list[int]:
    if len(set(devices)) < len(devices):
        raise ValueError("distinct numbers of devices")
    return devices


Devices = Annotated[
    list[Annotated[int, Field(ge=0)]], Field(min_length=1), AfterValidator(_distinct)
]


class ModelConfig(Section):
    """Hyperparameters, by the names of the reference; :class:`~scyan_exp.Scyan` explains them."""

    continuum_markers: list[Name]
    hidden_size: Count
    n_hidden_layers: Annotated[int, Field(ge=0)]
    n_layers: Count
    prior_std: Fraction
    warm_up: tuple[Fraction, Annotated[int, Field(ge=0)]] | None = Field(strict=False)
    lr: Positive
    batch_size: Count | Literal["auto"]
    temperature: Positive
    modulo_temp: Count
    max_samples: Count | None
    # Configs of versions that had neither mean these.
    init: Literal["identity", "reference"] = "reference"
    agreement_tolerance: Annotated[float, Field(ge=0, le=2)] | None = None


class TrainerConfig(BaseModel):
    """Arguments of the Lightning trainer; those without a type are ``TRAINER_ARGUMENTS``.

    Attributes:
        max_steps: optimiser steps at most; -1 for no limit.
    """

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    accelerator: Literal["cpu", "gpu", "cuda"]
    devices: Count | Devices
    strategy: Literal["auto", "ddp", "ddp_find_unused_parameters_true"] = "auto"
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    max_epochs: Count
    max_steps: Annotated[int, Field(ge=-1), AfterValidator(not_zero)] = -1
    log_every_n_steps: Count = 10
    enable_progress_bar: bool = False
    enable_model_summary: bool = False

    @property
    def on_gpu(self) -> bool:
        """Whether it trains on GPUs."""
        return self.accelerator != "cpu"

    @property
    def n_processes(self) -> int:
        """Processes that train together, one a device."""
        return len(self.devices) if isinstance(self.devices, list) else self.devices

    @property
    def gpus(self) -> list[int]:
        """Numbers of the GPUs asked for; none on the CPU."""
        if not self.on_gpu:
            return []
        return self.devices if isinstance(self.devices, list) else list(range(self.devices))

    def arguments(self) -> dict[str, Any]:
        """What Lightning's trainer takes: the values that were given."""
        return self.model_dump(exclude_unset=True)


class CallbackConfig(BaseModel):
    """A callback of Lightning's by ``_target_``, with arguments that only it knows."""

    model_config = ConfigDict(extra="allow", frozen=True)

    target: str = Field(alias="_target_")

    @property
    def monitor(self) -> str | None:
        """The logged value that it watches."""
        return (self.model_extra or {}).get("monitor")

    def plain(self) -> dict[str, Any]:
        """As Hydra's ``instantiate`` takes it."""
        return self.model_dump(by_alias=True)


class LoggerConfig(Section):
    """Weights & Biases, or nothing besides the files."""

    backend: Literal["wandb", "none"]
    mode: Literal["online", "offline", "disabled"]
    project: Annotated[str, Field(pattern=r"^[^/\\\\#?%:]{1,128}$")]
    entity: Name | None
    job_type: Name | None
    artifacts: list[Literal["checkpoint", "cells"]] = []

    @property
    def uses_wandb(self) -> bool:
        """Whether there is a W&B run."""
        return self.backend == "wandb" and self.mode != "disabled"


class RunSettings(Section):
    """The keys at the top of a config."""

    name: Name | None
    group: Name | None
    tags: list[Annotated[str, Field(min_length=1, max_length=64)]]
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    repeats: Count
    objective: OneOrMore  # checked by itself: one of METRICS, or a list of several
    ckpt_path: Name | None
    report: bool = True


class RunConfig(RunSettings):
    """A config that was checked: what :func:`~scyan_exp.config.check.check_config` returns.

    Attributes:
        dataset: where the cells come from, what their columns mean, how they are preprocessed.
        table: where the knowledge table comes from.
        model: hyperparameters.
        trainer: arguments of the trainer.
        callbacks: callbacks by the names that the config gives them.
        logger: settings of W&B.
        figures: which figures are drawn.
        predict: how cells are annotated.
        correct: how the batch effect is corrected.
        biomarkers: what is measured in each sample.
    """

    dataset: DataFormat
    table: TableSource
    model: ModelConfig
    trainer: TrainerConfig
    callbacks: dict[str, CallbackConfig]
    logger: LoggerConfig
    figures: FiguresConfig
    predict: PredictConfig = PREDICT
    correct: CorrectConfig = NO_CORRECTION
    biomarkers: BiomarkersConfig = NO_SAMPLES

    _plain: dict[str, Any] = PrivateAttr(default_factory=dict)

    @classmethod
    def of(
        cls, plain: Mapping[str, Any], sections: Mapping[str, Any], *, shared: bool = False
    ) -> RunConfig:
        """A config of sections that were checked.

        Args:
            plain: the whole config as it was given, in plain containers.
            sections: the checked sections by name.
            shared: keep ``plain`` itself, which nobody changes, and no copy.
        """
        config = cls.model_validate({**plain, **sections})
        config._plain = dict(plain) if shared else copy.deepcopy(dict(plain))
        return config

    @property
    def objectives(self) -> list[str]:
        """The metrics that are the objective: one, or several."""
        return objective_names(self.objective)

    @property
    def wanted(self) -> Wanted:
        """What is made of the cells after the training."""
        return Wanted(self.figures, self.predict, self.correct, self.biomarkers)

    @property
    def hash(self) -> str:
        """Identifies what decides the result: not names, logging or where it runs."""
        return config_hash(self._plain)

    def plain(self) -> dict[str, Any]:
        """The config in plain containers, as it was given: for YAML, W&B and other processes."""
        return copy.deepcopy(self._plain)

    def changed(self, **values: Any) -> RunConfig:
        """The same with other values at the top, such as ``seed=3``."""
        changed = self.model_copy(update=values)
        changed._plain = {**self.plain(), **values}
        return changed

    def with_model(self, **values: Any) -> RunConfig:
        """The same with other hyperparameters, such as ``init="reference"``."""
        changed = self.model_copy(update={"model": self.model.model_copy(update=values)})
        changed._plain = self.plain()
        changed._plain["model"] |= values
        return changed

    def repeat(self, seed: int) -> RunConfig:
        """The config of one of the trainings of a run with repeats.

        The run itself has the UMAP: the cells are the same.
        """
        one = self.changed(repeats=1, seed=seed)
        if self.figures.umap:
            figures = self.figures.model_copy(update={"umap": False})
            plain = one.plain()
            one = one.model_copy(update={"figures": figures})
            one._plain = {**plain, "figures": {**plain["figures"], "umap": False}}
        return one


def objective_names(objective: Any) -> list[str]:
    """The metrics that ``objective`` names: one, or a list of several."""
    return [str(name) for name in objective] if isinstance(objective, list) else [str(objective)]
