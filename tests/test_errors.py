"""How problems are worded."""

from __future__ import annotations

import pickle

import pytest

from scyan_exp.errors import InputError, OutputError, listed, near_matches


@pytest.mark.parametrize(
    ("problems", "where", "text"),
    [
        ("row 2 is empty", None, "row 2 is empty"),
        (["row 2 is empty"], "table.csv", "table.csv: row 2 is empty"),
        (["first", "second"], None, "2 problems\n  1. first\n  2. second"),
        (("first", "second"), "config", "config: 2 problems\n  1. first\n  2. second"),
    ],
)
@pytest.mark.parametrize("kind", [InputError, OutputError])
def test_one_problem_is_a_line_several_are_numbered(kind, problems, where, text):
    error = kind(problems, where)
    assert str(error) == text
    assert error.problems == ([problems] if isinstance(problems, str) else list(problems))
    assert error.where == where
    assert isinstance(error, ValueError)


def test_errors_travel_between_processes():
    error = pickle.loads(pickle.dumps(InputError(["first", "second"], where="table.csv")))
    assert str(error) == "table.csv: 2 problems\n  1. first\n  2. second"
    assert (error.problems, error.where) == (["first", "second"], "table.csv")


@pytest.mark.parametrize(
    ("name", "choices", "hint"),
    [
        ("HLA-DR", ["CD3", "HLADR", "CD19"], " Did you mean 'HLADR'?"),
        ("HLADR", ["CD3", "HLA-DR", "CD19"], " Did you mean 'HLA-DR'?"),
        ("hla_dr", ["CD3", "HLA-DR"], " Did you mean 'HLA-DR'?"),
        ("cd45ra", ["CD45RO", "CD45RA", "CD45"], " Did you mean 'CD45RA'?"),
        ("CD8", ["CD3", "CD8a", "CD19"], " Did you mean 'CD8a'?"),
        ("B cell", ["B cells", "T cells", "NK cells"], " Did you mean 'B cells'?"),
        ("lr ", ["lr", "seed"], " Did you mean 'lr'?"),
        ("batch_siez", ["batch_size", "temperature"], " Did you mean 'batch_size'?"),
        (
            "T cells CD4",
            ["T cells CD4+", "T cells CD8"],
            " Did you mean 'T cells CD4+' or 'T cells CD8'?",
        ),
        ("FoxP3", ["CD3", "CD19"], ""),
        ("CD3", [], ""),
        ("", ["CD3"], ""),
    ],
)
def test_near_matches(name, choices, hint):
    assert near_matches(name, choices) == hint


def test_equally_near_matches_are_all_named():
    hint = near_matches("CD45", ["CD45RA", "CD45RO", "CD3", "HLA-DR"])
    assert sorted(hint.removeprefix(" Did you mean ").removesuffix("?").split(" or ")) == [
        "'CD45RA'",
        "'CD45RO'",
    ]


def test_choices_may_come_from_an_iterator():
    assert near_matches("CD8", iter(["CD8a"])) == " Did you mean 'CD8a'?"


@pytest.mark.parametrize(
    ("names", "limit", "text"),
    [
        ([], 20, ""),
        (["a"], 20, "a"),
        (["a", 2, None], 3, "a, 2, None"),
        (range(25), 20, ", ".join(map(str, range(20))) + ", ... (25 in all)"),
        (["a", "b", "c"], 2, "a, b, ... (3 in all)"),
    ],
)
def test_listed(names, limit, text):
    assert listed(names, limit=limit) == text
    assert listed(iter(names), limit=limit) == text
