"""Making jobs from the one of their kind that Hydra has composed."""

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
from scyan_exp.fleet.jobs import Job, without_hydra
from scyan_exp.fleet.varied import Base, Varied

#: Checks a config in plain containers.
CheckPlain = Callable[[Mapping[str, Any]], RunConfig]
#: What stands for the number of a job in the name of its folder.
NUMBER = re.compile(r"\$\{hydra[.:]job\.(num|id)\}")


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
                subdir = self._scratch.set(number, of_task(overrides), values)
                resolved = self._scratch.resolve(self._places)
            except OmegaConfBaseException:
                return None
            if not is_json(list(resolved.values())):  # the list of jobs could not hold it
                return None
            values = {**values, **resolved}
        values = {place: value for place, value in values.items() if self._is_new(place, value)}
        checked = self._check(with_values(self._base.config, values)) if self._check else None
        folder = self._sweep_dir / subdir
        return Job(number, folder, of_task(overrides), Varied(self._base, values), checked)

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


def of_task(overrides: Sequence[str]) -> list[str]:
    """Overrides without those of Hydra's own part."""
    return [one for one in overrides if not is_of_hydra(one)]
