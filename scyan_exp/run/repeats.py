"""A run with repeats, and their consensus."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from scyan_exp.config.schema import RunConfig
from scyan_exp.data.cells import Cells
from scyan_exp.files import explain_unwritable
from scyan_exp.run.again import command_again
from scyan_exp.run.agreeing import Agreed, agree, trained
from scyan_exp.run.cells import KeptCells
from scyan_exp.run.experiment import RunPruned, prepare, run
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord, Value, clear_earlier, recording
from scyan_exp.run.repeat import Repeat, end_decided, finished_values, repeats_of
from scyan_exp.run.summary import say_repeat, say_unfinished
from scyan_exp.run.tracked import described
from scyan_exp.run.tracking import RunIdentity, Tracker
from scyan_exp.terminal import quiet_terminal
from scyan_exp.training.reporting import Reporter

log = logging.getLogger(__name__)

#: The fewest repeats that have a consensus.
FEWEST = 2


def run_all(
    config: RunConfig,
    folder: Path,
    identity: RunIdentity,
    *,
    continuing: bool = False,
    reporter: Reporter | None = None,
    cells: KeptCells | None = None,
) -> Value:
    """Run a config with all its repeats; with ``repeats=1``, as a single run.

    Repeats whose folder holds the result of the same config are kept, so a run that was cut off
    goes on. Only the first repeat reports its epochs to a search: when it is pruned, so is the run.
    The search may also decide that it wants no more repeats.

    Returns:
        The mean of the repeats' objectives (a list if there are several).

    Raises:
        InputError, RunPruned: as for a single run.
        RunInterrupted: Ctrl-C; if at least two repeats are finished, their consensus has annotated.
    """
    repeats = repeats_of(config, folder)
    if not repeats:
        return run(config, folder, identity, continuing=continuing, reporter=reporter, cells=cells)
    with KeptCells() if cells is None else nullcontext(cells) as kept:
        return _run_repeats(config, folder, identity, repeats, reporter, kept)


def _run_repeats(
    config: RunConfig,
    folder: Path,
    identity: RunIdentity,
    repeats: Sequence[Repeat],
    reporter: Reporter | None,
    kept: KeptCells,
) -> Value:
    cells = prepare(repeats[0].config, folder, kept).cells
    record = RunRecord(folder, config.hash, config.seed)
    clear_earlier(folder)
    with explain_unwritable(folder), recording(record):
        try:
            pruned = _train(repeats, identity, reporter, kept)
        except KeyboardInterrupt:
            _conclude_early(config, record, cells, repeats)
            raise
        _count(record, repeats)
        if isinstance(pruned, RepeatsDecided):
            end_decided(record, repeats, config.objective)
        elif pruned is not None:
            record.end(Outcome.PRUNED, {}, config.objective)
        else:
            told = described(config, identity.choices, cells.table)
            with Tracker(config.logger, folder, identity, told) as tracker:
                return _conclude(config, record, cells, repeats, tracker)
    raise pruned  # the record says so already


def _train(
    repeats: Sequence[Repeat],
    identity: RunIdentity,
    reporter: Reporter | None,
    kept: KeptCells,
) -> RunPruned | None:
    """Train one after the other; returns why no more were trained, if the search decided that."""
    try:
        for i, repeat in enumerate(repeats):
            if repeat.finished is None:
                _ask_whether_decided(repeats, reporter)
            _train_one(repeat, identity, reporter if i == 0 else None, kept)
        _ask_whether_decided(repeats, reporter)  # so that it learns how far apart they lie
    except RunPruned as reason:
        return reason
    return None


class RepeatsDecided(RunPruned):
    """A search wants no more repeats of this run."""


def _ask_whether_decided(repeats: Sequence[Repeat], reporter: Reporter | None) -> None:
    """Ask the search, before another repeat is trained and when all are.

    Raises:
        RepeatsDecided: it wants no more.
    """
    values = finished_values(repeats)
    if reporter is not None and values and reporter.is_decided(values, len(repeats)):
        count = f"{len(values)} of {len(repeats)} repeats"
        raise RepeatsDecided(f"pruned by the search after {count}: too far behind the best")


def _train_one(
    repeat: Repeat, identity: RunIdentity, reporter: Reporter | None, kept: KeptCells
) -> None:
    """Train one repeat, unless it is done."""
    ended = RunRecord.read_ended(repeat.folder, repeat.config)
    if ended is not None and ended.status == Outcome.PRUNED:
        raise RunPruned("pruned by the search earlier")
    if ended is not None:
        log.info("seed %d: completed earlier", repeat.seed)
        return
    own = replace(identity, name=f"{identity.name} seed={repeat.seed}")
    continuing = RunRecord.has_cut_off(repeat.folder, repeat.config)
    RunFolder(repeat.folder).write_config(repeat.config.plain())
    with quiet_terminal(), _named(repeat.seed):
        run(repeat.config, repeat.folder, own, continuing=continuing, reporter=reporter, cells=kept)
    say_repeat(RunRecord.of_run(repeat.folder), repeat.config.objectives)


@contextmanager
def _named(seed: int) -> Iterator[None]:
    """Log which repeat failed."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, RunPruned):
            log.error("seed %d failed", seed)
        raise


def _count(record: RunRecord, repeats: Sequence[Repeat]) -> None:
    """Sum epochs and seconds over all repeats that have begun."""
    begun = [one for r in repeats if (one := RunRecord.read(r.folder)) is not None]
    record.epochs = sum(one.epochs for one in begun)
    record.fit_seconds = sum(one.fit_seconds for one in begun)


def _conclude(
    config: RunConfig,
    record: RunRecord,
    cells: Cells,
    repeats: Sequence[Repeat],
    tracker: Tracker,
) -> Value:
    """Annotate by consensus, measure, and write everything to the run folder."""
    agreed = _agree(config, record, cells, repeats)
    summary = {**_prefixed("std", agreed.summary["std"]), **_prefixed("consensus", agreed.metrics)}
    tracker.log_results({**agreed.mean, **summary}, agreed.figures, agreed.tables)
    tracker.log_verdict(agreed.verdict)
    tracker.log_artifacts()
    tracker.log_outcome(Outcome.COMPLETED)
    record.wandb_run_id = tracker.run_id
    value = record.end(Outcome.COMPLETED, agreed.mean, config.objective)
    assert value is not None
    agreed.say(record.folder)
    return value


def _conclude_early(
    config: RunConfig, record: RunRecord, cells: Cells, repeats: Sequence[Repeat]
) -> None:
    """For an interrupted run: make the consensus of finished repeats, and say how to go on."""
    finished = [one for one in repeats if one.finished is not None]
    if len(finished) >= FEWEST:
        _count(record, repeats)
        figures = config.figures.model_copy(update={"umap": False})  # that would take too long now
        config = config.model_copy(update={"figures": figures})
        agreed = _agree(config, record, cells, finished)
        missing = [one.seed for one in repeats if one not in finished]
        record.metrics = dict(agreed.mean)
        record.repeats = {**agreed.summary, "missing": missing}
        record.trust = agreed.verdict.to_dict()
        agreed.say(record.folder)
    say_unfinished(len(finished), len(repeats), command_again(record.folder))


def _agree(config: RunConfig, record: RunRecord, cells: Cells, repeats: Sequence[Repeat]) -> Agreed:
    """Make the consensus of repeats, in the run folder and in the record."""
    device = "cuda" if config.trainer.on_gpu else "cpu"
    trainings = [
        trained(RunRecord.of_run(one.folder), one.name, one.name, device) for one in repeats
    ]
    agreed = agree(trainings, cells, record.folder, config.wanted)
    record.repeats, record.trust = agreed.summary, agreed.verdict.to_dict()
    return agreed


def _prefixed(prefix: str, values: Mapping[str, float]) -> dict[str, float]:
    return {f"{prefix}/{name}": value for name, value in values.items()}
