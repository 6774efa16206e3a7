"""Samplers and pruners by name, or any of Optuna's by ``_target_``.

Optuna is imported when one is made or looked up, not before.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from scyan_exp.errors import near_matches

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

#: A sampler or pruner as the settings have it: a name, or ``_target_`` with arguments.
Chosen = str | Mapping[str, Any] | None
What = Literal["sampler", "pruner"]

#: Our own pruner, and its name in earlier versions: commands and files may have either.
OUR_PRUNER = "scyan_exp.search.pruners.StalledPruner"
OUR_PRUNERS = (OUR_PRUNER, "scyan_exp.search.pruning.StalledPruner")
#: Samplers by name; constant liar: trials that run at the same time are kept apart.
SAMPLERS: dict[str, dict[str, Any]] = {
    "tpe": {"_target_": "optuna.samplers.TPESampler", "constant_liar": True},
    "random": {"_target_": "optuna.samplers.RandomSampler"},
    "nsga2": {"_target_": "optuna.samplers.NSGAIISampler"},
    "gp": {"_target_": "optuna.samplers.GPSampler"},
    "qmc": {"_target_": "optuna.samplers.QMCSampler"},
}
#: Pruners by name. Epochs of the warm-up and those with the temperature are not reported, so
#: with the default modulo_temp the values are those of epochs 6, 9, 12, ...
MEDIAN = {"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 4, "n_warmup_steps": 6}
PRUNERS: dict[str, dict[str, Any]] = {
    "median": MEDIAN,
    "stalled": {"_target_": OUR_PRUNER},
    "halving": {"_target_": "optuna.pruners.SuccessiveHalvingPruner", "min_resource": 6},
    "hyperband": {"_target_": "optuna.pruners.HyperbandPruner", "min_resource": 6},
}
NAMED: dict[What, dict[str, dict[str, Any]]] = {"sampler": SAMPLERS, "pruner": PRUNERS}
#: Names that the settings themselves replace, see ``StudySettings.chosen_pruner``.
SPECIAL: dict[What, tuple[str, ...]] = {"sampler": (), "pruner": ("auto", "none")}
#: Samplers that keep their state in the storage as a pickle.
UNPICKLING = ("CmaEsSampler",)


def make_sampler(chosen: Chosen, seed: int | None, n_objectives: int = 1) -> BaseSampler:
    """The sampler; a seeded one draws each trial by its number.

    Args:
        chosen: a name, or an Optuna sampler by ``_target_``; a seed of its own wins.
        seed: seed of the search; None for another one each time.
        n_objectives: how many objectives the search has.
    """
    from scyan_exp.search.samplers import CONTINUING, SeededByTrial

    values = _by_name("sampler", chosen)
    if chosen == "tpe":  # what Optuna 5 does by default, and Optuna 4 does not
        values["multivariate"] = n_objectives == 1
    if "seed" in _parameters("sampler", values) and seed is not None:
        values.setdefault("seed", seed)
    own = values.get("seed")
    if own is None or values["_target_"].endswith(CONTINUING):
        return _make(values)
    return SeededByTrial(lambda one: _make({**values, "seed": one}), own)


def make_pruner(chosen: Chosen) -> BasePruner:
    """The pruner; for None one that never prunes."""
    return _make(_by_name("pruner", chosen) or {"_target_": "optuna.pruners.NopPruner"})


def chosen_problems(what: What, chosen: Any) -> list[str]:
    """What is wrong with a sampler or pruner, by name or by ``_target_``."""
    if isinstance(chosen, Mapping):
        return _target_problems(what, chosen, f"hydra.sweeper.{what}")
    named = NAMED[what]
    if not isinstance(chosen, str) or chosen in (*named, *SPECIAL[what]):
        return []
    return [
        f"hydra.sweeper.{what}: expected {', '.join(named)}, or an Optuna {what} by _target_; "
        f"found {chosen!r}.{near_matches(chosen, named)}"
    ]


def _target_problems(what: What, values: Mapping[str, Any], where: str) -> list[str]:
    """What is wrong with a sampler or pruner, or with one that it wraps."""
    target = str(values.get("_target_"))
    name = target.rpartition(".")[2]
    if _class(what, target) is None:
        expected = f"expected optuna.{what}s.<name>, found {target!r}"
        return [f"{where}._target_: {expected}.{near_matches(name, _names(what))}"]
    if name in UNPICKLING:
        return [f"{where}._target_: {name} unpickles, which can run any code; use tpe or gp"]
    problems = _argument_problems(what, values, where)
    return problems or _making_problems(values, where)


def _argument_problems(what: What, values: Mapping[str, Any], where: str) -> list[str]:
    """What is wrong with the arguments: unknown ones, and pruners or samplers among them."""
    known = _parameters(what, values)
    problems = [
        f"{where}.{key}: unknown key.{near_matches(str(key), known)}"
        for key in values
        if not str(key).startswith("_") and key not in known
    ]
    for key, value in values.items():
        if "_target_" in str(value) and key != "_target_":
            nested = value if isinstance(value, Mapping) else {}
            problems += _target_problems(what, nested, f"{where}.{key}")
    return problems


def _making_problems(values: Mapping[str, Any], where: str) -> list[str]:
    """What Optuna says against making it."""
    try:
        _make(values)
    except Exception as error:
        lines = str(error.__cause__ or error).strip().splitlines()
        return [f"{where}: {' '.join(lines[:1])}"]
    return []


def _by_name(what: What, chosen: Chosen) -> dict[str, Any]:
    return dict(NAMED[what][chosen] if isinstance(chosen, str) else chosen or {})


def _names(what: What) -> list[str]:
    """The names of all samplers, or pruners, of Optuna."""
    import optuna

    return [name for name in dir(getattr(optuna, f"{what}s")) if name[0].isupper()]


def _parameters(what: What, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments that a sampler or pruner takes; none for one that does not exist."""
    found = _class(what, str(values.get("_target_")))
    return {} if found is None else inspect.signature(found).parameters


def _class(what: What, target: str) -> Callable[..., Any] | None:
    """The class that a ``_target_`` names, if it may: one of Optuna's, or our pruner."""
    import optuna

    if what == "pruner" and target in OUR_PRUNERS:
        from scyan_exp.search.pruners import StalledPruner

        return StalledPruner
    prefix, _, name = target.rpartition(".")
    if prefix != f"optuna.{what}s" or not name[:1].isupper():
        return None
    return getattr(getattr(optuna, f"{what}s"), name, None)


def _make(values: Mapping[str, Any]) -> Any:
    from hydra.utils import instantiate
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # such as TPE's constant liar
        return instantiate(_with_present_names(values), _convert_="all")


def _with_present_names(values: Any) -> Any:
    """The values with the present name of our pruner, within others too."""
    if not isinstance(values, Mapping):
        return values
    return {
        key: OUR_PRUNER
        if key == "_target_" and value in OUR_PRUNERS
        else _with_present_names(value)
        for key, value in values.items()
    }
