"""Whether ``search=table_entries`` finds entries of a table that were flipped on purpose.

Of HIMC Plate3, some of the cells. Three known entries of populations with more than 200 labelled
cells on the plate get the other sign, drawn by a seed, and every known entry is then made blank in
turn (a blank that is filled cannot be among the entries that contradict the cells). The
trainings run here one after the other, without the figures and files of jobs; a study that was cut
off goes on in ``--out``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
import pandas as pd

from benchmarks.real import data_folder
from scyan_exp.data.table import KnowledgeTable, load_table

if TYPE_CHECKING:
    from scyan_exp.config.schema import RunConfig

#: Labelled cells of a population whose entries are flipped: more than these.
FEWEST = 200
EVERY, N_FLIPS = 12, 3
#: As in the words of the sweep: entries that contradict the cells, by the loss without them.
CONTRADICTS = 0.5


def measure_flips(out: Path, n_draws: int, n_entries: int = 400) -> list[dict[str, Any]]:
    """A row a flipped entry, of each draw.

    Args:
        out: where the rows of all trainings are kept.
        n_draws: how often three entries are flipped.
        n_entries: entries made blank at most: the flipped ones, and others drawn at random.
    """
    data = data_folder()
    if data is None:
        return []
    folder = out / "flips"
    folder.mkdir(parents=True, exist_ok=True)
    cells = anndata.read_h5ad(data / "himc" / "himc.h5ad")
    cells = cells[cells.obs["batch"] == "Plate3"].copy()
    counts = cells.obs["cell_type"].value_counts()
    cells[::EVERY].copy().write_h5ad(folder / "cells.h5ad")
    table = load_table(data / "himc" / "table.csv")
    many = [name for name in table.populations if counts.get(name, 0) > FEWEST]
    rows = []
    for draw in range(n_draws):
        rows += _of_draw(draw, table, many, folder, n_entries)
    return rows


def _of_draw(
    draw: int, table: KnowledgeTable, many: list[str], folder: Path, n_entries: int
) -> list[dict[str, Any]]:
    flipped = flips(draw, table, many)
    rho = table.rho.copy()
    for p, m in flipped:
        rho[p, m] *= -1
    path = folder / f"table_{draw}.csv"
    pd.DataFrame(rho, index=table.populations, columns=table.markers).to_csv(path)
    first = {(table.populations[p], table.markers[m]) for p, m in flipped}
    found = _effects(path, folder, folder / f"entries_{draw}.csv", first, n_entries)
    named = found[(found["opposite_side"] > CONTRADICTS) & (found["loss"] < 0)]
    named = named.sort_values("loss").reset_index(drop=True)
    rows = []
    for p, m in flipped:
        of_entry = {"population": table.populations[p], "marker": table.markers[m]}
        measured = found.loc[_is(found, of_entry)].iloc[0]
        places = named.index[_is(named, of_entry)]
        rows.append(
            {
                **{"draw": draw, **of_entry, "flipped to": f"{rho[p, m]:+g}"},
                "place": int(places[0]) + 1 if len(places) else None,
                **{name: float(measured[name]) for name in ("opposite_side", "loss")},
                **{"named": len(named), "entries": len(found)},
            }
        )
    return rows


def flips(draw: int, table: KnowledgeTable, many: list[str]) -> list[tuple[int, int]]:
    """Rows and columns of the entries that are flipped."""
    of_many = np.isin(table.populations, many)[:, None]
    known = np.argwhere((np.nan_to_num(table.rho) != 0) & of_many)
    chosen = known[np.random.default_rng(draw).choice(len(known), N_FLIPS, replace=False)]
    return [(int(p), int(m)) for p, m in chosen]


def _is(rows: pd.DataFrame, entry: dict[str, str]) -> pd.Series:
    return (rows["population"] == entry["population"]) & (rows["marker"] == entry["marker"])


def _effects(
    table: Path, folder: Path, path: Path, first: set[tuple[str, str]], n_entries: int
) -> pd.DataFrame:
    """What each known entry does when it is made blank; a row an entry in a file."""
    from scyan_exp.config.check import check_config, read_config
    from scyan_exp.config.compose import compose_config
    from scyan_exp.entries.edits import edits_of
    from scyan_exp.entries.effects import Annotated, effect_of
    from scyan_exp.entries.settings import EntriesSettings

    overrides = ["dataset=h5ad", f"dataset.path={folder / 'cells.h5ad'}", f"table.path={table}"]
    label = ["dataset.label_key=cell_type", "logger=none"]
    config = check_config(compose_config([*overrides, *label]))
    known = config.table.load()
    before, x, loss = _annotated(config)
    cells = Annotated(known, x)
    done = pd.read_csv(path) if path.exists() else pd.DataFrame({"population": [], "marker": []})
    edits = edits_of(known, EntriesSettings(kinds=["blank"]))
    edits = [edits[i] for i in np.random.default_rng(0).permutation(len(edits))]
    edits.sort(key=lambda one: (one.population, one.marker) not in first)
    for edit in edits[:n_entries]:
        entry = {"population": edit.population, "marker": edit.marker}
        if _is(done, entry).any():
            continue
        plain = config.plain()
        plain["table"]["set"] = {edit.population: {edit.marker: None}}
        after, _, changed = _annotated(read_config(plain))
        effect = effect_of(edit, cells, before, after, changed - loss)
        row = {**entry, "opposite_side": effect.opposite, "loss": effect.loss}
        row |= {"changed": effect.changed}
        pd.DataFrame([row]).to_csv(path, mode="a", header=not path.exists(), index=False)
    return pd.read_csv(path)


def _annotated(config: RunConfig) -> tuple[np.ndarray, np.ndarray, float]:
    """Populations, inputs and loss of a training as a run does it, without figures and files."""
    from scyan_exp.results.annotation import predict_cells
    from scyan_exp.run.cells import KeptCells
    from scyan_exp.run.experiment import prepare
    from scyan_exp.run.fitting import fit
    from scyan_exp.run.tracking import RunIdentity, Tracker

    with tempfile.TemporaryDirectory() as folder, KeptCells() as kept:
        experiment = prepare(config, Path(folder), kept)
        tracker = Tracker(config.logger, Path(folder), RunIdentity("flips"), {})
        trained = fit(config, experiment, Path(folder), tracker)
        cells = experiment.cells
        annotation = predict_cells(experiment.model, cells.x, cells.covariates)
        return annotation.codes, cells.x.numpy(), trained.best_loss


def markdown(rows: list[dict[str, Any]]) -> str:
    """The flipped entries, and where the sweep ranks them."""
    heads = ("draw", "flipped entry", "place", "cells on the other side", "loss without it")
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for row in rows:
        entry = f"{row['population']}, {row['marker']}: {row['flipped to']}"
        place = f"{row['place']} of {row['named']} that are named,"
        if row["place"] is None:
            place = "not named"
        place = f"{place} of {row['entries']} entries"
        values = f"{row['opposite_side']:.0%} | {row['loss']:+.2f}"
        lines.append(f"| {row['draw']} | {entry} | {place} | {values} |")
    return "\n".join(lines)
