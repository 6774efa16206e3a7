"""Types and ranges of settings in words, from what pydantic knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter

Schema = Mapping[str, Any]
BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}


def types_of(section: type[BaseModel]) -> dict[str, str]:
    """The type and the range of every key of a section."""
    schema = TypeAdapter(section).json_schema()
    parts = schema.get("$defs", {})
    return {key: in_words(one, parts) for key, one in schema["properties"].items()}


def in_words(schema: Schema, parts: Schema) -> str:
    """One type, such as 'number above 0 and below 1, or null'."""
    if "$ref" in schema:
        return in_words(parts[schema["$ref"].rpartition("/")[2]], parts)
    if "anyOf" in schema:
        members = dict.fromkeys(in_words(one, parts) for one in schema["anyOf"])
        return ", or ".join(sorted(members, key=lambda one: one == "`null`"))
    if "const" in schema or "enum" in schema:
        return _either(schema.get("enum", [schema.get("const")]))
    return _of_type(schema, parts)


def _of_type(schema: Schema, parts: Schema) -> str:
    kind = schema.get("type", "anything")
    if kind in ("integer", "number"):
        bounds = [text.format(schema[key]) for key, text in BOUNDS.items() if key in schema]
        return " ".join([kind, " and ".join(bounds)]).strip()
    if kind == "array" and "prefixItems" in schema:
        members = [in_words(one, parts) for one in schema["prefixItems"]]
        return f"list of {len(members)}: {'; '.join(members)}"
    if kind == "array":
        return f"list of {_plural(in_words(schema.get('items', {}), parts))}"
    if kind == "object":
        values = schema.get("additionalProperties")
        is_known = isinstance(values, Mapping) and values
        return f"mapping to {_together(in_words(values, parts))}" if is_known else "mapping"
    return {"string": "text", "boolean": "`true` or `false`", "null": "`null`"}.get(kind, kind)


def _together(words: str) -> str:
    """What belongs together within other words."""
    return f"({words})" if ", or " in words else words


def _plural(words: str) -> str:
    first, space, rest = words.partition(" ")
    return {"integer": "integers", "number": "numbers", "text": "texts"}.get(first, first) + (
        space + rest
    )


def _either(values: list[Any]) -> str:
    names = [f"`{str(one).lower() if isinstance(one, bool) else one}`" for one in values]
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
