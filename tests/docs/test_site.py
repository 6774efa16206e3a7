"""The built site: it is whole, asks nobody, and works when it is opened from disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from tests.docs.conftest import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WIDE, PHONE = {"width": 1300, "height": 900}, {"width": 390, "height": 800}


class Reference(NamedTuple):
    """What an element refers to."""

    tag: str
    target: str
    relation: str


class Document(HTMLParser):
    """The anchors of a page, and what it refers to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.references: list[Reference] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what one element says."""
        given = dict(attrs)
        self.anchors |= {str(given[name]) for name in ("id", "name") if given.get(name)}
        for name in ("href", "src", "action"):
            if given.get(name):
                self.references.append(Reference(tag, str(given[name]), given.get("rel") or ""))


@pytest.fixture(scope="module")
def documents(site) -> dict[Path, Document]:
    """Every page but that for addresses that do not exist, which only a server shows."""
    pages = [path for path in site.rglob("*.html") if path.name != "404.html"]
    assert len(pages) > 30
    return {path.resolve(): Document(path) for path in pages}


def test_every_page_of_the_repository_is_in_the_site(site):
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(_pages(yaml.safe_load(text)["nav"]))
    there = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").glob("**/*.md")}
    assert there <= named
    assert all(
        (site / name.replace("README", "index")).with_suffix(".html").is_file() for name in named
    )


def _pages(nav: object) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, (list, dict)):
        for one in nav.values() if isinstance(nav, dict) else nav:
            yield from _pages(one)


def test_no_page_asks_another_host(documents):
    loaded = [
        (path.name, one)
        for path, document in documents.items()
        for one in document.references
        if one.tag != "a" and urlsplit(one.target).scheme not in ("", "data")
    ]
    assert loaded == []


def test_every_link_and_anchor_leads_somewhere(documents, site):
    dead = []
    for path, document in documents.items():
        for one in document.references:
            there = urlsplit(one.target)
            if there.scheme or there.netloc:
                continue
            target = (path.parent / unquote(there.path)).resolve() if there.path else path
            if not target.exists() or not target.is_relative_to(site.resolve()):
                dead.append((path.name, one.target, "no such file"))
            elif there.fragment and target in documents:
                anchors = documents[target].anchors
                if unquote(there.fragment) not in anchors and there.fragment != "__search":
                    dead.append((path.name, one.target, "no such anchor"))
    assert dead == []


@pytest.fixture
def opened(browser: Browser, site: Path) -> Iterator[Callable[..., Page]]:
    """Opens a page from disk; at the end, nobody was asked and nothing went wrong."""
    contexts, asked, wrong = [], [], []

    def open_(name: str, **options: object) -> Page:
        contexts.append(browser.new_context(**{"viewport": WIDE, **options}))
        page = contexts[-1].new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto((site / name).resolve().as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert wrong == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "about:"))] == []


def test_the_search_works_from_disk(opened):
    page = opened("index.html")
    page.click("[data-md-component=search-query]")
    page.locator("[data-md-component=search-query]").press_sequentially("prior_std")
    first = page.locator(".md-search-result__link").first
    first.wait_for()
    assert "model.prior_std" in page.locator(".md-search-result__item").first.inner_text()
    page.locator(".md-search-result__link[href$='#model.prior_std']").first.click()
    page.wait_for_url("**/reference/settings.html*#model.prior_std")
    assert page.locator("[id='model.prior_std']").is_visible()


def test_the_colours_follow_the_system_until_somebody_chooses(opened):
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = (opened("index.html", color_scheme=one) for one in ("light", "dark"))
    assert light.evaluate(ground) != dark.evaluate(ground)
    before = light.evaluate(ground)
    for _ in range(2):  # from the system's to light, and to dark
        light.locator("label[for^=__palette]:visible").click()
    assert light.evaluate(ground) == dark.evaluate(ground) != before
    light.reload()
    assert light.evaluate(ground) == dark.evaluate(ground)


def too_wide(page: Page, paths: Iterable[Path]) -> dict[str, int]:
    """How much wider than the window pages are."""
    found = {}
    for path in paths:
        page.goto(path.resolve().as_uri())
        wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wider > 0:
            found[path.name] = wider
    return found


def test_a_page_is_no_wider_than_a_phone(opened, site):
    names = ["index", "reference/settings", "benchmarks/index"]
    page = opened("index.html", viewport=PHONE)
    page.click("label[for=__drawer]:visible")
    page.locator("nav a", has_text="Your data").first.click()
    page.wait_for_url("**/data.html")
    assert too_wide(page, [site / f"{name}.html" for name in names]) == {}


@pytest.mark.slow
def test_no_page_is_wider_than_a_phone(opened, documents):
    assert too_wide(opened("index.html", viewport=PHONE), documents) == {}
