"""Measuring the samples of annotated cells: ``scyan-exp biomarkers``."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from scyan_exp.config.wanted import NO_SAMPLES, BiomarkersConfig, FiguresConfig
from scyan_exp.data.file_lists import find_files, sample_names
from scyan_exp.data.joined import SAMPLE
from scyan_exp.data.sample_sheet import read_sheet
from scyan_exp.errors import InputError
from scyan_exp.results.biomarkers import Biomarkers, measure_biomarkers
from scyan_exp.results.figures.drawing import draw_given, of_biomarkers
from scyan_exp.results.samples import sample_problems, samples_of
from scyan_exp.run.annotated_cells import SUFFIXES, AnnotatedCells, read_annotated
from scyan_exp.run.annotating.plan import MARK
from scyan_exp.run.cleaned import why_gone
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.joined_annotations import join, with_samples
from scyan_exp.run.read_run import Run
from scyan_exp.run.sampled import write_biomarkers
from scyan_exp.run.settings_of import wanted_of

#: The figures of samples.
FIGURES = FiguresConfig(draw=["sample_shares", "sample_intensities", "group_shares"])


@dataclass(frozen=True)
class Source:
    """Annotated cells in files.

    Attributes:
        files: the files.
        out: where the results go, unless another folder is named.
        settings: the run's settings for samples.
    """

    files: Sequence[Path]
    out: Path
    settings: BiomarkersConfig = NO_SAMPLES


def measure_again(
    paths: Sequence[Path],
    given: Mapping[str, str],
    out: Path | None = None,
    metadata: Path | None = None,
) -> Path:
    """Measure the samples of annotated cells, and write files and figures.

    Args:
        paths: folders of runs, annotated files of any format, and folders of such files.
        given: ``sample_key``, ``group_key``, ``level``, and ``channels`` separated by commas. What
            is not given is as in the run; ``null`` means none. Without ``sample_key``, each of
            several files is a sample, unless its cells have a column ``sample``.
        out: the folder for the results; None for the run's folder, or for one beside the files.
        metadata: a CSV with one row per file: its name, and columns for the cells.

    Returns:
        The folder with the results.

    Raises:
        InputError: there are no annotated cells, or their samples cannot be measured; nothing was
            written.
    """
    source = _source(paths)
    settings = source.settings.model_copy(update=_typed(given))
    if settings.sample_key is None and len(source.files) == 1:
        raise InputError(
            "sample_key: expected the column of obs that names the sample of each cell, as in "
            "sample_key=sample; or name several files, and each is a sample",
            where=str(paths[0]),
        )
    biomarkers = _measure(source.files, settings, metadata)
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
    """The typed values as a config has them: names, a list of channels, None for ``null``."""
    found: dict[str, Any] = {key: None if one == "null" else one for key, one in given.items()}
    if "channels" in found:
        found["channels"] = found["channels"].split(",") if found["channels"] else []
    return found


def _source(paths: Sequence[Path]) -> Source:
    """The files that are named, with the settings of a run if it is named alone."""
    full = [path.expanduser() for path in paths]
    named = [str(_of_run(path)) if _is_run(path) else str(path) for path in full]
    files = find_files(named, SUFFIXES)
    if len(full) == 1 and _is_run(full[0]):
        return Source(files, full[0], wanted_of(full[0]).biomarkers)
    if len(files) == 1:
        return Source(files, files[0].with_name(f"{files[0].stem}_biomarkers"))
    return Source(files, Path(os.path.commonpath([one.absolute().parent for one in files]), OUT))


#: The folder beside several files for their results.
OUT = "biomarkers"


def _is_run(path: Path) -> bool:
    return path.is_dir() and RunFolder(path).result.exists()


def _of_run(path: Path) -> Path:
    """The annotated cells of a run."""
    run, cells = Run(path), RunFolder(path).annotated
    if not cells.is_file():
        why = why_gone(path, cells) or f"it is {run.outcome}"
        raise InputError(f"no {cells.name} in this run ({why})", where=str(path))
    return cells


def _measure(
    paths: Sequence[Path], settings: BiomarkersConfig, metadata: Path | None
) -> Biomarkers:
    key = settings.sample_key or SAMPLE
    needed = {key, settings.group_key, *settings.channels} - {None}
    with ExitStack() as stack:
        files = _read(paths, [str(name) for name in needed], stack)
        obs = _obs(files, settings.sample_key, metadata)
        joined = join(files, obs)
        settings = settings.model_copy(update={"sample_key": key})
        cells, assigned = joined.cells, joined.assigned
        problems = sample_problems(cells.obs, list(assigned.levels), settings, joined.names)
        if problems:
            where = str(paths[0]) if len(paths) == 1 else f"{len(paths)} files"
            raise InputError(problems, where=where)
        samples = samples_of(cells.obs, settings)
        return measure_biomarkers(cells, assigned, samples, settings.level, settings.channels)


def _read(paths: Sequence[Path], needed: Collection[str], stack: ExitStack) -> list[AnnotatedCells]:
    """The cells of all files; problems with several of them are raised together."""
    if len(paths) == 1:
        return [read_annotated(paths[0], needed, stack)]
    files, problems = [], []
    for path in paths:
        try:
            files.append(read_annotated(path, needed, stack))
        except InputError as error:
            problems += [f"{error.where or path}: {one}" for one in error.problems]
    if problems:
        raise InputError(problems)
    return files


def _obs(
    files: Sequence[AnnotatedCells], sample_key: str | None, metadata: Path | None
) -> list[pd.DataFrame]:
    """The columns of each file's cells, with their sample and what the sheet says of it."""
    if len(files) == 1 and metadata is None:
        return [files[0].obs]  # problems with a single file are raised elsewhere
    paths = [_before(one.path) for one in files]
    names = sample_names(paths)
    sheet = None if metadata is None else read_sheet(str(metadata), paths, names)
    frames, problems = [], []
    for i, (file, name) in enumerate(zip(files, names, strict=True)):
        known = {} if sheet is None else {str(c): sheet[c].tolist()[i] for c in sheet}
        try:
            frames.append(with_samples(file, sample_key, name, known))
        except InputError as error:
            problems += [f"{error.where}: {one}" for one in error.problems]
    if problems:
        raise InputError(problems)
    return frames


def _before(path: Path) -> Path:
    """The path of a file before it was annotated; for a run's cells, that of its folder."""
    if _is_run(path.absolute().parent):
        return path.absolute().parent
    return path.with_name(f"{path.stem.removesuffix(MARK)}{path.suffix}")


def _draw(folder: RunFolder, biomarkers: Biomarkers) -> Sequence[Path]:
    """Draw the figures, and remove those of an earlier measurement that no longer apply."""
    drawn = draw_given(folder.figures, of_biomarkers(biomarkers), FIGURES)
    for name in FIGURES.draw:
        path = folder.figures / f"{name}.png"
        if path not in drawn:
            path.unlink(missing_ok=True)
    return drawn
