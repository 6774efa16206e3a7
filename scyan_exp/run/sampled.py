"""What a run measures in each sample, and the files with it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from scyan_exp.config.wanted import BiomarkersConfig
from scyan_exp.files import write_text
from scyan_exp.results.annotation import Annotation
from scyan_exp.results.biomarkers import Assigned, Biomarkers, measure_biomarkers
from scyan_exp.results.group_tests import MEDIAN, OWN_LEVEL, Groups
from scyan_exp.results.samples import samples_of
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.tracked import Table

if TYPE_CHECKING:
    from anndata import AnnData

log = logging.getLogger(__name__)

#: Digits of the numbers in the files.
NUMBERS = "%.6g"
#: The most differences between groups that are named.
MOST_NAMED = 8


def biomarkers_of(
    adata: AnnData, annotation: Annotation, settings: BiomarkersConfig
) -> Biomarkers | None:
    """Measure the samples of annotated cells; None if the config names no samples."""
    if settings.sample_key is None:
        return None
    table = annotation.table
    assigned = Assigned(annotation.codes, table.populations, table.levels)
    samples = samples_of(adata.obs, settings)
    return measure_biomarkers(adata, assigned, samples, settings.level, settings.channels)


def write_biomarkers(folder: RunFolder, biomarkers: Biomarkers | None) -> None:
    """Write the files, if samples were measured, and log the differences."""
    if biomarkers is None:
        return
    _write(folder, biomarkers)
    log.info("samples: %s", ", ".join(path.name for path in written(folder)))
    if biomarkers.groups is not None:
        for line in differences(biomarkers.groups):
            log.info("  %s", line)


def written(folder: RunFolder) -> list[Path]:
    """The files about samples that are in a folder."""
    return [path for path in folder.of_samples() if path.is_file()]


def _write(folder: RunFolder, biomarkers: Biomarkers) -> None:
    groups = biomarkers.groups
    frames = {
        folder.populations: biomarkers.populations,
        folder.biomarkers: biomarkers.intensities,
        folder.groups: None if groups is None else groups.tests,
    }
    for path, frame in frames.items():
        if frame is None:
            path.unlink(missing_ok=True)
        else:
            write_text(path, frame.to_csv(index=False, float_format=NUMBERS))


def differences(groups: Groups) -> list[str]:
    """Lines on differences between groups beyond chance, the surest first."""
    found, n_tested = groups.found(), int(groups.tests["p"].notna().sum())
    shown = _told_once(found)[:MOST_NAMED]
    head = f"{len(found)} of {n_tested} comparisons of {' and '.join(groups.names)} differ"
    lines = [_difference(row, groups.names) for row in shown.to_dict("records")]
    more = [f"... {len(found) - len(lines)} more"] if len(found) > len(lines) else []
    return [f"{head} by more than chance (adjusted p below 0.05)", *lines, *more]


def _told_once(found: pd.DataFrame) -> pd.DataFrame:
    """The rows without those of a level that repeat a population of the same name and cells."""
    alike = [name for name in found if name not in ("level", "p_adjusted")]
    own_first = found.sort_values("level", key=lambda level: level != OWN_LEVEL, kind="stable")
    return own_first.drop_duplicates(alike).sort_values("p_adjusted", kind="stable")


def _difference(row: dict[str, Any], names: list[str]) -> str:
    is_median = row["measure"] == MEDIAN
    about = f"{row['marker']} of {row['population']}" if is_median else row["population"]
    about += "" if row["level"] == OWN_LEVEL else f" ({row['level']})"
    number = _intensity if is_median else "{:.1%}".format
    values = [f"{name} {number(row[f'median_{name}'])}" for name in names]
    what = {"median": "median intensity", "share": "share", "share_of_parent": "share of its level"}
    return f"{about}, {what[row['measure']]}: {', '.join(values)} (p {row['p_adjusted']:.2g})"


def _intensity(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def sample_tables(biomarkers: Biomarkers | None) -> dict[str, Table]:
    """Tables for a dashboard, by name: counts and shares, and the comparisons.

    Intensities are left out: they have a row for each sample, population and marker.
    """
    if biomarkers is None:
        return {}
    frames: dict[str, pd.DataFrame] = {"samples": biomarkers.populations}
    if biomarkers.groups is not None:
        frames["groups"] = biomarkers.groups.tests
    return {name: Table.of({str(c): frame[c] for c in frame}) for name, frame in frames.items()}
