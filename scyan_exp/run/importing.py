"""What a run imports, which takes half of the time of a short run."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager

#: Modules that every run imports sooner or later.
LIBRARIES = (
    "scyan_exp.run.experiment",
    "anndata.io",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "sklearn.metrics",
)
TRACKING = "wandb"


def import_libraries(*, tracked: bool = True, for_good: bool = True) -> None:
    """Import what runs need, once per process.

    Args:
        tracked: whether the runs are on W&B.
        for_good: keep what exists now out of garbage collection; for processes that do nothing but
            run jobs.
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
    """Collect no garbage within the block.

    What imports make stays in memory, and Python would search it for garbage again and again, which
    takes a sixth of the imports' time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
