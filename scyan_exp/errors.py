"""What is said when a configuration or an input is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: Problems of one message: more are counted only. The first of them tell what is wrong.
MOST_TOLD = 20


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and the key of the config that it is about.

    Attributes:
        key: such as ``model.lr``.
        text: what was expected, what was found, what to do.
    """

    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.key}: {self.text}"


class InputError(ValueError):
    """One or more problems with what the user gave; the program exits with code 2.

    Args:
        problems: one sentence a problem: what was expected, what was found, where, what to do.
        where: the file or setting that all problems are about, if there is one.

    Example:
        >>> print(InputError(["row 2 is empty", "row 5 is empty"], where="table.csv"))
        table.csv: 2 problems
          1. row 2 is empty
          2. row 5 is empty
    """

    def __init__(
        self, problems: str | Problem | Sequence[str | Problem], where: str | None = None
    ) -> None:
        several = [problems] if isinstance(problems, (str, Problem)) else problems
        self.problems = [str(problem) for problem in several]
        self.where = where
        super().__init__(self._text())

    def _text(self) -> str:
        if len(self.problems) == 1:
            return f"{self.where}: {self.problems[0]}" if self.where else self.problems[0]
        head = f"{self.where}: " if self.where else ""
        told = self.problems[:MOST_TOLD]
        lines = [f"  {i}. {problem}" for i, problem in enumerate(told, start=1)]
        if len(told) < len(self.problems):
            lines.append(f"  ... and {len(self.problems) - len(told)} more")
        return "\n".join([f"{head}{len(self.problems)} problems", *lines])


class OutputError(InputError):
    """The results cannot be written where they should go."""


class TrainingDiverged(RuntimeError):
    """The loss became NaN or infinite."""


def near_matches(name: str, choices: Iterable[str]) -> str:
    """A hint naming the choices closest to ``name``, or an empty string.

    Example:
        >>> near_matches("CD8", ["CD3", "CD8a", "CD19"])
        " Did you mean 'CD8a'?"
    """
    by_key = {_key(choice): choice for choice in choices}
    found = difflib.get_close_matches(_key(name), by_key, n=3, cutoff=0.6)
    found = [key for key in found if _likeness(name, key) >= _likeness(name, found[0]) - 0.1]
    if not found:
        return ""
    return f" Did you mean {' or '.join(repr(by_key[key]) for key in found)}?"


def absent(names: Iterable[str], choices: Iterable[str], said: str, they: str) -> list[str]:
    """A problem for each name that is none of the choices; the last one says what these are.

    Args:
        names: what is wanted.
        choices: what there is.
        said: of each name, which stands at the ``{}``.
        they: what stands before the choices, such as ``The table has``.

    Example:
        >>> absent(["CD8", "CD3"], ["CD3", "CD8a"], "no marker {}.", "It has")
        ["no marker 'CD8'. Did you mean 'CD8a'? It has: CD3, CD8a"]
    """
    there = list(choices)
    known = set(there)
    problems = [
        said.format(repr(name)) + near_matches(name, there) for name in names if name not in known
    ]
    if problems:
        problems[-1] += f" {they}: {listed(there, limit=60) or 'none'}"
    return problems


def _likeness(name: str, key: str) -> float:
    return difflib.SequenceMatcher(a=key, b=_key(name)).ratio()


def listed(names: Iterable[object], limit: int = 20) -> str:
    """Names separated by commas, shortened after ``limit`` of them."""
    texts = [str(name) for name in names]
    more = f", ... ({len(texts)} in all)" if len(texts) > limit else ""
    return ", ".join(texts[:limit]) + more


def _key(name: str) -> str:
    """Case and punctuation rarely distinguish two markers: 'HLA-DR' and 'HLADR'."""
    return "".join(c for c in name.lower() if c.isalnum() or c in "+-")
