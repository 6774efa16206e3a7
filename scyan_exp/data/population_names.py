"""What the name of a population says of its markers."""

from __future__ import annotations

import re

#: Words after a marker. "Dim" and "low" are given either sign in tables, so that they say nothing;
#: a dash says so only where no name goes on behind it ("CD4-Naive" is no CD4- cell).
_PLUS, _MINUS = r"pos(?:itive)?|\+|hi(?:gh)?|bright", r"neg(?:ative)?|[-\u2212](?![\w])"
_BEFORE = r"(?:^|[^a-z0-9]|pos|neg|hi|high|bright|dim|low|lo|int)"


def sign_in_name(population: str, marker: str) -> int:
    """1 or -1 if the name gives a marker this sign, as ``CD16neg`` or ``CD8+`` does; else 0.

    A letter that ends a marker may be left out: ``CD8+`` is of ``CD8a``.
    """
    short = re.sub(r"(?<=\d)[ab]$", "", marker.lower())
    names = "|".join(re.escape(one) for one in {marker.lower(), short})
    sign = rf"(?:({_PLUS})|({_MINUS}))"
    apart = rf" {sign}(?![a-z0-9])"  # "CD3 hippocampal" says nothing
    said = re.search(rf"{_BEFORE}(?:{names})(?:{sign}|{apart})", population.lower())
    if said is None:
        return 0
    return 1 if said[1] or said[3] else -1
