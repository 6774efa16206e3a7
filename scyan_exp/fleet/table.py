"""The table of a sweep: ``sweep.csv``, and what the terminal shows at the end."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

from scyan_exp.errors import listed
from scyan_exp.fleet.observer import Observer
from scyan_exp.fleet.state import JobState
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.sweep_files import COLUMNS, Row, add_row, read_rows, write_rows
from scyan_exp.terminal import short_numbers

#: The most rows that the terminal shows; all are in ``sweep.csv``.
MANY_ROWS = 40
WIDEST = 70
#: The table is written again when this share of its rows has changed. So a change of one row costs
#: as much as writing ten rows, however long the table is.
STALE = 0.1


class Table(Observer):
    """Keeps ``sweep.csv`` up to date; rows of jobs from earlier starts stay in it.

    Each change is added to a journal, which :func:`~scyan_exp.run.sweep_files.read_rows` reads too.

    Args:
        path: the file.
        states: states of jobs that are known before they begin.
    """

    def __init__(self, path: Path, states: Iterable[JobState] = ()) -> None:
        self._path = path
        self._states = {state.job.number: state for state in states}
        self._others = other_rows(path, self._states)
        self._n_added = 0
        self.write()

    @property
    def states(self) -> list[JobState]:
        """The states of all jobs, by number."""
        return [self._states[number] for number in sorted(self._states)]

    def began(self, state: JobState) -> None:
        """Show that the job runs."""
        self._update(state)

    def retried(self, state: JobState) -> None:
        """Show why the job is tried again."""
        self._update(state)

    def ended(self, state: JobState) -> None:
        """Show how the job ended."""
        self._update(state)

    def write(self) -> None:
        """Write the file."""
        write_csv(self.states, self._path, self._others)
        self._n_added = 0

    def _update(self, state: JobState) -> None:
        if state.job.repeat is None:  # rows are for jobs, not for repeats
            self._states[state.job.number] = state
            self._others.pop(state.job.number, None)
            add_row(self._path, _row(state))
            self._n_added += 1
            if self._n_added >= STALE * (len(self._states) + len(self._others)):
                self.write()


def other_rows(path: Path, numbers: Container[int]) -> dict[int, Row]:
    """The rows of an earlier table without some jobs, such as a search's earlier batches."""
    return {number: row for number, row in read_rows(path).items() if number not in numbers}


def write_csv(states: Sequence[JobState], path: Path, others: Mapping[int, Row]) -> None:
    """Write the table atomically, together with the rows of other jobs."""
    write_rows(path, {**others, **{state.job.number: _row(state) for state in states}})


def _row(state: JobState) -> dict[str, str]:
    value = "" if state.value is None else state.value
    seconds = f"{state.seconds:.2f}" if state.seconds else ""
    overrides = " ".join(state.job.overrides)
    cells = (state.job.number, overrides, state.status, value, seconds, state.device)
    texts = [*map(str, cells), state.error or "", str(state.job.folder)]
    metrics = {name: "" if one is None else str(one) for name, one in state.metrics.items()}
    verdict = {"verdict": state.verdict} if state.verdict else {}
    return {**verdict, **metrics, **dict(zip(COLUMNS, texts, strict=True))}


def shown(states: Sequence[JobState]) -> str:
    """The table as aligned text; if it has many rows, those that need attention."""
    is_long = len(states) > MANY_ROWS
    wanted = [one for one in states if not is_long or _needs_attention(one)]
    some = wanted[:MANY_ROWS]
    rows = [COLUMNS[:6], *map(_shown_cells, some)]
    if any(state.verdict for state in some):
        verdicts = ["verdict", *map(_shown_verdict, some)]
        rows = [(*row, verdict) for row, verdict in zip(rows, verdicts, strict=True)]
    lines = _aligned(rows)
    lines += [f"job {state.job.number}: {state.error}" for state in some if state.error]
    if len(states) > len(some):
        lines.append(f"... and {len(states) - len(some)} more in sweep.csv")
    refused = [str(state.job.number) for state in states if state.is_refused]
    if refused:
        lines.append(
            f"Do not use the annotation of {len(refused)} of {len(states)} jobs, whatever their "
            f"objective: {listed(refused)}. The reasons are in their result.json (trust)"
        )
    return "\n".join(lines)


def _needs_attention(state: JobState) -> bool:
    return state.outcome != Outcome.COMPLETED or state.is_refused


def _shown_verdict(state: JobState) -> str:
    return f"! {state.verdict}" if state.is_refused else state.verdict


def _shown_cells(state: JobState) -> tuple[str, ...]:
    label = state.label or " ".join(state.job.overrides)
    return (
        str(state.job.number),
        _shortened(short_numbers(label)),
        state.status,
        _shown_value(state.value),
        f"{state.seconds:.1f}" if state.seconds else "",
        state.device,
    )


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _shown_value(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(map(_shown_value, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _shortened(text: str) -> str:
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 3]}..."
