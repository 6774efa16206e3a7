"""Settings of the study sweeper: ``hydra.sweeper.*``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scyan_exp.config.objectives import METRICS
from scyan_exp.config.sentences import problems_of
from scyan_exp.errors import InputError, near_matches

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

Count = Annotated[int, Field(ge=1)]
Direction = Literal["minimize", "maximize"]

#: Our own pruner.
OUR_PRUNER = "scyan_exp.search.pruners.StalledPruner"
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


#: Samplers that keep their state in the storage as a pickle.
UNPICKLING = ("CmaEsSampler",)
#: Name and password of a URL; after three slashes there is a path, not a host.
CREDENTIALS = r"://(?!/)([^:@]*):[^@].*@"
#: An option of a URL whose value is a secret.
SECRET_OPTION = r"(?i)[?&](\w*password|passwd|pwd|\w*token|\w*secret)=[^&]+"


class StudySettings(BaseModel):
    """What the study sweeper can be told.

    Attributes:
        params: what to search, see ``space.py``.
        n_trials: trials in all, those of earlier starts in the same folder included.
        n_parallel: trials at a time; None for as many as the fleet has slots (else 1).
        direction: ``minimize`` or ``maximize``; None for what the objective is known to need.
        directions: the same for several objectives.
        sampler: a name of ``SAMPLERS``, or an Optuna sampler by ``_target_`` with its arguments.
        seed: seed of the sampler; None for another one each time.
        pruner: ``auto`` (see :meth:`chosen_pruner`), a name of ``PRUNERS``, an Optuna pruner by
            ``_target_``, or None.
        monitor: what a pruner sees of each epoch: ``objective``, computed on some of the cells,
            or ``loss``.
        storage: None for a file in the sweep's folder, a URL (``sqlite:///...``,
            ``postgresql+psycopg://...``), or ``journal://`` and the path of a file.
        study_name: name of the study in its storage; the sweep's folder when None.
        max_failures: the search stops when so many trials fail without one that does not.
        trial: of a job: the number of its trial. Set by the sweeper.
        prunes: of a job: whether it reports epochs. Set by the sweeper.
    """

    model_config = ConfigDict(extra="forbid")

    params: dict[str, Any] = {}
    n_trials: Count = 20
    n_parallel: Count | None = None
    direction: Direction | None = None
    directions: list[Direction] | None = None
    sampler: str | dict[str, Any] = "tpe"
    seed: Annotated[int, Field(ge=0)] | None = 0
    pruner: str | dict[str, Any] | None = "auto"
    monitor: Literal["objective", "loss"] = "objective"
    storage: str | None = None
    study_name: Annotated[str, Field(min_length=1)] | None = None
    max_failures: Count | None = 5
    trial: int | None = None
    prunes: bool = False

    def chosen_pruner(self, objectives: Sequence[str]) -> str | dict[str, Any] | None:
        """The pruner, ``auto`` replaced by what is best for the objectives.

        The loss falls steadily, so a trial above the median is pruned. Other metrics rise and
        fall during a training (the heuristic is worst in the middle), and the trials that end
        best are often behind at first: one is pruned only when it has stopped improving too.
        ``benchmarks/NOTES.md`` has the measurements. Several objectives cannot be pruned.
        """
        if self.pruner not in ("auto", "none"):
            return self.pruner
        if self.pruner == "none" or len(objectives) != 1:
            return None
        return "median" if objectives == ["loss"] or self.monitor == "loss" else "stalled"

    def directions_for(self, objectives: Sequence[str]) -> list[str]:
        """One direction an objective; a program of no known objectives has as many as are set.

        Raises:
            InputError: their numbers differ.
        """
        given = self.directions or ([self.direction] if self.direction else None)
        if not objectives:
            return list(given or ["minimize"])
        if given is None:
            return [METRICS[name].direction for name in objectives]
        if len(given) != len(objectives):
            raise InputError(
                f"hydra.sweeper.directions: expected one for each objective "
                f"({', '.join(objectives)}), found {len(given)}",
                where="config",
            )
        return list(given)


def check_study(values: Mapping[str, Any]) -> StudySettings:
    """Check the settings, sampler and pruner too.

    Raises:
        InputError: everything that is wrong with them.
    """
    problems: list[str] = []
    try:
        settings = StudySettings.model_validate(dict(values))
    except ValidationError as error:
        problems += map(str, problems_of(error, StudySettings, "hydra.sweeper."))
    problems += _chosen_problems("sampler", values.get("sampler", "tpe"), SAMPLERS)
    problems += _chosen_problems("pruner", values.get("pruner", "auto"), PRUNERS)
    if values.get("direction") and values.get("directions"):
        problems.append("hydra.sweeper: give direction or directions, not both")
    if problems:
        raise InputError(list(dict.fromkeys(problems)), where="config")
    return settings


def sampler_values(settings: StudySettings) -> dict[str, Any]:
    """The sampler by ``_target_``, with the seed if it takes one."""
    values = _by_name(settings.sampler, SAMPLERS)
    if "seed" in _parameters("sampler", values) and settings.seed is not None:
        values.setdefault("seed", settings.seed)
    return values


def make_sampler(settings: StudySettings) -> BaseSampler:
    """The sampler; a seeded one draws each trial by its number."""
    from scyan_exp.search.samplers import CONTINUING, SeededByTrial

    values = sampler_values(settings)
    seed = values.get("seed")
    if seed is None or values["_target_"].endswith(CONTINUING):
        return _make(values)
    return SeededByTrial(lambda one: _make({**values, "seed": one}), seed)


def make_pruner(chosen: str | Mapping[str, Any] | None) -> BasePruner:
    """A pruner, which may be one that never prunes."""
    return _make(_by_name(chosen, PRUNERS) or {"_target_": "optuna.pruners.NopPruner"})


def _by_name(chosen: str | Mapping[str, Any] | None, named: Mapping[str, Any]) -> dict[str, Any]:
    return dict(named[chosen]) if isinstance(chosen, str) else dict(chosen or {})


def _parameters(what: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments that a sampler or pruner takes; none for one that does not exist."""
    maker = _maker(what, str(values.get("_target_")))
    return {} if maker is None else inspect.signature(maker).parameters


def _maker(what: str, target: str) -> Callable[..., Any] | None:
    """The class that a ``_target_`` names, if it may: one of Optuna's, or our pruner."""
    import optuna

    from scyan_exp.search.pruners import StalledPruner

    if what == "pruner" and target == OUR_PRUNER:
        return StalledPruner
    prefix, _, name = target.rpartition(".")
    if prefix != f"optuna.{what}s" or not name[:1].isupper():
        return None
    return getattr(getattr(optuna, f"{what}s"), name, None)


def _make(values: Mapping[str, Any]) -> Any:
    import warnings

    from hydra.utils import instantiate
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # such as TPE's constant liar
        return instantiate(dict(values), _convert_="all")


def _chosen_problems(what: str, chosen: Any, named: Mapping[str, Any]) -> list[str]:
    """What is wrong with a sampler or pruner, by name or by ``_target_``."""
    special = ("auto", "none") if what == "pruner" else ()
    if isinstance(chosen, Mapping):
        return _maker_problems(what, chosen)
    if not isinstance(chosen, str) or chosen in (*named, *special):
        return []
    return [
        f"hydra.sweeper.{what}: expected {', '.join(named)}, or an Optuna {what} by _target_; "
        f"found {chosen!r}.{near_matches(chosen, named)}"
    ]


def _maker_problems(what: str, values: Mapping[str, Any], where: str = "") -> list[str]:
    """What is wrong with a sampler or pruner, or with one that it wraps."""
    import optuna

    where = where or f"hydra.sweeper.{what}"
    target = str(values.get("_target_"))
    name = target.rpartition(".")[2]
    if _maker(what, target) is None:
        names = [name for name in dir(getattr(optuna, f"{what}s")) if name[0].isupper()]
        expected = f"expected optuna.{what}s.<name>, found {target!r}"
        return [f"{where}._target_: {expected}.{near_matches(name, names)}"]
    if name in UNPICKLING:
        return [f"{where}._target_: {name} unpickles, which can run any code; use tpe or gp"]
    known = _parameters(what, values)
    problems = [
        f"{where}.{key}: unknown key.{near_matches(str(key), known)}"
        for key in values
        if not str(key).startswith("_") and key not in known
    ]
    for key, value in values.items():
        if "_target_" in str(value) and key != "_target_":
            nested = value if isinstance(value, Mapping) else {}
            problems += _maker_problems(what, nested, f"{where}.{key}")
    if not problems:
        try:
            _make(values)
        except Exception as error:
            lines = str(error.__cause__ or error).strip().splitlines()
            problems.append(f"{where}: {' '.join(lines[:1])}")
    return problems


def password_problem(storage: str | None) -> str | None:
    """What is wrong with a storage as it was written, before interpolation."""
    literal = re.sub(r"\$\{[^}]*\}", "", storage or "")
    if not re.search(CREDENTIALS, literal) and not re.search(SECRET_OPTION, literal):
        return None
    scheme = literal.partition("://")[0]
    return (
        f"hydra.sweeper.storage: the {scheme} URL holds a password, which would be written to the "
        "files of the sweep. Put the URL into a variable of the environment, and give "
        "'hydra.sweeper.storage=${oc.env:NAME}' (in single quotes)"
    )
