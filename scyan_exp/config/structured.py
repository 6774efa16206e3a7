"""Hydra's schema of settings, made from pydantic's: each setting is declared once."""

from __future__ import annotations

import copy
from dataclasses import field, make_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Optional, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

PRIMITIVES = (bool, int, float, str)


def hydra_dataclass(
    schema: type[BaseModel], target: str, name: str, *, recursive: bool = True
) -> type[Any]:
    """A dataclass that Hydra merges configs into; pydantic checks the values afterwards.

    Args:
        schema: the settings with their defaults.
        target: the class that takes them, by its full name. The dataclass belongs to its module.
        name: of the dataclass, which must be that of a variable there: configs are pickled.
        recursive: whether Hydra instantiates targets within the settings too.

    Example:
        >>> class Settings(BaseModel):
        ...     n_jobs: int | None = None
        >>> hydra_dataclass(Settings, "package.Launcher", "LauncherConf")()
        LauncherConf(_target_='package.Launcher', n_jobs=None)
    """
    special: list[Any] = [("_target_", str, field(default=target))]
    if not recursive:
        special.append(("_recursive_", bool, field(default=False)))
    fields = [
        (key, hydra_type(info.annotation), _default(info))
        for key, info in schema.model_fields.items()
    ]
    namespace = {"__module__": target.rpartition(".")[0], "__doc__": schema.__doc__}
    return make_dataclass(name, [*special, *fields], namespace=namespace)


def hydra_type(annotation: Any) -> Any:
    """The type as Hydra knows it; ``Any`` for what only pydantic can check."""
    if get_origin(annotation) is Annotated:
        return hydra_type(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        kinds = {type(option) for option in get_args(annotation)}
        return hydra_type(kinds.pop()) if len(kinds) == 1 else Any
    if get_origin(annotation) in (Union, UnionType):
        members = [one for one in get_args(annotation) if one is not NoneType]
        only = hydra_type(members[0]) if len(members) == 1 else Any
        return Any if only is Any else Optional[only]  # noqa: UP045 (Hydra needs this form)
    return annotation if annotation in PRIMITIVES else Any


def _default(info: FieldInfo) -> Any:
    """The default value, another copy of it for each config."""
    value = info.get_default(call_default_factory=True)
    value = value.model_dump() if isinstance(value, BaseModel) else value
    return field(default_factory=lambda: copy.deepcopy(value))
