"""Schemas of the configuration: every key, its type and its range.

Importing this module loads neither torch nor Lightning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from scyan_exp.errors import near_matches

Fraction = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1)]


def _distinct(devices: list[int]) -> list[int]:
    if len(set(devices)) < len(devices):
        raise ValueError("distinct numbers of devices")
    return devices


def _not_zero(value: int) -> int:
    if value == 0:
        raise ValueError("a number of steps, or -1 for no limit")
    return value


Devices = Annotated[
    list[Annotated[int, Field(ge=0)]], Field(min_length=1), AfterValidator(_distinct)
]

#: What ``_target_`` may name: classes and functions made for it, and nothing reached through them.
ALLOWED_TARGETS = re.compile(
    r"scyan_exp\.Scyan"
    r"|scyan_exp\.data\.(H5adDataset|PublicDataset|CsvDataset|SyntheticDataset)"
    r"|scyan_exp\.data\.(load_table|load_pbmc_table|load_public_table)"
    r"|scyan_exp\.training\.stopping\.EarlyStopping"
    r"|pytorch_lightning\.Trainer"
    r"|pytorch_lightning\.(callbacks|loggers)\.[A-Z]\w*"
)

#: Arguments of ``pytorch_lightning.Trainer`` that a run supports besides those below. Loggers
#: and callbacks have config groups; folders, processes and the rest are the run's own business.
TRAINER_ARGUMENTS = {
    "accumulate_grad_batches",
    "benchmark",
    "detect_anomaly",
    "deterministic",
    "gradient_clip_algorithm",
    "gradient_clip_val",
    "max_time",
    "min_epochs",
    "min_steps",
}


class Section(BaseModel):
    """A part of the config: every key known, every type as declared."""

    model_config = ConfigDict(extra="forbid", strict=True)


class DatasetSection(Section):
    """Keys that every data set has."""

    label_key: Name | None
    batch_key: Name | None
    categorical_covariates: list[Name]
    continuous_covariates: list[Name]
    transform: Literal["none", "asinh"]
    cofactor: Positive
    scale: bool
    center: bool | None
    max_value: Positive


class H5adSection(DatasetSection):
    """``dataset=h5ad``."""

    target: Literal["scyan_exp.data.H5adDataset"] = Field(alias="_target_")
    path: Name
    subset: dict[Name, Any] | None


class PublicSection(DatasetSection):
    """``dataset=aml``, ``bmmc``, ``debarcoding``, ``poised``."""

    target: Literal["scyan_exp.data.PublicDataset"] = Field(alias="_target_")
    name: Literal["aml", "bmmc", "debarcoding", "poised"]
    version: Name
    subset: dict[Name, Any] | None


class CsvSection(DatasetSection):
    """``dataset=csv``."""

    target: Literal["scyan_exp.data.CsvDataset"] = Field(alias="_target_")
    path: Name
    obs_columns: list[Name]
    subset: dict[Name, Any] | None


class SyntheticSection(DatasetSection):
    """``dataset=synthetic``."""

    target: Literal["scyan_exp.data.SyntheticDataset"] = Field(alias="_target_")
    n_cells: Count
    seed: Annotated[int, Field(ge=0)]
    prior_std: Fraction
    n_batches: Count
    batch_shift: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class TableSection(Section):
    """``table=csv``."""

    target: Literal["scyan_exp.data.load_table"] = Field(alias="_target_")
    path: Name


class PublicTableSection(Section):
    """``table=aml``, ``bmmc``, ``debarcoding``, ``poised``."""

    target: Literal["scyan_exp.data.load_public_table"] = Field(alias="_target_")
    name: Literal["aml", "bmmc", "debarcoding", "poised"]
    version: Name


class PbmcTableSection(Section):
    """``table=synthetic``."""

    target: Literal["scyan_exp.data.load_pbmc_table"] = Field(alias="_target_")


class ModelSection(Section):
    """Hyperparameters, by the names of the reference."""

    target: Literal["scyan_exp.Scyan"] = Field(alias="_target_")
    continuum_markers: list[Name]
    hidden_size: Count
    n_hidden_layers: Annotated[int, Field(ge=0)]
    n_layers: Count
    prior_std: Fraction
    warm_up: tuple[Fraction, Annotated[int, Field(ge=0)]] | None = Field(strict=False)
    lr: Positive
    batch_size: Count
    temperature: Positive
    modulo_temp: Count
    max_samples: Count | None


class TrainerSection(BaseModel):
    """Arguments of the Lightning trainer; those without a schema must be arguments of it."""

    model_config = ConfigDict(extra="allow", strict=True)

    target: Literal["pytorch_lightning.Trainer"] = Field(alias="_target_")
    accelerator: Literal["cpu", "gpu", "cuda"]
    devices: Count | Devices
    strategy: Literal["auto", "ddp", "ddp_find_unused_parameters_true"] = "auto"
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    max_epochs: Count
    max_steps: Annotated[int, Field(ge=-1), AfterValidator(_not_zero)] = -1
    log_every_n_steps: Count = 10
    enable_progress_bar: bool = False
    enable_model_summary: bool = False


class LoggerSection(Section):
    """Weights & Biases, or nothing besides the files."""

    backend: Literal["wandb", "none"]
    mode: Literal["online", "offline", "disabled"]
    project: Annotated[str, Field(pattern=r"^[^/\\\\#?%:]{1,128}$")]
    entity: Name | None
    job_type: Name | None


class RunSection(Section):
    """The keys at the top of the config."""

    name: Name | None
    group: Name | None
    tags: list[Annotated[str, Field(min_length=1, max_length=64)]]
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    repeats: Count
    objective: Any  # checked by itself: one of METRICS, or a list of several
    ckpt_path: Name | None


#: Sections whose schema depends on ``_target_``.
DATASETS: dict[str, type[Section]] = {
    "scyan_exp.data.H5adDataset": H5adSection,
    "scyan_exp.data.PublicDataset": PublicSection,
    "scyan_exp.data.CsvDataset": CsvSection,
    "scyan_exp.data.SyntheticDataset": SyntheticSection,
}
TABLES: dict[str, type[Section]] = {
    "scyan_exp.data.load_table": TableSection,
    "scyan_exp.data.load_public_table": PublicTableSection,
    "scyan_exp.data.load_pbmc_table": PbmcTableSection,
}
SECTIONS = ("dataset", "table", "model", "trainer", "callbacks", "logger")


def settings_problems(
    error: ValidationError,
    values: Mapping[str, Any],
    prefix: str,
    schemas: Sequence[type[BaseModel]],
) -> list[str]:
    """One sentence a key of a launcher's or sweeper's settings.

    Args:
        error: what pydantic found; of a union of types, one error for each of its members.
        values: the settings.
        prefix: where they stand in the config.
        schemas: their schema, and those of parts of it.
    """
    sentences: dict[str, str] = {}
    for one in error.errors():
        key = str(one["loc"][0])
        expected = one["msg"].removeprefix("Input should be ")
        if one["type"] == "extra_forbidden":
            schema = schemas[len(one["loc"]) - 1]
            hint = near_matches(str(one["loc"][-1]), schema.model_fields)
            sentences[key] = f"{prefix}.{'.'.join(map(str, one['loc']))}: unknown key.{hint}"
        elif key in sentences:
            sentences[key] += f", or {expected}"
        else:
            sentences[key] = f"{prefix}.{key}: found {values.get(key)!r}; expected {expected}"
    return list(sentences.values())
