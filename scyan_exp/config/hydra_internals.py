"""What we use of the insides of Hydra and OmegaConf, which may change with their versions.

To compose once what many jobs share, one must know which overrides choose a group, whether a value
in a composed config can be replaced by another one, and what Hydra calls a job by its overrides.
Neither library has a public name for these.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra._internal.config_repository import CachingConfigRepository, IConfigRepository
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigResult
from omegaconf import AnyNode, DictConfig, ListConfig, OmegaConf


def read_once(loader: ConfigLoader) -> None:
    """Let a loader read each YAML file once: editing one does not change later jobs.

    The loader itself is changed, because launchers other than the fleet compose with it too.
    """
    loader.repository = _ReadOnce(loader.repository)  # type: ignore[attr-defined]


class _ReadOnce(CachingConfigRepository):
    """A repository whose copies remember what any of them has read.

    Hydra composes each config with a copy of the loader's repository, because the command line may
    add folders to search. They are the same for all jobs of a command.
    """

    def load_config(self, config_path: str) -> ConfigResult | None:
        """What a file holds: a copy, because deletions on the command line change it."""
        return copy.deepcopy(super().load_config(config_path))

    def __deepcopy__(self, memo: dict[int, Any]) -> _ReadOnce:
        other = copy.copy(self)
        other.delegate = copy.deepcopy(self.delegate, memo)
        return other


def repository_of(loader: ConfigLoader, config: DictConfig) -> IConfigRepository:
    """Where the groups of a command are found, those of its ``hydra.searchpath`` too.

    Args:
        loader: of Hydra.
        config: as the command composed it, with Hydra's part.
    """
    overrides = OmegaConf.to_container(config.hydra.overrides.hydra)  # they may name values
    make = loader._parse_overrides_and_create_caching_repo  # type: ignore[attr-defined]
    repository: IConfigRepository = make(config.hydra.job.config_name, overrides)[1]
    return repository


def override_dirname(overrides: Iterable[Override], words: Mapping[str, Any]) -> str:
    """What Hydra calls a job: ``hydra.job.override_dirname``.

    Args:
        overrides: of the job, without those of Hydra's own part.
        words: ``hydra.job.config.override_dirname``: how keys and values are joined.
    """
    dirname: str = get_overrides_dirname(
        overrides=list(overrides),
        exclude_keys=list(words["exclude_keys"]),
        item_sep=words["item_sep"],
        kv_sep=words["kv_sep"],
    )
    return dirname


def can_be_replaced(config: DictConfig, path: Sequence[str]) -> bool:
    """Whether setting a value, or a list, stores it as it is: no type converts or refuses it.

    Args:
        config: composed with an override of this very key.
        path: the key, in parts.
    """
    *sections, last = path
    parent = _untyped_section(config, sections)
    node = None if parent is None else parent._get_node(last, validate_access=False)
    if isinstance(node, ListConfig):
        return not _is_special(node) and node._metadata.element_type is Any
    return type(node) is AnyNode and not _is_special(node)


def leads_elsewhere(config: DictConfig, path: Sequence[str]) -> bool:
    """Whether a key passes through an interpolation, so that what is set is set elsewhere."""
    node: Any = config
    for key in path:
        if not isinstance(node, DictConfig) or node._is_none():
            return False
        node = node._get_node(key, validate_access=False)
        if node is not None and node._is_interpolation():
            return True
    return False


def _untyped_section(config: DictConfig, path: Sequence[str]) -> DictConfig | None:
    """The section at a path, if it and those around it hold what anybody puts in."""
    node: Any = config
    for key in (None, *path):
        node = node if key is None else node._get_node(key, validate_access=False)
        is_section = isinstance(node, DictConfig) and not _is_special(node)
        if not is_section or node._is_none() or node._is_typed():
            return None
        if node._metadata.element_type is not Any:
            return None
    section: DictConfig = node
    return section


def _is_special(node: Any) -> bool:
    return bool(node._is_interpolation() or node._is_missing())
