"""Parts by name: registered where they are defined, found when they are first asked for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scyan_exp.config import formats
from scyan_exp.config.formats import DataFormat, TableSource, data_format, table_source
from scyan_exp.config.registry import Registry, origin_of
from scyan_exp.data import KnowledgeTable


def part() -> None:
    """A part of the tests."""


def other() -> None:
    """Another one."""


def test_parts_of_listed_modules_come_first_in_their_order():
    """Whichever was imported first; of the same module, as they were registered."""
    origins = {
        "c": "mine.c",
        "z": "json.decoder.z",
        "b": "json.decoders.b",
        "y": "json.encoder.y",
        "a": "json.decoder.a",
    }
    registry = Registry("thing", ("json.encoder", "json.decoder"))
    for name, origin in origins.items():
        registry.add(name, name.upper(), origin)
    assert list(registry.items()) == [(n, n.upper()) for n in "yzacb"]


def test_a_part_that_is_defined_anew_replaces_the_old_one():
    """A cell of a notebook, run again."""
    registry: Registry[int] = Registry("thing", ())
    registry.add("a", 1, "notebook.a")
    registry.add("b", 2, "notebook.b")
    registry.add("a", 3, "notebook.a")
    assert dict(registry) == {"a": 3, "b": 2}
    assert len(registry) == 2


def test_two_parts_of_one_name_are_refused_with_both_places():
    registry = Registry("thing", ())
    registry.add("a", part)
    registry.add("a", part)
    here = "tests.config.test_registry"
    text = f"there are two things named 'a': {here}.part and {here}.other"
    with pytest.raises(ValueError, match=f"^{text}$"):
        registry.add("a", other)
    assert registry["a"] is part
    assert origin_of(DataFormat.read) == "scyan_exp.config.formats.DataFormat.read"


def test_modules_are_imported_when_a_registry_is_first_asked(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "added_for_registry.py"
    module.write_text("raise RuntimeError('not yet')")
    registry = Registry("thing", ["added_for_registry"])
    registry.add("a", 1, "added_for_registry.a")
    assert "added_for_registry" not in sys.modules
    for _ in range(2):  # whoever asks next is told the same
        with pytest.raises(RuntimeError, match="not yet"):
            registry.get("a")
    module.write_text("times = 'imported'")
    assert registry.get("a") == 1
    assert sys.modules.pop("added_for_registry").times == "imported"
    assert len(registry) == 1
    assert "added_for_registry" not in sys.modules  # asked once


@pytest.fixture
def own_registries(monkeypatch):
    """Registries of formats and tables that no other test sees."""
    monkeypatch.setattr(formats, "FORMATS", Registry("data format", []))
    monkeypatch.setattr(formats, "TABLES", Registry("table", []))
    return formats


def test_formats_and_tables_are_registered_by_their_names(own_registries):
    @data_format()
    class Cells(DataFormat):
        def read(self):
            return "cells"

    @data_format("mine.Others")
    class Others(Cells):
        pass

    @table_source("mine.table")
    class Table(TableSource):
        def load(self):
            return "table"

    name = f"{__name__}.test_formats_and_tables_are_registered_by_their_names.<locals>.Cells"
    assert dict(own_registries.FORMATS) == {name: Cells, "mine.Others": Others}
    assert dict(own_registries.TABLES) == {"mine.table": Table}


@pytest.mark.parametrize(
    ("batch", "names", "all_names"),
    [
        (None, [], []),
        (None, ["sex"], ["sex"]),
        ("plate", [], ["plate"]),
        ("plate", ["sex"], ["sex", "plate"]),
        ("plate", ["plate", "sex"], ["plate", "sex"]),
    ],
)
def test_the_batch_is_a_categorical_covariate(batch, names, all_names):
    class Cells(DataFormat):
        def read(self):
            return None

    cells = Cells(batch_key=batch, categorical_covariates=names)
    assert cells.all_categorical == all_names
    assert cells.categorical_covariates == names


@pytest.mark.parametrize(
    ("path", "files"),
    [("cells.csv", ["cells.csv"]), ("~/x.csv", ["/home/x.csv"]), (["a"], []), (None, [])],
)
def test_the_files_of_a_format_are_those_of_its_path(monkeypatch, path, files):
    monkeypatch.setenv("HOME", "/home")

    class Cells(DataFormat):
        path: Any = None

        def read(self):
            return None

    assert Cells(path=path).sources() == [Path(file) for file in files]


def test_a_format_without_a_path_has_no_files():
    class Cells(DataFormat):
        def read(self):
            return None

    assert Cells().sources() == []


def test_a_table_is_loaded_with_its_changes():
    table = KnowledgeTable(["T cells", "B cells"], ["CD3"], np.array([[1.0], [-1.0]]))

    class Source(TableSource):
        def read(self):
            return table

    assert Source().load().to_dict() == table.to_dict()
    edited = Source(set={"T cells": {"CD3": 0.5}}, drop=["B cells"]).load()
    assert (edited.populations, edited.rho.tolist()) == (["T cells"], [[0.5]])
