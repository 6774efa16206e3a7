"""The consensus of completed runs, whatever their hyperparameters: ``scyan-exp consensus``."""

from __future__ import annotations

import hashlib
import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from scyan_exp.config.schema import objective_names
from scyan_exp.data.cells import Cells, encode_cells
from scyan_exp.data.sources import read_h5ad
from scyan_exp.data.table_differences import table_differences
from scyan_exp.errors import InputError
from scyan_exp.results.columns import DEFAULT_KEY, KEY, added_columns
from scyan_exp.run.agreeing import Training, agree, trained
from scyan_exp.run.cleaned import why_gone
from scyan_exp.run.config_file import read_columns, read_config_file
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.gather import completed_trainings
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord, objective_value
from scyan_exp.run.settings_of import wanted_of
from scyan_exp.training.checkpoint import cells_of

if TYPE_CHECKING:
    from anndata import AnnData

#: Sums of inputs that differ by less than this times the number of cells count as equal.
ROUNDING = 1e-5


@dataclass(frozen=True)
class _Roles:
    """The columns of the cells that metrics need."""

    label_key: str | None
    batch_key: str | None


def consensus_of(folders: Sequence[Path], out: Path) -> RunRecord:
    """Combine completed runs, in the way of repeats, and write the result to a new folder.

    The cells are those that the first run left behind. For every model they are transformed and
    scaled with the constants in its own checkpoint. The first run's config says how they are
    annotated (``predict``).

    Args:
        folders: of runs, sweeps and searches.
        out: a new folder, for ``annotated.h5ad``, figures and ``result.json``.

    Raises:
        InputError: the runs cannot be combined, or ``out`` is not a new folder; nothing was
            written.
    """
    _check_new(out)
    records = completed_trainings(folders)
    if len(records) < 2:
        reason = f"expected two completed runs or more, found only {records[0].folder}"
        raise InputError(f"{reason}: name more folders")
    trainings = _load(records, out)
    cells = _read_cells(trainings)
    try:
        return _write(_with_inputs(trainings, cells), cells, out)
    finally:
        cells.close()


def _write(trainings: Sequence[Training], cells: Cells, out: Path) -> RunRecord:
    """Write the whole new folder, or nothing."""
    try:
        return _conclude(trainings, cells, out)
    except BaseException as error:
        shutil.rmtree(out, ignore_errors=True)
        if isinstance(error, OSError):
            reason = f"the consensus cannot be written ({error.strerror or error})"
            raise InputError(
                f"{reason}: choose another folder with out=FOLDER", str(out)
            ) from error
        raise


def _check_new(out: Path) -> None:
    """Refuse a folder that holds something: nothing is overwritten."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        reason = "exists already, and nothing is overwritten: choose another with out=FOLDER"
        raise InputError(reason, where=str(out))


def _load(records: Sequence[RunRecord], out: Path) -> list[Training]:
    """Load the trainings, which must share one table.

    Raises:
        InputError: a model is gone, or has another table than the first one.
    """
    paths = [RunFolder(record.folder).best for record in records]
    problems = [_gone(path) for path in paths if not path.is_file()]
    if problems:
        raise InputError(problems)
    for path in paths:
        cells_of(path)  # is it a checkpoint?
    names = names_of([record.folder for record in records])
    trainings = [
        trained(record, name, os.path.relpath(record.folder, out))
        for record, name in zip(records, names, strict=True)
    ]
    first = trainings[0]
    problems = [
        f"{one.record.folder}: its table {difference} (compared with {first.record.folder})"
        for one in trainings[1:]
        for difference in table_differences(one.model.table, first.model.table)
    ]
    if problems:
        raise InputError(problems)
    return trainings


def _gone(path: Path) -> str:
    why = why_gone(path.parents[1])
    return f"{path}: the model of this run is gone" + (f" ({why})" if why else "")


def names_of(folders: Sequence[Path]) -> list[str]:
    """Different names for folders: their paths below the folder that holds them all."""
    paths = [one.resolve() for one in folders]
    common = Path(os.path.commonpath(paths))
    parts = [one.relative_to(common).parts or (one.name,) for one in paths]
    names = ["_".join(one) for one in parts]
    if len(set(names)) < len(names):  # such as a_b/c and a/b_c
        names = [f"{i}_{name}" for i, name in enumerate(names)]
    return names


def _read_cells(trainings: Sequence[Training]) -> Cells:
    """The cells that one of the runs left behind, prepared for the first model."""
    paths = [RunFolder(one.record.folder).annotated for one in trainings]
    there = [path for path in paths if path.is_file()]
    if not there:
        raise InputError(f"{paths[0]} is gone, and none of the other runs has its cells either")
    adata, first = read_h5ad(there[0]), trainings[0]
    roles = _roles(first)
    adata.obs = _original(adata.obs, first, roles, adata.uns.get(KEY, DEFAULT_KEY))
    x, covariates = encode_cells(
        adata, first.model.table, first.model.preprocessing, first.model.encoding
    )
    return Cells(
        adata=adata,
        table=first.model.table,
        x=x,
        covariates=covariates,
        preprocessing=first.model.preprocessing,
        encoding=first.model.encoding,
        labels=_column(adata, roles.label_key),
        batches=_column(adata, roles.batch_key),
    )


def _roles(training: Training) -> _Roles:
    config = RunFolder(training.record.folder).config
    return _Roles(*read_columns(config, "label_key", "batch_key"))


def _original(
    obs: pd.DataFrame, training: Training, roles: _Roles, key: str = DEFAULT_KEY
) -> pd.DataFrame:
    """The columns without those that the run's annotation added."""
    added = {*added_columns(key, training.model.table.levels)} - {roles.label_key, roles.batch_key}
    return obs.drop(columns=[name for name in obs if name in added])


def _column(adata: AnnData, key: str | None) -> pd.Series | None:
    return adata.obs[key] if key is not None and key in adata.obs else None


def _with_inputs(trainings: Sequence[Training], cells: Cells) -> list[Training]:
    """The trainings, each with the cells prepared for its model.

    Raises:
        InputError: one was trained on other cells.
    """
    checked: list[Training] = []
    problems: list[str] = []
    for one in trainings:
        seen = _seen_by(one, cells)
        where = f"{one.record.folder}: was trained on other cells"
        if seen is None or not _is_alike(
            seen.digest(), cells_of(RunFolder(one.record.folder).best)
        ):
            problems.append(f"{where} than {cells.adata.filename or trainings[0].record.folder}")
        elif seen is cells:
            checked.append(one)
        else:
            checked.append(replace(one, inputs=(seen.x, seen.covariates)))
    if problems:
        raise InputError(problems)
    return checked


def _seen_by(training: Training, cells: Cells) -> Cells | None:
    """The cells prepared for a model; None if they do not fit it."""
    model = training.model
    if model.preprocessing == cells.preprocessing and model.encoding == cells.encoding:
        return cells
    try:
        x, covariates = encode_cells(cells.adata, model.table, model.preprocessing, model.encoding)
    except InputError:  # other covariates, or other categories
        return None
    return replace(cells, x=x, covariates=covariates)


def _is_alike(digest: str, trained_on: str | None) -> bool:
    """Whether two digests (:meth:`Cells.digest`) are of the same cells, up to rounding."""
    if not trained_on:
        return False
    now, then = ([float(part) for part in one.split()] for one in (digest, trained_on))
    pairs = zip(now[1:], then[1:], strict=True)
    close = all(math.isclose(a, b, rel_tol=ROUNDING, abs_tol=ROUNDING * now[0]) for a, b in pairs)
    return now[0] == then[0] and close


def _conclude(trainings: Sequence[Training], cells: Cells, out: Path) -> RunRecord:
    """Write cells and figures, then the record, and log the results."""
    agreed = agree(trainings, cells, out, wanted_of(trainings[0].record.folder))
    records = [one.record for one in trainings]
    hashes = " ".join(sorted(record.config_hash for record in records))
    record = RunRecord(
        folder=out,
        config_hash=hashlib.sha256(hashes.encode()).hexdigest()[:16],
        seed=records[0].seed,
        status=Outcome.COMPLETED,
        metrics=dict(agreed.mean),
        epochs=sum(one.epochs for one in records),
        fit_seconds=sum(one.fit_seconds for one in records),
        repeats=agreed.summary,
        trust=agreed.verdict.to_dict(),
    )
    objective = _shared_objective(trainings)
    if objective is not None and set(objective_names(objective)) <= set(record.metrics):
        record.objective = objective_value(record.metrics, objective)
    record.write()
    agreed.say(out)
    return record


def _shared_objective(trainings: Sequence[Training]) -> str | list[str] | None:
    """The objective of the runs, if all have the same."""
    files = [RunFolder(one.record.folder).config for one in trainings]
    first, *others = [read_config_file(path).get("objective") for path in files]
    names = first if isinstance(first, list) else [first]
    is_objective = all(isinstance(name, str) for name in names)
    return first if is_objective and all(one == first for one in others) else None
