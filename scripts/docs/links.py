"""Links of the repository in the site: pages are written for both."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Pages that lie elsewhere in the repository; ``README.md`` is the front page of the repository,
#: as Start is that of the site.
ELSEWHERE = {"README.md": "index.md", "CHANGELOG.md": "changes.md"}
#: Fenced blocks, which hold no links; or a link, or an image.
BLOCK_OR_LINK = re.compile(
    r"^(?P<fence>`{3,}|~{3,}).*?^(?P=fence)`*$"
    r"|(?P<image>!?)\[(?P<words>(?:`[^`]*`|[^\[\]`])*)\]\((?P<path>[^)#\s]*)(?P<anchor>#[^)\s]*)?\)",
    re.MULTILINE | re.DOTALL,
)


def page_of(file: str) -> str | None:
    """The page that shows a file of the repository, from the root of the site; None if none does.

    Args:
        file: its path from the root of the repository.
    """
    if file in ELSEWHERE:
        return ELSEWHERE[file]
    if posixpath.dirname(file) == "benchmarks" and file.endswith(".md"):
        return file
    if file.startswith("docs/"):
        return re.sub(r"\.ipynb$", ".md", file.removeprefix("docs/"))
    return None


def file_of(page: str) -> str:
    """The file of the repository that a page is made from."""
    by_page = {there: file for file, there in ELSEWHERE.items() if there != "index.md"}
    return by_page.get(page) or (page if page.startswith("benchmarks/") else f"docs/{page}")


def linked(markdown: str, page: str) -> str:
    """A page whose links lead to other pages of the site.

    Links to other files of the repository, such as code, become their words: the site has no such
    files. What does not exist stays, and the build says so.

    Args:
        markdown: the page as the repository has it.
        page: its place in the site.
    """
    folder = posixpath.dirname(file_of(page))

    def replaced(match: re.Match[str]) -> str:
        path = match["path"]
        if not path or ":" in path:
            return match[0]
        file = posixpath.normpath(posixpath.join(folder, path))
        there = page_of(file)
        if there is None:
            return match["words"] if (ROOT / file).exists() else match[0]
        anchor = "" if file == "README.md" else match["anchor"] or ""
        relative = posixpath.relpath(there, posixpath.dirname(page) or ".")
        return f"{match['image']}[{match['words']}]({relative}{anchor})"

    return BLOCK_OR_LINK.sub(replaced, markdown)
