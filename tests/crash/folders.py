"""What a crash must leave whole, and what must be equal in the end."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
import yaml

from scyan_exp.run.folder import SweepFolder

#: Files on their way to their names; nobody reads them.
TEMPORARY = re.compile(r"\..+-[0-9a-f]{8}(\.\w+)?|.*\.(tmp|link|partial|partial\.json)")
#: What differs between two runs of the same: times, ids, and where it was done.
OF_A_RUN = {
    *("fit_seconds", "seconds", "cells_per_second", "wandb_run_id", "device", "id", "when"),
    *("datetime_start", "datetime_complete", "sweep"),
}
#: Lightning and Hydra write these, not atomically.
OF_LIBRARIES = ("metrics.csv", "multirun.yaml")
#: Logs, locks and storages: they are only there.
ONLY_THERE = ("train.log", ".lock", "study.journal", "study.db", "study.db-journal")


def damaged(folder: Path) -> list[str]:
    """Files that are neither whole nor absent.

    Hydra writes the configs of a single run, not atomically; those of jobs are written by us.
    """
    problems = []
    for path in files(folder):
        if path.parent == folder / ".hydra":
            continue
        if TEMPORARY.fullmatch(path.name) or path.name in (*ONLY_THERE, *OF_LIBRARIES):
            continue
        try:
            _canonical(path, folder)
        except Exception as error:
            text = f"{type(error).__name__}: {error}".splitlines()[0][:150]
            problems.append(f"damaged: {path.relative_to(folder)} ({text})")
    return problems


def completed(folder: Path) -> dict[str, Any]:
    """What must never change again: the results and models of trainings that are completed."""
    kept = {}
    for path in sorted(folder.glob("**/result.json")):
        try:
            is_done = json.loads(path.read_text())["status"] in ("completed", "pruned")
        except ValueError:
            continue
        if is_done and path.parent != folder:
            models = sorted(path.parent.glob("checkpoints/best.ckpt"))
            times = [one.stat().st_mtime_ns for one in (path, *models)]
            kept[str(path.parent.relative_to(folder))] = (path.read_bytes(), times)
    return kept


def content(folder: Path) -> dict[str, Any]:
    """All of a folder, in a form in which two runs of the same are equal."""
    found = {_name(path, folder): _canonical(path, folder) for path in files(folder)}
    search = SweepFolder(folder)
    if search.holds_search():
        found["trials"] = trials(folder)
    return found


def differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """How one content differs from another."""
    problems = [f"left: {_plain(name)}" for name in found.keys() - expected.keys()]
    problems += [f"missing: {name}" for name in expected.keys() - found.keys()]
    for name in sorted(found.keys() & expected.keys()):
        problems += [f"differs: {name}{one}" for one in _where(found[name], expected[name])][:4]
    return sorted(problems)


def trials(folder: Path) -> list[Any]:
    """The trials of the search in a folder."""
    import optuna

    from scyan_exp.search.storage.opening import open_storage

    search = json.loads(SweepFolder(folder).search.read_text())
    stored = search["storage"]
    url = stored or f"journal://{SweepFolder(folder).journal}"
    url = url.replace("FOLDER", str(folder))
    study = optuna.load_study(study_name=search["study_name"], storage=open_storage(url, False))
    return [
        _without_run(
            {
                "state": one.state.name,
                "values": one.values,
                "params": one.params,
                "reports": one.intermediate_values,
                "attributes": json.loads(json.dumps(one.user_attrs).replace(str(folder), "FOLDER")),
            }
        )
        for one in study.trials
    ]


def files(folder: Path) -> Iterator[Path]:
    """All files but those of W&B, whose service writes them."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and "wandb" not in parts[:-1] and "artifacts" not in parts:
            yield path


def _name(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder))


def _plain(name: str) -> str:
    return re.sub(r"-[0-9a-f]{8}", "-XXXXXXXX", name)


def _canonical(path: Path, folder: Path) -> Any:
    if path.name in ONLY_THERE or TEMPORARY.fullmatch(path.name):
        return None
    reader = READERS.get(path.suffix)
    return path.read_bytes() if reader is None else reader(path, folder)


def _json(path: Path, folder: Path) -> Any:
    text = path.read_text().replace(str(folder), "FOLDER")
    return _without_run(json.loads(text))


def _yaml(path: Path, folder: Path) -> Any:
    text = path.read_text().replace(str(folder), "FOLDER")
    if not text.strip():
        raise ValueError("empty")
    values = yaml.safe_load(text)
    if isinstance(values, dict) and "hydra" in values:
        values["hydra"].pop("overrides", None)  # as they were typed, this time
        values["hydra"].pop("defaults", None)  # of Hydra's own class, once it is read again
    return values


def _csv(path: Path, folder: Path) -> Any:
    text = path.read_text()
    if not text.endswith("\n"):
        raise ValueError("the last row is cut off")
    rows = list(csv.DictReader(io.StringIO(text.replace(str(folder), "FOLDER")), strict=True))
    if any(None in row or None in row.values() for row in rows):
        raise ValueError("rows of different lengths")
    for row in rows:
        if path.name == SweepFolder(folder).table.name:
            row["status"] = row["status"].replace("kept", "completed")
    return _without_run(rows)


def _checkpoint(path: Path, folder: Path) -> Any:
    return _without_run(_hashed(torch.load(path, map_location="cpu", weights_only=True)))


def _hashed(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return [list(value.shape), hashlib.sha256(value.numpy().tobytes()).hexdigest()]
    if isinstance(value, Mapping):
        return {str(key): _hashed(one) for key, one in value.items()}
    return [_hashed(one) for one in value] if isinstance(value, (list, tuple)) else value


def _h5ad(path: Path, folder: Path) -> Any:
    found: dict[str, Any] = {}

    def take(name: str, item: h5py.Group | h5py.Dataset) -> None:
        attributes = {key: str(value) for key, value in item.attrs.items()}
        array = np.asarray(item[()]) if isinstance(item, h5py.Dataset) else None
        found[name] = [attributes, None if array is None else (array.shape, str(array.tolist()))]

    with h5py.File(path, "r") as file:
        file.visititems(take)
    if "obs" not in found:
        raise ValueError("no cells")
    return found


def _png(path: Path, folder: Path) -> Any:
    image = path.read_bytes()
    if not image.endswith(b"IEND\xaeB`\x82"):
        raise ValueError("half an image")
    return hashlib.sha256(image).hexdigest()


READERS: dict[str, Callable[[Path, Path], Any]] = {
    ".json": _json,
    ".yaml": _yaml,
    ".csv": _csv,
    ".ckpt": _checkpoint,
    ".h5ad": _h5ad,
    ".png": _png,
}


def _without_run(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_run(one) for key, one in value.items() if key not in OF_A_RUN}
    return [_without_run(one) for one in value] if isinstance(value, list) else value


def _where(found: Any, expected: Any, path: str = "") -> Iterator[str]:
    """Where two contents differ, with the values if they are short."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted({*found, *expected}, key=str):
            yield from _where(found.get(key), expected.get(key), f"{path}.{key}")
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for i, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
            yield from _where(ours, theirs, f"{path}[{i}]")
    elif found != expected and not (found != found and expected != expected):
        yield f"{path}: {str(found)[:60]!r} instead of {str(expected)[:60]!r}"
