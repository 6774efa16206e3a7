"""One sweep over the entries of a table: what ``hydra/sweeper=table_entries`` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import HydraContext
from omegaconf import DictConfig

from scyan_exp.config.check import check_config
from scyan_exp.entries.edits import Edit, edits_of
from scyan_exp.entries.listing import listed_edits
from scyan_exp.entries.report import report_entries
from scyan_exp.entries.settings import check_entries_settings
from scyan_exp.errors import InputError
from scyan_exp.fleet.job_config import without_hydra

if TYPE_CHECKING:
    from hydra.plugins.launcher import Launcher


def run_entries(
    config: DictConfig,
    context: HydraContext,
    values: Mapping[str, Any],
    arguments: Sequence[str],
    launcher: Launcher,
) -> list[Any]:
    """Train with the table as it is, then with each edit of it; say what the edits did.

    Args:
        config: the composed config, with Hydra's part.
        context: of Hydra.
        values: ``hydra.sweeper``.
        arguments: overrides of the command line.
        launcher: runs the jobs.

    Returns:
        What each job returned.

    Raises:
        InputError: something is wrong; nothing was started.
        JobFailed: jobs failed; what the others did has been written.
        KeyboardInterrupt: Ctrl-C; what has ended is recorded.
    """
    settings = check_entries_settings(values)
    _refuse_ranges(arguments)
    base = context.config_loader.load_sweep_config(config, list(arguments))
    table = check_config(without_hydra(base)).table
    edits = edits_of(table.load(), settings)
    print(announcement(edits), flush=True)
    overrides = [edit.override(is_another=bool(table.set)) for edit in edits]
    jobs = [list(arguments), *([*arguments, override] for override in overrides)]
    sweep_dir = Path(str(config.hydra.sweep.dir))
    with listed_edits(sweep_dir, edits):
        returned = launcher.launch(jobs, initial_job_idx=0)
    if returned:  # else a launcher in a Slurm job runs them, and reports
        report_entries(sweep_dir)
    return [one.return_value for one in returned]


def announcement(edits: Sequence[Edit]) -> str:
    """How many jobs there will be, and why."""
    n_blanked = sum(edit.is_blanked for edit in edits)
    return (
        f"{len(edits) + 1} jobs: the table as it is, {n_blanked} known entries made blank, "
        f"{len(edits) - n_blanked} fillings of blanks. Fewer with hydra.sweeper.rows, markers "
        "and kinds"
    )


def _refuse_ranges(arguments: Sequence[str]) -> None:
    """Every job is compared with one unchanged table, so nothing else may vary."""
    parsed = OverridesParser.create().parse_overrides(list(arguments))
    swept = [one.input_line for one in parsed if one.is_sweep_override()]
    if swept:
        raise InputError(
            [
                f"{line}: expected one value, as only the table varies here (repeats=3 for "
                "several seeds)"
                for line in swept
            ],
            where="config",
        )
