"""The page as text: it is one file, holds its data unharmed, and allows nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib.resources import files

import pytest

from scyan_exp.report.page import RUN_SCRIPTS, SHARED_SCRIPTS, SWEEP_SCRIPTS, render, render_sweep
from scyan_exp.report.sweep_data import sweep_data
from tests.report.conftest import BREAK, IMAGE, SCRIPT

HOSTILE = [SCRIPT, IMAGE, BREAK, "<!--", "]]>", "&lt;", "\u2028", "'\"", "{{ 7 * 7 }}", "日本"]


def page_of(name: str, **values: object) -> str:
    return render({"kind": "sweep", "sweep": {"name": name, "kind": "sweep", **values}, "jobs": []})


def data_in(page: str) -> dict:
    return json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', page, re.DOTALL)[1])


@pytest.mark.parametrize("text", HOSTILE)
def test_text_comes_back_as_it_was_and_opens_no_element(text):
    page, plain = page_of(text, error=[text]), page_of("plain", error=["plain"])
    assert data_in(page)["sweep"]["error"] == [text]
    assert data_in(page)["sweep"]["name"] == text
    for opened in ("<script", "</script", "<img", "<!--"):
        assert page.count(opened) == plain.count(opened)


def test_not_a_number_is_refused_not_written():
    with pytest.raises(ValueError, match="Out of range float"):
        page_of("x", value=float("nan"))


def test_the_page_allows_its_own_script_alone():
    page = page_of("x")
    script = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1].replace("&#39;", "'")
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "connect-src" not in policy


def test_a_live_page_may_ask_its_own_server(sweep):
    page = render_sweep(sweep, live=True)
    assert "connect-src &#39;self&#39;" in page
    assert "new EventSource(" in page
    assert "new EventSource(" not in render_sweep(sweep)


def test_nothing_in_it_is_elsewhere(sweep):
    page = render_sweep(sweep)
    assert set(re.findall(r"https?://[\w./]+", page)) <= {
        "http://www.w3.org/2000/svg",
        "https://example.org",
    }
    assert not re.search(r'(src|href)="(?!#|data:,)', page)
    assert data_in(page) == sweep_data(sweep)


@pytest.mark.parametrize("name", [*SHARED_SCRIPTS, *SWEEP_SCRIPTS, *RUN_SCRIPTS, "live.js"])
def test_scripts_never_parse_markup_or_text_as_code(name):
    script = files("scyan_exp.report").joinpath("static", name).read_text()
    for harmful in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert harmful not in script
    assert "</script" not in script
