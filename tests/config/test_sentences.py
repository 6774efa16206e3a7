"""What is said of settings that a schema refuses: whole sentences, one a key."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from scyan_exp.config.sentences import keys_of, problems_of
from scyan_exp.config.types import Fraction, Names, PathName, Positive, not_zero


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    width: Positive = 1.0
    height: Positive
    sizes: list[int] = []


class Outer(BaseModel):
    inner: Inner = Inner(height=1)


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["auto", "cpu"] | list[Annotated[int, Field(ge=0)]] = "auto"
    n_jobs: int = 1
    ratio: float = 1.0
    share: Fraction = 0.5
    grid: list[list[int]] = []
    quiet: bool = False
    words: Annotated[str, Field(max_length=3)] | dict[str, Any] = ""
    pair: tuple[int, int] | None = None
    names: Names = []
    path: PathName = "here"
    n_steps: Annotated[int, AfterValidator(not_zero)] = -1
    label: Annotated[str, Field(pattern=r"^\w*$")] = ""
    target: str = Field("", alias="_target_")
    inner: Inner = Inner(height=1)
    outer: Outer = Outer()
    spare: Inner | None = None


def said(prefix: str = "", also_known: tuple[str, ...] = (), **values: Any) -> list[str]:
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate(values)
    return list(map(str, problems_of(refused.value, Settings, prefix, also_known)))


WRONG = [
    ("n_jobs", "many", "n_jobs: expected an integer, found 'many'."),
    ("n_jobs", 1.5, "n_jobs: expected an integer, found 1.5."),
    ("n_jobs", None, "n_jobs: expected an integer, found None."),
    ("ratio", "wide", "ratio: expected a number, found 'wide'."),
    ("share", 1, "share: expected a number less than 1, found 1."),
    ("grid", [[1], [2, "b"]], "grid[1][1]: expected an integer, found 'b'."),
    ("quiet", "perhaps", "quiet: expected a boolean, found 'perhaps'."),
    ("words", 3, "words: expected a string, or a dictionary, found 3."),
    ("words", "long", "words: expected at most 3 characters, or a dictionary, found 'long'."),
    ("names", "CD3", "names: expected a list, found 'CD3'."),
    ("names", ["CD3", 3, ""], "names[1]: expected a string, found 3."),
    ("names", ("CD3", ""), "names[1]: expected at least 1 character, found ''."),
    ("path", 3, "path: expected a string, found 3."),
    ("n_steps", 0, "n_steps: expected a number of steps, or -1 for no limit, found 0."),
    ("label", "a/b", "label: expected a name without / \\ # ? % :, found 'a/b'."),
    ("_target_", 3, "_target_: expected a string, found 3."),
    ("pair", 3, "pair: expected a list, found 3."),
    ("pair", [1], "pair: expected two values, found [1]"),
    ("pair", (1,), "pair: expected two values, found [1]"),
    ("pair", [1, 2, 3], "pair: expected at most 2 items, found [1, 2, 3]."),
    ("pair", [1, "b"], "pair[1]: expected an integer, found 'b'."),
    ("kind", "slow", "kind: expected 'auto' or 'cpu', or a list, found 'slow'."),
    (
        "kind",
        "autp",
        "kind: expected 'auto' or 'cpu', or a list, found 'autp'. Did you mean 'auto'?",
    ),
    ("kind", [0, -1, "x"], "kind[1]: expected a number greater than or equal to 0, found -1."),
    ("inner", 3, "inner: expected a dictionary, found 3."),
    ("inner", {"height": 1, "sizes": [1, "b"]}, "inner.sizes[1]: expected an integer, found 'b'."),
    ("spare", {"height": 1, "widht": 2}, "spare.widht: unknown key."),
    (
        "outer",
        {"inner": {"height": 1, "sizes": ["b"]}},
        "outer.inner.sizes[0]: expected an integer, found 'b'.",
    ),
    (
        "outer",
        {"inner": {"height": 1, "widht": 2}},
        "outer.inner.widht: unknown key. Did you mean 'width'?",
    ),
    ("inner", {}, "inner.height: a value is required (inner.height=... on the command line)"),
]


@pytest.mark.parametrize(("key", "value", "text"), WRONG, ids=[key for key, *_ in WRONG])
def test_a_wrong_value_is_one_sentence(key, value, text):
    assert said(**{key: value}) == [text]


def test_what_is_wrong_with_a_part_is_said_of_each_of_its_keys():
    assert said("hydra.", inner={"width": 0, "height": "x", "widht": 1, "deep": 2}) == [
        "hydra.inner.width: expected a number greater than 0, found 0.",
        "hydra.inner.height: expected a number, found 'x'.",
        "hydra.inner.widht: unknown key. Did you mean 'width'?",
        "hydra.inner.deep: unknown key.",
    ]


def test_an_unknown_key_may_be_meant_for_one_beside_the_schema():
    assert said("", ("model",), modle=1) == ["modle: unknown key. Did you mean 'model'?"]
    of_part = said("", ("widths",), inner={"height": 1, "widht": 1})
    assert of_part == ["inner.widht: unknown key. Did you mean 'width'?"]
    of_no_part = said("", (), n_jbos=1)
    assert of_no_part == ["n_jbos: unknown key. Did you mean 'n_jobs'?"]


@pytest.mark.parametrize("group", ["flow", "prior", "temperature"])
def test_a_file_that_misses_its_first_line_is_told_which(group):
    text = f"{group}: a file of {group}/ must begin with the line `# @package model`"
    assert said("", (), **{group: {"n_layers": 3}}) == [text]


def test_keys_are_known_as_they_are_written():
    assert keys_of(Inner) == ["width", "height", "sizes"]
    assert "_target_" in keys_of(Settings)
    assert "target" not in keys_of(Settings)
