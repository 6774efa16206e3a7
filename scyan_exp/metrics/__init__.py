"""Numbers that say how good an annotation is: a function each, on arrays.

A metric's name is an objective, a column of ``sweep.csv`` and a W&B summary value. Its function
takes by name what it needs of :class:`~scyan_exp.metrics.inputs.Inputs`, or the value of another
metric::

    @metric(direction="minimize")
    def largest_share(counts_P):
        return counts_P.max() / counts_P.sum()

What is imported here loads numpy alone: configs are checked against the names.
"""

import importlib

from scyan_exp.config.objectives import METRICS, Metric
from scyan_exp.metrics.registry import metric

__all__ = ["METRICS", "Metric", "metric"]

#: Files of metrics, in the order in which results show them.
FILES = ("loss", "unsupervised", "agreement", "sides", "mixing", "supervised")

for _file in FILES:
    importlib.import_module(f"{__name__}.{_file}")
