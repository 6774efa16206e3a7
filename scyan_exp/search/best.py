"""The best of a search, ready to use: ``best.yaml``, importances, how to look at the study."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from scyan_exp.errors import InputError
from scyan_exp.files import write_text
from scyan_exp.fleet.jobs import load_config, without_hydra
from scyan_exp.fleet.manifest import DAMAGED
from scyan_exp.search.storage.storage import dashboard_command

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

IMPORTANCES = "importances.csv"
#: Groups that make a run, in the order in which the file must choose them.
GROUPS = (
    "table",
    "dataset",
    "model",
    "flow",
    "prior",
    "temperature",
    "trainer",
    "callbacks",
    "logger",
)
#: Trials of a Pareto front that are shown at most; files are written of all.
MANY_BEST = 10


#: Composes the config of overrides.
Compose = Callable[[list[str]], DictConfig]


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
    _remove_earlier(sweep_dir)
    names = ["best"] if len(best) == 1 else [f"best_{trial.number}" for trial in best]
    for name, trial in zip(names, best, strict=True):
        _write_experiment(study, trial, sweep_dir, name, compose)
    if len(directions) == 1:
        _report_importances(study, sweep_dir)
    print(f"To look at the study: {dashboard_command(url)}", flush=True)
    if not best:
        return {}
    return {"trial": best[0].number, "values": best[0].values, "params": best[0].params}


def _remove_earlier(sweep_dir: Path) -> None:
    """Of an earlier end of the search: others may be best now."""
    for folder in (sweep_dir, sweep_dir / "experiment"):
        for path in (folder / "best.yaml", *folder.glob("best_[0-9]*.yaml")):
            path.unlink(missing_ok=True)


def _completed(study: Study) -> list[FrozenTrial]:
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _show(study: Study, trial: FrozenTrial, sweep_dir: Path) -> None:
    names = study.metric_names or [f"value {i}" for i in range(len(trial.values))]
    values = ", ".join(f"{n} {v:.4g}" for n, v in zip(names, trial.values, strict=True))
    params = " ".join(f"{name}={_rounded(value)}" for name, value in trial.params.items())
    print(f"Best: trial {trial.number}, {values}: {params}", flush=True)
    model = _model(_folder(trial, sweep_dir))
    if model is not None:
        print(f"  its model: {model}", flush=True)


def _rounded(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _folder(trial: FrozenTrial, sweep_dir: Path) -> Path:
    return sweep_dir / str(trial.user_attrs.get("folder", trial.number))


def _model(folder: Path) -> Path | None:
    """What ``scyan_exp.annotate`` takes: a checkpoint, or the folder of a consensus."""
    checkpoint = folder / "checkpoints" / "best.ckpt"
    if checkpoint.is_file():
        return checkpoint
    return folder if any(folder.glob("seed_*/checkpoints/best.ckpt")) else None


def _write_experiment(
    study: Study, trial: FrozenTrial, sweep_dir: Path, name: str, compose: Compose
) -> None:
    """Write a config group file that runs the trial again."""
    folder = _folder(trial, sweep_dir)
    try:
        config = load_config(folder)
    except DAMAGED:  # of another machine's sweep, or of a program that keeps no configs
        return
    plain = _with_absolute_paths(OmegaConf.to_container(without_hydra(config), resolve=True))
    choices = {group: config.hydra.runtime.choices.get(group) for group in GROUPS}
    text = _experiment_text(plain, choices, compose)
    if text is None:
        return
    again = shlex.join(
        [
            *("scyan-exp", "train", "--config-dir", str(sweep_dir), f"experiment={name}"),
            *_search_path(config),
        ]
    )
    values = ", ".join(
        f"{metric} {value:.6g}"
        for metric, value in zip(study.metric_names or ["value"], trial.values, strict=False)
    )
    head = [
        f"# Trial {trial.number} of {study.study_name}: {values}.",
        f"# Its model: {_model(folder.absolute())}",
        f"# Again: {again}",
    ]
    whole = "\n".join(["# @package _global_", *head, text])
    write_text(sweep_dir / "experiment" / f"{name}.yaml", whole)
    write_text(sweep_dir / f"{name}.yaml", whole)
    print(f"  again: {again}", flush=True)


def _with_absolute_paths(plain: Any) -> Any:
    """The file may be used from another folder than the search."""
    if not isinstance(plain, Mapping):
        return plain
    return {
        key: str(Path(value).absolute())
        if key == "path" and isinstance(value, str) and Path(value).exists()
        else _with_absolute_paths(value)
        for key, value in plain.items()
    }


def _search_path(config: DictConfig) -> list[str]:
    """The override that makes the user's own groups known."""
    sources = config.hydra.runtime.config_sources
    own = [source for source in sources if "command-line" in source.provider]
    folders = [f"{source.schema}://{source.path}" for source in own]
    return [f"hydra.searchpath=[{','.join(folders)}]"] if folders else []


def _experiment_text(
    plain: Mapping[str, Any], choices: Mapping[str, str | None], compose: Compose
) -> str | None:
    """The choices of groups, and the values that they do not give; None for other programs."""
    chosen = {group: option for group, option in choices.items() if option is not None}
    if set(chosen) != set(GROUPS):
        return None
    incidental = ("name", "group", "ckpt_path")
    kept = {key: value for key, value in plain.items() if key not in incidental}
    base = _composed(chosen, compose)
    if _lacks(base["callbacks"], kept["callbacks"]):  # a file can add, and not remove
        chosen["callbacks"] = "none"
        base = _composed(chosen, compose)
    values = _difference(base, kept)
    defaults = [{f"override /{group}": option} for group, option in chosen.items()]
    return OmegaConf.to_yaml(OmegaConf.create({"defaults": defaults, **values}))


def _composed(chosen: Mapping[str, str], compose: Compose) -> Any:
    composed = compose([f"{group}={chosen[group]}" for group in GROUPS])
    return OmegaConf.to_container(composed, resolve=False)


def _lacks(base: Any, wanted: Any) -> bool:
    """Whether something of ``base`` is not in ``wanted``."""
    if not isinstance(base, Mapping) or not isinstance(wanted, Mapping):
        return False
    return any(key not in wanted or _lacks(base[key], wanted[key]) for key in base)


def _difference(base: Any, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What must be set in ``base`` to get ``wanted``."""
    changed: dict[str, Any] = {}
    for key, value in wanted.items():
        before = base.get(key) if isinstance(base, Mapping) else None
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            inner = _difference(before, value)
            if inner:
                changed[key] = inner
        elif not isinstance(base, Mapping) or key not in base or before != value:
            changed[key] = value
    return changed


def _report_importances(study: Study, sweep_dir: Path) -> None:
    """Write and show how much each parameter mattered."""
    import optuna

    varied = {name for trial in _completed(study) for name in trial.params}
    if len(_completed(study)) < 4 or not varied:
        return
    try:
        found = optuna.importance.get_param_importances(
            study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0)
        )
    except (ValueError, RuntimeError, InputError):
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["parameter", "importance"])
    writer.writerows((name, f"{value:.4f}") for name, value in found.items())
    write_text(sweep_dir / IMPORTANCES, text.getvalue(), durable=False)
    shown = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
    print(f"Importances: {shown}", flush=True)
