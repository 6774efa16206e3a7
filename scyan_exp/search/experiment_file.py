"""``best.yaml``: an experiment file that runs a trial of a search again."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from scyan_exp.files import write_text
from scyan_exp.fleet.job_config import load_config, without_hydra
from scyan_exp.fleet.manifest import DAMAGED
from scyan_exp.run.folder import RunFolder, SweepFolder

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

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
#: Composes the config of overrides.
Compose = Callable[[list[str]], DictConfig]


def write_experiment(
    study: Study, trial: FrozenTrial, sweep_dir: Path, name: str, compose: Compose
) -> str | None:
    """Write a config group file that runs a trial again.

    Args:
        study: the study of the search.
        trial: one of its trials.
        sweep_dir: the folder of the sweep.
        name: of the file.
        compose: composes the config of overrides.

    Returns:
        The command that runs it; None for another machine's trial, and for a program that keeps
        no configs.
    """
    folder = folder_of(trial, sweep_dir)
    try:
        config = load_config(folder)
    except DAMAGED:
        return None
    plain = with_absolute_paths(OmegaConf.to_container(without_hydra(config), resolve=True))
    choices = {group: config.hydra.runtime.choices.get(group) for group in GROUPS}
    text = _experiment_text(plain, choices, compose)
    if text is None:
        return None
    start = ("scyan-exp", "train", "--config-dir", str(sweep_dir), f"experiment={name}")
    again = shlex.join([*start, *_search_path(config)])
    head = [
        "# @package _global_",
        f"# Trial {trial.number} of {study.study_name}: {_values(study, trial)}.",
        f"# Its model: {model_of(folder.absolute())}",
        f"# Again: {again}",
    ]
    for path in SweepFolder(sweep_dir).experiments(name):
        write_text(path, "\n".join([*head, text]))
    return again


def folder_of(trial: FrozenTrial, sweep_dir: Path) -> Path:
    """The run folder of a trial."""
    return sweep_dir / str(trial.user_attrs.get("folder", trial.number))


def model_of(folder: Path) -> Path | None:
    """What ``scyan_exp.annotate`` takes: a checkpoint, or the folder of a consensus."""
    checkpoint = RunFolder(folder).best
    if checkpoint.is_file():
        return checkpoint
    repeats = folder.glob("seed_*")
    return folder if any(RunFolder(one).best.is_file() for one in repeats) else None


def _values(study: Study, trial: FrozenTrial) -> str:
    """The objectives of a trial, by name."""
    names = study.metric_names or ["value"]
    pairs = zip(names, trial.values, strict=False)
    return ", ".join(f"{name} {value:.6g}" for name, value in pairs)


#: Keys that name files.
NAME_FILES = ("path", "metadata", "labels", "compensation")


def with_absolute_paths(plain: Any) -> Any:
    """The config with absolute paths: the file may be used from another folder."""
    if not isinstance(plain, Mapping):
        return plain
    return {
        key: _absolute(value) if key in NAME_FILES else with_absolute_paths(value)
        for key, value in plain.items()
    }


def _absolute(value: Any) -> Any:
    """A path, or several; a pattern stands in a folder that exists."""
    if isinstance(value, list):
        return [_absolute(one) for one in value]
    if not isinstance(value, str) or not (Path(value).exists() or has_magic(value)):
        return value
    return str(Path(value).absolute())


def _search_path(config: DictConfig) -> list[str]:
    """The override that makes the user's own groups known."""
    sources = config.hydra.runtime.config_sources
    own = [source for source in sources if "command-line" in source.provider]
    folders = [f"{source.schema}://{source.path}" for source in own]
    return [f"hydra.searchpath=[{','.join(folders)}]"] if folders else []


def _experiment_text(
    plain: Mapping[str, Any], choices: Mapping[str, str | None], compose: Compose
) -> str | None:
    """The choices of groups, and each value that differs from theirs; None for other programs."""
    chosen = {group: option for group, option in choices.items() if option is not None}
    if set(chosen) != set(GROUPS):
        return None
    incidental = ("name", "group", "ckpt_path", "report")
    kept = {key: value for key, value in plain.items() if key not in incidental}
    base = _composed(chosen, compose)
    # An experiment file can add keys, and not remove them.
    if _lacks(base["callbacks"], kept["callbacks"]):
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
        # By what is written: 1 and 1.0 are equal, and give configs of different hashes.
        elif not isinstance(base, Mapping) or key not in base or repr(before) != repr(value):
            changed[key] = value
    return changed
