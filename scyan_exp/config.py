"""Schemas of the configuration, and its checks: all problems at once, before anything is loaded.

Importing this module loads neither torch nor Lightning.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from scyan_exp.errors import InputError, near_matches

Fraction = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1)]


def _distinct(devices: list[int]) -> list[int]:
    if len(set(devices)) < len(devices):
        raise ValueError("distinct numbers of devices")
    return devices


Devices = Annotated[
    list[Annotated[int, Field(ge=0)]], Field(min_length=1), AfterValidator(_distinct)
]

#: What ``_target_`` may name: classes and functions made for it, and nothing reached through them.
ALLOWED_TARGETS = re.compile(
    r"scyan_exp\.Scyan"
    r"|scyan_exp\.data\.(H5adDataset|PublicDataset|CsvDataset|SyntheticDataset)"
    r"|scyan_exp\.data\.(load_table|load_pbmc_table|load_public_table)"
    r"|pytorch_lightning\.Trainer"
    r"|pytorch_lightning\.(callbacks|loggers)\.[A-Z]\w*"
)

#: Metrics that can be the objective; the second ones need ``dataset.label_key``.
OBJECTIVES = ("heuristic", "loss", "n_missing_populations", "davies_bouldin", "neg_log_dirichlet")
LABEL_OBJECTIVES = ("accuracy", "f1_macro", "balanced_accuracy")

#: Arguments of ``pytorch_lightning.Trainer`` besides those with a schema below. Loggers and
#: callbacks have config groups of their own.
TRAINER_ARGUMENTS = {
    "accumulate_grad_batches",
    "barebones",
    "benchmark",
    "check_val_every_n_epoch",
    "default_root_dir",
    "detect_anomaly",
    "deterministic",
    "enable_autolog_hparams",
    "enable_checkpointing",
    "enable_model_summary",
    "enable_progress_bar",
    "fast_dev_run",
    "gradient_clip_algorithm",
    "gradient_clip_val",
    "inference_mode",
    "limit_predict_batches",
    "limit_test_batches",
    "limit_train_batches",
    "limit_val_batches",
    "max_time",
    "min_epochs",
    "min_steps",
    "model_registry",
    "num_nodes",
    "num_sanity_val_steps",
    "overfit_batches",
    "plugins",
    "precision",
    "profiler",
    "reload_dataloaders_every_n_epochs",
    "sync_batchnorm",
    "use_distributed_sampler",
    "val_check_interval",
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
    accelerator: Literal["cpu", "gpu", "cuda", "auto"]
    devices: Count | Devices | Literal["auto"]
    strategy: Literal["auto", "ddp", "ddp_find_unused_parameters_true"] = "auto"
    max_epochs: Count
    max_steps: Annotated[int, Field(ge=-1)] = -1
    log_every_n_steps: Count = 10


class LoggerSection(Section):
    """Weights & Biases, or nothing besides the files."""

    backend: Literal["wandb", "none"]
    mode: Literal["online", "offline", "disabled"]
    project: Name
    entity: Name | None
    job_type: Name | None


class RunSection(Section):
    """The keys at the top of the config."""

    name: Name | None
    group: Name | None
    tags: list[str]
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    objective: Literal[(*OBJECTIVES, *LABEL_OBJECTIVES)]  # type: ignore[valid-type]
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


def check_config(config: DictConfig) -> dict[str, Any]:
    """Check a composed config and return it resolved, as plain containers.

    Raises:
        InputError: unknown keys, wrong types and values out of range, all of them.
    """
    try:
        missing = sorted(OmegaConf.missing_keys(config))
        plain: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=False)
    except OmegaConfBaseException as error:
        reason = str(error.msg).splitlines()[0]
        raise InputError(f"{error.full_key}: {reason}", where="config") from error
    problems = [f"{key}: a value is required ({key}=... on the command line)" for key in missing]
    problems += [p for p in config_problems(plain) if p.split(":")[0] not in missing]
    if problems:
        raise InputError(problems, where="config")
    return plain


def config_problems(plain: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong with a config in plain containers."""
    own = {key: value for key, value in plain.items() if key not in SECTIONS}
    problems = _section_problems("", RunSection, own, also_known=SECTIONS)
    problems += _chosen_problems("dataset", DATASETS, plain.get("dataset"))
    problems += _chosen_problems("table", TABLES, plain.get("table"))
    problems += _section_problems("model.", ModelSection, plain.get("model"))
    problems += _section_problems("trainer.", TrainerSection, plain.get("trainer"))
    problems += _trainer_key_problems(plain.get("trainer"))
    problems += _callback_problems(plain.get("callbacks"))
    problems += _section_problems("logger.", LoggerSection, plain.get("logger"))
    by_schema = tuple(
        f"{section}._target_:" for section in ("dataset", "table", "model", "trainer")
    )
    problems += [p for p in _target_problems(plain) if not p.startswith(by_schema)]
    problems += _relation_problems(plain)
    return problems


def config_hash(plain: Mapping[str, Any]) -> str:
    """Identify a config by what decides its result: not names, logging or where it runs."""
    incidental = ("name", "group", "tags", "logger", "ckpt_path", "objective")
    decisive = {key: value for key, value in plain.items() if key not in incidental}
    place = ("accelerator", "devices", "strategy")
    trainer = decisive.get("trainer", {})
    decisive["trainer"] = {key: value for key, value in trainer.items() if key not in place}
    text = json.dumps(decisive, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _section_problems(
    prefix: str, schema: type[BaseModel], values: Any, also_known: tuple[str, ...] = ()
) -> list[str]:
    if not isinstance(values, Mapping):
        return [f"{prefix.rstrip('.')}: the section is missing"]
    try:
        schema.model_validate(dict(values))
    except ValidationError as error:
        known = [field.alias or name for name, field in schema.model_fields.items()]
        return [_sentence(prefix, e, [*known, *also_known]) for e in _without_doubles(error)]
    return []


def _sentence(prefix: str, error: Mapping[str, Any], known: list[str]) -> str:
    """One pydantic error in our words: where, what was expected, what was found."""
    key = prefix + ".".join(str(part) for part in error["loc"][:1])
    rest = "".join(f"[{part}]" for part in error["loc"][1:] if isinstance(part, int))
    if error["type"] == "extra_forbidden":
        return f"{key}: unknown key.{near_matches(str(error['loc'][0]), known)}"
    if error["type"] == "missing" and len(error["loc"]) == 1:
        return f"{key}: a value is required ({key}=... on the command line)"
    expected = error["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    expected = expected.removeprefix("String should have ").removeprefix("List should have ")
    if error["type"] == "missing":  # of a pair: pydantic reports its absent half
        return f"{key}: expected two values, found {list(error['input'])!r}"
    hint = ""
    if error["type"] == "literal_error":
        options = re.findall(r"'([^']*)'", error["msg"])
        hint = near_matches(str(error["input"]), options)
    return f"{key}{rest}: expected {_article(expected)}, found {error['input']!r}.{hint}"


def _article(expected: str) -> str:
    """'greater than 0' to 'a number greater than 0', 'integer' to 'an integer'."""
    if expected.startswith(("greater", "less")):
        return f"a number {expected}"
    if expected in ("integer", "number", "string", "boolean", "list", "dictionary"):
        return f"an {expected}" if expected[0] in "aeiou" else f"a {expected}"
    return expected


def _without_doubles(error: ValidationError) -> list[Mapping[str, Any]]:
    """One error a key: a union of types reports one for each of its members."""
    by_key: dict[Any, Mapping[str, Any]] = {}
    for one in error.errors():
        key = one["loc"][0]
        if key in by_key and one["type"] != "extra_forbidden":
            first = by_key[key]
            message = f"{first['msg']}, or {one['msg'].removeprefix('Input should be ')}"
            by_key[key] = {**first, "msg": message, "loc": first["loc"][:1]}
        else:
            by_key[key] = one
    return list(by_key.values())


def _chosen_problems(section: str, schemas: Mapping[str, type[Section]], values: Any) -> list[str]:
    """Problems of a section whose ``_target_`` chooses the schema."""
    target = str(values.get("_target_") if isinstance(values, Mapping) else None)
    if target not in schemas:
        options = ", ".join(schemas)
        return [f"{section}._target_: expected one of {options}; found {target!r}."]
    return _section_problems(f"{section}.", schemas[target], values)


def _trainer_key_problems(trainer: Any) -> list[str]:
    if not isinstance(trainer, Mapping):
        return []
    fields = TrainerSection.model_fields.items()
    known = {field.alias or name for name, field in fields} | TRAINER_ARGUMENTS
    return [
        f"trainer.{key}: unknown key.{near_matches(str(key), known)}"
        for key in trainer
        if key not in known
    ]


def _callback_problems(callbacks: Any) -> list[str]:
    if not isinstance(callbacks, Mapping):
        return [f"callbacks: expected a section (callbacks=none for none), found {callbacks!r}."]
    return [
        f"callbacks.{name}: expected a section with _target_, found {value!r}. Use "
        f"~callbacks.{name} to leave it out"
        for name, value in callbacks.items()
        if not isinstance(value, Mapping) or "_target_" not in value
    ]


def _target_problems(plain: Any, path: str = "") -> list[str]:
    """Every ``_target_`` must be on the allow-list, whatever Hydra itself would accept."""
    if isinstance(plain, list):
        return [p for i, v in enumerate(plain) for p in _target_problems(v, f"{path}[{i}]")]
    if not isinstance(plain, Mapping):
        return []
    problems = []
    for key, value in plain.items():
        where = f"{path}.{key}" if path else str(key)
        if key == "_target_" and not ALLOWED_TARGETS.fullmatch(str(value)):
            problems.append(
                f"{where}: {value!r} is not allowed; expected something of scyan_exp, or "
                "pytorch_lightning.callbacks.*, pytorch_lightning.loggers.*"
            )
        problems += _target_problems(value, where)
    return problems


def _relation_problems(plain: Mapping[str, Any]) -> list[str]:
    """Values that are fine alone and not together."""
    dataset, objective = plain.get("dataset"), plain.get("objective")
    dataset = dataset if isinstance(dataset, Mapping) else {}
    problems = []
    if objective in LABEL_OBJECTIVES and dataset.get("label_key") is None:
        problems.append(
            f"objective: {objective!r} needs labels; set dataset.label_key, or choose one of "
            f"{', '.join(OBJECTIVES)}"
        )
    trainer, model = plain.get("trainer"), plain.get("model")
    devices = trainer.get("devices") if isinstance(trainer, Mapping) else None
    n_devices = len(devices) if isinstance(devices, list) else devices
    batch_size = model.get("batch_size") if isinstance(model, Mapping) else None
    if isinstance(n_devices, int) and isinstance(batch_size, int) and 0 < batch_size < n_devices:
        problems.append(f"model.batch_size: {batch_size} cells cannot be shared by {n_devices}")
    return problems
