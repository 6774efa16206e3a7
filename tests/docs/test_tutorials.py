"""The tutorials: their stored outputs can be shown, and they still run."""

from __future__ import annotations

import json
import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.starting import finished

ROOT = Path(__file__).parents[2]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))
#: Bytes of a notebook at most.
MOST = 200_000
#: The start of a path of some machine, not that of a web address.
ABSOLUTE = re.compile(r"(?<![\w.:/])/(?:home|mnt|opt|private|root|tmp|usr|Users|var|work)/")


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def text_of(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)


def outputs_of(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [output for cell in notebook["cells"] for output in cell.get("outputs", [])]


def texts_of(output: dict[str, Any]) -> str:
    data = {kind: text for kind, text in output.get("data", {}).items() if "image" not in kind}
    return "\n".join(text_of(text) for text in [output.get("text", ""), *data.values()])


@pytest.fixture(params=TUTORIALS, ids=lambda path: path.stem)
def tutorial(request) -> Path:
    return request.param


def test_there_are_three():
    assert len(TUTORIALS) == 3


def test_the_stored_outputs_are_those_of_one_execution_in_order(tutorial):
    codes = [cell for cell in read(tutorial)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in codes] == list(range(1, len(codes) + 1))


def test_the_stored_outputs_hold_no_error_no_path_and_no_warning(tutorial):
    outputs = outputs_of(read(tutorial))
    assert len(outputs) >= 5
    assert {output["output_type"] for output in outputs} <= {
        *("display_data", "execute_result", "stream")
    }
    said = "\n".join(map(texts_of, outputs))
    assert not re.search(r"Traceback|Warning|\x1b", said)
    assert ABSOLUTE.search(said) is None


def test_it_is_small_and_says_nothing_of_the_machine(tutorial):
    assert tutorial.stat().st_size < MOST
    metadata = read(tutorial)["metadata"]
    assert metadata["language_info"] == {"name": "python"}
    assert metadata["kernelspec"]["name"] == "python3"


def test_words_stand_before_every_piece_of_code(tutorial):
    cells = read(tutorial)["cells"]
    for before, cell in pairwise(cells):
        if cell["cell_type"] == "code":
            assert before["cell_type"] == "markdown", text_of(cell["source"])
            sentences = re.findall(r"[.:?](?=\s|$)", text_of(before["source"]))
            assert len(sentences) >= 2, text_of(before["source"])
    assert "## What to try next" in text_of(cells[-1]["source"])


def test_links_lead_somewhere(tutorial):
    cells = read(tutorial)["cells"]
    words = "\n".join(text_of(one["source"]) for one in cells if one["cell_type"] == "markdown")
    links = re.findall(r"\]\(([^)#]+)", words)
    assert links
    assert [link for link in links if not (tutorial.parent / link).is_file()] == []


@pytest.mark.slow
def test_it_runs(tutorial, tmp_path):
    """As ``make tutorials`` does, beside the stored one; it shows as much."""
    script = str(ROOT / "scripts" / "tutorials.py")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = finished([script, tutorial.stem, "--to", str(tmp_path)], env=environment, timeout=900)
    assert done.returncode == 0, done.stderr
    again = outputs_of(read(tmp_path / tutorial.name))
    stored = outputs_of(read(tutorial))
    assert [one["output_type"] for one in again] == [one["output_type"] for one in stored]
    assert ABSOLUTE.search("\n".join(map(texts_of, again))) is None


@pytest.mark.slow
def test_a_cell_that_fails_is_told(tmp_path):
    notebook = read(TUTORIALS[0])
    notebook["cells"] = notebook["cells"][:2]
    notebook["cells"][1]["source"] = "raise ValueError('on purpose')"
    tutorials = tmp_path / "docs" / "tutorials"
    tutorials.mkdir(parents=True)
    (tutorials / "wrong.ipynb").write_text(json.dumps(notebook))
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "tutorials.py"
    script.write_text((ROOT / "scripts" / "tutorials.py").read_text())
    done = finished([str(script)])
    assert done.returncode == 1
    assert "ValueError: on purpose" in done.stderr
    assert read(tutorials / "wrong.ipynb") == notebook
