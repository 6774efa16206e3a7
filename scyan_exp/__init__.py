"""scyan_exp: experiments with Scyan models, from YAML to annotated cells.

From Python: :func:`run` trains, :func:`read_run` and :func:`read_sweep` read what runs left
behind, :func:`annotate` annotates new cells, :func:`predict_proba` gives all probabilities,
:func:`sample_cells` draws synthetic cells.

Importing this package loads neither torch nor Lightning; its names are imported on first use.
"""

import importlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from scyan_exp._lazy import lazy_attributes

if TYPE_CHECKING:
    from scyan_exp.cli.notebook import run
    from scyan_exp.run.annotate import annotate
    from scyan_exp.run.predicting import predict_proba
    from scyan_exp.run.read_run import Run, read_run
    from scyan_exp.run.read_sweep import read_sweep
    from scyan_exp.run.sampling import sample_cells
    from scyan_exp.training.scyan import Scyan

__all__ = [
    "Run",
    "Scyan",
    "__version__",
    "annotate",
    "predict_proba",
    "read_run",
    "read_sweep",
    "run",
    "sample_cells",
]

__version__ = "0.1.0"

_ATTRIBUTES = {
    "training.scyan": ["Scyan"],
    "run.annotate": ["annotate"],
    "run.predicting": ["predict_proba"],
    "run.read_run": ["Run", "read_run"],
    "run.sampling": ["sample_cells"],
    "run.read_sweep": ["read_sweep"],
}


def __getattr__(name: str) -> Any:
    return lazy_attributes(__name__, _ATTRIBUTES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _CallableRun(ModuleType):
    # ``scyan_exp.run`` is a package, and Python binds that name to it whenever a part of it is
    # imported; so the package itself can be called. This stands here because what it calls
    # belongs to a layer above it.
    def __call__(
        self,
        overrides: Any = (),
        folder: str | Path | None = None,
        config_dirs: Sequence[str | Path] = (),
    ) -> "Run":
        """Train, annotate and measure: see :func:`scyan_exp.cli.notebook.run`."""
        from scyan_exp.cli.notebook import run

        return run(overrides, folder, config_dirs)


importlib.import_module("scyan_exp.run").__class__ = _CallableRun
