"""Checking a configuration: all problems at once, before anything is loaded.

Importing this module loads neither torch nor Lightning.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError

from scyan_exp.config.objectives import KEYS_OF_NEEDS, METRICS
from scyan_exp.config.schema import (
    ALLOWED_TARGETS,
    DATASETS,
    SECTIONS,
    TABLES,
    TRAINER_ARGUMENTS,
    LoggerSection,
    ModelSection,
    RunSection,
    Section,
    TrainerSection,
)
from scyan_exp.errors import InputError, near_matches

#: Groups whose values belong under ``model``.
FOR_MODEL = ("flow", "prior", "temperature")


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
    if decisive.get("repeats") == 1:  # a run of itself is no repeat
        del decisive["repeats"]
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
        if key in FOR_MODEL:
            return f"{key}: a file of {key}/ must begin with the line `# @package model`"
        hints = near_matches(str(error["loc"][0]), [k for k in known if k != "_target_"])
        return f"{key}: unknown key.{hints}"
    if error["type"] == "missing" and len(error["loc"]) == 1:
        return f"{key}: a value is required ({key}=... on the command line)"
    expected = error["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    for words in ("String should have ", "List should have ", "Value error, "):
        expected = expected.removeprefix(words)
    if error["type"] == "string_pattern_mismatch":
        expected = "a name without / \\ # ? % :"
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


def _objective_problems(objective: Any, dataset: Any) -> list[str]:
    """What is no objective, or one that these cells do not allow."""
    names = objective if isinstance(objective, list) else [objective]
    unknown = [name for name in names if not isinstance(name, str) or name not in METRICS]
    if unknown:
        hints = "".join(near_matches(str(name), METRICS) for name in unknown)
        return [
            f"objective: expected one of {', '.join(METRICS)}, or a list of several, found "
            f"{objective!r}.{hints}"
        ]
    if isinstance(objective, list) and (len(names) < 2 or len(set(names)) < len(names)):
        return [f"objective: expected at least 2 distinct metrics, found {objective!r}."]
    dataset = dataset if isinstance(dataset, Mapping) else {}
    absent = {need: key for need, key in KEYS_OF_NEEDS.items() if dataset.get(key) is None}
    possible = ", ".join(name for name, one in METRICS.items() if not {*one.needs} & {*absent})
    return [
        f"objective: {name!r} needs {need}; set dataset.{key}, or choose one of {possible}"
        for name in objective_names(objective)
        for need, key in absent.items()
        if need in METRICS[name].needs
    ]


def objective_names(objective: Any) -> list[str]:
    """The metrics that ``objective`` names: one, or a list of several."""
    return [str(name) for name in objective] if isinstance(objective, list) else [str(objective)]


def _seed_problems(seed: Any, repeats: Any) -> list[str]:
    """Seeds of repeats that are too large; what is no number has been named already."""
    if not isinstance(seed, int) or not isinstance(repeats, int):
        return []
    if repeats == 1 or seed + repeats <= 2**32:
        return []
    return [f"repeats: seeds go up to {2**32 - 1}, and {repeats} from {seed} on do not"]


def _relation_problems(plain: Mapping[str, Any]) -> list[str]:
    """Values that are fine alone and not together."""
    problems = _objective_problems(plain.get("objective"), plain.get("dataset"))
    if (plain.get("repeats") or 1) != 1 and plain.get("ckpt_path") is not None:
        problems.append(
            "ckpt_path: is of one training, and there are repeats; a run with repeats that was cut "
            "off goes on in its own folder (hydra.run.dir=...)"
        )
    problems += _seed_problems(plain.get("seed"), plain.get("repeats"))
    trainer, model = plain.get("trainer"), plain.get("model")
    devices = trainer.get("devices") if isinstance(trainer, Mapping) else None
    n_devices = len(devices) if isinstance(devices, list) else devices
    batch_size = model.get("batch_size") if isinstance(model, Mapping) else None
    on_cpu = isinstance(trainer, Mapping) and trainer.get("accelerator") == "cpu"
    if isinstance(devices, list) and on_cpu:
        problems.append(
            f"trainer.devices: on the CPU expected a number of processes, found {devices}"
        )
    if isinstance(n_devices, int) and isinstance(batch_size, int) and 0 < batch_size < n_devices:
        problems.append(f"model.batch_size: {batch_size} cells cannot be shared by {n_devices}")
    return problems
