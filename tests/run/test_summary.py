"""What the log says of a run at its end."""

from __future__ import annotations

import pytest

from scyan_exp.run.summary import say_warm_up


@pytest.mark.parametrize(
    ("best_epoch", "n_epochs", "is_warned"), [(2, 9, True), (4, 9, False), (2, 4, False)]
)
def test_an_annotation_by_the_warm_up_is_warned_of(caplog, best_epoch, n_epochs, is_warned):
    """The warm-up has 4 epochs. One that ended within it had no later epoch to choose."""
    say_warm_up(best_epoch, 4, n_epochs)
    said = [text for text in caplog.messages if "epoch 3 annotates, which is of" in text]
    assert bool(said) == is_warned
