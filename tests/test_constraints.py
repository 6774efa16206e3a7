"""The versions that are known to work together are among those that pyproject.toml allows."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
REQUIRED = {
    Requirement(text) for texts in (PROJECT["dependencies"], *EXTRAS.values()) for text in texts
}
LINES = [
    one for one in (ROOT / "constraints.txt").read_text().splitlines() if one and one[0] != "#"
]
LOCKED = {canonicalize_name(one.name): one for one in map(Requirement, LINES)}


@pytest.mark.parametrize("required", sorted(REQUIRED, key=str), ids=str)
def test_what_is_required_is_locked_at_a_version_in_its_range(required):
    locked = LOCKED[canonicalize_name(required.name)]
    (pinned,) = locked.specifier
    assert pinned.operator == "=="
    assert required.specifier.contains(pinned.version, prereleases=True)


def test_every_line_pins_one_version_once():
    assert len(LOCKED) == len(LINES)
    assert all(len(one.specifier) == 1 for one in LOCKED.values())
