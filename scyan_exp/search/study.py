"""Optuna's study of a search: made in its storage, or found there and compared."""

from __future__ import annotations

import json
import logging
import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING

from scyan_exp.errors import InputError
from scyan_exp.run.folder import SweepFolder
from scyan_exp.search.description import by_file_names, config_differences, version_warning
from scyan_exp.search.plan import SearchPlan
from scyan_exp.search.storage.opening import open_storage, require_study
from scyan_exp.search.storage.urls import without_password

if TYPE_CHECKING:
    from optuna import Study

log = logging.getLogger(__name__)

#: User attributes of a study: the config that all who share it have in common, and the version of
#: Optuna that began it.
CONFIG, OPTUNA = "config", "optuna"


def open_study(plan: SearchPlan) -> Study:
    """The study of a search, new or not.

    Raises:
        InputError: the storage cannot be opened, has lost the study, or has another of this name.
    """
    study = _found_or_made(plan)
    found = [direction.name.lower() for direction in study.directions]
    if found != plan.directions:
        raise InputError(
            f"hydra.sweeper.study_name={plan.study_name}: the storage has a search of this name "
            f"with directions {found}, the objective needs {plan.directions}; use another name",
            where="config",
        )
    _check_space(study, plan)
    _check_config(study, plan)
    _name_metrics(study, plan.objectives)
    warning = version_warning(study.user_attrs.get(OPTUNA))
    if warning:
        log.warning("%s", warning)
    return study


def _found_or_made(plan: SearchPlan) -> Study:
    """The study in its storage."""
    import optuna
    from optuna.study import StudyDirection

    is_begun = SweepFolder(plan.folder).holds_search()
    storage = open_storage(plan.url, is_new=not is_begun)
    if is_begun:
        require_study(storage, plan.study_name, plan.url)
    return optuna.create_study(
        storage=storage,
        study_name=plan.study_name,
        directions=[StudyDirection[one.upper()] for one in plan.directions],
        sampler=plan.settings.make_sampler(len(plan.directions)),
        pruner=plan.settings.make_pruner(plan.objectives),
        load_if_exists=True,
    )


def _name_metrics(study: Study, objectives: list[str]) -> None:
    """Call the values of trials by the names of the objectives."""
    from optuna.exceptions import ExperimentalWarning

    if objectives:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names(objectives)


def _check_space(study: Study, plan: SearchPlan) -> None:
    """Make sure that a study that others began searches the same parameters."""
    wanted = plan.space.distributions()
    others = {
        name: trial.distributions.get(name)
        for trial in study.get_trials(deepcopy=False)
        if trial.distributions
        # A trial that was cut off may have only some of its parameters.
        for name in {*trial.distributions, *(wanted if trial.state.is_finished() else ())}
        if trial.distributions.get(name) != wanted.get(name)
    }
    if others:
        raise InputError(
            [
                f"hydra.sweeper.study_name={plan.study_name}: the storage has a search of "
                f"this name that searches {name} otherwise ({distribution or 'not at all'}); use "
                "another name"
                for name, distribution in others.items()
            ],
            where="config",
        )


def _check_config(study: Study, plan: SearchPlan) -> None:
    """Make sure that those who share a study search the same objectives with the same config."""
    now = {"objectives": plan.objectives, **by_file_names(plan.shared_config)}
    if CONFIG not in study.user_attrs:
        study.set_user_attr(CONFIG, json.loads(json.dumps(now)))
        study.set_user_attr(OPTUNA, version("optuna"))
    problems = config_differences(study.user_attrs[CONFIG], json.loads(json.dumps(now)))
    if problems:
        problems.append(
            f"hydra.sweeper.study_name={plan.study_name}: the storage has a search of this name; "
            "use another name for another search"
        )
        raise InputError(problems, where=without_password(plan.url))
