"""Making jobs from the one that Hydra has composed for all of their kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from scyan_exp.config.hydra_internals import override_dirname
from scyan_exp.config.plain_values import (
    INTERPOLATION,
    Place,
    is_json,
    is_of_hydra,
    with_values,
)
from scyan_exp.config.schema import RunConfig
from scyan_exp.fleet.job_config import without_hydra
from scyan_exp.fleet.jobs import Job
from scyan_exp.fleet.varied import Base, Varied

#: Checks a config in plain containers.
CheckPlain = Callable[[Mapping[str, Any]], RunConfig]
#: The placeholder for a job's number in the name of its folder.
NUMBER = re.compile(r"\$\{hydra[.:]job\.(num|id)\}")


class Mould:
    """Makes jobs that differ only in plain values.

    Args:
        base: what the jobs have in common.
        config: the config of one of them, as Hydra composed it; making other jobs changes it.
        places: where the program's part has interpolations.
        check: checks the config of another job; None for programs without a check.
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
        """A job with these values; None if an interpolation has no value then.

        Raises:
            InputError: what is wrong with it.
        """
        subdir = NUMBER.sub(str(number), self._subdir)
        if self._scratch is not None:
            try:
                subdir = self._scratch.set(number, of_task(overrides), values)
                resolved = self._scratch.resolve(self._places)
            except OmegaConfBaseException:
                return None
            if not is_json(list(resolved.values())):  # the list of jobs cannot hold such a value
                return None
            values = {**values, **resolved}
        values = {place: value for place, value in values.items() if self._is_new(place, value)}
        checked = self._check(with_values(self._base.config, values)) if self._check else None
        folder = self._sweep_dir / subdir
        return Job(number, folder, of_task(overrides), Varied(self._base, values), checked)

    def _is_new(self, place: Place, value: Any) -> bool:
        """Whether a value differs from the base's: 1 differs from 1.0 and from True."""
        if place not in self._known:
            self._known[place] = _value_at(self._base.config, place)
        known = self._known[place]
        return value is not known and repr(value) != repr(known)


class Scratch:
    """A composed config that is set to one job after the other, to resolve interpolations.

    Args:
        config: the composed config, after ``settle``.
    """

    def __init__(self, config: DictConfig) -> None:
        self._config = config
        self._of_hydra = HydraConfig.instance().cfg
        self._reader = OverridesParser.create()

    def set(self, number: int, overrides: list[str], values: Mapping[Place, Any]) -> str:
        """Set it to a job; returns the job's folder within that of the sweep."""
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
        """The resolved values at places with interpolations, in plain containers."""
        task = without_hydra(self._config) if places else None
        return {place: _value_at(task, place) for place in places}


def _value_at(config: Any, place: Place) -> Any:
    for key in place:
        config = config[key]
    return OmegaConf.to_container(config, resolve=True) if OmegaConf.is_config(config) else config


def of_task(overrides: Sequence[str]) -> list[str]:
    """The overrides, except for those of Hydra's own part."""
    return [one for one in overrides if not is_of_hydra(one)]
