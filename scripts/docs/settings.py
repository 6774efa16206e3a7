"""The page of settings: every key of a config, and every option of a group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from omegaconf import OmegaConf
from pydantic import BaseModel

from scripts.docs.config_files import ABSENT, ConfigFile, config_files
from scripts.docs.types import types_of
from scripts.docs.words import attributes, cell, code, sentence
from scyan_exp.config.compose import compose_config
from scyan_exp.config.formats import FORMATS, TABLES
from scyan_exp.config.meanings import meanings
from scyan_exp.config.schema import (
    TRAINER_ARGUMENTS,
    LoggerConfig,
    ModelConfig,
    RunSettings,
    TrainerConfig,
)
from scyan_exp.config.wanted import BiomarkersConfig, CorrectConfig, FiguresConfig, PredictConfig
from scyan_exp.entries.settings import EntriesSettings
from scyan_exp.fleet.settings import FleetSettings
from scyan_exp.search.settings import OF_JOBS, StudySettings

HEAD = """\
---
search:
  boost: 2
---

# All settings

Every key of a config, and every option of a group. This page is made from the program itself; the
[tour of the settings](../settings.md) says which ones matter.

A key is set on the command line, `model.prior_std=0.2`, or in a YAML file. A group is chosen:
`prior=tight`. A value wins over a group.
"""
#: Sections whose keys one class declares: their place in the config, and what they are about.
SECTIONS: list[tuple[str, type[BaseModel], str]] = [
    ("", RunSettings, "The run"),
    ("model", ModelConfig, "The model: `model`"),
    ("logger", LoggerConfig, "Weights & Biases: `logger`"),
    ("figures", FiguresConfig, "Figures: `figures`"),
    ("predict", PredictConfig, "Annotation: `predict`"),
    ("correct", CorrectConfig, "Batches: `correct`"),
    ("biomarkers", BiomarkersConfig, "Samples: `biomarkers`"),
]

LAUNCHERS = "hydra/launcher"


@dataclass(frozen=True)
class Setting:
    """A key.

    Attributes:
        key: its dotted name.
        kind: its type and range in words.
        default: as YAML has it; None if nothing is set.
        meaning: what it means.
        choices: the choices of groups that have it, where others have not.
        of: the launcher that it belongs to, where several have a key of this name.
    """

    key: str
    kind: str
    default: Any
    meaning: str
    choices: tuple[str, ...] = ()
    of: str = ""

    @property
    def anchor(self) -> str:
        """Its place on the page; keys of several launchers have the same names."""
        return f"{self.of}.{self.key}" if self.of else self.key

    def markdown(self) -> str:
        """A heading, what it means, and the facts."""
        facts = " · ".join(
            filter(None, [self.kind, self._default(), self._where(), self._setters()])
        )
        head = f"### `{self.key}` {{ #{self.anchor} }}"
        return f"{head}\n\n{sentence(self.meaning)}\n\n{facts}\n{{ .facts }}\n"

    def _default(self) -> str:
        if self.default is ABSENT:
            return ""
        return "must be given" if self.default == "???" else f"default {code(self.default)}"

    def _where(self) -> str:
        return f"of {', '.join(f'`{one}`' for one in self.choices)}" if self.choices else ""

    def _setters(self) -> str:
        """The options that set another value than the default."""
        files = [one for one in config_files() if not one.is_part and one.group != LAUNCHERS]
        there = [(one, one.get(self.key)) for one in files]
        others = [pair for pair in there if pair[1] not in (ABSENT, self.default, "???")]
        setters = ", ".join(
            f"`{one.choice}`" + ("" if isinstance(value, dict) else f" ({code(value)})")
            for one, value in others
        )
        return f"set by {setters}" if setters else ""


def settings_page() -> str:
    """The page in Markdown."""
    parts = [HEAD, "## Groups\n", *map(_group, sorted(groups_of()))]
    for title, settings in sections():
        parts += [f"## {title}\n", *(one.markdown() for one in settings)]
    return "\n".join(parts)


def sections() -> Iterator[tuple[str, list[Setting]]]:
    """Every section of a config with its keys, in the order in which the page has them."""
    for place, section, title in SECTIONS:
        yield title, list(_declared(place, section))
        if not place:
            yield "The cells: `dataset`", list(_of_formats("dataset", FORMATS))
            yield "The knowledge table: `table`", list(_of_formats("table", TABLES))
        elif place == "model":
            yield "The trainer: `trainer`", list(_trainer())
            yield "Early stopping: `callbacks`", list(_early_stopping())
    yield "Folders: `hydra`", list(_folders())
    yield f"The fleet: `{LAUNCHERS}=fleet`", list(_declared("hydra.launcher", FleetSettings))
    for one in groups_of()[LAUNCHERS]:
        yield f"Other launchers: `{one.choice}`", list(_preset(one))
    study = [one for one in _declared("hydra.sweeper", StudySettings) if _is_of_users(one)]
    yield "Searches: `hydra/sweeper=study`", study
    entries = _declared("hydra.sweeper", EntriesSettings)
    yield "Entries of the table: `hydra/sweeper=table_entries`", list(entries)


def groups_of() -> dict[str, list[ConfigFile]]:
    """The groups with their options."""
    found: dict[str, list[ConfigFile]] = {}
    for one in config_files():
        if not one.is_part and one.group not in ("hydra", "hydra/job_logging"):
            found.setdefault(one.group, []).append(one)
    return found


def _group(name: str) -> str:
    rows = [f"| `{one.choice}` | {cell(sentence(one.about))} |" for one in groups_of()[name]]
    return "\n".join([f"### `{name}`\n", "| option | what |", "| --- | --- |", *rows, ""])


@cache
def _texts() -> Mapping[str, str]:
    return meanings()


@cache
def _default_config() -> Mapping[str, Any]:
    return dict(OmegaConf.to_container(compose_config([]), resolve=False))  # type: ignore[call-overload]


def _declared(place: str, section: type[BaseModel]) -> Iterator[Setting]:
    """The keys that a class declares, those of its parts too."""
    told, kinds = attributes(section), types_of(section)
    for name, field in section.model_fields.items():
        key = ".".join(filter(None, [place, name]))
        part = field.annotation
        if isinstance(part, type) and issubclass(part, BaseModel):
            yield from _declared(key, part)
            continue
        own = field.get_default(call_default_factory=True)
        value = _value(key, ABSENT if field.is_required() else own)
        yield Setting(
            key, kinds[field.alias or name], value, _texts().get(key) or told.get(name, "")
        )


def _value(key: str, otherwise: Any) -> Any:
    """The value of a key in the default config."""
    value: Any = _default_config()
    for name in key.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return otherwise
        value = value[name]
    return value


def _of_formats(group: str, registry: Mapping[str, type[BaseModel]]) -> Iterator[Setting]:
    """The keys of a group whose options are of several classes: first those that all have."""
    classes = {one: registry[one.get(f"{group}._target_")] for one in groups_of()[group]}
    having: dict[str, list[ConfigFile]] = {}
    for one, section in classes.items():
        for name in section.model_fields:
            having.setdefault(name, []).append(one)
    shared = [name for name, files in having.items() if len(files) == len(classes)]
    for name in [*shared, *(name for name in having if name not in shared)]:
        files, key = having[name], f"{group}.{name}"
        section = classes[files[0]]
        told = _texts().get(key) or attributes(section).get(name, "")
        choices = () if name in shared else tuple(one.choice for one in files)
        yield Setting(key, types_of(section)[name], _default_of(key, files), told, choices)


def _default_of(key: str, files: list[ConfigFile]) -> Any:
    """What the part shared by the options sets; or the first option that sets anything."""
    parts = [one for one in config_files() if one.is_part and one.group == files[0].group]
    values = [one.get(key) for one in [*parts, *files]]
    return next((value for value in values if value is not ABSENT), ABSENT)


def _trainer() -> Iterator[Setting]:
    yield from _declared("trainer", TrainerConfig)
    for name, text in TRAINER_ARGUMENTS.items():
        yield Setting(f"trainer.{name}", "as Lightning's trainer takes it", ABSENT, text)


def _early_stopping() -> Iterator[Setting]:
    place = "callbacks.early_stopping"
    for name, value in _value(place, {}).items():
        if name != "_target_":
            key = f"{place}.{name}"
            yield Setting(key, _kind_of(value), value, _texts().get(key, ""))


def _folders() -> Iterator[Setting]:
    (one,) = [one for one in config_files() if one.choice == "hydra=default"]
    for key in ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir"):
        yield Setting(key, "text", one.get(key), one.comments.get(key, ""))


def _preset(launcher: ConfigFile) -> Iterator[Setting]:
    """The keys of a launcher that no class of ours declares."""
    for name, value in launcher.get("hydra.launcher").items():
        if name != "_target_":
            key = f"hydra.launcher.{name}"
            told = launcher.comments.get(key, "")
            yield Setting(key, _kind_of(value), value, told, of=launcher.option)


def _kind_of(value: Any) -> str:
    kinds = {bool: "`true` or `false`", int: "integer", float: "number", str: "text"}
    return kinds.get(type(value), "anything")


def _is_of_users(setting: Setting) -> bool:
    return setting.key.rpartition(".")[2] not in OF_JOBS
