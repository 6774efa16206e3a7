"""What goes on beside a run."""

from __future__ import annotations

import threading

import pytest

from scyan_exp.run.beside import Beside


def test_calls_are_made_in_order_and_nobody_waits_for_them():
    beside, made, go = Beside("test"), [], threading.Event()
    beside.do(go.wait)
    for i in range(5):
        beside.do(made.append, i)
    assert made == []  # the first call waits, and we do not
    go.set()
    beside.wait()
    assert made == [0, 1, 2, 3, 4]
    beside.close()


def test_an_error_ends_the_calls_and_is_told_to_whoever_asks():
    beside, made, go = Beside("test"), [], threading.Event()
    beside.do(go.wait)
    beside.do(int, "x")
    beside.do(made.append, 1)
    go.set()
    for ask in (beside.wait, beside.wait, lambda: beside.do(made.append, 2)):
        with pytest.raises(ValueError, match="invalid literal"):
            ask()
    beside.close()
    assert made == []
    assert [one for one in threading.enumerate() if one.name.startswith("test")] == []
