"""What the YAML files of ``configs/`` set, and say of themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from scyan_exp.config.compose import configs_folder
from scyan_exp.config.meanings import comments

ABSENT = object()


@dataclass(frozen=True, eq=False)
class ConfigFile:
    """An option of a group.

    Attributes:
        group: such as ``prior`` or ``hydra/launcher``.
        option: the file's name, such as ``tight``.
        about: the comment that it begins with.
        values: what it sets, from the top of the config.
        comments: what it says of its own keys, by dotted names.
    """

    group: str
    option: str
    about: str
    values: dict[str, Any]
    comments: dict[str, str]

    @property
    def choice(self) -> str:
        """As it is typed: ``prior=tight``."""
        return f"{self.group}={self.option}"

    @property
    def is_part(self) -> bool:
        """Whether it is a part of others, which nobody chooses."""
        return self.option.startswith("_")

    def get(self, key: str) -> Any:
        """The value of a dotted key; ``ABSENT`` if it sets none."""
        value: Any = self.values
        for name in key.split("."):
            if not isinstance(value, dict) or name not in value:
                return ABSENT
            value = value[name]
        return value


@cache
def config_files() -> tuple[ConfigFile, ...]:
    """All of them, group by group."""
    return tuple(_files())


def _files() -> Iterator[ConfigFile]:
    folder = configs_folder()
    for path in sorted(folder.rglob("*.yaml")):
        group = path.parent.relative_to(folder).as_posix()
        if group == ".":
            continue
        text = path.read_text(encoding="utf-8")
        package = re.search(r"^# @package (\S+)$", text, re.MULTILINE)
        base = package[1].removeprefix("_global_") if package else group.replace("/", ".")
        values = yaml.safe_load(text) or {}
        values.pop("defaults", None)
        for name in reversed(base.split(".") if base else []):
            values = {name: values}
        yield ConfigFile(group, path.stem, _about(text), values, dict(comments(text, base)))


def _about(text: str) -> str:
    """The comment above the first line that is none."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            lines.append(line.removeprefix("#").strip())
    return " ".join(lines)
