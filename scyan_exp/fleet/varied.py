"""Configs of jobs that differ from a common config in some values."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from scyan_exp.config.hydra_internals import override_dirname
from scyan_exp.config.plain_values import Place, with_values
from scyan_exp.fleet.job_config import joined
from scyan_exp.fleet.jobs import Job


@dataclass(frozen=True)
class Base:
    """What jobs that differ only in plain values have in common; it is never changed.

    Attributes:
        config: the program's part of the config of one of them, in plain containers; resolved if it
            was checked.
        hydra: Hydra's own part, with unresolved interpolations.
    """

    config: dict[str, Any] = field(repr=False)
    hydra: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Varied:
    """A config that differs from a base in some values.

    Attributes:
        base: the base.
        values: the values that differ, by place.
    """

    base: Base
    values: Mapping[Place, Any]

    def config(self, job: Job) -> DictConfig:
        """Both parts, as a job's files have them."""
        return joined({"hydra": self.hydra(job)}, job.plain())

    def plain(self) -> dict[str, Any]:
        """The program's part: the base with the values."""
        return copy.deepcopy(with_values(self.base.config, self.values))

    def hydra(self, job: Job) -> Mapping[str, Any]:
        """Hydra's part of the base, with what concerns only this job."""
        return with_values(self.base.hydra, _of_job(self.base.hydra, job))

    @property
    def is_filed(self) -> bool:
        """True: the config is in the list of the sweep's jobs."""
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
