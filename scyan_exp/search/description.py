"""``study.json``: what a search is, so that a resume goes on with that one and no other."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from scyan_exp.errors import InputError
from scyan_exp.files import write_json
from scyan_exp.fleet.manifest import DAMAGED
from scyan_exp.run.folder import SweepFolder

#: In the folder of its sweep.
STUDY_FILE = "study.json"
#: Parts of the config that may change between two starts.
INCIDENTAL = ("logger.", "name", "tags", "trainer.accelerator", "trainer.devices")


def describe(sweep_dir: Path, config: DictConfig, search: dict[str, Any]) -> dict[str, Any]:
    """What a search is; of a folder that holds one, make sure that it is this one.

    Args:
        sweep_dir: the folder of its sweep.
        config: the composed config, with Hydra's part.
        search: study_name, storage, space, directions, objectives and a flat config.

    Raises:
        InputError: the folder holds another search, or a sweep that is none.
    """
    now = json.loads(json.dumps(search))
    if SweepFolder(sweep_dir).holds_search():
        earlier = read_study(sweep_dir)
        problems = [
            f"{key}: this folder's search has {json.dumps(earlier[key])}, the command gives "
            f"{json.dumps(now[key])}"
            for key in ("study_name", "storage", "directions", "objectives")
            if earlier[key] != now[key]
        ]
        problems += _space_differences(earlier["space"], now["space"])
        if not problems:  # of another space, other values of the config are what one expects
            problems += config_differences(earlier["config"], now["config"])
        if problems:
            problems.append("use another folder (hydra.sweep.dir=...) for another search")
            raise InputError(problems, where=str(sweep_dir))
        return {**earlier, **_command(config)}  # a later start may want more trials
    if SweepFolder(sweep_dir).manifest.exists():
        raise InputError("this folder holds a sweep that is no search", where=str(sweep_dir))
    return {"id": secrets.token_hex(8), **now, **_command(config)}


def write_description(sweep_dir: Path, config: DictConfig, values: dict[str, Any]) -> None:
    """Write what :func:`describe` returned."""
    if not SweepFolder(sweep_dir).holds_search():
        OmegaConf.save(config, sweep_dir / "multirun.yaml")
    write_json(sweep_dir / STUDY_FILE, values)


def flat(values: Any, prefix: str = "") -> dict[str, Any]:
    """A config with dots in its keys."""
    if not isinstance(values, dict) or not values:
        return {prefix.rstrip("."): values} if prefix else {}
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{prefix}{key}.")
    return found


def by_file_names(config: dict[str, Any]) -> dict[str, Any]:
    """A flat config with paths shortened to names: machines keep the same data elsewhere."""
    return {
        key: Path(value).name if key.endswith("path") and isinstance(value, str) else value
        for key, value in config.items()
    }


def config_differences(earlier: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What of two flat configs differs, but for what may change between two starts."""
    keys = sorted({*earlier, *now})
    return [
        f"{key}: the search was begun with {earlier.get(key)!r}, now it is {now.get(key)!r}"
        for key in keys
        if earlier.get(key) != now.get(key) and not key.startswith(INCIDENTAL)
    ]


def _space_differences(earlier: dict[str, str], now: dict[str, str]) -> list[str]:
    nothing = "not searched"
    return [
        f"{key}: in this folder's search {earlier.get(key, nothing)}, in the command "
        f"{now.get(key, nothing)}"
        for key in sorted({*earlier, *now})
        if earlier.get(key) != now.get(key)
    ]


def _command(config: DictConfig) -> dict[str, Any]:
    """The command line of the search, and the folder where it was typed."""
    hydra = config.hydra
    sources = hydra.runtime.config_sources
    folders = [source.path for source in sources if source.provider == "command-line"]
    # Unresolved: what stands in the environment is written nowhere.
    written: Any = OmegaConf.to_container(hydra.overrides, resolve=False)
    given = [str(one) for one in written["hydra"] if not str(one).startswith("hydra.mode=")]
    given = [one for one in given if not one.startswith("hydra.sweep.dir=")]
    task = [str(one) for one in written["task"]]
    last = {one.partition("=")[0]: one for one in given}  # a resume has added to them
    arguments = [*(f"--config-dir={folder}" for folder in folders), *last.values(), *task]
    return {"arguments": arguments, "cwd": str(Path.cwd())}


def read_study(sweep_dir: Path) -> dict[str, Any]:
    """What ``study.json`` holds.

    Raises:
        InputError: it is damaged.
    """
    path = sweep_dir / STUDY_FILE
    needed = (
        *("id", "study_name", "storage", "space", "directions", "objectives"),
        *("config", "arguments", "cwd"),
    )
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return {key: values[key] for key in needed}
    except DAMAGED as error:
        raise InputError(
            f"not the description of a search ({type(error).__name__}: {error})", str(path)
        ) from error
