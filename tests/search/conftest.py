"""Searches start sweeps: the same fixtures, and searches to go on with."""

from __future__ import annotations

import shutil

import pytest

from tests.fleet.conftest import copied, files, make_app, make_sweep, sweep, two_jobs
from tests.fleet.sweeps import QUICK, Sweep, shared
from tests.search.searches import SEARCH, Search

__all__ = ["copied", "files", "make_app", "make_sweep", "sweep", "two_jobs"]


@pytest.fixture
def own_search(sweep) -> Search:
    """A search with the default storage."""
    return Search(sweep, None)


@pytest.fixture(scope="module")
def two_completed(tmp_path_factory) -> Sweep:
    """A search of two trials that is completed."""
    arguments = [*SEARCH, *QUICK, "hydra.sweeper.n_trials=2"]
    return shared(tmp_path_factory, "two-trials", arguments)


@pytest.fixture
def two_trials(two_completed, own_search) -> Search:
    """A copy of it, to be changed."""
    shutil.copytree(two_completed.folder, own_search.folder)
    return own_search
