"""The pages in a real browser: they open from disk, ask nobody, and do what their buttons say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scyan_exp.report.sweep_data import sweep_data
from scyan_exp.report.write import write_report
from tests.report.conftest import IMAGE, POPULATIONS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROW = ".jobs tbody tr"
ROWS = f"{ROW}[data-job]"


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page; at the end of the test, nothing was asked of anybody and nothing went wrong."""
    contexts, asked, wrong = [], [], []

    def open_(path: Path, **options: object) -> Page:
        given = {"viewport": {"width": 1200, "height": 900}, "reduced_motion": "reduce", **options}
        contexts.append(browser.new_context(**given))
        page = contexts[-1].new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(path.resolve().as_uri())
        assert page.evaluate("window.harmed") is None
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not wrong
    assert all(url.startswith(("file:", "data:")) for url in asked)
    assert len([url for url in asked if url.startswith("file:")]) == len(contexts)


@pytest.fixture
def page(opened, sweep) -> Page:
    return opened(sweep / "report.html")


def numbers(page: Page) -> list[int]:
    return page.eval_on_selector_all(ROWS, "rows => rows.map(row => Number(row.dataset.job))")


@contextmanager
def repainted(page: Page, selector: str) -> Iterator[None]:
    """A canvas looks otherwise after the block."""
    picture = f"document.querySelector({selector!r}).toDataURL()"
    before = page.evaluate(picture)
    yield
    page.wait_for_function(f"before => {picture} !== before", arg=before)


def test_it_begins_with_what_was_found(page, sweep):
    data = sweep_data(sweep)["sweep"]
    lines = page.locator("#summary .lead p").all_inner_texts()
    assert lines == data["headline"]
    assert page.title() == "sweep \u2013 scyan_exp sweep"
    links = page.locator("nav a").all_inner_texts()
    assert links == [
        *("Summary", "Jobs", "Parameters", "Seeds", "Training", "Populations", "Agreement"),
        "Failures",
    ]
    for anchor in page.eval_on_selector_all("nav a", "links => links.map(one => one.hash)"):
        assert page.locator(anchor).count() == 1
    assert (
        page.locator("#summary .copy pre").inner_text().startswith("scyan-exp train dataset=h5ad")
    )


def test_names_stay_text(page, sweep):
    assert page.locator("main img, main script").count() == 0
    assert page.locator("main a[href^='http']").count() == 0
    legend = page.locator("#populations .legend span").all_inner_texts()
    assert set(legend) == set(POPULATIONS)
    messages = page.locator("#failures pre").all_inner_texts()
    assert len(messages) == 4
    assert all(IMAGE in text for text in messages)


def test_a_header_sorts_and_again_the_other_way(page, sweep):
    values = {job["number"]: job["metrics"].get("loss") for job in sweep_data(sweep)["jobs"]}
    known = sorted((n for n in values if values[n] is not None), key=lambda n: values[n])
    header = page.get_by_role("button", name="loss", exact=True).first
    header.click()
    assert numbers(page)[:4] == known
    assert page.locator("th[aria-sort=ascending]").inner_text() == "loss \u2191"
    page.keyboard.press("Enter")  # the button still has the focus
    assert numbers(page)[:4] == known[::-1]
    assert numbers(page)[4:] == [
        n for n in values if values[n] is None
    ]  # what is missing stays last


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("outcome=failed", [1, 3, 5, 7]),
        ("outcome!=failed seed=1", [2, 6]),
        ("prior_std>0.3 seed<1 outcome=completed", [4]),
        ("model.prior_std<=0.2 completed", [0, 2]),
        ("no-such-word", []),
        ("loss>1e9", []),
        ("onerror", [1, 3, 5, 7]),
    ],
)
def test_a_filter_keeps_some_jobs(page, words, expected):
    page.fill("#filter", words)
    assert numbers(page) == expected
    assert page.locator("#count").inner_text() == f"{len(expected)} of 8 jobs"
    page.get_by_role("button", name="Clear", exact=True).click()
    assert len(numbers(page)) == 8


def test_a_brush_filters_the_table_and_the_curves(page):
    axis = page.locator("rect.hit[data-axis='model.prior_std']")
    place = axis.bounding_box()
    x, top, height = place["x"] + place["width"] / 2, place["y"], place["height"]
    with repainted(page, "#training canvas"), repainted(page, "#jobs canvas"):
        page.mouse.move(x, top + 2)
        page.mouse.down()
        page.mouse.move(x, top + height / 3, steps=3)
        page.mouse.up()
    assert numbers(page) == [4, 5, 6, 7]
    chip = page.locator(".chip")
    assert chip.inner_text().startswith("prior_std: ")
    chip.click()
    assert len(numbers(page)) == 8
    axis.focus()
    page.keyboard.press("Space")  # by keyboard: the lowest third
    page.keyboard.press("Space")
    assert 0 < len(numbers(page)) + 1 <= 8
    page.keyboard.press("Escape")
    assert len(numbers(page)) == 8


def test_a_brush_on_names(page):
    axis = page.locator("rect.hit[data-axis='dataset.subset']")
    place = axis.bounding_box()
    x = place["x"] + place["width"] / 2
    page.mouse.move(x, place["y"] + 1)
    page.mouse.down()
    page.mouse.move(x, place["y"] + place["height"] / 2, steps=3)
    page.mouse.up()
    assert numbers(page) in ([0, 2, 4, 6], [1, 3, 5, 7])


def test_a_row_chooses_its_job_by_mouse_and_keyboard(page):
    page.locator(f"{ROW}[data-job='6']").click()
    assert page.locator("#detail h3").inner_text().startswith("job 6: model.prior_std=0.4 seed=1")
    assert page.locator("#chosen").input_value() == "6"
    page.locator(f"{ROW}[data-job='6']").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.locator("#detail h3").inner_text().startswith("job 7: ")
    assert IMAGE in page.locator("#detail pre").first.inner_text()
    assert page.locator("tr[aria-selected=true]").get_attribute("data-job") == "7"
    page.select_option("#chosen", "4")
    assert page.locator("#detail h3").inner_text().startswith("job 4: ")


def test_links_lead_to_files_that_are_there(page, sweep):
    links = page.eval_on_selector_all("main a[href]", "links => links.map(one => one.href)")
    files = [url for url in links if url.startswith("file:") and "#" not in url]
    assert len(files) > 10
    for url in set(files):
        assert Path(url.removeprefix("file://")).exists(), url


def test_pointing_lights_the_job_everywhere(page):
    with repainted(page, "#training canvas"):
        page.locator(f"{ROW}[data-job='2']").hover()
    assert page.locator("tr.lit").get_attribute("data-job") == "2"
    dots = page.locator("#seeds svg").bounding_box()
    page.locator("#seeds svg").scroll_into_view_if_needed()
    page.mouse.move(2, 2)  # scrolling has put another row under the pointer
    page.evaluate("hover(4)")
    assert page.locator("tr.lit").get_attribute("data-job") == "4"
    assert dots["width"] > 100


def test_dragging_zooms_the_curves_and_a_button_shows_all(page):
    cover = page.locator("#training svg")
    cover.scroll_into_view_if_needed()
    place = cover.bounding_box()
    with repainted(page, "#training canvas"):
        page.mouse.move(place["x"] + 200, place["y"] + 60)
        page.mouse.down()
        page.mouse.move(place["x"] + 500, place["y"] + 200, steps=4)
        page.mouse.up()
    page.get_by_role("button", name="Show all").click()
    assert page.get_by_role("button", name="Show all").is_hidden()
    page.get_by_role("button", name="agreement with the table").click()
    assert page.locator("#training svg text", has_text="agreement with the table").count() == 1


def test_dark_and_light_by_the_system_and_by_the_button(opened, sweep):
    page = opened(sweep / "report.html", color_scheme="dark")
    color = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(color)
    with repainted(page, "#populations canvas"):
        page.locator("#theme").click()
    assert page.evaluate(color) == "rgb(255, 255, 255)" != dark
    assert page.locator("#theme").inner_text() == "Dark"
    assert opened(sweep / "report.html").evaluate(color) == "rgb(255, 255, 255)"


@pytest.mark.parametrize("what", ["sweep", "run", "search"])
def test_on_a_phone_only_tables_and_figures_scroll(opened, request, what):
    folder = request.getfixturevalue("search" if what == "search" else "sweep")
    path = write_report(folder / "0") if what == "run" else folder / "report.html"
    page = opened(path, viewport={"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    page.set_viewport_size({"width": 900, "height": 800})
    page.wait_for_function(
        "() => document.querySelector('svg').getBoundingClientRect().width > 400"
    )


def test_printed_tables_are_whole(opened, sweep):
    page = opened(sweep / "report.html")
    assert page.pdf()[:5] == b"%PDF-"
    page.emulate_media(media="print")
    assert page.locator("#filter").is_hidden()
    assert page.locator("nav").is_hidden()


def test_updates_change_what_changed_and_the_page_does_not_grow(page, sweep):
    first, *_ = sweep_data(sweep)["jobs"]
    page.locator(f"{ROW}[data-job='4']").evaluate("row => { row.marked = true; }")
    count = "document.querySelectorAll('*').length"
    many = """([job, n]) => { for (let i = 0; i <= n; i++) {
        const loss = job.curve.loss.map(one => one + 100 - n + i);
        scyanReport.update({jobs: [{...job, epochs: i, curve: {...job.curve, loss}}]}); } }"""
    page.evaluate(many, [first, 1])
    before = page.evaluate(count)
    page.evaluate(many, [first, 59])
    assert page.evaluate(count) == before
    assert page.locator(f"{ROW}[data-job='0'] td", has_text="59").count() == 1
    assert page.locator(f"{ROW}[data-job='4']").evaluate("row => row.marked")
    new = first | {"number": 8, "name": "another", "outcome": "running"}
    page.evaluate("job => scyanReport.update({jobs: [job], sweep: {headline: ['Now nine.']}})", new)
    assert 8 in numbers(page)
    assert page.locator("#summary .lead p").all_inner_texts() == ["Now nine."]
    page.evaluate("scyanReport.status('ended')")
    assert page.locator("#status").inner_text() == "ended"


def test_a_search_of_several_objectives_and_repeats(opened, search):
    page = opened(search / "report.html")
    data = sweep_data(search)
    front = ", ".join(f"job {n}" for n in data["sweep"]["front"])
    assert front in page.locator("#front p").inner_text()
    page.locator(f"{ROW}[data-job='{data['sweep']['front'][0]}']").click()
    members = page.locator("#repeats tbody td:first-child").all_inner_texts()
    assert members == ["seed_0", "seed_1"]
    assert page.locator("#repeats svg .bar").count() == len(data["sweep"]["populations"])


def test_the_page_of_a_run(opened, sweep):
    page = opened(write_report(sweep / "0"))
    assert page.locator("h1").inner_text() == "sweep / 0"
    assert page.locator("#summary .verdict").inner_text().startswith("Verdict: ")
    assert page.locator("main img, main script").count() == 0
    spans = page.locator("#expressions .legend span").all_inner_texts()
    assert spans == list(POPULATIONS)
    assert page.locator("#expressions svg").count() == 4
    line = page.locator("#expressions svg path").first
    page.locator("#expressions .legend li").nth(1).click()
    page.mouse.move(0, 0)
    assert line.get_attribute("opacity") == "0.07"
    with repainted(page, "#confusion canvas"):
        page.get_by_role("button", name="By number of cells").click()
    assert (
        page.get_by_role("link", name="The sweep of this job").get_attribute("href")
        == "../report.html"
    )


def test_the_page_of_a_run_that_failed(opened, failed_run):
    page = opened(write_report(failed_run))
    assert IMAGE in page.locator("#summary pre").first.inner_text()
    assert page.locator("#table .empty").inner_text() == (
        "This run is failed: it has annotated no cells."
    )


@pytest.mark.slow
def test_real_cells_twelve_jobs(opened, himc_sweep):
    page = opened(himc_sweep / "report.html")
    assert len(numbers(page)) == 12
    assert page.locator("#populations .legend li").count() == 23
    assert page.locator("#agreement svg text").count() >= 12 + 12 * 11
    run = opened(write_report(himc_sweep / "0"))
    assert run.locator("#expressions svg").count() == 20
    assert run.locator("#confusion svg text").count() > 23
    assert (himc_sweep / "report.html").stat().st_size < 400_000
