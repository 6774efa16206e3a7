"""scyan_exp: experiments with Scyan models, from YAML to annotated cells.

Importing this package loads neither torch nor Lightning; its names are imported on first use.
"""

from typing import TYPE_CHECKING, Any

from scyan_exp._lazy import lazy_attributes

if TYPE_CHECKING:
    from scyan_exp.run.annotate import annotate
    from scyan_exp.training.scyan import Scyan

__all__ = ["Scyan", "__version__", "annotate"]

__version__ = "0.1.0"

_ATTRIBUTES = {"training.scyan": ["Scyan"], "run.annotate": ["annotate"]}


def __getattr__(name: str) -> Any:
    return lazy_attributes(__name__, _ATTRIBUTES, name)
