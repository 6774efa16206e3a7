"""Figures of a run, each a PNG that a person looks at, and a W&B image.

A figure is a function that returns a figure of matplotlib's, registered under the name of its
file. It takes by name what it shows of :class:`~scyan_exp.results.figures.drawing.Shown`; it is
drawn when all of that is there::

    @figure("log_probability")
    def log_probability_figure(annotation):
        figure, axes = canvas(6, 4)
        axes.hist(annotation.log_prob, bins=100)
        return figure

What is imported here loads neither torch nor matplotlib.
"""

from scyan_exp.config.figures import FIGURES
from scyan_exp.results.figures.canvas import canvas
from scyan_exp.results.figures.registry import figure

__all__ = ["FIGURES", "canvas", "figure"]
