"""Who runs the jobs of a sweep, and who only asks."""

from __future__ import annotations

import fcntl
import threading
import time

import pytest

from scyan_exp.errors import InputError
from scyan_exp.fleet.locking import is_locked, locked
from scyan_exp.run.folder import SweepFolder


def test_one_at_a_time_and_everybody_may_ask(tmp_path):
    assert not is_locked(tmp_path)
    assert not SweepFolder(tmp_path).lock.exists()  # who asks leaves nothing behind
    with locked(tmp_path):
        assert is_locked(tmp_path)
        with (
            pytest.raises(InputError, match="another process is running the jobs"),
            locked(tmp_path),
        ):
            pass
    assert not is_locked(tmp_path)
    (tmp_path / "experiment").mkdir()
    left = [tmp_path / ".sweep-0123abcd.csv", tmp_path / "experiment" / ".best-0123abcd.yaml"]
    for path in left:  # of a launcher that was killed
        path.touch()
    with locked(tmp_path):
        assert is_locked(tmp_path)
        assert not any(path.exists() for path in left)


def test_who_asks_at_that_very_moment_keeps_nobody_from_beginning(tmp_path):
    asked, over = threading.Event(), threading.Event()
    SweepFolder(tmp_path).lock.touch()

    def ask() -> None:
        with SweepFolder(tmp_path).lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            asked.set()
            time.sleep(0.03)
        over.set()

    asking = threading.Thread(target=ask)
    asking.start()
    asked.wait()
    with locked(tmp_path):
        assert over.is_set()  # it had to be waited for
    asking.join()
