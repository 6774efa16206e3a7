"""What a run imports: half of the time of a short one."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager

#: What a run imports sooner or later.
LIBRARIES = (
    "scyan_exp.run.experiment",
    "anndata.io",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "sklearn.metrics",
)
TRACKING = "wandb"


def import_libraries(*, tracked: bool = True, for_good: bool = True) -> None:
    """Import what runs need, once in a process.

    Args:
        tracked: whether they are on W&B.
        for_good: never look for garbage in what there is now: in a process that is ours alone.
    """
    names = [*LIBRARIES, *([TRACKING] if tracked else [])]
    if all(name in sys.modules for name in names):
        return
    with _uncollected():
        for name in names:
            importlib.import_module(name)
        if for_good:
            gc.freeze()


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no garbage meanwhile.

    What imports make stays, and Python would look through all of it again and again: a sixth of
    the time that they take.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
