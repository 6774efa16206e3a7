"""``table_entries.json``: which edit of the table is which job."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from scyan_exp.documents import read_json
from scyan_exp.entries.edits import Edit
from scyan_exp.errors import InputError
from scyan_exp.files import write_json
from scyan_exp.run.folder import FORMAT, SweepFolder, check_format


@contextmanager
def listed_edits(sweep_dir: Path, edits: Sequence[Edit]) -> Iterator[None]:
    """Write the list for as long as there is a sweep: one that is refused leaves nothing behind.

    The first edit is job 1, as job 0 has the unchanged table.
    """
    sweep = SweepFolder(sweep_dir)
    is_new = not sweep.entries.exists()
    sweep_dir.mkdir(parents=True, exist_ok=True)
    write_json(sweep.entries, {"format": FORMAT, "edits": [vars(edit) for edit in edits]})
    try:
        yield
    except InputError:
        if is_new:
            sweep.entries.unlink()
            if set(sweep_dir.iterdir()) <= {sweep.multirun}:
                shutil.rmtree(sweep_dir)
        raise


def read_edits(sweep_dir: Path) -> dict[int, Edit]:
    """The edits by the numbers of their jobs; none if the folder holds another sweep.

    Raises:
        InputError: the list is damaged, or a newer version of the program wrote it.
    """
    path = SweepFolder(sweep_dir).entries
    if not path.is_file():
        return {}
    try:
        values = read_json(path)
        check_format(values, path)
        return {number: Edit(**one) for number, one in enumerate(values["edits"], start=1)}
    except InputError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = f"not a list of a table's edits ({type(error).__name__}: {error})"
        raise InputError(reason, where=str(path)) from error
