"""The live page in a real browser, and beside a sweep that runs, is killed and resumed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from scyan_exp.fleet.locking import locked
from scyan_exp.run.folder import RunFolder
from tests.fleet.sweeps import STEADY, Sweep, _end, ended
from tests.look.conftest import make_run, make_sweep
from tests.look.test_live import write_epochs
from tests.look.watching import PATIENCE, Watch, watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@contextmanager
def page_of(browser: Browser, watch: Watch) -> Iterator[tuple[Page, list[str]]]:
    """The page in a browser, and what went wrong in it: errors, and requests elsewhere."""
    wrong: list[str] = []
    context = browser.new_context()
    page = context.new_page()
    page.on("console", lambda one: wrong.append(one.text) if one.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda one: wrong.append(one.url) if watch.url not in one.url else None)
    page.goto(watch.url)
    yield page, wrong
    context.close()


def text(page: Page, selector: str) -> str:
    return page.locator(selector).inner_text()


def wait_for(page: Page, selector: str, words: str) -> None:
    """Wait until a part of the page holds some words."""
    condition = "([one, words]) => document.querySelector(one)?.innerText.includes(words)"
    page.wait_for_function(condition, arg=[selector, words], timeout=PATIENCE * 1000)


def test_the_page_shows_what_runs_and_how_it_ended(browser, tmp_path):
    sweep = make_sweep(tmp_path / "sweep", {0: 3.0, 1: 1.0, 2: 2.0}, fit_seconds=600.0)
    script = "<script>window.harmed=1</script>"
    make_run(sweep / "2", f"name={script}", status="running")
    write_epochs(sweep / "2", [5.0, 4.5])
    with watched(sweep, "every=0.1") as watch, page_of(browser, watch) as (page, wrong):
        with locked(sweep):
            wait_for(page, "#status", "1 running, 0 waiting, 2 of 3 ended. About 10 min left.")
            assert page.locator("nav a").first.inner_text() == "Now"
            assert "2" in text(page, "#now table tbody td:nth-child(2)")
            write_epochs(sweep / "2", [5.0, 4.5, 4.25])
            wait_for(page, "#now table tbody", "4.25")
            assert page.locator('tr[data-job="2"]').inner_text().count("running")
            make_run(sweep / "2", status="failed", error=f"ValueError: {script}")
            wait_for(page, "#failures", script)
        wait_for(page, "#now", "The sweep has ended: 2 completed, 1 failed of 3 jobs.")
        assert page.locator("#now table").count() == 0
        code, _ = watch.end()
        assert code == 0
        wait_for(page, "#status", "No news since")
        assert page.locator('tr[data-job="0"]').count() == 1  # it stays
        assert page.evaluate("() => window.harmed") is None
        # The lost connection is all that the browser complains of.
        assert [one for one in wrong if "ERR_" not in one] == []


def test_a_job_that_begins_while_somebody_looks_gets_its_row(browser, tmp_path):
    sweep = make_sweep(tmp_path / "sweep", {0: 3.0})
    with watched(sweep, "every=0.1") as watch, page_of(browser, watch) as (page, wrong):
        wait_for(page, "#now", "The sweep has ended")
        make_sweep(sweep, {0: 3.0, 1: 1.0})
        page.wait_for_selector('tr[data-job="1"]', timeout=PATIENCE * 1000)
        repeats = {"members": [{"seed": 0, "name": "seed_0", "folder": "seed_0", "weight": 1.0,
                                "agreement": 1.0, "metrics": {}}]}  # fmt: skip
        make_run(sweep / "1", "seed=1", objective=0.5, metrics={"accuracy": 0.5}, repeats=repeats)
        page.wait_for_selector("#repeats", timeout=PATIENCE * 1000)  # a section of its own
        assert wrong == []


@pytest.mark.slow
def test_a_thousand_updates_grow_neither_the_page_nor_the_server(browser, tmp_path):
    sweep = make_sweep(tmp_path / "sweep", dict.fromkeys(range(12), 1.0))
    make_run(sweep / "5", "seed=5", status="running")
    over = threading.Event()

    def train() -> None:
        step = 0
        while not over.is_set():
            step += 1
            write_epochs(sweep / "5", [5.0 + 0.001 * (step % 997)] * 20)
            time.sleep(0.01)

    writer = threading.Thread(target=train)
    with (
        locked(sweep),
        watched(sweep, "every=0.01") as watch,
        page_of(browser, watch) as (page, wrong),
    ):
        others = [watch.viewer() for _ in range(3)]

        def size_after(updates: int) -> tuple[int, int, int]:
            told = "(n) => Number(document.body.dataset.updates) >= n"
            page.wait_for_function(told, arg=updates, timeout=300_000)
            nodes = page.evaluate("() => document.getElementsByTagName('*').length")
            heap = page.evaluate("() => (gc(), performance.memory.usedJSHeapSize)")
            return nodes, heap, watch.rss()

        writer.start()
        try:
            nodes, heap, rss = size_after(100)
            nodes_after, heap_after, rss_after = size_after(1100)
        finally:
            over.set()
            writer.join()
        assert nodes_after - nodes < 60  # axes have some marks more or less
        assert heap_after - heap < 5e6
        assert rss_after - rss < 10e6
        assert others[0].next("update")[1]["jobs"]
        assert wrong == []


@pytest.mark.slow
def test_the_page_follows_a_sweep_that_is_killed_and_resumed(browser, tmp_path):
    sweep = Sweep(tmp_path / "sweep")
    jobs = (*STEADY, "trainer.max_epochs=12", "hydra.launcher.jobs_per_device=1", "report=false")
    try:
        first = sweep.train(*jobs, "seed=0,1,2")
        until = time.monotonic() + PATIENCE
        while not (sweep.folder / "sweep.json").exists() and time.monotonic() < until:
            time.sleep(0.05)
        with watched(sweep.folder, "every=0.2") as watch, page_of(browser, watch) as (page, wrong):
            viewer = watch.viewer()
            running = viewer.next("status", lambda one: any(r["epoch"] for r in one["running"]))
            job = running[1]["running"][0]
            assert job["max_epochs"] == 12
            assert job["loss"] > 0
            assert running[1]["state"] == "running"
            os.kill(first.pid, signal.SIGKILL)
            first.communicate()
            _, stopped = viewer.next("status", lambda one: one["state"] == "stopped")
            assert f"To go on: scyan-exp resume {sweep.folder}" in stopped["text"]
            wait_for(page, "#status", "Nothing runs, and")
            second = sweep.resume()
            viewer.next("status", lambda one: one["state"] == "running")
            wait_for(page, "#status", "running")
            ended(second)
            _, last = viewer.next("status", lambda one: one["state"] == "ended")
            assert last["text"] == "The sweep has ended: 3 completed of 3 jobs."
            wait_for(page, "#now", "The sweep has ended: 3 completed of 3 jobs.")
            best = page.locator("#jobs td.best").first.inner_text()
            values = [sweep.result(n)["objective"] for n in range(3)]
            assert float(best) == pytest.approx(min(values), rel=1e-4)
            assert RunFolder(sweep.folder / "0").annotated.is_file()
            assert wrong == []
    finally:
        _end(sweep)
