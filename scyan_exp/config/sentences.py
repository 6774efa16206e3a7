"""What pydantic found wrong, in our words: which key, what was expected, what was found."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from scyan_exp.errors import Problem, near_matches

#: Groups whose values belong under ``model``.
FOR_MODEL = ("flow", "prior", "temperature")
#: How pydantic begins what it expected.
BEGINNINGS = ("Input should be ", "a valid ", "String should have ", "List should have ")


def problems_of(
    error: ValidationError,
    schema: type[BaseModel],
    prefix: str = "",
    also_known: Collection[str] = (),
) -> list[Problem]:
    """One problem a key.

    Args:
        error: what pydantic found.
        schema: what was validated.
        prefix: where it stands in the config, such as ``model.``.
        also_known: further keys that stand beside those of the schema.
    """
    return [_problem(one, schema, prefix, also_known) for one in _without_doubles(error)]


def keys_of(schema: type[BaseModel]) -> list[str]:
    """The keys of a schema as they are written."""
    return [field.alias or name for name, field in schema.model_fields.items()]


def _problem(
    error: Mapping[str, Any], schema: type[BaseModel], prefix: str, also_known: Collection[str]
) -> Problem:
    first, *rest = error["loc"]
    key = f"{prefix}{first}"
    if error["type"] == "extra_forbidden":
        return _unknown_key(error["loc"], schema, prefix, also_known)
    if error["type"] == "missing" and not rest:
        return Problem(key, f"a value is required ({key}=... on the command line)")
    place = "".join(f"[{part}]" for part in rest if isinstance(part, int))
    place += "".join(f".{part}" for part in rest if _is_key(part, schema, first))
    if error["type"] == "missing":  # of a pair: pydantic reports its absent half
        return Problem(key, f"expected two values, found {list(error['input'])!r}")
    expected, hint = _expected(error)
    return Problem(f"{key}{place}", f"expected {expected}, found {error['input']!r}.{hint}")


def _expected(error: Mapping[str, Any]) -> tuple[str, str]:
    """What was expected, and a hint at what was meant."""
    if error["type"] == "string_pattern_mismatch":
        return "a name without / \\ # ? % :", ""
    expected = error["msg"].removeprefix("Value error, ").partition(", unable to parse")[0]
    for words in BEGINNINGS:
        expected = expected.removeprefix(words)
    options = re.findall(r"'([^']*)'", error["msg"]) if error["type"] == "literal_error" else []
    hint = near_matches(str(error["input"]), options) if options else ""
    return _article(expected).replace(", or a valid ", ", or a "), hint


def _unknown_key(
    loc: tuple[Any, ...], schema: type[BaseModel], prefix: str, also_known: Collection[str]
) -> Problem:
    key = prefix + ".".join(map(str, loc))
    if key in FOR_MODEL:
        return Problem(key, f"a file of {key}/ must begin with the line `# @package model`")
    for part in loc[:-1]:
        schema, also_known = _schema_of(schema, str(part)) or schema, ()
    return Problem(
        key, f"unknown key.{near_matches(str(loc[-1]), [*keys_of(schema), *also_known])}"
    )


def _schema_of(schema: type[BaseModel], key: str) -> type[BaseModel] | None:
    """The schema of a part, if it has one."""
    field = schema.model_fields.get(key)
    part = None if field is None else field.annotation
    return part if isinstance(part, type) and issubclass(part, BaseModel) else None


def _is_key(part: Any, schema: type[BaseModel], first: Any) -> bool:
    inner = _schema_of(schema, str(first))
    return inner is not None and isinstance(part, str) and part in keys_of(inner)


def _article(expected: str) -> str:
    """'greater than 0' to 'a number greater than 0', 'integer' to 'an integer'."""
    if expected.startswith(("greater", "less")):
        return f"a number {expected}"
    if expected in ("integer", "number", "string", "boolean", "list", "dictionary"):
        return f"an {expected}" if expected[0] in "aeiou" else f"a {expected}"
    return expected


def _without_doubles(error: ValidationError) -> list[Mapping[str, Any]]:
    """One error a key: a union of types reports one for each of its members."""
    by_key: dict[Any, Mapping[str, Any]] = {}
    for one in error.errors():
        key = one["loc"][0]
        if key in by_key and one["type"] != "extra_forbidden":
            first = by_key[key]
            message = f"{first['msg']}, or {one['msg'].removeprefix('Input should be ')}"
            by_key[key] = {**first, "msg": message, "loc": first["loc"][:1]}
        else:
            by_key[key] = one
    return list(by_key.values())
