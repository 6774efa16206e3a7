"""What the name of a population says of its markers, by its letters or by definition."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scyan_exp.data.names import with_plain_signs, without_channel
from scyan_exp.data.phenotypes import usual_sign
from scyan_exp.data.table import KnowledgeTable

#: Words after a marker. "Dim" and "low" are given either sign in tables, so that they say nothing;
#: a dash says so only where no name goes on behind it ("CD4-Naive" is no CD4- cell).
_PLUS, _MINUS = r"pos(?:itive)?|\+|hi(?:gh)?|bright", r"neg(?:ative)?|-(?!\w)"
_BEFORE = r"(?:^|[^a-z0-9]|pos|neg|hi|high|bright|dim|low|lo|int)"
#: Words of names that also speak of markers which their cells lack.
_LACKS = re.compile(r"non|no |not|without|w/o|lack|lin|neg|minus|\bd[np]\b|\b(?:dim|low|lo|int)\b")
#: Other markers may be called by a common word, as "Live".
_NO_COMMON_WORD = re.compile(r"\d|^(?:tcr|ig|hla)")
#: Entries nearer to 0 may be of dim cells, which are given either sign.
CLEARLY = 0.5


@dataclass(frozen=True)
class Said:
    """The sign that a name gives a marker.

    Attributes:
        sign: 1 or -1.
        why: in words, for a sentence: "the name says 1", "NK cells are CD3- by definition".
    """

    sign: int
    why: str


@dataclass(frozen=True)
class Against:
    """An entry with another sign than the name of its population gives."""

    row: int
    column: int
    said: Said


def against_names(table: KnowledgeTable) -> Iterator[Against]:
    """The entries of a table that disagree with the names of their populations."""
    for p, m in np.argwhere(np.nan_to_num(table.rho) != 0):
        said = said_by_name(table.populations[p], table.markers[m])
        if said and said.sign * table.rho[p, m] <= -CLEARLY:
            yield Against(int(p), int(m), said)


def said_by_name(population: str, marker: str) -> Said | None:
    """What a name says of a marker: itself, else by the usual definition of the cells."""
    marker = without_channel(marker).strip()
    if not marker:
        return None
    if sign := sign_in_name(population, marker) or int(speaks_of(population, marker)):
        return Said(sign, f"the name says {sign}")
    if usual := usual_sign(population, marker):
        written = "+" if usual.sign > 0 else "-"
        return Said(usual.sign, f"{usual.kind} are {marker}{written} by definition")
    return None


def sign_in_name(population: str, marker: str) -> int:
    """1 or -1 if the name gives a marker this sign, as ``CD16neg`` or ``CD8+`` does; else 0.

    A letter that ends a marker may be left out: ``CD8+`` is of ``CD8a``.
    """
    sign = rf"(?:({_PLUS})|({_MINUS}))"
    apart = rf"[ -]{sign}(?![a-z0-9])"  # "CD3 hippocampal" says nothing
    pattern = rf"{_BEFORE}(?:{_spellings(marker)})(?:{sign}|{apart})"
    name = with_plain_signs(population).lower()
    said = re.search(pattern, name)
    if said is None:
        return -int(_is_denied(name, marker))
    return 1 if said[1] or said[3] else -1


def _is_denied(name: str, marker: str) -> bool:
    """Whether a name in lower case says that its cells lack a marker: ``Non-TCRgd NKT``."""
    pattern = rf"(?:^|[^a-z0-9])non[ _-]?(?:{_spellings(marker)})(?![a-z0-9+])"
    return re.search(pattern, name) is not None


def speaks_of(population: str, marker: str) -> bool:
    """Whether a name speaks of a marker that its cells carry: ``CD4 T cells``, ``CD8-EM``.

    It does not say so if a word such as "non" or "dim" is anywhere in it, or if the marker is
    called by a common word.
    """
    name = with_plain_signs(population).lower()
    if _LACKS.search(name) or not _NO_COMMON_WORD.search(marker.lower()):
        return False
    ends = r"(?![a-z0-9+])(?!-(?:cd|$|\W))"  # nor in "CD3-CD19- cells"
    return re.search(rf"(?:^|[^a-z0-9])(?:{_spellings(marker)}){ends}", name) is not None


def _spellings(marker: str) -> str:
    """A pattern of a marker in lower case; a letter that ends it may be left out."""
    short = re.sub(r"(?<=\d)[ab]$", "", marker.lower())
    return "|".join(re.escape(one) for one in {marker.lower(), short})
