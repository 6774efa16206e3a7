"""Shared by the tests of runs with repeats."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.run.test_run import QUICK

Train = Callable[..., tuple[int, str]]


@pytest.fixture
def train(scyan_exp, tmp_path) -> Train:
    """Train into the folder ``run``: exit code and output."""

    def call(*arguments: str) -> tuple[int, str]:
        return scyan_exp("train", *QUICK, f"hydra.run.dir={tmp_path / 'run'}", *arguments)

    return call
