"""What pydantic found wrong, in our words: which key, what was expected, what was found."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from scyan_exp.config.interpolations import required
from scyan_exp.errors import Problem, near_matches

#: Groups whose values belong under ``model``.
FOR_MODEL = ("flow", "prior", "temperature")
#: How pydantic begins what it expected.
BEGINNINGS = (
    "Value error, ",
    "Input should be ",
    "a valid ",
    "String should have ",
    "List should have ",
    "Tuple should have ",
)
#: Types by its names, in words; YAML has no tuples.
TYPES = {
    "integer": "an integer",
    "number": "a number",
    "string": "a string",
    "boolean": "a boolean",
    "list": "a list",
    "tuple": "a list",
    "dictionary": "a dictionary",
}


def problems_of(
    error: ValidationError,
    schema: type[BaseModel],
    prefix: str,
    also_known: Collection[str] = (),
) -> list[Problem]:
    """One problem a key.

    Args:
        error: what pydantic found.
        schema: what was validated.
        prefix: where it stands in the config, such as ``model.``.
        also_known: further keys that stand beside those of the schema.
    """
    by_key: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for one in error.errors():
        by_key.setdefault(_key(one, schema), []).append(one)
    return [
        _unknown_key(key, schema, prefix, also_known)
        if errors[0]["type"] == "extra_forbidden"
        else _wrong_value(prefix + ".".join(key), _of_one_place(errors))
        for key, errors in by_key.items()
    ]


def keys_of(schema: type[BaseModel]) -> list[str]:
    """The keys of a schema as they are written."""
    return [field.alias or name for name, field in schema.model_fields.items()]


def _key(error: Mapping[str, Any], schema: type[BaseModel]) -> tuple[Any, ...]:
    """The key that an error is about: without members of a union and places in a list."""
    loc: tuple[Any, ...] = error["loc"]
    if error["type"] == "extra_forbidden":
        return loc
    n_parts, part = 1, _schema_of(schema, loc[0])
    while part is not None and n_parts < len(loc):
        n_parts, part = n_parts + 1, _schema_of(part, loc[n_parts])
    return loc[:n_parts]


def _of_one_place(errors: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The errors of the first of the innermost places: one for each member of a union of types.

    Whoever wrote a list with a wrong value in it meant the list.
    """
    innermost = max(len(one["loc"]) for one in errors)
    deep = [one for one in errors if len(one["loc"]) == innermost]
    return [one for one in deep if _place(one) == _place(deep[0])]


def _place(error: Mapping[str, Any]) -> str:
    """Where in a list, or in a list of a list."""
    return "".join(f"[{part}]" for part in error["loc"] if isinstance(part, int))


def _wrong_value(key: str, errors: Sequence[Mapping[str, Any]]) -> Problem:
    first, place = errors[0], _place(errors[0])
    if first["type"] == "missing" and not place:
        return required(key)
    if first["type"] == "missing":  # of a pair: pydantic reports its absent half
        return Problem(key, f"expected two values, found {list(first['input'])!r}")
    expected = ", or ".join(dict.fromkeys(map(_expected, errors)))
    hints = "".join(map(_hint, errors))
    return Problem(f"{key}{place}", f"expected {expected}, found {first['input']!r}.{hints}")


def _expected(error: Mapping[str, Any]) -> str:
    if error["type"] == "string_pattern_mismatch":
        return "a name without / \\ # ? % :"
    expected: str = error["msg"].partition(" after validation")[0]
    for words in BEGINNINGS:
        expected = expected.removeprefix(words)
    expected = expected.partition(" or instance of ")[0]  # a class is nothing that YAML could name
    if error["type"].endswith(("_parsing", "_from_float")):  # why it is none comes after a comma
        expected = expected.partition(",")[0]
    if expected.startswith(("greater", "less")):
        return f"a number {expected}"
    return TYPES.get(expected, expected)


def _hint(error: Mapping[str, Any]) -> str:
    """A hint at the option that was meant."""
    if error["type"] != "literal_error":
        return ""
    return near_matches(str(error["input"]), re.findall(r"'([^']*)'", error["msg"]))


def _unknown_key(
    loc: tuple[Any, ...], schema: type[BaseModel], prefix: str, also_known: Collection[str]
) -> Problem:
    key = prefix + ".".join(map(str, loc))
    if key in FOR_MODEL:
        return Problem(key, f"a file of {key}/ must begin with the line `# @package model`")
    for part in loc[:-1]:
        schema, also_known = _schema_of(schema, part) or schema, ()
    return Problem(
        key, f"unknown key.{near_matches(str(loc[-1]), [*keys_of(schema), *also_known])}"
    )


def _schema_of(schema: type[BaseModel], key: Any) -> type[BaseModel] | None:
    """The schema of a part, if it has one."""
    field = schema.model_fields.get(key)
    part = None if field is None else field.annotation
    return part if isinstance(part, type) and issubclass(part, BaseModel) else None
