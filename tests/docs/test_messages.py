"""Each message that ends a command has its sentences, and the page of messages is current."""

import re
from pathlib import Path

import pytest

from scripts.docs.messages import (
    PAGE,
    ROOT,
    Differences,
    Entry,
    Subject,
    catalogue,
    differences,
    messages_page,
)
from scripts.docs.messages_in_code import Found, messages_of
from scripts.docs.templates import shape
from scyan_exp.data.fcs_head import read_head
from scyan_exp.data.table import load_table
from scyan_exp.errors import InputError
from scyan_exp.search.space import parse_space

#: So many messages there are at least: fewer would mean that the source is no longer understood.
AT_LEAST = 400
#: Errors whose words are all another program's, or were read where they were first raised.
MOST_PASSED_ON = 20


@pytest.fixture(scope="module")
def found() -> Found:
    return messages_of(ROOT)


@pytest.fixture(scope="module")
def subjects() -> list[Subject]:
    return catalogue()


def listed_in(subjects: list[Subject]) -> list[str]:
    return [text for one in subjects for entry in one.entries for text in entry.messages]


def test_every_message_has_one_entry_and_every_entry_a_message(found, subjects):
    """A new message goes into docs/messages.yaml; then `python -m scripts.docs.messages`."""
    assert differences(subjects, found.templates) == Differences([], [], [])
    assert len(found.templates) > AT_LEAST


def test_no_error_is_made_of_words_that_cannot_be_followed(found):
    assert found.unread == {}
    assert 0 < len(found.passed_on) <= MOST_PASSED_ON


def test_the_page_is_current(subjects):
    assert PAGE.read_text(encoding="utf-8") == messages_page(subjects), (
        "run: python -m scripts.docs.messages"
    )


def test_each_entry_says_in_short_sentences_what_it_means_and_what_to_do(subjects):
    for entry in (entry for one in subjects for entry in one.entries):
        for text in (entry.means, entry.do):
            said = re.sub(r"`[^`]*`|\[[^]]*\]\([^)]*\)", "X", text)
            sentences = re.split(r"(?<=[.:;]) ", said)
            assert said.endswith("."), text
            assert len(sentences) <= 3, text
            assert max(len(one.split()) for one in sentences) <= 25, text


def test_a_message_without_an_entry_is_missing(subjects):
    added = ["no such marvel: {name}", *listed_in(subjects)]
    assert differences(subjects, added).missing == ["no such marvel: {name}"]


def test_an_entry_without_a_message_is_gone_and_one_told_twice_is_repeated():
    entry = Entry(("no such {thing}", "cut off"), "It is not there.", "Look.")
    subject = Subject("Files", "About files.", (entry, entry))
    assert differences([subject], ["no such {name}"]) == Differences(
        missing=[], gone=["cut off", "cut off"], repeated=["cut off", "no such {}"]
    )


def test_names_of_values_may_change():
    assert shape("{path}: {n}{more} cells") == shape("{file}: {count} cells") == "{}: {} cells"


SOURCES = {
    "a text": ("raise InputError('there are no cells')", {"there are no cells"}),
    "values": ("raise InputError(f'{path}: no such file{hint}')", {"{path}: no such file"}),
    "a constant": (
        "REMEDY = 'give it a name'\ndef f(): raise InputError(f'a table: {REMEDY}')",
        {"a table: give it a name"},
    ),
    "a key": ("Problem('model.lr', 'expected a number')", {"model.lr: expected a number"}),
    "either": (
        "raise InputError('one of these' if a else 'one of those')",
        {"one of these", "one of those"},
    ),
    "a list that grows": (
        """
def check(rows):
    problems = []
    if not rows:
        problems.append('there are no rows')
    problems += [f'row {row} is empty' for row in rows]
    raise InputError(problems)
""",
        {"there are no rows", "row {row} is empty"},
    ),
    "a list that another function fills": (
        """
def check(rows):
    problems = []
    look(rows, problems)
    raise InputError(problems)

def look(rows, found):
    found.append('there are no rows')
""",
        {"there are no rows"},
    ),
    "a function that yields": (
        """
def check(rows):
    raise InputError([*problems_of(rows), *map(str, more_of(rows))])

def problems_of(rows):
    for row in rows:
        yield f'row {row} is empty'

def more_of(rows):
    return {row: 'it has no name' for row in rows}.values()
""",
        {"row {row} is empty", "it has no name"},
    ),
    "one of two results": (
        """
def check(rows):
    table, problems = read(rows)
    raise InputError(problems)

def read(rows):
    return 'a table of words', ['there are no rows']
""",
        {"there are no rows"},
    ),
    "an argument": (
        """
def refuse_it(reason):
    raise InputError(reason, where='table')

refuse_it('there are no rows')
refuse_it(reason='there are no columns')
""",
        {"there are no rows", "there are no columns"},
    ),
    "a sentence within another": (
        """
def check(folder):
    reason = 'the folder is not there'
    raise InputError(f'{reason}: name another one')
""",
        {"the folder is not there: name another one"},
    ),
    "the last of several values": (
        """
def check():
    text = 'the first problem here'
    Problem('one', text)
    text = 'the second problem here'
    Problem('two', text)
""",
        {"one: the first problem here", "two: the second problem here"},
    ),
    "any error": ("raise ValueError('expected two of them')", {"expected two of them"}),
    "the log": ("log.error('the run failed: %s', error)", {"the run failed: {value}"}),
    "a usage": ("USAGE = 'usage: scyan-exp ls'\nrefuse(USAGE)", {"usage: {command}"}),
}


def of_source(folder: Path, text: str) -> Found:
    (folder / "scyan_exp").mkdir()
    (folder / "scyan_exp" / "one.py").write_text(text)
    return messages_of(folder)


@pytest.mark.parametrize("name", SOURCES)
def test_the_words_of_an_error_are_followed_through(name, tmp_path):
    text, expected = SOURCES[name]
    found = of_source(tmp_path, text)
    assert set(found.templates) == expected
    assert (found.passed_on, found.unread) == ([], {})


def test_words_of_another_error_are_passed_on(tmp_path):
    text = "def f():\n    try: g()\n    except OSError as error: raise InputError(str(error))"
    found = of_source(tmp_path, text)
    assert (dict(found.templates), [place.line for place in found.passed_on]) == ({}, [3])


def test_what_cannot_be_followed_is_counted(tmp_path):
    found = of_source(tmp_path, "raise InputError(library.words())")
    (place,) = found.unread
    assert (dict(found.templates), str(place)) == ({}, "scyan_exp/one.py:1")


def broken_table(folder: Path) -> None:
    (folder / "table.csv").write_text("population,CD3,CD3\nT cells,2,1\n,-1,pos\n")
    load_table(folder / "table.csv")


def broken_fcs(folder: Path) -> None:
    (folder / "cells.fcs").write_bytes(b"FCS9.9" + b" " * 60)
    read_head(folder / "cells.fcs")


def broken_space(folder: Path) -> None:
    parse_space({}, ["model.lr=interval(2,1)", "objective=accuracy,heuristic"])


@pytest.mark.parametrize("wrong", [broken_table, broken_fcs, broken_space])
def test_what_the_program_says_is_in_the_catalogue(wrong, subjects, tmp_path):
    with pytest.raises(InputError) as error:
        wrong(tmp_path)
    for problem in error.value.problems:
        assert any(said_by(text).search(problem) for text in listed_in(subjects)), problem


def said_by(message: str) -> re.Pattern[str]:
    """What a message looks like with its values in it."""
    return re.compile(".*".join(map(re.escape, shape(message).split("{}"))), re.DOTALL)
