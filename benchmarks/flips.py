"""Whether ``search=table_entries`` finds entries of a table that were flipped on purpose.

Three known entries get the other sign, drawn by a seed, of populations with more than 200
labelled cells; then every known entry is made blank in turn (a blank that is filled cannot be
among the entries that contradict the cells). The trainings are those of the sweep, without
the figures and files of jobs. Each leaves its annotation in ``--out``, where a study that was
cut off goes on, and where another order of the entries can be tried on the same trainings.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks import verdict
from benchmarks.real import data_folder, himc
from scyan_exp.data.table import KnowledgeTable

if TYPE_CHECKING:
    from scyan_exp.config.schema import RunConfig
    from scyan_exp.entries.edits import Edit
    from scyan_exp.entries.effects import Annotated, Effect

#: Labelled cells of a population whose entries are flipped: more than these.
FEWEST = 200
N_FLIPS = 3
#: Of HIMC all cells are annotated, and so many trained on in an epoch: a quarter of the time.
AN_EPOCH = "model.max_samples=20000"


def cases(data: Path, folder: Path) -> dict[str, list[str]]:
    """The data sets; of multicenter every twelfth cell."""
    others = verdict.cases(data, folder)
    names = ("mouse spleen", "hipc_tcell", "multicenter", "synthetic")
    return {
        "HIMC Plate3": [*himc(data), AN_EPOCH],
        **{name: others[name].overrides for name in names},
    }


def measure_flips(out: Path, n_draws: int, wanted: str = "") -> list[dict[str, Any]]:
    """A row a flipped entry, of each draw.

    Args:
        out: where the annotations of all trainings are kept.
        n_draws: how often three entries are flipped.
        wanted: names of data sets, by semicolons; empty for all.
    """
    data = data_folder()
    if data is None:
        return []
    os.environ["OMP_NUM_THREADS"] = "1"
    found = cases(data, out / "flips" / "cells")
    chosen = {k: v for k, v in found.items() if not wanted or k in wanted.split(";")}
    rows = []
    for name, overrides in chosen.items():
        for draw in range(n_draws):
            rows += of_draw(name, overrides, draw, out / "flips" / f"{name} {draw}")
    return rows


def of_draw(name: str, overrides: list[str], draw: int, folder: Path) -> list[dict[str, Any]]:
    """Flip, train with every entry blank in turn, and find the places of the flipped ones."""
    folder.mkdir(parents=True, exist_ok=True)
    table, flipped = _flipped(overrides, draw)
    others = [one for one in overrides if not one.startswith("table")]
    path = folder / "table.csv"
    pd.DataFrame(table.rho, index=table.populations, columns=table.markers).to_csv(path)
    spoilt = [*others, "table=csv", f"table.path={path}", "logger=none"]
    _train_all(spoilt, folder)
    cells, effects = measured(spoilt, folder)
    names = {(table.populations[p], table.markers[m]): table.rho[p, m] for p, m in flipped}
    return [{"data": name, "draw": draw, **row} for row in places(cells, effects, names)]


def _flipped(overrides: list[str], draw: int) -> tuple[KnowledgeTable, list[tuple[int, int]]]:
    given = verdict.given_to(verdict.Task("", "", 0, overrides))
    table, counts = given.table, pd.Series(given.labels).value_counts()
    many = [name for name in table.populations if counts.get(name, 0) > FEWEST]
    flipped = flips(draw, table, many)
    rho = table.rho.copy()
    for p, m in flipped:
        rho[p, m] *= -1
    return KnowledgeTable(table.populations, table.markers, rho), flipped


def flips(draw: int, table: KnowledgeTable, many: list[str]) -> list[tuple[int, int]]:
    """Rows and columns of the entries that are flipped."""
    of_many = np.isin(table.populations, many)[:, None]
    known = np.argwhere((np.nan_to_num(table.rho) != 0) & of_many)
    chosen = known[np.random.default_rng(draw).choice(len(known), N_FLIPS, replace=False)]
    return [(int(p), int(m)) for p, m in chosen]


def _train_all(overrides: list[str], folder: Path) -> None:
    """Train with the flipped table, and with each of its known entries blank in turn."""
    from scyan_exp.config.check import check_config
    from scyan_exp.config.compose import compose_config

    plain = check_config(compose_config(overrides)).plain()
    edits = [None, *_edits(overrides)]
    left = [edit for edit in edits if not _file(folder, edit).exists()]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        tasks = ((plain, edit, _file(folder, edit)) for edit in left)
        for number, _ in enumerate(pool.map(_train, tasks), 1):
            print(f"{folder.name}: {number} of {len(left)}", flush=True)


def _edits(overrides: list[str]) -> list[Edit]:
    from scyan_exp.config.check import check_config
    from scyan_exp.config.compose import compose_config
    from scyan_exp.entries.edits import edits_of
    from scyan_exp.entries.settings import EntriesSettings

    known = check_config(compose_config(overrides)).table.load()
    return edits_of(known, EntriesSettings(kinds=["blank"]))


def _file(folder: Path, edit: Edit | None) -> Path:
    name = "unchanged" if edit is None else f"{edit.population} {edit.marker}"
    return folder / f"{name}.npz".replace("/", "by")


_kept: Any = None


def _train(task: tuple[dict[str, Any], Edit | None, Path]) -> None:
    """One training as a run does it, without figures and files; its populations and loss."""
    from scyan_exp.config.check import read_config
    from scyan_exp.run.cells import KeptCells

    global _kept
    _kept = _kept or KeptCells()
    plain, edit, path = task
    if path.exists():  # another process works on the same study
        return
    if edit is not None:
        changed = {edit.population: {edit.marker: None}}
        plain = {**plain, "table": {**plain["table"], "set": changed}}
    population, loss = _annotated(read_config(plain))
    np.savez_compressed(path, population=population.astype(np.int16), loss=loss)


def _annotated(config: RunConfig) -> tuple[np.ndarray, float]:
    from scyan_exp.results.annotation import predict_cells
    from scyan_exp.run.experiment import prepare
    from scyan_exp.run.fitting import fit
    from scyan_exp.run.tracking import RunIdentity, Tracker

    with tempfile.TemporaryDirectory() as folder:
        experiment = prepare(config, Path(folder), _kept)
        tracker = Tracker(config.logger, Path(folder), RunIdentity("flips"), {})
        trained = fit(config, experiment, Path(folder), tracker)
        cells = experiment.cells
        return predict_cells(experiment.model, cells.x, cells.covariates).codes, trained.best_loss


def measured(overrides: list[str], folder: Path) -> tuple[Annotated, list[Effect]]:
    """What each entry did when it was made blank, as the sweep says it."""
    from scyan_exp.entries.effects import Annotated

    given = verdict.given_to(verdict.Task("", "", 0, overrides))
    before = np.load(_file(folder, None))
    cells = Annotated(given.table, given.x, before["population"])
    return cells, list(_effects(_edits(overrides), cells, float(before["loss"]), folder))


def _effects(edits: list[Edit], cells: Annotated, loss: float, folder: Path) -> Iterator[Effect]:
    from scyan_exp.entries.effects import effect_of

    for edit in edits:
        after = np.load(_file(folder, edit))
        yield effect_of(edit, cells, after["population"], float(after["loss"]) - loss)


def places(
    cells: Annotated, effects: list[Effect], flipped: dict[tuple[str, str], float]
) -> list[dict[str, Any]]:
    """Where the flipped entries stand among those that are said to contradict the cells."""
    from scyan_exp.entries.corrections import corrections

    named = [_entry(one.effect) for one in corrections(effects, cells)]
    found = {_entry(one): one for one in effects}
    return [
        {
            **{"population": entry[0], "marker": entry[1], "flipped to": f"{value:+g}"},
            "place": named.index(entry) + 1 if entry in named else None,
            **{"opposite_side": found[entry].opposite, "loss": found[entry].loss},
            **{"named": len(named), "entries": len(found)},
        }
        for entry, value in flipped.items()
    ]


def _entry(effect: Effect) -> tuple[str, str]:
    return effect.edit.population, effect.edit.marker


def markdown(rows: list[dict[str, Any]]) -> str:
    """The flipped entries, and where the sweep ranks them."""
    heads = ("data", "draw", "flipped entry", "place", "cells on the other side")
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for row in rows:
        entry = f"{row['population']}, {row['marker']}: {row['flipped to']}"
        place = f"{row['place']} of {row['named']} that are named,"
        if row["place"] is None:
            place = "not named"
        place = f"{place} of {row['entries']} entries"
        is_told = row["opposite_side"] == row["opposite_side"]  # not NaN
        values = f"{place} | {row['opposite_side']:.0%}" if is_told else f"{place} | not told"
        lines.append(f"| {row['data']} | {row['draw']} | {entry} | {values} |")
    return "\n".join(lines)
