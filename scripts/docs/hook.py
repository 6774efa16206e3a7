"""What mkdocs calls while it builds the site: adds the pages that are not in ``docs/``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

from scripts.docs.api import api_page
from scripts.docs.command_line import command_line_page
from scripts.docs.links import ROOT, linked, page_of
from scripts.docs.metrics import metrics_page
from scripts.docs.notebooks import notebook_page
from scripts.docs.settings import settings_page

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

#: Pages that are made from the program.
REFERENCE: dict[str, Callable[[], str]] = {
    "settings": settings_page,
    "command-line": command_line_page,
    "api": api_page,
    "metrics": metrics_page,
}
#: The head of a block: its language, and words for the tests of the pages.
FENCE = re.compile(r"^(`{3,}\w+) [\w ]+$", re.MULTILINE)
#: ``:class:`~scyan_exp.Scyan```, once mkdocstrings has made HTML of it.
ROLE_IN_HTML = re.compile(r":\w+:<code>~?(?:[\w.]*\.)?(\w+)</code>")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add pages: the reference, those of other folders, and notebooks."""
    for name, made in REFERENCE.items():
        files.append(File.generated(config, f"reference/{name}.md", content=made()))
    for path in [ROOT / "CHANGELOG.md", *sorted((ROOT / "benchmarks").glob("*.md"))]:
        page = str(page_of(path.relative_to(ROOT).as_posix()))
        files.append(File.generated(config, page, content=path.read_text(encoding="utf-8")))
    for path in sorted((ROOT / "docs").rglob("*.ipynb")):
        page = path.relative_to(ROOT / "docs").with_suffix(".md").as_posix()
        files.append(File.generated(config, page, content=notebook_page(path)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Have links lead to pages of the site, and blocks name their language alone."""
    return FENCE.sub(r"\1", linked(markdown, page.file.src_uri))


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Show what docstrings refer to by its name."""
    return ROLE_IN_HTML.sub(r"<code>\1</code>", html)
