"""Settings of a search: ``hydra.sweeper.*``, declared here alone.

Hydra's own schema of them is made from these (``hydra_plugins/study_sweeper``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scyan_exp.config.objectives import METRICS, Direction
from scyan_exp.config.sentences import problems_of
from scyan_exp.config.types import Count
from scyan_exp.errors import InputError
from scyan_exp.search.constraints import constraint_problems
from scyan_exp.search.makers import chosen_problems, make_pruner, make_sampler

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

#: Settings that the sweeper itself sets for each job; users may not.
OF_JOBS = ("trial", "prunes")


class StudySettings(BaseModel):
    """What a search can be told.

    Attributes:
        params: what to search, by key: ``interval(0.15, 0.4)``, ``range(2, 5)``,
            ``choice(a, b)``, with ``tag(log, ...)`` around them for a log scale.
        n_trials: trials in all, those of earlier starts in the same folder included.
        n_parallel: trials at a time; None for as many as the fleet has slots (else 1).
        direction: which way is better: ``minimize`` or ``maximize``; None for what the objective
            is known to need.
        directions: which way is better, of several objectives.
        sampler: ``tpe``, ``random``, ``nsga2``, ``gp``, ``qmc``, or an Optuna sampler by
            ``_target_`` with its arguments.
        seed: seed of the sampler; None for another one each time.
        pruner: ``auto`` (what suits the objective), ``median``, ``stalled``, ``halving``,
            ``hyperband``, ``none``, or an Optuna pruner by ``_target_``.
        monitor: what a pruner sees of each epoch: ``objective``, computed on some of the cells,
            or ``loss``.
        storage: where trials are kept: None for a file in the sweep's folder, a URL (``sqlite:///...``,
            ``postgresql+psycopg://...``), or ``journal://`` and the path of a file.
        study_name: name of the search in its storage; the sweep's folder when None.
        constraints: limits that a trial must keep to be among the best, such as
            ``n_missing_populations<=0``; of any metric.
        min_chance: a trial gets no more repeats when the chance that it becomes the best falls
            below this; 0 for all repeats.
        max_failures: the search stops when so many trials in a row have failed.
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
    constraints: list[str] = []
    min_chance: Annotated[float, Field(ge=0, lt=0.5)] = 0.05
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

    def make_sampler(self, n_objectives: int = 1) -> BaseSampler:
        """The sampler, with the seed of the search if it takes one."""
        return make_sampler(self.sampler, self.seed, n_objectives)

    def make_pruner(self, objectives: Sequence[str]) -> BasePruner:
        """The pruner for these objectives; it may be one that never prunes."""
        return make_pruner(self.chosen_pruner(objectives))

    def directions_for(self, objectives: Sequence[str]) -> list[str]:
        """One direction for each objective; for programs that are not ours, those of the settings.

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
    problems += chosen_problems("sampler", values.get("sampler", "tpe"))
    problems += chosen_problems("pruner", values.get("pruner", "auto"))
    if isinstance(values.get("constraints"), list):
        problems += constraint_problems(values["constraints"])
    if values.get("direction") and values.get("directions"):
        problems.append("hydra.sweeper: give direction or directions, not both")
    if problems:
        raise InputError(list(dict.fromkeys(problems)), where="config")
    return settings
