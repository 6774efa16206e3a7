"""Values that stand for others, such as ``${seed}``, and values that are missing."""

from __future__ import annotations

import copy
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, OmegaConfBaseException

from scyan_exp.errors import Problem

#: What a key without a value holds.
MISSING = "???"


def resolved(config: DictConfig, *, in_job: bool = True) -> tuple[dict[str, Any], list[Problem]]:
    """A config in plain containers, with values for interpolations; and what has no value.

    Such a key holds ``???``, and so does what refers to it.

    Args:
        config: as it was composed.
        in_job: whether Hydra runs a job, which has values for ``${hydra:...}``. Before that, they
            are unknown and no problems.
    """
    config = copy.deepcopy(config)
    problems: dict[str, Problem | None] = {}
    while True:
        try:
            missing = OmegaConf.missing_keys(config)
            plain: Any = OmegaConf.to_container(config, resolve=True)
        except OmegaConfBaseException as error:
            problems[str(error.full_key)] = _problem(error, in_job)
            error.parent_node[error.key] = MISSING
        else:
            break
    absent = [required(key) for key in sorted(missing - problems.keys())]
    return plain, [*absent, *(one for one in problems.values() if one is not None)]


def required(key: str) -> Problem:
    """The problem of a key without a value."""
    return Problem(key, f"a value is required ({key}=... on the command line)")


def _problem(error: OmegaConfBaseException, in_job: bool) -> Problem | None:
    """Why an interpolation has no value; None where that is no problem, or named elsewhere."""
    reason = str(error.msg).splitlines()[0]
    unknown_yet = not in_job and "HydraConfig was not set" in reason
    if unknown_yet or isinstance(error, InterpolationToMissingValueError):
        return None
    return Problem(str(error.full_key), reason)
