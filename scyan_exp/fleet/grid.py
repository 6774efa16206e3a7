"""The jobs of a grid: Hydra composes one for all that differ only in plain values.

Such jobs have the same special overrides (choices of groups, packages, additions, deletions,
interpolations), and set plain values at the same keys, in the same order. If each of these keys
holds its value unchanged, and no other override touches it, then the config of one job becomes that
of another when the values are replaced. Otherwise Hydra composes each job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf

from scyan_exp.config.hydra_internals import (
    can_be_replaced,
    leads_elsewhere,
    read_once,
    repository_of,
)
from scyan_exp.config.interpolations import resolved
from scyan_exp.config.plain_values import (
    OverrideReader,
    Place,
    Setting,
    Special,
    interpolations_in,
    overlap,
)
from scyan_exp.fleet.job_config import hydra_of, settle, without_hydra
from scyan_exp.fleet.jobs import Check, Job, collect_jobs
from scyan_exp.fleet.mould import CheckPlain, Mould, of_task
from scyan_exp.fleet.varied import Base, Varied


def compose_grid(
    loader: ConfigLoader,
    config: DictConfig,
    task: object,
    job_overrides: Sequence[Sequence[str]],
    first_number: int,
    before_each: Callable[[int], None] = lambda number: None,
) -> list[Job]:
    """Compose and check the jobs of a grid.

    Args:
        loader: Hydra's loader of configs.
        config: the command's config, with Hydra's part.
        task: the program. Its ``check`` checks a config; its ``checker`` takes a config in plain
            containers and makes what checks similar ones.
        job_overrides: the overrides of each job.
        first_number: number of the first job.
        before_each: called with the number of each job before it is composed.

    Raises:
        InputError: everything that is wrong, with the numbers of the jobs.
    """
    grid = Grid(loader, config, getattr(task, "check", None), getattr(task, "checker", None))

    def make(number: int, overrides: list[str]) -> Job:
        before_each(number)
        return grid.job(number, overrides)

    return collect_jobs(make, job_overrides, first_number)


class Grid:
    """Makes the jobs of a sweep, with as little composing as possible.

    Args:
        loader: Hydra's loader, which from now on reads each YAML file only once.
        config: the command's config, with Hydra's part.
        check: checks a config; None for programs without a check.
        checker: makes what checks configs similar to one; with None, each is composed and checked
            alone.

    Attributes:
        n_composed: how many configs Hydra has composed.
    """

    def __init__(
        self,
        loader: ConfigLoader,
        config: DictConfig,
        check: Check | None,
        checker: Callable[[Mapping[str, Any]], CheckPlain] | None,
    ) -> None:
        read_once(loader)
        self._loader, self._config, self._check, self._checker = loader, config, check, checker
        self._read = OverrideReader(repository_of(loader, config).group_exists)
        self._moulds: dict[tuple[Any, ...], Mould | None] = {}
        self._shared: dict[tuple[str, str], Any] = {}
        self.n_composed = 0

    def job(self, number: int, overrides: list[str]) -> Job:
        """A job, composed and checked.

        Raises:
            InputError: what is wrong with it.
        """
        read = [self._read(text) for text in overrides]
        kind = tuple(
            one.kind if isinstance(one, Setting) else text
            for one, text in zip(read, overrides, strict=True)
        )
        values: dict[Place, Any] = {one.path: one.value for one in read if isinstance(one, Setting)}
        mould = self._moulds.get(kind)
        job = mould.job(number, overrides, values) if mould is not None else None
        return job or self._composed(number, overrides, kind, read, values)

    def _composed(
        self,
        number: int,
        overrides: list[str],
        kind: tuple[Any, ...],
        read: Sequence[Setting | Special],
        values: Mapping[Place, Any],
    ) -> Job:
        """A job that Hydra composes: the first of its kind, or one that only Hydra can make."""
        config = self._loader.load_sweep_config(self._config, overrides)
        self.n_composed += 1
        folder = settle(config, number)
        if kind not in self._moulds:
            self._moulds[kind] = self._mould(config, read)
            mould = self._moulds[kind]
            job = mould.job(number, overrides, values) if mould is not None else None
            if job is not None:
                return job
        checked = self._check(without_hydra(config)) if self._check else None
        plain = _unresolved(config) if checked is None else checked.plain()
        base = Base(self._same(plain), self._same(hydra_of(config)))
        return Job(number, folder, of_task(overrides), Varied(base, {}), checked)

    def _mould(self, config: DictConfig, read: Sequence[Setting | Special]) -> Mould | None:
        """What makes jobs of the same kind as a composed one; None if only Hydra can."""
        if not _is_replaceable(config, read):
            return None
        plain = _unresolved(config)
        places = [*interpolations_in(plain)] if self._check is not None else []
        check = None
        if self._check is not None:
            found = _resolved(config) if self._checker is not None else None
            if found is None or self._checker is None:
                return None
            plain, check = found, self._checker(found)
        base = Base(self._same(plain), self._same(hydra_of(config)))
        return Mould(base, config, places, check)

    def _same(self, part: dict[str, Any]) -> dict[str, Any]:
        """A part of a config that shares equal sections with earlier ones."""
        return {
            key: self._shared.setdefault((key, repr(value)), value) for key, value in part.items()
        }


def _is_replaceable(config: DictConfig, read: Sequence[Setting | Special]) -> bool:
    """Whether other values can replace those in a composed config."""
    settings = [one.path for one in read if isinstance(one, Setting)]
    changes = [one for one in read if isinstance(one, Special) and one.path is not None]
    touched = [*settings, *(one.path or () for one in changes)]
    return (
        all(sum(overlap(path, other) for other in touched) == 1 for path in settings)
        and all(can_be_replaced(config, path) for path in settings)
        and not any(_goes_elsewhere(config, one) for one in changes)
    )


def _goes_elsewhere(config: DictConfig, change: Special) -> bool:
    path = change.path or ()
    return leads_elsewhere(config, path if change.sets_container else path[:-1])


def _unresolved(config: DictConfig) -> dict[str, Any]:
    plain: Any = OmegaConf.to_container(without_hydra(config))
    return plain


def _resolved(config: DictConfig) -> dict[str, Any] | None:
    """A resolved config; None if an interpolation has no value, or a value is missing."""
    plain, problems = resolved(without_hydra(config))
    return None if problems else plain
