"""Measuring the samples of cells that are annotated already: ``scyan-exp biomarkers``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scyan_exp.config.wanted import NO_SAMPLES, BiomarkersConfig, FiguresConfig
from scyan_exp.data.table import LEVEL_PREFIX
from scyan_exp.errors import InputError, listed
from scyan_exp.results import columns
from scyan_exp.results.biomarkers import Assigned, Biomarkers, measure_biomarkers
from scyan_exp.results.figures.drawing import draw_given, of_biomarkers
from scyan_exp.results.samples import sample_problems, samples_of
from scyan_exp.run.cleaned import why_gone
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.read_run import Run
from scyan_exp.run.sampled import write_biomarkers
from scyan_exp.run.settings_of import wanted_of

if TYPE_CHECKING:
    import h5py

#: The figures of samples.
FIGURES = FiguresConfig(draw=["sample_shares", "sample_intensities", "group_shares"])


@dataclass(frozen=True)
class Source:
    """Annotated cells in a file.

    Attributes:
        cells: the file.
        out: where the results go unless another folder is named.
        settings: what the run says of its samples.
    """

    cells: Path
    out: Path
    settings: BiomarkersConfig = NO_SAMPLES


@dataclass(frozen=True)
class OnDisk:
    """Cells as far as they are needed: AnnData would read all of ``obs`` and ``obsm``.

    Attributes:
        X: (N, M) expressions in a file that is open.
        obs: N rows of some columns.
        var_names: M markers.
    """

    X: Any
    obs: pd.DataFrame
    var_names: pd.Index

    @property
    def n_obs(self) -> int:
        """N cells."""
        return len(self.obs)

    @property
    def n_vars(self) -> int:
        """M markers."""
        return len(self.var_names)


def measure_again(path: Path, given: Mapping[str, str], out: Path | None = None) -> Path:
    """Measure the samples of cells that were annotated before, and write files and figures.

    Args:
        path: the folder of a run, or an annotated ``.h5ad`` file.
        given: ``sample_key``, ``group_key``, ``level``, and ``channels`` separated by commas; what
            is not given is as in the run, ``null`` is none.
        out: the folder for the results; None for that of the run, or one beside the file.

    Returns:
        The folder with the results.

    Raises:
        InputError: there are no annotated cells, or their samples cannot be measured; nothing was
            written.
    """
    source = _source(path)
    settings = source.settings.model_copy(update=_typed(given))
    if settings.sample_key is None:
        raise InputError(
            "sample_key: expected the column of obs that names the sample of each cell, as in "
            "sample_key=sample",
            where=str(path),
        )
    biomarkers = _measure(source, settings)
    folder = RunFolder(source.out if out is None else out)
    try:
        write_biomarkers(folder, biomarkers)
        _draw(folder, biomarkers)
    except OSError as error:
        reason = f"the results cannot be written ({error.strerror or error})"
        raise InputError(
            f"{reason}: choose another folder with out=FOLDER", str(folder.path)
        ) from error
    return folder.path


def _typed(given: Mapping[str, str]) -> dict[str, Any]:
    """Names, a list of channels, and nothing for ``null``, as in a config."""
    found: dict[str, Any] = {key: None if one == "null" else one for key, one in given.items()}
    if "channels" in found:
        found["channels"] = found["channels"].split(",") if found["channels"] else []
    return found


def _source(path: Path) -> Source:
    path = path.expanduser()
    if not path.is_dir():
        return Source(path, path.with_name(f"{path.stem}_biomarkers"))
    run, cells = Run(path), RunFolder(path).annotated
    if not cells.is_file():
        why = why_gone(path, cells) or f"it is {run.outcome}"
        raise InputError(f"no {cells.name} in this run ({why})", where=str(path))
    return Source(cells, path, wanted_of(path).biomarkers)


def _measure(source: Source, settings: BiomarkersConfig) -> Biomarkers:
    with _opened(source.cells) as file:
        try:
            key = columns.key_of(file)
            obs = _columns(file, source, key, settings)
            assigned, cells = _assigned(file, obs, key), _cells(file, obs)
            names = [str(name) for name in file["obs"].attrs["column-order"]]
        except (KeyError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"not annotated cells ({error})", str(source.cells)) from error
        problems = sample_problems(obs, list(assigned.levels), settings, names)
        if problems:
            raise InputError(problems, where=str(source.cells))
        samples = samples_of(obs, settings)
        return measure_biomarkers(cells, assigned, samples, settings.level, settings.channels)


def _opened(path: Path) -> h5py.File:
    import h5py

    from scyan_exp.data.sources import existing_file

    path = existing_file(path, "the folder of a run, or an .h5ad file that one has annotated")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise InputError(f"not an .h5ad file ({error})", where=str(path)) from error


def _columns(file: h5py.File, source: Source, key: str, settings: BiomarkersConfig) -> pd.DataFrame:
    """The columns of ``obs`` that are needed: all of them may be larger than memory."""
    from anndata.io import read_elem

    names = [str(name) for name in file["obs"].attrs["column-order"]]
    if key not in names:
        found = listed(names) or "none"
        raise InputError(
            f"the cells have no column {key!r}: expected cells that a run or scyan-exp "
            f"annotate has annotated. They have: {found}",
            where=str(source.cells),
        )
    needed = {key, settings.sample_key, settings.group_key, *settings.channels}
    needed |= {name for name in names if _level_of(name, key)}
    n_obs = len(file["obs"][file["obs"].attrs["_index"]])
    read = {name: read_elem(file["obs"][name]) for name in names if name in needed}
    return pd.DataFrame(read, index=pd.RangeIndex(n_obs))


def _level_of(name: str, key: str) -> str | None:
    """The level of the table whose names a column has; None if it is another column."""
    level = name.removeprefix(f"{key}_")
    is_level = level != name and level.lower().startswith(LEVEL_PREFIX)
    return level if is_level else None


def _assigned(file: h5py.File, obs: pd.DataFrame, key: str) -> Assigned:
    """The populations of the cells, and their names at the levels of the table."""
    column = obs[key].astype("category")
    populations = [str(name) for name in column.cat.categories]
    codes_N = column.cat.codes.to_numpy(int)
    known = _known_levels(file, len(populations))
    levels = known or {
        level: _names_at(codes_N, obs[name], len(populations))
        for name in obs
        if (level := _level_of(str(name), key))
    }
    return Assigned(codes_N, populations, levels)


def _known_levels(file: h5py.File, n_pops: int) -> dict[str, list[str]]:
    """The levels as they were written with the annotation; none in files of earlier versions."""
    from anndata.io import read_elem

    if columns.LEVELS not in file.get("uns", {}):
        return {}
    found: dict[str, Any] = read_elem(file["uns"][columns.LEVELS])
    levels = {name: [str(one) for one in names] for name, names in found.items()}
    return {name: names for name, names in levels.items() if len(names) == n_pops}


def _names_at(codes_N: np.ndarray, column: pd.Series, n_pops: int) -> list[str]:
    """P names at a level, read from the cells; blank for populations without any."""
    pairs = pd.DataFrame({"code": codes_N, "name": column.astype(str)}).drop_duplicates("code")
    names = dict(zip(pairs["code"], pairs["name"], strict=True))
    return [names.get(p, "") for p in range(n_pops)]


def _cells(file: h5py.File, obs: pd.DataFrame) -> OnDisk:
    import h5py
    from anndata.io import read_elem, sparse_dataset

    x, var = file["X"], file["var"]
    markers = pd.Index(read_elem(var[var.attrs["_index"]]))
    return OnDisk(sparse_dataset(x) if isinstance(x, h5py.Group) else x, obs, markers)


def _draw(folder: RunFolder, biomarkers: Biomarkers) -> Sequence[Path]:
    """The figures; those of an earlier measurement that there is no more are removed."""
    drawn = draw_given(folder.figures, of_biomarkers(biomarkers), FIGURES)
    for name in FIGURES.draw:
        path = folder.figures / f"{name}.png"
        if path not in drawn:
            path.unlink(missing_ok=True)
    return drawn
