"""W&B workspaces as code: what their panels name is what runs send."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scyan_exp.config.overrides import flat
from tests.wandb_files import records, summary, table
from tests.wandb_server import wandb_server

pytest.importorskip("wandb_workspaces")

SECTIONS = ["Losses", "Population weights", "Sweep", "Annotation quality", "System"]
#: A key that a panel names: of what, and the key.
Key = tuple[str, str]


def panels(spec: dict[str, Any]) -> list[dict[str, Any]]:
    sections = spec["workspace"]["spec"]["section"]["panelBankConfig"]["sections"]
    return [panel for section in sections for panel in section["panels"]]


def named(panel: dict[str, Any]) -> Iterator[Key]:
    """Every key that a panel names; a kind of panel that is not known here fails."""
    config = panel["config"]
    match panel["viewType"]:
        case "Run History Line Plot":
            yield from (("history", name) for name in config["metrics"])
            yield "history", config["xAxis"]
            if config.get("metricRegex"):
                yield "regex", config["metricRegex"]
        case "Parallel Coordinates Plot":
            yield from (accessor(one["accessor"]) for one in config["columns"])
        case "Scatter Plot":
            yield from (accessor(config["xAxis"]), accessor(config["yAxis"]))
        case "Parameter Importance":
            yield "summary", config["targetKey"]
        case "Bar Chart":
            yield from (("summary", name) for name in config["metrics"])
        case "Media Browser":
            yield from (("summary", name) for name in config["mediaKeys"])
        case "Weave":
            (name,) = re.findall(r'"key": \{[^}]*"val": "(\w+)"', json.dumps(config))
            yield "table", name
        case "Vega2":
            (name,) = re.findall(r'"name": "tableKey", "value": "(\w+)"', json.dumps(config))
            yield from (("table", f"{name}:{one}") for one in config["fieldSettings"].values())
        case "Run Comparer":
            pass
        case other:
            raise AssertionError(f"a kind of panel that this test does not read: {other}")


def accessor(text: str) -> Key:
    kind, _, key = text.partition(":")
    return kind, key.replace(".value", "", 1) if kind == "config" else key


@functools.cache
def sent(folder: Path) -> set[Key]:
    """Everything that the runs of a sweep sent."""
    found: set[Key] = set()
    for path in folder.rglob("result.json"):
        run, seen = path.parent, summary(path.parent)
        found |= {("config", key) for key in flat(seen["config"])}
        found |= {("summary", key) for key in seen["summary"]}
        for one in records(run):
            if one["type"] == "history":
                found |= {("history", key) for key in one["history"]["item"]}
            if one["type"] == "stats":
                found |= {("history", f"system/{key}") for key in one["stats"]["item"]}
        for name in ("populations", "confusion_matrix"):
            columns, _ = table(run, name)
            found |= {("table", name), *(("table", f"{name}:{one}") for one in columns)}
    return found


def spec_of(scyan_exp, tmp_path: Path, *arguments: str) -> dict[str, Any]:
    code, output = scyan_exp("dashboard", "project=mine", "--json", "spec.json", *arguments)
    assert code == 0, output
    assert "Spec of the dashboard: spec.json" in output
    return json.loads((tmp_path / "spec.json").read_text())


@pytest.mark.parametrize("of_sweep", [True, False])
def test_everything_that_a_panel_names_is_sent(scyan_exp, tmp_path, tracked_sweep, of_sweep):
    spec = spec_of(scyan_exp, tmp_path, *([str(tracked_sweep)] if of_sweep else []))
    keys = {key for panel in panels(spec) for key in named(panel)}
    (runset,) = spec["workspace"]["spec"]["section"]["runSets"]
    pinned = {accessor(one) for one in runset["runFeed"]["columnOrder"]} - {("run", "displayName")}
    assert len(pinned) == 2
    there = sent(tracked_sweep)
    patterns = [key for kind, key in keys if kind == "regex"]
    assert {(kind, key) for kind, key in keys | pinned if kind != "regex"} - there == set()
    assert patterns == ["pi/.*"]
    assert sum(bool(re.match(patterns[0], key)) for kind, key in there if kind == "history") == 13
    assert len(keys) >= (45 if of_sweep else 35)


@pytest.mark.slow
def test_everything_that_a_panel_names_is_sent_by_a_real_sweep(scyan_exp, tmp_path, himc_sweep):
    spec = spec_of(scyan_exp, tmp_path, str(himc_sweep))
    keys = {key for panel in panels(spec) for key in named(panel)}
    there = sent(himc_sweep)
    assert {(kind, key) for kind, key in keys if kind != "regex"} - there == set()
    assert sum(kind == "history" and key.startswith("pi/") for kind, key in there) == 23


def test_the_sections_and_each_population(scyan_exp, tmp_path, tracked_sweep):
    spec = spec_of(scyan_exp, tmp_path, str(tracked_sweep))
    sections = spec["workspace"]["spec"]["section"]["panelBankConfig"]["sections"]
    assert [one["name"] for one in sections] == SECTIONS
    assert all(one["panels"] for one in sections)
    weights = [key for panel in sections[1]["panels"] for key in named(panel)]
    assert len({key for _, key in weights if key.startswith("pi/") and "*" not in key}) == 13
    assert ("config", "repeats") in {key for panel in sections[2]["panels"] for key in named(panel)}


def test_a_run_is_enough(scyan_exp, tmp_path, tracked_sweep):
    spec = spec_of(scyan_exp, tmp_path, str(tracked_sweep / "0"))
    keys = {key for panel in panels(spec) for key in named(panel)}
    assert ("config", "model.prior_std") in keys
    assert keys - sent(tracked_sweep) == {("regex", "pi/.*")}


def test_our_charts_are_vega_and_name_columns_of_their_tables(scyan_exp, tmp_path, tracked_sweep):
    spec = spec_of(scyan_exp, tmp_path, "entity=me")
    charts = [one["config"] for one in panels(spec) if one["viewType"] == "Vega2"]
    assert {one["panelDefId"] for one in charts} == {f"me/{name}" for name in spec["charts"]}
    for one in charts:
        chart = spec["charts"][one["panelDefId"].removeprefix("me/")]
        assert chart["data"] == {"name": "wandb"}
        fields = set(re.findall(r"\$\{field:(\w+)\}", json.dumps(chart)))
        assert fields == set(one["fieldSettings"])


def dashboard(folder: Path, environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    script = Path(__file__).parents[2] / "scripts" / "dashboard.py"
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


def test_saving_without_a_login_is_refused_in_words(tmp_path):
    environment = {"WANDB_API_KEY": "", "NETRC": str(tmp_path / "none")}
    code, output = dashboard(tmp_path, environment, "project=mine")
    assert code == 2
    assert "saving a dashboard needs a login, and nobody is logged in to W&B" in output
    assert "write the spec to a file with json=FILE" in output
    assert "Traceback" not in output


def test_saving_registers_the_charts_and_the_workspace(tmp_path):
    with wandb_server() as server:
        code, output = dashboard(tmp_path, server.environment, "project=mine")
        assert code == 0, output
        assert f"Dashboard: {server.url}/me/mine?nw=" in output
        (view,) = server.views
        assert (view["entityName"], view["projectName"]) == ("me", "mine")
        saved = {"workspace": {"spec": json.loads(view["spec"])}}
        charts = [one["config"] for one in panels(saved) if one["viewType"] == "Vega2"]
        assert {one["panelDefId"] for one in charts} == {f"me/{name}" for name in server.charts}
        assert len(server.charts) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "usage: scyan-exp dashboard [FOLDER] project=P [entity=E] [json=FILE]"),
        (["projekt=p"], "unknown option 'projekt'. Did you mean 'project'?"),
        (["nowhere", "project=p"], "nowhere: no such folder; expected the folder of a run"),
        (["empty", "project=p"], "empty: expected the folder of a run, a sweep or a search with"),
        (["project=p", "json=none/"], "the results cannot be written"),
    ],
)
def test_wrong_arguments_are_explained(scyan_exp, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "none").mkdir()
    code, output = scyan_exp("dashboard", *arguments)
    assert code == 2
    assert message in output


def test_without_the_extra_it_says_what_to_install(scyan_exp, monkeypatch):
    monkeypatch.setattr(
        sys, "path", [one for one in sys.path if "packages" not in one], raising=True
    )
    monkeypatch.delitem(sys.modules, "wandb_workspaces", raising=False)
    code, output = scyan_exp("dashboard", "project=p", "json=spec.json")
    assert code == 2
    assert "pip install 'scyan_exp[dashboard]'" in output
