"""One command composes the files of each choice of groups once.

A command checks its config before it runs it, and composes many that differ in values alone: to
find the override that is wrong, or one for each trial. Hydra reads and merges some 25 files for
each, which takes a tenth of a second. So what it made of the files is remembered while a command
runs, and only the values are set anew, by Hydra itself. Files that are edited meanwhile change
nothing; the next command sees them.

Hydra has no public place for this: some of its functions are replaced at the end of this file. They
do what they always did outside of a command.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import (
    CachingConfigRepository,
    ConfigRepository,
    IConfigRepository,
)
from hydra._internal.defaults_list import DefaultsList, Overrides
from hydra.core.default_element import ResultDefault
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import ConfigCompositionException
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig

#: So many choices of groups are remembered, a fifth of a megabyte each, and so many files.
MOST, MOST_FILES = 64, 1024

Key = tuple[Any, ...]


@dataclass
class _Memory:
    """What Hydra found out about the files.

    Attributes:
        files: each file as it was read.
        lists: which files to merge, by the overrides that tell.
        configs: what they are, merged, by the identity of such a list.
    """

    files: dict[Key, ConfigResult | None] = field(default_factory=dict)
    lists: dict[Key, DefaultsList] = field(default_factory=dict)
    configs: dict[int, DictConfig] = field(default_factory=dict)

    def make_room(self) -> None:
        """Forget all when there is too much of it, such as hundreds of experiments."""
        if len(self.lists) >= MOST:
            self.lists.clear()
            self.configs.clear()
        if len(self.files) >= MOST_FILES:
            self.files.clear()


_memory: ContextVar[_Memory | None] = ContextVar("what a command has composed", default=None)


@contextmanager
def composed_once() -> Iterator[None]:
    """Remember what is composed until this ends; one within another changes nothing."""
    if _memory.get() is not None:
        yield
        return
    token = _memory.set(_Memory())
    try:
        yield
    finally:
        _memory.reset(token)


def load_config(self: CachingConfigRepository, config_path: str) -> ConfigResult | None:
    """What Hydra's repository does, once for a file."""
    memory, name = _memory.get(), f"config_path={config_path}"
    if memory is None or name in self.cache:
        return _load(self, config_path)
    key = (config_path, *_sources(self))
    # Copies, because composing changes what was read.
    if key in memory.files:
        self.cache[name] = copy.deepcopy(memory.files[key])
        return self.cache[name]
    found = _load(self, config_path)
    memory.files[key] = copy.deepcopy(found)
    return found


def create_defaults_list(
    repo: IConfigRepository,
    config_name: str | None,
    overrides_list: list[Override],
    prepend_hydra: bool,
    skip_missing: bool,
) -> DefaultsList:
    """What Hydra's function does, once for the same choices of groups."""
    memory = _memory.get()
    if memory is None:
        return _create(repo, config_name, overrides_list, prepend_hydra, skip_missing)
    # The others only set values, once the files are merged.
    setting = Overrides(repo=repo, overrides_list=overrides_list).config_overrides
    choosing = [o for o in overrides_list if not any(o is one for one in setting)]
    key = (config_name, prepend_hydra, *_choices(choosing), *_sources(repo))
    if key not in memory.lists:
        memory.make_room()
        try:
            memory.lists[key] = _create(repo, config_name, overrides_list, prepend_hydra, False)
        except ConfigCompositionException:  # such as a choice that a sweep has yet to make
            return _create(repo, config_name, overrides_list, prepend_hydra, skip_missing)
    return replace(memory.lists[key], config_overrides=setting)


def merge_files(
    self: ConfigLoaderImpl, defaults: list[ResultDefault], repo: IConfigRepository
) -> DictConfig:
    """What Hydra's loader does, once for a list that is remembered."""
    memory = _memory.get()
    if memory is None or not any(one.defaults is defaults for one in memory.lists.values()):
        return _merge(self, defaults, repo)
    if id(defaults) not in memory.configs:
        memory.configs[id(defaults)] = _merge(self, defaults, repo)
    return copy.deepcopy(memory.configs[id(defaults)])


def copy_without_sources(self: ConfigRepository, memo: dict[int, Any]) -> ConfigRepository:
    """Hydra copies a repository to give it other sources; the old ones never change.

    One of them is the store of all structured configs, which takes a tenth of composing to copy.
    """
    return copy.copy(self)


def _choices(overrides: list[Override]) -> list[str | None]:
    """What tells choices of groups apart: the order of those that replace a default does not."""
    last = {o.get_key_element(): o.input_line for o in overrides if o.type is OverrideType.CHANGE}
    others = [o.input_line for o in overrides if o.type is not OverrideType.CHANGE]
    return [*sorted(map(str, last.values())), *others]


def _sources(repo: IConfigRepository) -> list[tuple[str, str, str]]:
    """Where files are looked for."""
    return [(one.scheme(), one.path, one.provider) for one in repo.get_sources()]


_loader: Any = ConfigLoaderImpl
_module: Any = config_loader_impl
_caching: Any = CachingConfigRepository
_repository: Any = ConfigRepository

_load = _caching.load_config
_create = _module.create_defaults_list
_merge = _loader._compose_config_from_defaults_list

_caching.load_config = load_config
_module.create_defaults_list = create_defaults_list
_loader._compose_config_from_defaults_list = merge_files
_repository.__deepcopy__ = copy_without_sources
