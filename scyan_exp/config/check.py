"""Checking a config: all problems at once, before anything is loaded.

Importing this module loads neither torch nor Lightning.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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
#: The keys at the top, which are checked as a part of their own.
TOP = ""
#: What is checked by itself, in the order in which problems are told.
PARTS = (TOP, *SECTIONS)


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


class Checker:
    """Checks configs that have much in common with one of them, which is checked once.

    Args:
        base: that one in plain containers, resolved. A section of another config that is the very
            same object as its section is not checked again, so none of them may be changed.
    """

    def __init__(self, base: Mapping[str, Any]) -> None:
        self._base = base
        self._parts = {name: _part(name, base) for name in PARTS}
        self._targets = {key: list(target_problems({key: base[key]})) for key in base}

    def __call__(self, plain: Mapping[str, Any]) -> RunConfig:
        """Check another one; what it shares with the base, the result shares too.

        Raises:
            InputError: everything that is wrong with it.
        """
        parts = {
            name: self._parts[name] if self._has_same(plain, name) else _part(name, plain)
            for name in PARTS
        }
        targets = [
            problem
            for key, value in plain.items()
            for problem in (
                self._targets[key]
                if value is self._base.get(key, plain)
                else target_problems({key: value})
            )
        ]
        problems = _known(_all_problems(plain, parts, targets))
        if problems:
            raise InputError(problems, where="config")
        return RunConfig.of(plain, _sections_of(parts), shared=True)

    def _has_same(self, plain: Mapping[str, Any], part: str) -> bool:
        if part == TOP:
            own = plain.keys() - SECTIONS
            same_keys = own == self._base.keys() - SECTIONS
            return same_keys and all(plain[key] is self._base[key] for key in own)
        return plain.get(part) is self._base.get(part)


def _sections(plain: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """The checked sections by name, as far as they are right; and all problems."""
    parts = {name: _part(name, plain) for name in PARTS}
    return _sections_of(parts), _all_problems(plain, parts, target_problems(plain))


def _part(name: str, plain: Mapping[str, Any]) -> tuple[Any, list[Problem]]:
    """A part of a config, checked by itself."""
    if name == TOP:
        own = {key: value for key, value in plain.items() if key not in SECTIONS}
        return _checked(RunSettings, own, "", SECTIONS)
    if name in CHOSEN:
        return _chosen(name, plain.get(name))
    if name in FIXED:
        return _fixed(name, plain.get(name, {} if name in LATER else None))
    return _callbacks(plain.get(name))


def _sections_of(parts: Mapping[str, tuple[Any, list[Problem]]]) -> dict[str, Any]:
    return {name: section for name, (section, _) in parts.items() if name != TOP}


def _all_problems(
    plain: Mapping[str, Any],
    parts: Mapping[str, tuple[Any, list[Problem]]],
    targets: Iterable[Problem],
) -> list[Problem]:
    """The problems of all parts, and of what stands in several of them."""
    problems = [problem for name in PARTS[:-1] for problem in parts[name][1]]
    problems += [*_trainer_key_problems(plain.get("trainer")), *parts[PARTS[-1]][1]]
    by_section = {f"{name}._target_" for name in (*CHOSEN, *FIXED)}
    problems += [one for one in targets if one.key not in by_section]
    return [*problems, *relation_problems(plain)]


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
