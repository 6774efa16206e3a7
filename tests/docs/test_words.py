"""The pages are plain: short sentences, and one word a concept.

A busy reader reads a sentence of 25 words once, and one of 40 twice. Tables, code and headings are
not sentences, and neither are lists of links.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[2] / "docs").glob("*.md"))
#: Words in the longest sentence, and in one that should be rare.
LONGEST, LONG = 40, 25
#: The share of a page's sentences that may be long.
SHARE = 0.1
#: What a page calls otherwise, and the project's word for it.
SAID_OTHERWISE = {
    r"\bmembers?\b": "repeat, or run of the consensus",
    r"\btrainings of (a|the|each) (chosen )?(job|trial)\b": "repeats",
    r"\bstud(y|ies) of Optuna\b": "search",
}

_CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_NO_PROSE = re.compile(r"^(\||#|!\[|<!--|!!!).*$", re.MULTILINE)
_ITEM = re.compile(r"^\s*([-*]|\d+\.) ", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_END = re.compile(r"(?<=[.!?])[)*\"']*\s+(?=[\"'(*`\[A-Z0-9])")


def sentences(text: str) -> Iterator[str]:
    """The sentences of a page's prose; a piece of code in a line is one word, `x`."""
    text = _NO_PROSE.sub("", _CODE.sub("", text))
    text = _ITEM.sub("\n\n", text)
    for paragraph in re.split(r"\n\s*\n", text):
        if _LINK.sub("", paragraph).strip(" \n·|,.:-") == "":
            continue  # a list of links
        plain = re.sub(r"`[^`]+`", "`x`", " ".join(_LINK.sub(r"\1", paragraph).split()))
        yield from (sentence for sentence in _END.split(plain) if sentence)


def n_words(sentence: str) -> int:
    """How many words a sentence has."""
    return sum(any(sign.isalnum() for sign in word) for word in sentence.split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_sentences_are_short(page):
    counted = [(n_words(one), one) for one in sentences(page.read_text(encoding="utf-8"))]
    long = sorted((one for one in counted if one[0] > LONG), reverse=True)
    listed = "\n".join(f"{count} words: {one}" for count, one in long)
    assert not long or long[0][0] <= LONGEST, listed
    assert len(long) <= SHARE * len(counted), f"{len(long)} of {len(counted)} are long\n{listed}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_begins_with_what_it_is_for(page):
    """A heading, then prose: not a command, a table or another heading."""
    text = page.read_text(encoding="utf-8")
    first = re.match(r"# [^\n]+\n\n(.+?)\n\n", text, re.DOTALL)
    assert first, f"{page.name}: no heading with a paragraph below it"
    assert len(list(sentences(first[1]))) >= 2, first[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_thing_has_one_name(page):
    text = re.sub(r"`[^`]*`", "", _CODE.sub("", page.read_text(encoding="utf-8")))
    text = " ".join(text.split())
    found = {word: re.search(word, text, re.IGNORECASE) for word in SAID_OTHERWISE}
    assert not {word: SAID_OTHERWISE[word] for word, match in found.items() if match}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_list_stands_apart(page):
    """Python-Markdown, which makes the site, takes a list below a line of prose for prose."""
    lines = _CODE.sub("", page.read_text(encoding="utf-8")).splitlines()
    stuck = [
        line
        for before, line in pairwise(lines)
        if re.match(r"([-*]|1\.) ", line) and re.match(r"[^\s\-*\d|]", before)
    ]
    assert not stuck


def test_what_is_counted():
    text = """# A heading of many words that nobody counts

One `scyan-exp train a b c` and [two words](page.md). Three! (Four is *here*.) Five e.g.
goes on.

| a | table |

```bash
scyan-exp train
```

- An item.
- [a](a.md) · [b](b.md)

[a](a.md) | [b](b.md)
"""
    found = list(sentences(text))
    assert found == [
        "One `x` and two words.",
        "Three!",
        "(Four is *here*.",
        "Five e.g. goes on.",
        "An item.",
    ]
    assert [n_words(one) for one in found] == [5, 1, 3, 4, 2]
