"""The resolved config that a run leaves in its folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from scyan_exp.documents import read_yaml
from scyan_exp.errors import InputError, near_matches


def read_config_file(path: Path) -> dict[str, Any]:
    """A config in plain containers.

    Raises:
        InputError: the file is damaged.
    """
    try:
        values = read_yaml(path)
        if not isinstance(values, dict):
            raise ValueError(f"expected keys and values, found {type(values).__name__}")
    except (OSError, ValueError) as error:
        raise InputError(f"not a config ({error})", where=str(path)) from error
    return values


def read_columns(path: Path, *keys: str) -> list[str | None]:
    """Columns of the cells that the data set of a config names, such as its ``batch_key``.

    Raises:
        InputError: the file is damaged.
    """
    dataset = read_config_file(path).get("dataset")
    if not isinstance(dataset, dict):
        raise InputError("not the config of a run: it has no section dataset", where=str(path))
    found = [dataset.get(key) for key in keys]
    for key, value in zip(keys, found, strict=True):
        if not isinstance(value, str | None):
            problem = f"dataset.{key}: expected the name of a column, found {value!r:.40}"
            raise InputError(problem, where=str(path))
    return found


class Settings(Mapping[str, Any]):
    """A config to look at: keys are attributes too, and nobody can change it.

    Args:
        values: the config in plain containers.

    Example:
        >>> config = Settings({"seed": 3, "model": {"prior_std": 0.3}})
        >>> config.model.prior_std, config["seed"], config.model == {"prior_std": 0.3}
        (0.3, 3, True)
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_values", values)

    def plain(self) -> dict[str, Any]:
        """A copy of it as dicts and lists, for JSON and YAML."""
        return {key: _plain(value) for key, value in self._values.items()}

    def __getitem__(self, key: str) -> Any:
        return _shown(self._values[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, key: str) -> Any:
        try:
            return self[key]
        except KeyError:
            hint = near_matches(key, map(str, self))
            raise AttributeError(f"the config has no {key!r} here.{hint}") from None

    def __setattr__(self, key: str, value: object) -> NoReturn:
        raise AttributeError(f"{key} stays as it was: a config in a run folder is read only")

    def __delattr__(self, key: str) -> NoReturn:
        raise AttributeError(f"{key} stays as it was: a config in a run folder is read only")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *map(str, self)]

    def __reduce__(self) -> tuple[type[Settings], tuple[dict[str, Any]]]:
        return Settings, (self.plain(),)

    def __repr__(self) -> str:
        return repr(self.plain())


def _shown(value: Any) -> Any:
    """A part of a config as people get it; a list is a copy."""
    if isinstance(value, Mapping):
        return Settings(value)
    return [_shown(one) for one in value] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value
