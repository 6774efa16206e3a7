"""The loss of the training, which is measured there."""

from scyan_exp.metrics.registry import metric


@metric(direction="minimize", needs=("training",))
def loss(best_loss: float) -> float:
    """The negative log-likelihood a cell, in the epoch whose weights annotate."""
    return best_loss
