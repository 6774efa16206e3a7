"""JSON and YAML files that somebody else may have written: read whole, or refused.

Both parsers can be brought to fall by a short file: by brackets within brackets (PyYAML then ends
the process itself), by aliases of aliases, which grow without end, or by size alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

#: That of libyaml, where PyYAML was built with it, takes a tenth of the time.
SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: Bytes that are read at most: the list of a sweep of 100,000 jobs has 20 MiB, a config 5 KiB.
MOST_JSON = 256 * 2**20
MOST_YAML = 4 * 2**20
#: Containers within containers; those of our own files have eight at most.
DEEPEST = 64


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not JSON, or none that is read here.
    """
    return parse_json(_text(path, MOST_JSON))


def parse_json(text: str) -> Any:
    """As :func:`read_json`, of a text.

    Raises:
        ValueError: it is not JSON, or none that is read here.
    """
    if len(text) > MOST_JSON:
        raise ValueError(f"{len(text):,} characters; at most {MOST_JSON:,} are read here")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("containers are nested too deeply") from error


def read_yaml(path: Path) -> Any:
    """What a YAML file of plain values holds; tags and aliases are refused.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not YAML, or none that is read here.
    """
    return parse_yaml(_text(path, MOST_YAML))


def parse_yaml(text: str) -> Any:
    """As :func:`read_yaml`, of a text.

    Raises:
        ValueError: it is not YAML, or none that is read here.
    """
    try:
        _check_events(text)
        return yaml.load(text, Loader=SafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {error}") from error


def _check_events(text: str) -> None:
    """Read the parts one by one, as deep as they may be: that takes no recursion."""
    depth = 0
    for event in yaml.parse(text, Loader=SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError("aliases (*name) are not read here")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise ValueError("containers are nested too deeply")


def _text(path: Path, most: int) -> str:
    size = path.stat().st_size
    if size > most:
        raise ValueError(f"{size:,} bytes; at most {most:,} are read here")
    return path.read_text(encoding="utf-8")
