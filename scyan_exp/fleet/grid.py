"""The jobs of a grid: composed by Hydra once for all that differ in plain values alone.

Such jobs have the same special overrides (choices of groups, packages, additions, deletions,
interpolations), and set plain values at the same keys, in the same order. Where each of these keys
holds its value as it is, and no other override touches it, Hydra's composition for one job is that
for another with other values in their places. Where one of this is not so, Hydra composes each job.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from scyan_exp.config.hydra_internals import (
    can_be_replaced,
    leads_elsewhere,
    override_dirname,
    read_once,
    repository_of,
)
from scyan_exp.config.interpolations import resolved
from scyan_exp.config.plain_values import (
    INTERPOLATION,
    OverrideReader,
    Place,
    Setting,
    Special,
    interpolations_in,
    is_json,
    is_of_hydra,
    overlap,
    with_values,
)
from scyan_exp.config.schema import RunConfig
from scyan_exp.fleet.jobs import (
    Check,
    Job,
    collect_jobs,
    hydra_of,
    joined,
    settle,
    without_hydra,
)

#: Checks a config in plain containers.
CheckPlain = Callable[[Mapping[str, Any]], RunConfig]
#: What stands for the number of a job in the name of its folder.
NUMBER = re.compile(r"\$\{hydra[.:]job\.(num|id)\}")


@dataclass(frozen=True)
class Base:
    """What jobs have in common that differ in plain values alone. Nobody changes it.

    Attributes:
        config: the program's part of the config of one of them, in plain containers; resolved
            where it was checked.
        hydra: Hydra's own part, interpolations as they stand.
    """

    config: dict[str, Any] = field(repr=False)
    hydra: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Varied:
    """A config that differs from a base in some values.

    Attributes:
        base: the base.
        values: the values by their places.
    """

    base: Base
    values: Mapping[Place, Any]

    def config(self, job: Job) -> DictConfig:
        """Both parts as they stand in the files of a job."""
        return joined({"hydra": self.hydra(job)}, job.plain())

    def plain(self) -> dict[str, Any]:
        """The base with the values."""
        return copy.deepcopy(with_values(self.base.config, self.values))

    def hydra(self, job: Job) -> Mapping[str, Any]:
        """Hydra's part of the base, with what it says of this job alone."""
        return with_values(self.base.hydra, _of_job(self.base.hydra, job))

    @property
    def is_filed(self) -> bool:
        """The list of the sweep's jobs has it."""
        return False


def _of_job(hydra: Mapping[str, Any], job: Job) -> dict[Place, Any]:
    overrides = OverridesParser.create().parse_overrides(job.overrides)
    words = hydra["job"]["config"]["override_dirname"]
    return {
        ("overrides", "task"): job.overrides,
        ("job", "id"): str(job.number),
        ("job", "num"): job.number,
        ("job", "override_dirname"): override_dirname(overrides, words),
        ("runtime", "output_dir"): str(job.folder),
    }


def compose_grid(
    loader: ConfigLoader,
    config: DictConfig,
    task: object,
    job_overrides: Sequence[Sequence[str]],
    first_number: int,
    stop_if_asked: Callable[[], None] = lambda: None,
) -> list[Job]:
    """Compose and check the jobs of a grid.

    Args:
        loader: of Hydra.
        config: as the command composed it, with Hydra's part.
        task: the program; its ``check`` checks a config, and what its ``checker`` makes of a
            config in plain containers checks others that are much like it.
        job_overrides: the overrides of each job.
        first_number: number of the first one.
        stop_if_asked: is called before each job.

    Raises:
        InputError: all that is wrong, with the numbers of the jobs.
    """
    grid = Grid(loader, config, getattr(task, "check", None), getattr(task, "checker", None))

    def make(number: int, overrides: list[str]) -> Job:
        stop_if_asked()
        return grid.job(number, overrides)

    return collect_jobs(make, job_overrides, first_number)


class Grid:
    """Makes the jobs of a sweep, and composes as little as possible for that.

    Args:
        loader: of Hydra; it reads each YAML file once from now on.
        config: as the command composed it, with Hydra's part.
        check: checks a config; None for programs that have no check.
        checker: makes what checks configs much like one; None: each is composed and checked alone.

    Attributes:
        n_composed: how often Hydra has composed a config.
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
        """A job of a kind that there was none of, or that each is composed of by Hydra."""
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
        return Job(number, folder, _of_task(overrides), Varied(base, {}), checked)

    def _mould(self, config: DictConfig, read: Sequence[Setting | Special]) -> Mould | None:
        """What makes jobs of the kind of a composed one; None where only Hydra can."""
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
        """A part of a config whose sections are those of earlier ones, where they are equal."""
        return {
            key: self._shared.setdefault((key, repr(value)), value) for key, value in part.items()
        }


class Mould:
    """Makes jobs that differ in plain values alone.

    Args:
        base: what they have in common.
        config: one of them as Hydra composed it; it is changed when others are made.
        places: where the program's part has interpolations.
        check: checks the config of another one; None for programs that have no check.
    """

    def __init__(
        self,
        base: Base,
        config: DictConfig,
        places: Sequence[Place],
        check: CheckPlain | None,
    ) -> None:
        self._base, self._places, self._check = base, places, check
        self._known: dict[Place, Any] = {}
        self._sweep_dir = Path(str(base.hydra["sweep"]["dir"])).absolute()
        self._subdir = str(base.hydra["sweep"]["subdir"])
        needs_config = bool(places) or INTERPOLATION in NUMBER.sub("", self._subdir)
        self._scratch = Scratch(config) if needs_config else None

    def job(self, number: int, overrides: list[str], values: Mapping[Place, Any]) -> Job | None:
        """A job with these values; None where an interpolation has no value then.

        Raises:
            InputError: what is wrong with it.
        """
        subdir = NUMBER.sub(str(number), self._subdir)
        if self._scratch is not None:
            try:
                subdir = self._scratch.set(number, _of_task(overrides), values)
                resolved = self._scratch.resolve(self._places)
            except OmegaConfBaseException:
                return None
            if not is_json(list(resolved.values())):  # the list of jobs could not hold it
                return None
            values = {**values, **resolved}
        values = {place: value for place, value in values.items() if self._is_new(place, value)}
        checked = self._check(with_values(self._base.config, values)) if self._check else None
        folder = self._sweep_dir / subdir
        return Job(number, folder, _of_task(overrides), Varied(self._base, values), checked)

    def _is_new(self, place: Place, value: Any) -> bool:
        """Whether a value is another one than the base has there: 1 is not 1.0, nor True."""
        if place not in self._known:
            self._known[place] = _value_at(self._base.config, place)
        known = self._known[place]
        return value is not known and repr(value) != repr(known)


class Scratch:
    """A composed config that becomes that of one job after the other, to resolve interpolations.

    Args:
        config: the composed config, settled.
    """

    def __init__(self, config: DictConfig) -> None:
        self._config = config
        self._of_hydra = HydraConfig.instance().cfg
        self._reader = OverridesParser.create()

    def set(self, number: int, overrides: list[str], values: Mapping[Place, Any]) -> str:
        """Make it the config of a job; returns the folder of the job within that of the sweep."""
        for place, value in values.items():
            OmegaConf.update(self._config, ".".join(map(str, place)), value)
        words = self._config.hydra.job.config.override_dirname
        dirname = override_dirname(self._reader.parse_overrides(overrides), words)
        HydraConfig.instance().cfg = self._of_hydra
        for config in (self._config, self._of_hydra):
            hydra: Any = config.hydra  # type: ignore[union-attr]
            with read_write(hydra), open_dict(hydra):
                hydra.job.id = hydra.job.num = number
                hydra.job.override_dirname, hydra.overrides.task = dirname, overrides
        subdir = str(self._config.hydra.sweep.subdir)
        folder = (Path(str(self._config.hydra.sweep.dir)) / subdir).absolute()
        for config in (self._config, self._of_hydra):
            hydra = config.hydra  # type: ignore[union-attr]
            with read_write(hydra), open_dict(hydra):
                hydra.runtime.output_dir = str(folder)
        return subdir

    def resolve(self, places: Sequence[Place]) -> dict[Place, Any]:
        """What stands at places where there are interpolations, in plain containers."""
        task = without_hydra(self._config) if places else None
        return {place: _value_at(task, place) for place in places}


def _value_at(config: Any, place: Place) -> Any:
    for key in place:
        config = config[key]
    return OmegaConf.to_container(config, resolve=True) if OmegaConf.is_config(config) else config


def _is_replaceable(config: DictConfig, read: Sequence[Setting | Special]) -> bool:
    """Whether other values can take the places of those that a composed config has."""
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


def _of_task(overrides: Sequence[str]) -> list[str]:
    return [one for one in overrides if not is_of_hydra(one)]


def _unresolved(config: DictConfig) -> dict[str, Any]:
    plain: Any = OmegaConf.to_container(without_hydra(config))
    return plain


def _resolved(config: DictConfig) -> dict[str, Any] | None:
    """A config without interpolations; None where one has no value, or anything is missing."""
    plain, problems = resolved(without_hydra(config))
    return None if problems else plain
