"""What the log says of a run at its end."""

from __future__ import annotations

import pytest

from scyan_exp.results.verdict import Level, Verdict
from scyan_exp.run.summary import MOST_NAMED, say_verdict, say_warm_up


@pytest.mark.parametrize(
    ("best_epoch", "n_epochs", "is_warned"), [(2, 9, True), (4, 9, False), (2, 4, False)]
)
def test_an_annotation_by_the_warm_up_is_warned_of(caplog, best_epoch, n_epochs, is_warned):
    """The warm-up has 4 epochs. One that ended within it had no later epoch to choose."""
    say_warm_up(best_epoch, 4, n_epochs)
    said = [text for text in caplog.messages if "epoch 3 annotates, which is of" in text]
    assert bool(said) == is_warned


def test_the_verdict_comes_with_its_reasons_and_the_populations(caplog):
    remarks = {f"P{i}": ["CD3 is + in the table, - in its cells"] for i in range(MOST_NAMED + 2)}
    caplog.set_level("INFO")
    say_verdict(Verdict(Level.LOOK, ["one reason", "another"], remarks))
    first, second = caplog.records
    assert first.levelname == "WARNING"
    assert first.getMessage() == ("Verdict: look at these populations\n  - one reason\n  - another")
    lines = second.getMessage().splitlines()
    assert lines[:2] == [
        "Populations to look at:",
        "  P0: CD3 is + in the table, - in its cells",
    ]
    assert lines[-1] == "  and 2 more in result.json"
    assert len(lines) == MOST_NAMED + 2
    caplog.clear()
    say_verdict(Verdict(Level.GOOD, []))
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("INFO", "Verdict: good")
    ]
