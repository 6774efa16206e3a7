"""The page of messages: what each one that ends a command means, and what to do.

``docs/messages.yaml`` has a few sentences for each family of messages; ``python -m
scripts.docs.messages`` makes ``docs/messages.md`` of it. A test compares it with the source.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.docs.templates import shape
from scyan_exp.documents import read_yaml

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "docs" / "messages.yaml"
PAGE = ROOT / "docs" / "messages.md"
HEAD = """\
# Messages

What each message that ends a command means, and what to do. Read this page when a message alone
does not help: search it for a few words of the message.

A name in braces, such as `{path}`, is in the place of what your message has there. Most messages
begin with the file, folder or setting that they are about; that beginning is left out here. When
several things are wrong, all of them are told at once, with a number each.

| exit code | what it says |
| --- | --- |
| 0 | done |
| 1 | a training, or a job of a sweep, failed; its `train.log` says why |
| 2 | the command, the config or an input is wrong; nothing was trained |
| 130 | interrupted with Ctrl-C |

Hints such as *Did you mean 'CD8a'?* are left out. Where a message passes on the words of another
program, such as Slurm or W&B, only the words around them are listed. This page is made from
`docs/messages.yaml`, which a test compares with the code.
"""


@dataclass(frozen=True)
class Entry:
    """A family of messages.

    Attributes:
        messages: as in the source, with ``{name}`` for values.
        means: what is the case.
        do: what to do.
    """

    messages: tuple[str, ...]
    means: str
    do: str


@dataclass(frozen=True)
class Subject:
    """Entries on one subject.

    Attributes:
        name: the heading.
        about: a sentence on all of them.
        entries: in the order of the page.
    """

    name: str
    about: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Differences:
    """Between the catalogue and the source.

    Attributes:
        missing: messages of the source that have no entry.
        gone: messages of the catalogue that the source does not have.
        repeated: messages of several entries, or twice in one.
    """

    missing: list[str]
    gone: list[str]
    repeated: list[str]


def catalogue(path: Path = CATALOGUE) -> list[Subject]:
    """What is said of each message."""
    return [
        Subject(
            one["subject"],
            one["about"],
            tuple(
                Entry(tuple(entry["messages"]), entry["means"], entry["do"])
                for entry in one["entries"]
            ),
        )
        for one in read_yaml(path)
    ]


def differences(subjects: Sequence[Subject], templates: Iterable[str]) -> Differences:
    """What the catalogue lacks, and what it has too much of."""
    there = {shape(text): text for text in templates}
    named = [text for one in subjects for entry in one.entries for text in entry.messages]
    count = Counter(map(shape, named))
    return Differences(
        missing=sorted(text for key, text in there.items() if key not in count),
        gone=sorted(text for text in named if shape(text) not in there),
        repeated=sorted(key for key, n in count.items() if n > 1),
    )


def messages_page(subjects: Sequence[Subject] | None = None) -> str:
    """The page in Markdown."""
    subjects = catalogue() if subjects is None else subjects
    return "\n".join([HEAD, *(_section(one) for one in subjects)])


def _section(subject: Subject) -> str:
    entries = "\n".join(_entry(entry) for entry in subject.entries)
    return f"## {subject.name}\n\n{subject.about}\n\n{entries}"


def _entry(entry: Entry) -> str:
    listed = "\n".join(f"- {_code(text)}" for text in entry.messages)
    return f"{listed}\n\n{entry.means} **What to do:** {entry.do}\n"


def _code(text: str) -> str:
    return f"`` {text} ``" if "`" in text else f"`{text}`"


if __name__ == "__main__":
    PAGE.write_text(messages_page(), encoding="utf-8")
