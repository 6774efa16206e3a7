"""The page: one HTML file with its data, its styles and its scripts in it.

It asks nothing of any network: a Content-Security-Policy in the page forbids it, and allows no
script but the page's own, by their hashes. Text of users (names of populations, markers, runs,
files; messages) is data: the scripts show it as text, never as markup.

The scripts read one object, and a live page hands them parts of a newer one:
``window.scyanReport.update({jobs: [...], sweep: {...}})``. ``jobs`` are those of
:func:`~scyan_exp.report.sweep_data.changed_jobs`, each whole; the keys of ``sweep`` that are given
take the place of the old ones. Only what changed is drawn again.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from scyan_exp.report.sweep_data import sweep_data

#: In this order; a file may use what those before it define.
SHARED_SCRIPTS = ("base.js", "frame.js", "charts.js", "heatmap.js")
SWEEP_SCRIPTS = ("state.js", "table.js", "parallel.js", "curves.js", "sweep.js")
RUN_SCRIPTS = ("run.js",)
#: What JSON in a script element must not hold as it is.
ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def render_sweep(folder: str | Path, live: bool = False) -> str:
    """The page of a sweep or a search.

    Args:
        folder: of the sweep.
        live: whether the page is served while the sweep runs: it may then ask its own server,
            and ``live.js`` is in it.

    Raises:
        InputError: there is no sweep in this folder, or a newer version of the program wrote it.
    """
    return render(sweep_data(folder), live=live)


def render_run(folder: str | Path) -> str:
    """The page of a run, a run with repeats, or a consensus.

    Raises:
        InputError: there is no run in this folder, or a newer version of the program wrote it.
    """
    from scyan_exp.report.run_data import run_data

    return render(run_data(folder))


def render(data: Mapping[str, Any], live: bool = False) -> str:
    """The page of what ``sweep_data`` or ``run_data`` returned."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    is_sweep = data["kind"] == "sweep"
    names = (*SHARED_SCRIPTS, *(SWEEP_SCRIPTS if is_sweep else RUN_SCRIPTS))
    script = "\n".join(map(_static, (*names, "live.js") if live else names))
    templates = Environment(
        loader=PackageLoader("scyan_exp.report"), autoescape=True, undefined=StrictUndefined
    )
    return templates.get_template("page.html.j2").render(
        title=str(data["sweep" if is_sweep else "run"]["name"]),
        kind=data["sweep"]["kind"] if is_sweep else "run",
        policy=_policy(script, live),
        style=Markup(_static("style.css")),  # ours
        script=Markup(script),  # ours
        data=Markup(_as_json(data)),  # escaped there
    )


def _policy(script: str, live: bool) -> str:
    """What the browser lets the page do."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rules = ["default-src 'none'", f"script-src 'sha256-{digest}'", "style-src 'unsafe-inline'"]
    rules += ["img-src data:", "base-uri 'none'", "form-action 'none'"]
    return "; ".join([*rules, "connect-src 'self'"] if live else rules)


def _as_json(data: Mapping[str, Any]) -> str:
    text = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    for character, escaped in ESCAPES.items():
        text = text.replace(character, escaped)
    return text


@cache
def _static(name: str) -> str:
    return files("scyan_exp.report").joinpath("static", name).read_text(encoding="utf-8")
