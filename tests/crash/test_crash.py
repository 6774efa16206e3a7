"""A sample of ``make crash``: commands that are struck at calls that change the disk."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

import pytest

from tests.crash.cases import CASES
from tests.crash.striking import Field, points

#: How many blows each command takes.
SAMPLE = {"sweep": 5, "search": 1, "annotate": 2, "annotate_csv": 1}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are traced on Linux"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler"),
]


@pytest.fixture(scope="module")
def field(tmp_path_factory) -> Iterator[Field]:
    with Field(tmp_path_factory.mktemp("crash") / "field") as field:
        field.prepare()
        yield field


@pytest.mark.parametrize("name", SAMPLE)
def test_whatever_call_is_struck_the_command_goes_on_and_ends_the_same(field, name):
    case = CASES[name]
    calls, expected = field.undisturbed(case)
    chosen = list(points(calls, most_alike=2, brief=True))
    for call, blow in chosen[3 :: len(chosen) // SAMPLE[name]]:
        struck = field.strike(case, call, blow, expected)
        assert struck.problems == [], struck
