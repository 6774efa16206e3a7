"""JSON and YAML of others: read whole, or refused in time."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scyan_exp import documents
from scyan_exp.documents import parse_yaml, read_json, read_yaml

ALIASES = "a: &a [1, 1]\nb: &b [*a, *a]\nc: [*b, *b]\n"


def plain():
    """Whatever a file of plain values can hold."""
    keys, values = st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.text()
    return st.recursive(values, lambda one: st.lists(one) | st.dictionaries(keys, one))


@given(plain())
def test_what_yaml_writes_is_read(value):
    import yaml

    assert parse_yaml(yaml.safe_dump(value)) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 200_000, "nested too deeply"),
        ("- " * 200_000, "nested too deeply"),
        ("{a: " * 100_000, "nested too deeply"),
        (ALIASES, "aliases"),
        ("!!python/object/apply:os.getcwd []", "not YAML"),
        ("a: 'b", "not YAML"),
        ("a: \x00", "not YAML"),
    ],
)
def test_yaml_that_is_refused(text, words, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=words):
        read_yaml(path)


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 100_000, "{", "", "9" * 5_000])
def test_json_that_is_refused(text, tmp_path):
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(ValueError):  # noqa: PT011  # the words are those of Python
        read_json(path)


@pytest.mark.parametrize("read", [read_json, read_yaml])
def test_bytes_and_sizes_that_are_refused(read, tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="utf-8"):
        read(path)
    monkeypatch.setattr(documents, "MOST_JSON", 9)
    monkeypatch.setattr(documents, "MOST_YAML", 9)
    path.write_text("[" + "1," * 9 + "1]")
    with pytest.raises(ValueError, match="21 bytes; at most 9"):
        read(path)


@settings(max_examples=200)
@given(st.text(alphabet="ab:-?&*!#|>'\"[]{},%@` \n\t0", max_size=80))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(ValueError):
        parse_yaml(text)
