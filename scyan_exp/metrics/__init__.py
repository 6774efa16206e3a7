"""Numbers that say how good an annotation is: a function each, on arrays.

A metric's name is an objective, a column of ``sweep.csv`` and a W&B summary value. Its function
takes by name what it needs of :class:`~scyan_exp.metrics.inputs.Inputs`, or the value of another
metric::

    @metric(direction="minimize")
    def largest_share(counts_P):
        return counts_P.max() / counts_P.sum()

What is imported here loads numpy alone: configs are checked against the names.
"""

from scyan_exp.config.objectives import METRICS, Metric
from scyan_exp.metrics.registry import metric

# In the order in which results show them.
from scyan_exp.metrics import (  # isort: skip
    loss,
    unsupervised,
    agreement,
    mixing,
    supervised,
)

__all__ = [
    "METRICS",
    "Metric",
    "agreement",
    "loss",
    "metric",
    "mixing",
    "supervised",
    "unsupervised",
]
