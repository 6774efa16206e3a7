"""Loading the cells of a run, and keeping them for the next run."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from scyan_exp.config.schema import RunConfig
from scyan_exp.data.cells import Cells, prepare_cells
from scyan_exp.data.cells_doubts import label_doubts
from scyan_exp.data.cells_problems import head_problems
from scyan_exp.data.raw_doubts import raw_doubts
from scyan_exp.data.table import KnowledgeTable
from scyan_exp.data.table_doubts import table_doubts
from scyan_exp.errors import InputError, Problem
from scyan_exp.results.samples import level_problems

log = logging.getLogger(__name__)


class KeptCells:
    """Cells that stay loaded until others are asked for, or until this context is closed.

    Most jobs of a sweep share their cells, which are read again only when a file has changed.
    """

    def __init__(self) -> None:
        self._key: str | None = None
        self._cells: Cells | None = None

    def __enter__(self) -> KeptCells:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def load(self, config: RunConfig) -> Cells:
        """The cells and the table that a config names.

        Raises:
            InputError: what is wrong with table or cells.
        """
        key = _key(config)
        if self._cells is None or key != self._key:
            self.close()
            self._cells, self._key = load_cells(config), key
            _warn(self._cells, config)
        return self._cells

    def close(self) -> None:
        """Forget the cells, and close their file."""
        if self._cells is not None:
            self._cells.close()
        self._cells = self._key = None


def load_cells(config: RunConfig) -> Cells:
    """Read, check and prepare the cells that a config names.

    Raises:
        InputError: what is wrong with table or cells.
    """
    table: KnowledgeTable = config.table.load()
    samples = config.biomarkers
    named = {"sample_key": samples.sample_key, "group_key": samples.group_key}
    others = {f"biomarkers.{key}": name for key, name in named.items()}
    problems: list[str | Problem] = [*head_problems(config.dataset, others)]
    problems += level_problems(table.levels, samples)
    if problems:  # before cells are read, which may take minutes
        raise InputError(problems)
    try:
        cells = prepare_cells(config.dataset.read_for(table.markers), table, config.dataset)
    except OSError as error:
        reason = error.strerror or error
        where = error.filename or getattr(
            config.dataset, "path", None
        )  # HDF5's message does not name the file
        raise InputError(
            f"the cells cannot be read ({reason})", where=None if where is None else str(where)
        ) from error
    return cells


def _warn(cells: Cells, config: RunConfig) -> None:
    """What is doubtful about cells and table, in the log: a run goes on all the same."""
    for doubt in raw_doubts(cells, config.dataset):
        log.warning("%s", doubt)
    labels = [] if cells.labels is None else cells.labels.dropna().unique()
    for doubt in [*table_doubts(cells.table), *label_doubts(cells.table, labels)]:
        log.warning("table: %s", doubt)


def _key(config: RunConfig) -> str:
    """What tells cells from others, and from those that their files held earlier."""
    parts = [config.plain()[name] for name in ("table", "dataset")]
    table = Path(str(parts[0].get("path", ""))).expanduser()
    paths = [table, *config.dataset.sources()]
    states = [(path, path.stat()) for path in paths if path.is_file()]
    told = [[str(path), state.st_mtime_ns, state.st_size] for path, state in states]
    return json.dumps([*parts, *told])
