"""What the code says of itself, in the words of a page."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

#: ``:class:`~scyan_exp.Scyan```, of which the last name is shown.
ROLE = re.compile(r":\w+:`~?(?:[\w.]*\.)?(\w+)`")
#: Python's constants, as YAML has them.
CONSTANTS = {"None": "null", "True": "true", "False": "false"}


def plain(text: str) -> str:
    """A docstring's words in Markdown."""
    text = ROLE.sub(r"`\1`", " ".join(text.split())).replace("``", "`")
    return re.sub(r"\b(None|True|False)\b", lambda match: CONSTANTS[match[1]], text)


def sentence(text: str) -> str:
    """The same with a capital letter and a full stop; names keep their first letter."""
    text = text.strip()
    if text[:1].islower() and not re.match(r"\w+[_.=]\w", text):
        text = text[:1].upper() + text[1:]
    return text if not text or text.endswith((".", ":", "?")) else f"{text}."


def first_sentence(part: Any) -> str:
    """The first sentence of a docstring; empty without one."""
    summary = (inspect.getdoc(part) or "").split("\n\n")[0]
    return plain(re.split(r"(?<=\.)\s", summary, maxsplit=1)[0])


def attributes(part: type) -> dict[str, str]:
    """What the docstrings of a class and its bases say of each attribute."""
    found: dict[str, str] = {}
    for cls in reversed(part.__mro__):
        told = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
        section = told.partition("Attributes:\n")[2].split("\n\n")[0]
        for name, text in re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE):
            found[name] = plain(text)
    return found


def code(value: Any) -> str:
    """A value of a config in code, as YAML has it in one line."""
    shown = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return f"`{shown}`"


def cell(text: str) -> str:
    """Text that may stand in a table."""
    return text.replace("|", r"\|")
