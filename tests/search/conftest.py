"""Searches start sweeps: the same fixtures."""

from tests.fleet.conftest import copied, files, make_app, make_sweep, sweep, two_jobs

__all__ = ["copied", "files", "make_app", "make_sweep", "sweep", "two_jobs"]
