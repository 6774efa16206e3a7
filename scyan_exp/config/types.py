"""Types of the values of a config."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

Fraction = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(min_length=1)]


def not_zero(value: int) -> int:
    """A number of steps; -1 means that there is no limit."""
    if value == 0:
        raise ValueError("a number of steps, or -1 for no limit")
    return value


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _cofactor(value: Any) -> Any:
    """A cofactor, or cofactors by marker: wrong ones are told with all that was given."""
    by_marker = value if isinstance(value, Mapping) else {"all": value}
    for name, number in by_marker.items():
        is_number = isinstance(number, int | float) and not isinstance(number, bool)
        if not isinstance(name, str) or not name or not is_number or not 0 < number < math.inf:
            raise ValueError("a number greater than 0, or such numbers by marker")
    return value


#: Divisors before arcsinh.
Cofactor = Annotated[float | dict[str, float], BeforeValidator(_cofactor)]
#: Names of columns; Python code may give a tuple.
Names = Annotated[list[Name], BeforeValidator(_as_list)]
#: A name or a list of names, whose check stands elsewhere; the schema says what it looks like.
OneOrMore = Annotated[
    Any,
    WithJsonSchema({"anyOf": [{"type": "string"}, {"items": {"type": "string"}, "type": "array"}]}),
]
#: A path as text; Python code may give a ``Path``.
PathName = Annotated[str, BeforeValidator(_as_text), Field(min_length=1)]


class Section(BaseModel):
    """A part of a config: every key known, every type as declared, nothing changed later."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
