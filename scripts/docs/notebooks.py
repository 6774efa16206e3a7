"""Notebooks as pages: their words, their code and the outputs that they keep."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

#: Kinds of output, the best first.
IMAGES = ("image/svg+xml", "image/png", "image/jpeg")
#: Colours and other codes of a terminal.
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def notebook_page(path: Path) -> str:
    """A notebook in Markdown, which begins with its title."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    first, *rest = [part for cell in cells for part in _cell(cell)]
    title, _, below = first.partition("\n")
    download = f'<a href="{html.escape(path.name)}" download>Download this notebook</a>'
    return "\n\n".join([title, download, below.strip(), *rest]) + "\n"


def _cell(cell: Mapping[str, Any]) -> Iterator[str]:
    source = _text(cell["source"])
    if cell["cell_type"] == "markdown":
        yield source
    elif cell["cell_type"] == "code" and source.strip():
        yield _fenced("bash" if source.startswith(("!", "%%bash")) else "python", source)
        for output in cell["outputs"]:
            yield from _output(output)


def _output(output: Mapping[str, Any]) -> Iterator[str]:
    if output["output_type"] == "stream":
        yield _fenced("text", ESCAPES.sub("", _text(output["text"])), "output")
    elif output["output_type"] == "error":
        yield _fenced("text", ESCAPES.sub("", "\n".join(output["traceback"])), "output")
    else:
        yield _shown(output["data"])


def _shown(data: Mapping[str, Any]) -> str:
    """What a notebook shows: a picture or a table rather than its text."""
    for kind in IMAGES:
        if kind in data:
            return _image(kind, _text(data[kind]), _text(data.get("text/plain", "")))
    if "text/html" in data:
        table = re.sub(r"<style.*?</style>", "", _text(data["text/html"]), flags=re.DOTALL)
        table = re.sub(r"\s*\n\s*", "", table)
        table = re.sub(r"<table[^>]*>", "<table>", table)
        return f'<div class="output">{table}</div>'
    return _fenced("text", _text(data.get("text/plain", "")), "output")


def _image(kind: str, data: str, words: str) -> str:
    if kind == "image/svg+xml":
        return f'<div class="output">{data}</div>'
    alt = "" if words.startswith("<") else html.escape(words)
    return f"![{alt}](data:{kind};base64,{''.join(data.split())})"


def _fenced(language: str, text: str, name: str = "") -> str:
    """A block of code; its fence is longer than any within it."""
    longest = max(map(len, re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    head = f"{{ .{language} .{name} .no-copy }}" if name else language
    return f"{fence}{head}\n{text.rstrip()}\n{fence}"


def _text(value: str | list[str]) -> str:
    return value if isinstance(value, str) else "".join(value)
