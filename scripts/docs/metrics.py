"""The page of metrics and outcomes."""

from __future__ import annotations

from scripts.docs.words import cell, first_sentence, sentence
from scyan_exp.config.objectives import KEYS_OF_NEEDS, METRICS, Metric
from scyan_exp.run.outcome import Outcome

HEAD = """\
# Metrics and outcomes

Any metric can be the `objective` of a search; several make a search of several. Which one to trust:
[trust](../trust.md). How to add one: [a metric](../extend.md#a-metric). This page is made from the
program itself.

| metric | better | needs | what it says |
| --- | --- | --- | --- |
"""
OUTCOMES = """
## Outcomes { #outcomes }

How a run ended, or where it stands: in `result.json`, `sweep.csv`, on pages and on W&B.

| outcome | what it says | a failure |
| --- | --- | --- |
"""
#: What a metric needs that no key of the data set gives.
OTHER_NEEDS = {"training": "a training of its own"}


def metrics_page() -> str:
    """The page in Markdown."""
    outcomes = [
        f"| `{one}` | {one.meaning} | {'yes' if one.is_failure else 'no'} |" for one in Outcome
    ]
    return HEAD + "\n".join([*map(_row, METRICS.values()), OUTCOMES]) + "\n".join(outcomes) + "\n"


def _row(metric: Metric) -> str:
    needs = [
        f"`dataset.{KEYS_OF_NEEDS[need]}`" if need in KEYS_OF_NEEDS else OTHER_NEEDS[need]
        for need in metric.needs
    ]
    better = {"minimize": "low", "maximize": "high"}[metric.direction]
    words = cell(sentence(first_sentence(metric.function)))
    return f"| `{metric.name}` | {better} | {', '.join(needs) or 'nothing'} | {words} |"
