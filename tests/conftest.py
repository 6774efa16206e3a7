"""Shared by all tests: small inputs on disk, the real data, the command line."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# One thread a process: the models of the tests are small, and pytest runs several processes.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Nobody looks at the pages of most sweeps; the tests of pages turn them on.
os.environ["SCYAN_EXP_REPORT"] = "0"

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from scyan_exp.config import composed_once as composing
from scyan_exp.config.composed_once import composed_once
from tests.databases import postgresql_server
from tests.starting import finished

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Helpers whose asserts say as much as those of tests.
pytest.register_assert_rewrite("tests.fleet.sweeps", "tests.fleet.members", "tests.search.searches")

# A shell that starts the tests in the background has them ignore Ctrl-C, and all that they start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is.
settings.register_profile("tests", deadline=None)
# The same examples every time, so that what fails is what has changed; `make test` draws new ones.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "tests"))

MARKERS = ["CD3", "CD4", "CD8", "CD19"]
TABLE = """\
Populations,level,CD3,CD4,CD8,CD19
CD4 T cells,T cells,1,1,-1,-1
CD8 T cells,T cells,1,-1,1,-1
B cells,B cells,-1,,-1,1
"""


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real cytometry data; tests that need it are left out without it."""
    folder = os.environ.get("SCYAN_EXP_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SCYAN_EXP_DATA does not name the folder of real cells")
    return Path(folder)


@pytest.fixture(scope="session", autouse=True)
def composed_once_by_all_tests() -> Iterator[None]:
    """Commands in this process share what Hydra makes of our YAML files, which no test edits.

    That this is what each would compose is tested in ``tests/config/test_composed_once.py``.
    """
    with composed_once():
        yield


@pytest.fixture
def composed_anew() -> Iterator[None]:
    """Each command of a test reads the YAML files itself."""
    token = composing._memory.set(None)
    yield
    composing._memory.reset(token)


@pytest.fixture(autouse=True)
def signals_are_given_back() -> Iterator[None]:
    """What runs in this process leaves Ctrl-C as it was."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    yield
    after = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
        signal.signal(number, handler)
    assert after == before


@pytest.fixture(autouse=True)
def logs_are_given_back() -> Iterator[None]:
    """A run in this process sets up the root logger for itself; the next test has its own.

    So has the first test after a fixture of a module that ran something.
    """
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    before = list(root.handlers)
    yield
    for handler in set(root.handlers) - set(before):
        if not type(handler).__module__.startswith("_pytest"):
            root.removeHandler(handler)
            handler.close()
    root.setLevel(logging.WARNING)


@pytest.fixture(scope="session")
def new_database() -> Iterator[Callable[[], str]]:
    """Gives URLs of new PostgreSQL databases."""
    with postgresql_server() as new:
        yield new


def small_adata(n_cells: int = 600, seed: int = 0) -> anndata.AnnData:
    """Cells of the three populations of ``TABLE``, with labels, a batch and an age."""
    rng = np.random.default_rng(seed)
    modes = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [-1, 0, -1, 1]], float)
    z = rng.integers(3, size=n_cells)
    x = 2 + modes[z] + 0.3 * rng.normal(size=(n_cells, 4))
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical.from_codes(z, ["CD4 T cells", "CD8 T cells", "B cells"]),
            "batch": pd.Categorical(np.where(rng.random(n_cells) < 0.5, "a", "b")),
            "age": rng.uniform(0, 1, n_cells),
        },
        index=[f"cell{i}" for i in range(n_cells)],
    )
    extra = rng.normal(size=(n_cells, 1))  # a marker that the table does not use
    return anndata.AnnData(
        np.hstack([x, extra]).astype(np.float32),
        obs=obs,
        var=pd.DataFrame(index=[*MARKERS, "CD45"]),
    )


@pytest.fixture
def table_file(tmp_path: Path) -> Path:
    """The knowledge table ``TABLE`` as a file."""
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    return path


@pytest.fixture
def cells_file(tmp_path: Path) -> Path:
    """``small_adata`` as an h5ad file."""
    path = tmp_path / "cells.h5ad"
    small_adata().write_h5ad(path)
    return path


CommandLine = Callable[..., tuple[int, str]]


@pytest.fixture
def scyan_exp(tmp_path, monkeypatch, capfd) -> CommandLine:
    """Run ``scyan-exp`` in this process, in a scratch folder: exit code and all output."""
    from scyan_exp.cli.main import main

    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setattr("sys.argv", ["scyan-exp"])
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        capfd.readouterr()
        code = main(list(arguments))
        out, err = capfd.readouterr()
        return code, out + err

    return run


@pytest.fixture(scope="session")
def tracked_sweep(tmp_path_factory) -> Path:
    """A sweep with W&B files: a single training, and a run of two repeats. Not to be changed."""
    folder = tmp_path_factory.mktemp("tracked") / "my_sweep"
    arguments = [
        *("train", "-m", "repeats=1,2", "flow=shallow", "trainer.max_epochs=2"),
        *(
            "dataset.n_cells=600",
            "logger.artifacts=[checkpoint,cells]",
            f"hydra.sweep.dir={folder}",
        ),
    ]
    done = finished(["-m", "scyan_exp", *arguments], cwd=folder.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a screen, one a process; tests that need it are left out without it."""
    from benchmarks.page import ARGUMENTS, find_browser

    path = find_browser()
    if path is None:
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = [*ARGUMENTS, "--js-flags=--expose-gc"]
        found = playwright.chromium.launch(executable_path=path, args=arguments)
        yield found
        found.close()
