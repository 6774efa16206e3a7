"""The end of a search: its best trials, how much each parameter mattered, how to look at it."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scyan_exp.errors import InputError
from scyan_exp.files import write_text
from scyan_exp.run.folder import SweepFolder
from scyan_exp.search.experiment_file import Compose, folder_of, model_of, write_experiment
from scyan_exp.search.optuna_internals import violates
from scyan_exp.search.storage.urls import dashboard_command
from scyan_exp.search.trusting import advice, in_words

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

#: Trials of a Pareto front that are shown at most; files are written of all.
MANY_BEST = 10


def report_best(
    study: Study, sweep_dir: Path, url: str, directions: Sequence[str], compose: Compose
) -> dict[str, Any]:
    """Write and show the best trials; return number, values and parameters of the first."""
    best = study.best_trials if _completed(study) else []
    best = best if len(directions) > 1 else best[:1]
    for trial in best[:MANY_BEST]:
        _show(study, trial, sweep_dir)
    if len(best) > MANY_BEST:
        print(f"... {len(best)} trials on the Pareto front: {sweep_dir}/best_*.yaml", flush=True)
    for path in SweepFolder(sweep_dir).best_experiments():  # others may be best now
        path.unlink()
    names = ["best"] if len(best) == 1 else [f"best_{trial.number}" for trial in best]
    for name, trial in zip(names, best, strict=True):
        again = write_experiment(study, trial, sweep_dir, name, compose)
        if again is not None:
            print(f"  again: {again}", flush=True)
    if len(directions) == 1:
        _report_importances(study, sweep_dir)
    print(f"To look at the search: {dashboard_command(url, sweep_dir)}", flush=True)
    _say_infeasible(study, best)
    if not best:
        return {}
    return {"trial": best[0].number, "values": best[0].values, "params": best[0].params}


def _completed(study: Study) -> list[FrozenTrial]:
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _say_infeasible(study: Study, best: Sequence[FrozenTrial]) -> None:
    """How many trials violate the constraints, none of which is among the best."""
    ended = _completed(study)
    n_violating = sum(violates(one) for one in ended)
    if n_violating:
        none = "" if best else ": there is no best one. Loosen hydra.sweeper.constraints"
        print(f"{n_violating} of {len(ended)} trials violate the constraints{none}", flush=True)


def _show(study: Study, trial: FrozenTrial, sweep_dir: Path) -> None:
    names = study.metric_names or [f"value {i}" for i in range(len(trial.values))]
    values = ", ".join(f"{n} {v:.4g}" for n, v in zip(names, trial.values, strict=True))
    params = " ".join(f"{name}={_rounded(value)}" for name, value in trial.params.items())
    print(f"Best: trial {trial.number}, {values}: {params}", flush=True)
    model = model_of(folder_of(trial, sweep_dir))
    if model is not None:
        print(f"  its model: {model}", flush=True)
    for text in (in_words(trial, sweep_dir), advice(study, trial)):
        if text is not None:
            print(f"  {text}", flush=True)


def _rounded(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _report_importances(study: Study, sweep_dir: Path) -> None:
    """Write and show how much each parameter mattered."""
    varied = {name for trial in _completed(study) for name in trial.params}
    if len(_completed(study)) < 4 or not varied:
        return
    found = _importances(study, varied)
    if not found:
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["parameter", "importance"])
    writer.writerows((name, f"{value:.4f}") for name, value in found.items())
    write_text(SweepFolder(sweep_dir).importances, text.getvalue(), durable=False)
    shown = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
    print(f"Importances: {shown}", flush=True)


def _importances(study: Study, varied: Collection[str]) -> dict[str, float]:
    """How much each parameter mattered, in shares; none where the objective does not vary."""
    if len(varied) == 1:  # without importing scikit-learn, which takes seconds
        changes = len({tuple(trial.values) for trial in _completed(study)}) > 1
        return dict.fromkeys(varied, 1.0) if changes else {}
    import optuna

    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    try:
        return optuna.importance.get_param_importances(study, evaluator=evaluator)
    except (ValueError, RuntimeError, InputError):
        return {}
