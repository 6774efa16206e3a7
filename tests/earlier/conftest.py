"""Folders that commit c36921a made; README.md says how."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory) -> Path:
    """All of them; to be read only."""
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(Path(__file__).with_name("runs.tar.gz")) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def earlier(unpacked, tmp_path) -> Callable[[str], Path]:
    """Copies one of them, to be changed."""

    def copied(name: str) -> Path:
        return Path(shutil.copytree(unpacked / name, tmp_path / name))

    return copied
