"""Checking a config: all problems at once, before anything is loaded.

Importing this module loads neither torch nor Lightning.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig
from pydantic import BaseModel, ValidationError

from scyan_exp.config.formats import FORMATS, TABLES
from scyan_exp.config.interpolations import MISSING, resolved
from scyan_exp.config.registry import Registry
from scyan_exp.config.relations import relation_problems
from scyan_exp.config.schema import (
    TRAINER_ARGUMENTS,
    CallbackConfig,
    LoggerConfig,
    ModelConfig,
    RunConfig,
    RunSettings,
    TrainerConfig,
)
from scyan_exp.config.sentences import keys_of, problems_of
from scyan_exp.config.targets import target_problems
from scyan_exp.config.wanted import ADDED_SECTIONS, FiguresConfig
from scyan_exp.errors import InputError, Problem, listed, near_matches

#: Sections that have one class, and its name in a config.
FIXED: dict[str, tuple[type[BaseModel], str | None]] = {
    "model": (ModelConfig, "scyan_exp.Scyan"),
    "trainer": (TrainerConfig, "pytorch_lightning.Trainer"),
    "logger": (LoggerConfig, None),
    "figures": (FiguresConfig, None),
    **{name: (schema, None) for name, schema in ADDED_SECTIONS.items()},
}
#: Sections that configs of earlier versions lack.
LATER = ("figures", *ADDED_SECTIONS)
#: Sections whose class is named by their ``_target_``.
CHOSEN: dict[str, Registry[Any]] = {"dataset": FORMATS, "table": TABLES}
SECTIONS = (*CHOSEN, *FIXED, "callbacks")


def check_config(config: DictConfig) -> RunConfig:
    """Check a composed config; everything below works with what this returns.

    Raises:
        InputError: unknown keys, wrong types and values out of range, all of them.
    """
    plain, found = resolved(config)
    return _read(plain, found)


def read_config(plain: Mapping[str, Any]) -> RunConfig:
    """The config in plain containers, such as those of a file, as a checked one.

    Args:
        plain: the whole config, resolved.

    Raises:
        InputError: everything that is wrong with it.
    """
    return _read(plain, [])


def _read(plain: Mapping[str, Any], found: Sequence[Problem]) -> RunConfig:
    sections, others = _sections(plain)
    problems = [*found, *_known(others)]
    if problems:
        raise InputError(problems, where="config")
    return RunConfig.of(plain, sections)


def composed_problems(config: DictConfig) -> list[Problem]:
    """Everything that is wrong with a composed config, before Hydra runs a job."""
    plain, found = resolved(config, in_job=False)
    return [*found, *_known(config_problems(plain))]


def config_problems(plain: Mapping[str, Any]) -> list[Problem]:
    """Everything that is wrong with a config in plain containers."""
    return _sections(plain)[1]


def _known(problems: Sequence[Problem]) -> list[Problem]:
    """Problems of values that there are: what has none is named already."""
    return [one for one in problems if repr(MISSING) not in one.text]


def _sections(plain: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """The checked sections by name, as far as they are right; and all problems."""
    own = {key: value for key, value in plain.items() if key not in SECTIONS}
    _, problems = _checked(RunSettings, own, "", SECTIONS)
    sections: dict[str, Any] = {}
    for name in CHOSEN:
        sections[name], found = _chosen(name, plain.get(name))
        problems += found
    for name in FIXED:
        sections[name], found = _fixed(name, plain.get(name, {} if name in LATER else None))
        problems += found
    problems += _trainer_key_problems(plain.get("trainer"))
    sections["callbacks"], found = _callbacks(plain.get("callbacks"))
    problems += found
    by_section = {f"{name}._target_" for name in (*CHOSEN, *FIXED)}
    problems += [p for p in target_problems(plain) if p.key not in by_section]
    problems += relation_problems(plain)
    return sections, problems


def _checked(
    schema: type[BaseModel], values: Any, prefix: str, also_known: Collection[str] = ()
) -> tuple[BaseModel | None, list[Problem]]:
    """A section as its class, or what is wrong with it."""
    if not isinstance(values, Mapping):
        return None, [Problem(prefix.rstrip("."), "the section is missing")]
    try:
        return schema.model_validate(dict(values)), []
    except ValidationError as error:
        return None, problems_of(error, schema, prefix, also_known)


def _fixed(name: str, values: Any) -> tuple[BaseModel | None, list[Problem]]:
    schema, target = FIXED[name]
    if name in LATER and not isinstance(values, Mapping):  # no group has such a name either
        keys = listed(f"{name}.{key}" for key in keys_of(schema))
        return None, [Problem(name, f"is a section, not a value: found {values!r}. Set {keys}")]
    if not isinstance(values, Mapping) or target is None:
        return _checked(schema, values, f"{name}.")
    section, problems = _checked(schema, _without_target(values), f"{name}.")
    if values.get("_target_") != target:
        problems.insert(0, _wrong_target(name, [target], values.get("_target_")))
    return section, problems


def _chosen(name: str, values: Any) -> tuple[BaseModel | None, list[Problem]]:
    """A section whose ``_target_`` names its class."""
    target = values.get("_target_") if isinstance(values, Mapping) else None
    schema = CHOSEN[name].get(str(target))
    if schema is None:
        return None, [_wrong_target(name, CHOSEN[name], target)]
    return _checked(schema, _without_target(values), f"{name}.")


def _wrong_target(section: str, options: Collection[str], found: Any) -> Problem:
    hint = near_matches(str(found), options)
    expected = f"one of {', '.join(options)}" if len(options) > 1 else repr(*options)
    return Problem(f"{section}._target_", f"expected {expected}; found {found!r}.{hint}")


def _without_target(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != "_target_"}


def _trainer_key_problems(trainer: Any) -> Iterator[Problem]:
    if not isinstance(trainer, Mapping):
        return
    known = {*keys_of(TrainerConfig), *TRAINER_ARGUMENTS}
    for key in trainer:
        if key not in {*known, "_target_"}:
            yield Problem(f"trainer.{key}", f"unknown key.{near_matches(str(key), known)}")


def _callbacks(callbacks: Any) -> tuple[dict[str, CallbackConfig], list[Problem]]:
    if not isinstance(callbacks, Mapping):
        text = f"expected a section (callbacks=none for none), found {callbacks!r}."
        return {}, [Problem("callbacks", text)]
    wrong = {
        name: value
        for name, value in callbacks.items()
        if not isinstance(value, Mapping) or "_target_" not in value
    }
    problems = [
        Problem(
            f"callbacks.{name}",
            f"expected a section with _target_, found {value!r}. Use ~callbacks.{name} to leave "
            "it out",
        )
        for name, value in wrong.items()
    ]
    right = {name: value for name, value in callbacks.items() if name not in wrong}
    # A target that is not text is a problem of its own, found with all other targets.
    named = {name: {**value, "_target_": str(value["_target_"])} for name, value in right.items()}
    return {name: CallbackConfig(**value) for name, value in named.items()}, problems
