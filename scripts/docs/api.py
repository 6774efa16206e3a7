"""The page of the Python API: the public names alone; mkdocstrings writes what they say."""

from __future__ import annotations

HEAD = """\
# Python API

The public names, as their docstrings have them. [From Python](../python.md) shows how they are
used, and [Extend it](../extend.md) how to add parts. Other names may change in any version.
"""
#: What each heading has: the public name, and where it is defined.
NAMES: dict[str, dict[str, str]] = {
    "Train, read, annotate": {
        "scyan_exp.run": "scyan_exp.cli.notebook.run",
        "scyan_exp.read_run": "scyan_exp.run.read_run.read_run",
        "scyan_exp.Run": "scyan_exp.run.read_run.Run",
        "scyan_exp.read_sweep": "scyan_exp.run.read_sweep.read_sweep",
        "scyan_exp.annotate": "scyan_exp.run.annotate.annotate",
        "scyan_exp.predict_proba": "scyan_exp.run.predicting.predict_proba",
        "scyan_exp.sample_cells": "scyan_exp.run.sampling.sample_cells",
        "scyan_exp.run.annotating.files.annotate_files": "",
    },
    "The model": {"scyan_exp.Scyan": "scyan_exp.training.scyan.Scyan"},
    "Errors": {"scyan_exp.errors.InputError": ""},
    "Parts of your own": {
        "scyan_exp.metrics.metric": "scyan_exp.metrics.registry.metric",
        "scyan_exp.data.data_format": "scyan_exp.config.formats.data_format",
        "scyan_exp.data.DataFormat": "scyan_exp.config.formats.DataFormat",
        "scyan_exp.results.figures.figure": "scyan_exp.results.figures.registry.figure",
        "scyan_exp.results.figures.canvas": "scyan_exp.results.figures.canvas.canvas",
        "scyan_exp.fleet.engines.base.engine": "",
        "scyan_exp.fleet.engines.base.Needs": "",
        "scyan_exp.cli.command.Command": "",
    },
}


def api_page() -> str:
    """The page in Markdown, with a directive for each name."""
    parts = [HEAD]
    for title, names in NAMES.items():
        parts += [f"\n## {title}\n", *(_directive(*one) for one in names.items())]
    return "\n".join(parts)


def _directive(name: str, place: str) -> str:
    options = {"heading": name, "toc_label": name.removeprefix("scyan_exp.")}
    lines = [f"::: {place or name}", "    options:"]
    return "\n".join([*lines, *(f"      {key}: {value}" for key, value in options.items()), ""])
