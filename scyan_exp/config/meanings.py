"""What each key of a config means: the comments of the YAML files, for ``train --help``."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from scyan_exp.config.compose import compose_config, configs_folder, groups
from scyan_exp.config.extensions import extension_configs
from scyan_exp.config.problems import plain_config

#: Groups whose files set keys of others: what they say of one holds for that choice alone.
CHOOSING = ("experiment", "search", "hydra")
#: ``key: value  # what it means``, indented below its section.
LINE = re.compile(r"(?P<indent> *)(?P<key>\w+):(?P<value>.*?)(?:(?:^|\s)# (?P<text>.*))?$")
#: Where the meaning begins, in characters, and how wide a line is.
COLUMN, WIDTH = 36, 110


def help_of(overrides: Sequence[str], config_dirs: Sequence[str] = ()) -> str:
    """Groups, and the config that overrides compose, each key with what it means.

    ``hydra.help`` says what stands around them.
    """
    config = plain_config(compose_config(overrides, config_dirs, with_hydra=True))
    hydra = config.pop("hydra")
    about = {f"${{hydra.help.{key}}}": hydra["help"][key] for key in ("header", "footer")}
    options = [
        f"{group}: {', '.join(sorted(names))}"
        for group, names in sorted(groups(config_dirs).items())
        if group != "hydra"
    ]
    about["$APP_CONFIG_GROUPS"] = "".join(f"{line}\n" for line in options)
    about["$CONFIG"] = explained(config, meanings(config_dirs))
    text = str(hydra["help"]["template"])
    for name, replacement in about.items():
        text = text.replace(name, replacement)
    return text


def meanings(config_dirs: Sequence[str] = ()) -> dict[str, str]:
    """What is said of each key, by its dotted name; where several files say it, the first one.

    Args:
        config_dirs: folders with groups of the user's own.
    """
    found: dict[str, str] = {}
    for folder in (configs_folder(), *extension_configs(), *map(Path, config_dirs)):
        for path in (folder / "train.yaml", *sorted(folder.glob("*/*.yaml"))):
            if path.is_file() and path.parent.name not in CHOOSING:
                group = "" if path.parent == folder else path.parent.name
                for key, text in comments(path.read_text(encoding="utf-8"), group):
                    found.setdefault(key, text)
    return found


def explained(config: Mapping[str, Any], texts: Mapping[str, str]) -> str:
    """A config in YAML, each key with what it means; without the classes it is made of."""
    width = min(WIDTH, max(shutil.get_terminal_size((WIDTH, 24)).columns, COLUMN + 30))
    lines = [line for key, value in config.items() for line in _lines(key, value, "", texts, width)]
    return "".join(f"{line}\n" for line in lines)


def comments(text: str, group: str) -> Iterator[tuple[str, str]]:
    """The keys of a file, by their dotted names, and what stands beside each.

    Args:
        text: the file.
        group: where its keys stand unless it names a package.
    """
    package = re.search(r"^# @package (\S+)$", text, re.MULTILINE)
    base = group if package is None else package[1].replace("_global_", "")
    above: list[tuple[int, str]] = []
    for match in filter(None, map(LINE.fullmatch, text.splitlines())):
        indent = len(match["indent"])
        above = [one for one in above if one[0] < indent]
        if match["text"]:
            names = [base, *(key for _, key in above), match["key"]]
            yield ".".join(filter(None, names)), match["text"]
        above.append((indent, match["key"]))


def _lines(key: str, value: Any, above: str, texts: Mapping[str, str], width: int) -> Iterator[str]:
    if key == "_target_":
        return
    name = f"{above}{key}"
    indent = "  " * above.count(".")
    if isinstance(value, Mapping) and value:
        yield from _with_meaning(f"{indent}{key}:", texts.get(name, ""), width)
        for inner, one in value.items():
            yield from _lines(str(inner), one, f"{name}.", texts, width)
    else:
        shown = yaml.safe_dump(value, default_flow_style=True, width=10_000).split("\n")[0]
        yield from _with_meaning(f"{indent}{key}: {shown}", texts.get(name, ""), width)


def _with_meaning(line: str, text: str, width: int) -> Iterator[str]:
    pieces = textwrap.wrap(text, width - COLUMN - 2)
    if pieces and len(line) >= COLUMN:
        yield line
        line = ""
    yield f"{line:<{COLUMN}}# {pieces[0]}" if pieces else line
    for piece in pieces[1:]:
        yield f"{'':<{COLUMN}}# {piece}"
