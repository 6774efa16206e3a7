"""``study.json``: what a search is, so that a resume cannot mix it up with another."""

from __future__ import annotations

import json
import secrets
from importlib.metadata import version
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from scyan_exp.config.earlier import MEANT
from scyan_exp.config.wanted import added_defaults
from scyan_exp.documents import read_json
from scyan_exp.errors import InputError
from scyan_exp.files import write_json, write_text
from scyan_exp.fleet.manifest import DAMAGED
from scyan_exp.run.folder import FORMAT, SweepFolder, check_format

#: What every format of the file holds; the first one had no version of Optuna.
NEEDED = (
    *("id", "study_name", "storage", "space", "directions", "objectives"),
    *("config", "arguments", "cwd"),
)
#: Parts of the config that may change between two starts.
INCIDENTAL = (
    *("figures.", "logger.", "name", "tags", "report"),
    *("trainer.accelerator", "trainer.devices"),
)


def describe(sweep_dir: Path, config: DictConfig, search: dict[str, Any]) -> dict[str, Any]:
    """What a search is. If the folder holds one already, make sure that it is this one.

    Args:
        sweep_dir: the folder of its sweep.
        config: the composed config, with Hydra's part.
        search: study_name, storage, space, directions, objectives and a flat config.

    Raises:
        InputError: the folder holds another search, or a sweep that is not a search.
    """
    folder = SweepFolder(sweep_dir)
    now = json.loads(json.dumps(search))
    if folder.holds_search():
        earlier = read_description(sweep_dir)
        problems = _differences(earlier, now)
        if problems:
            problems.append("use another folder (hydra.sweep.dir=...) for another search")
            raise InputError(problems, where=str(sweep_dir))
        # A later start may want more trials.
        return {**earlier, "format": FORMAT, **_command(config)}
    if folder.manifest.exists():
        raise InputError("this folder holds a sweep that is not a search", where=str(sweep_dir))
    head = {"format": FORMAT, "optuna": version("optuna"), "id": secrets.token_hex(8)}
    head["meant"] = MEANT  # a later version has more that this one did not know
    return {**head, **now, **_command(config)}


def write_description(sweep_dir: Path, config: DictConfig, values: dict[str, Any]) -> None:
    """Write what :func:`describe` returned."""
    folder = SweepFolder(sweep_dir)
    if not folder.holds_search():
        write_text(folder.multirun, OmegaConf.to_yaml(config))
    write_json(folder.search, values)


def read_description(sweep_dir: Path) -> dict[str, Any]:
    """What ``study.json`` holds.

    Raises:
        InputError: it is damaged, or a newer version of the program wrote it.
    """
    path = SweepFolder(sweep_dir).search
    try:
        values = read_json(path)
        written_as = check_format(values, path)
        found = {key: values[key] for key in NEEDED}
    except InputError:
        raise
    except DAMAGED as error:
        raise InputError(
            f"not the description of a search ({type(error).__name__}: {error})", str(path)
        ) from error
    defaults: dict[str, Any] = {"optuna": None, "constraints": [], "meant": {}}
    later = {key: values.get(key, default) for key, default in defaults.items()}
    return {"format": written_as, **later, **found}


def version_warning(begun_with: str | None) -> str | None:
    """A warning when another major version of Optuna began the search; else None.

    Args:
        begun_with: the version of Optuna that began the search; None if that is not known.
    """
    now = version("optuna")
    if begun_with is None or begun_with.split(".")[0] == now.split(".")[0]:
        return None
    return (
        f"this search was begun with Optuna {begun_with} and goes on with {now}: another major "
        f"version may draw other trials. For the same: pip install 'optuna=={begun_with}'"
    )


#: Ends of the keys that name files.
NAMES_OF_FILES = ("path", "dataset.metadata", "dataset.labels", "dataset.compensation")


def by_file_names(config: dict[str, Any]) -> dict[str, Any]:
    """A flat config with file names for paths: the same data lie elsewhere on each machine."""
    return {
        key: _file_names(value) if key.endswith(NAMES_OF_FILES) else value
        for key, value in config.items()
    }


def _file_names(value: Any) -> Any:
    if isinstance(value, list):
        return [_file_names(one) for one in value]
    return Path(value).name if isinstance(value, str) else value


def config_differences(earlier: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """How two flat configs differ, apart from what may change between two starts."""
    meant = {**MEANT, **added_defaults()}
    earlier = {**{key: value for key, value in meant.items() if key in now}, **earlier}
    keys = sorted({*earlier, *now})
    return [
        f"{key}: the search was begun with {earlier.get(key)!r}, now it is {now.get(key)!r}"
        for key in keys
        if earlier.get(key) != now.get(key) and not key.startswith(INCIDENTAL)
    ]


def _differences(earlier: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """How the search of a command differs from the one in its folder."""
    problems = [
        f"{key}: this folder's search has {json.dumps(earlier[key])}, the command gives "
        f"{json.dumps(now[key])}"
        for key in ("study_name", "storage", "directions", "objectives", "constraints")
        if earlier[key] != now[key]
    ]
    problems += _space_differences(earlier["space"], now["space"])
    # With another space, the values of the config differ too: that would say nothing new.
    return problems or config_differences(earlier["config"], now["config"])


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
    # Not resolved: values from the environment must not be written to a file.
    written: Any = OmegaConf.to_container(hydra.overrides, resolve=False)
    given = [str(one) for one in written["hydra"] if not str(one).startswith("hydra.mode=")]
    given = [one for one in given if not one.startswith("hydra.sweep.dir=")]
    task = [str(one) for one in written["task"]]
    last = {one.partition("=")[0]: one for one in given}  # a resume has added to them
    arguments = [*(f"--config-dir={folder}" for folder in folders), *last.values(), *task]
    return {"arguments": arguments, "cwd": str(Path.cwd())}
