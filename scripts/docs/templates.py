"""Texts of messages with ``{name}`` where values go."""

from __future__ import annotations

import re

#: Names of hints such as "Did you mean 'CD8a'?", which a template leaves out.
HINTS = {"near_matches", "hint", "hints"}


def placeholder(name: str) -> str:
    """What stands for a value; nothing for a hint."""
    name = name.strip("_").lower()
    return "" if name in HINTS else f"{{{name}}}"


def n_words(text: str) -> int:
    """How many words a template has besides its values."""
    return len(re.findall(r"[^\W\d_]{2,}", re.sub(r"\{[^{}]*\}", "", text)))


def is_sentence(text: str) -> bool:
    """Whether a text is more than a name; short ones say something of a value."""
    n = n_words(text)
    of_value = "{" in text and (n > 1 or ": {" in text or text.endswith("."))
    return " " in text and (n > 2 or (n > 0 and of_value))


def is_usage(text: str) -> bool:
    """Whether a text is the usage of a command."""
    return text.lower().startswith("usage:")


def tidy(text: str) -> str:
    """A template in one line; the usages of commands are one template."""
    return "usage: {command}" if is_usage(text) else " ".join(text.split())


def shape(text: str) -> str:
    """A template without the names of its values: these may change."""
    return re.sub(r"(\{[^{}]*\})+", "{}", text)
