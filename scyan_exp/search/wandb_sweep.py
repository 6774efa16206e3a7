"""A search as a sweep of W&B's own: the file that ``wandb sweep`` takes.

Agents of W&B then run one ``scyan-exp train`` after the other, each with the values of a trial.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf

from scyan_exp.config.check import check_config
from scyan_exp.config.compose import COMPOSE_ERRORS, compose_config, first_lines
from scyan_exp.config.objectives import METRICS
from scyan_exp.config.overrides import bare_key
from scyan_exp.config.schema import RunConfig
from scyan_exp.errors import InputError, listed
from scyan_exp.search.dimension import Dimension
from scyan_exp.search.space import Space, parse_space

#: What W&B calls the ways of choosing values.
METHODS = ("bayes", "random", "grid")
#: Where an agent puts the values: ``model.prior_std=0.3``.
VALUES = "${args_no_hyphens}"
#: Groups that a single run has no use for.
OF_SEARCHES = ("search", "hydra/sweeper", "hydra/launcher")


def wandb_sweep(overrides: Sequence[str], method: str = "bayes") -> dict[str, Any]:
    """The sweep of a search preset.

    Args:
        overrides: as on the command line of the search, ``search=quick`` among them.
        method: one of ``METHODS``.

    Raises:
        InputError: everything that is wrong, or that agents cannot do.
    """
    searched, given = _split(overrides)
    config = _composed([one for one in overrides if bare_key(one) not in searched])
    settings: Any = OmegaConf.to_container(config.hydra.sweeper, resolve=False)
    space = parse_space(settings.get("params") or {}, [*searched.values()])
    run = [*given, *_of_preset(config, given), *space.fixed]
    checked = check_config(_composed(_first(space, run), with_hydra=False))
    _refuse(checked, space, method)
    (objective,) = checked.objectives
    logging = [] if any(bare_key(one) == "logger.mode" for one in run) else ["logger.mode=online"]
    return {
        "name": checked.group or str(config.hydra.runtime.choices.get("search") or "search"),
        "project": checked.logger.project,
        "program": "scyan-exp",  # W&B wants one; `command` says what is run
        "command": ["${env}", "scyan-exp", "train", *run, *logging, VALUES],
        "method": method,
        "metric": {"name": objective, "goal": METRICS[objective].direction},
        "run_cap": int(settings.get("n_trials", 20)),
        "parameters": {one.key: _parameter(one, method) for one in space.dimensions},
    }


def _split(overrides: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The overrides that search something, by key, and those of every run."""
    from scyan_exp.search.space import read_space

    found, _ = read_space(list(overrides))
    keys = {dimension.key for dimension in found.dimensions}
    searched = {bare_key(one): one for one in overrides if bare_key(one) in keys}
    others = [one for one in overrides if bare_key(one) not in keys]
    left_out = (*OF_SEARCHES, "hydra.")
    return searched, [one for one in others if not bare_key(one).startswith(left_out)]


def _composed(overrides: Sequence[str], *, with_hydra: bool = True) -> Any:
    try:
        return compose_config(list(overrides), with_hydra=with_hydra)
    except COMPOSE_ERRORS as error:
        raise InputError(first_lines(error), where="config") from error


def _of_preset(config: Any, given: Sequence[str]) -> list[str]:
    """What a preset sets besides the space: single runs do not have the preset."""
    keys = {bare_key(one) for one in given}
    plain = {"objective": config.objective, "repeats": config.repeats}
    usual = compose_config([])
    changed = [key for key, value in plain.items() if value != usual[key] and key not in keys]
    return [f"{key}={plain[key]}" for key in changed]


def _first(space: Space, run: Sequence[str]) -> list[str]:
    """A run with the first value of each parameter."""
    return [*run, *(one.extremes()[0] for one in space.dimensions)]


def _refuse(checked: RunConfig, space: Space, method: str) -> None:
    problems, repeats, objectives = [], checked.repeats, checked.objectives
    if checked.logger.backend != "wandb":
        problems.append(
            "logger: W&B would see no run of the sweep; leave it out, or use logger=wandb"
        )
    if repeats > 1:
        problems.append(
            f"repeats: an agent of W&B gives each run its id, so {repeats} trainings would land in "
            "one W&B run; use repeats=1, or search with scyan-exp train search=..."
        )
    if len(objectives) > 1:
        problems.append(f"objective: W&B improves one metric, found {listed(objectives)}")
    if method not in METHODS:
        problems.append(f"method: expected {', '.join(METHODS)}, found {method!r}")
    steps = [one.key for one in space.dimensions if method == "grid" and not _values(one)]
    if steps:
        problems.append(f"method=grid: {listed(steps)} can have any value; use bayes or random")
    if problems:
        raise InputError(problems, where="W&B sweep")


def _parameter(one: Dimension, method: str) -> dict[str, Any]:
    """A parameter in W&B's words."""
    if one.kind == "choice":
        return {"values": _values(one)}
    if method == "grid":
        return {"values": _values(one)}
    low, high = (int(one.low), int(one.high)) if one.kind == "int" else (one.low, one.high)
    bounds = {"min": low, "max": high}
    if one.log:
        kind = "q_log_uniform_values" if one.kind == "int" else "log_uniform_values"
        return {"distribution": kind, **bounds}
    if one.kind == "int" and one.step in (None, 1):
        return {"distribution": "int_uniform", **bounds}
    if one.step is not None:
        return {"values": _values(one)}
    return {"distribution": "uniform", **bounds}


def _values(one: Dimension) -> list[Any]:
    """All values that a parameter can have; none if it can have any."""
    if one.kind == "choice":
        are_numbers = all(isinstance(value, (int, float)) for value in one.choices)
        return list(one.choices if are_numbers else one.texts)
    if one.step is None or one.log:
        return []
    n = round((one.high - one.low) / one.step) + 1
    values = [one.low + i * one.step for i in range(n)]
    return [int(v) if one.kind == "int" else round(v, 12) for v in values]
