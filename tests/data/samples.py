"""Three samples that most tests of many files read, and what is said of broken ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scyan_exp.errors import InputError

#: Cells of each.
SIZES = {"p1_day0": 40, "p1_day7": 50, "p2_day0": 60}


def problems_of(call: Callable[..., object], *arguments: object) -> list[str]:
    """What is wrong, each with its file."""
    with pytest.raises(InputError) as caught:
        call(*arguments)
    error = caught.value
    return [f"{error.where}: {one}" if error.where else one for one in error.problems]
