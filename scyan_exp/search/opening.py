"""The study of a search in its storage: made, or found again and compared."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING

from scyan_exp.errors import InputError
from scyan_exp.run.folder import SweepFolder
from scyan_exp.search.description import by_file_names, config_differences, flat
from scyan_exp.search.prepare import Search
from scyan_exp.search.settings import make_pruner, make_sampler
from scyan_exp.search.storage.storage import open_storage, require_study, without_password

if TYPE_CHECKING:
    from optuna import Study

#: User attribute of a study: the config that all who share it have in common.
CONFIG = "config"


def open_study(search: Search) -> Study:
    """The study of a search, new or not.

    Raises:
        InputError: the storage cannot be opened, has lost the study, or has another of this name.
    """
    import optuna
    from optuna.exceptions import ExperimentalWarning
    from optuna.study import StudyDirection

    storage = open_storage(search.url, is_new=not SweepFolder(search.folder).holds_search())
    if SweepFolder(search.folder).holds_search():
        require_study(storage, search.study_name, search.url)
    study = optuna.create_study(
        storage=storage,
        study_name=search.study_name,
        directions=[StudyDirection[one.upper()] for one in search.directions],
        sampler=make_sampler(search.settings),
        pruner=make_pruner(search.settings.chosen_pruner(search.objectives)),
        load_if_exists=True,
    )
    found = [direction.name.lower() for direction in study.directions]
    if found != search.directions:
        raise InputError(
            f"hydra.sweeper.study_name={search.study_name}: this study has directions {found}, the "
            f"objective needs {search.directions}; use another name",
            where="config",
        )
    _check_space(study, search)
    _check_config(study, search)
    if search.objectives:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names(search.objectives)
    return study


def _check_space(study: Study, search: Search) -> None:
    """Make sure that a study which others began has the parameters of this search."""
    wanted = search.space.distributions()
    others = {
        name: trial.distributions.get(name)
        for trial in study.get_trials(deepcopy=False)
        if trial.distributions
        # One that was cut off may have some of its parameters.
        for name in {*trial.distributions, *(wanted if trial.state.is_finished() else ())}
        if trial.distributions.get(name) != wanted.get(name)
    }
    if others:
        raise InputError(
            [
                f"hydra.sweeper.study_name={search.study_name}: the storage has a study of this "
                f"name that searches {name} otherwise ({distribution or 'not at all'}); use "
                "another name"
                for name, distribution in others.items()
            ],
            where="config",
        )


def _check_config(study: Study, search: Search) -> None:
    """Make sure that those who share a study search the same objectives with the same config."""
    now = {"objectives": search.objectives, **by_file_names(flat(search.first.plain))}
    if CONFIG not in study.user_attrs:
        study.set_user_attr(CONFIG, json.loads(json.dumps(now)))
    problems = config_differences(study.user_attrs[CONFIG], json.loads(json.dumps(now)))
    if problems:
        problems.append(
            f"hydra.sweeper.study_name={search.study_name}: the storage has a study of this name; "
            "use another name for another search"
        )
        raise InputError(problems, where=without_password(search.url))
