"""What a sweep found, in words: the sentences at the top of its page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scyan_exp.errors import listed
from scyan_exp.report.comparing_configs import Group, Job, Objective, best_first, pooled_sd
from scyan_exp.results.verdict import Level

#: In this order, as far as there are any.
OUTCOMES = (
    "completed",
    "running",
    "not run",
    "pruned",
    "interrupted",
    "timed out",
    "lost",
    "failed",
)


def headline(
    jobs: Sequence[Job],
    rated: Sequence[Job],
    parameters: Sequence[str],
    objectives: Sequence[Objective],
    groups: Sequence[Group],
    front: Sequence[int],
    constraints: Sequence[str],
) -> list[str]:
    """What was swept, what was best, and whether that is more than chance.

    Args:
        jobs: all.
        rated: those that keep the constraints.
        parameters: what was swept.
        objectives: what is to be improved.
        groups: of jobs that differ in the seed alone, the best first.
        front: numbers of the jobs on the Pareto front.
        constraints: as they are written.
    """
    sentences = [_swept(jobs, parameters)]
    if len(objectives) == 1:
        sentences += _best(jobs, rated, objectives[0], constraints)
        sentences += _spread(groups, objectives[0])
    elif objectives:
        names = " and ".join(f"{one.name} ({_better(one)})" for one in objectives)
        n = len(front)
        sentences.append(
            f"Objectives: {names}. {n} job{'s are' if n != 1 else ' is'} on the Pareto front: no "
            "other job is better in one of them without being worse in another."
        )
    return sentences


def _swept(jobs: Sequence[Job], parameters: Sequence[str]) -> str:
    counts = Counter(job["outcome"] for job in jobs)
    ended = ", ".join(f"{counts[name]} {name}" for name in OUTCOMES if counts[name])
    over = [_values_of(jobs, key) for key in parameters]
    what = f" over {_and(over)}" if over else ""
    return f"{len(jobs)} job{'' if len(jobs) == 1 else 's'}{what}: {ended}."


def _values_of(jobs: Sequence[Job], key: str) -> str:
    values = {str(one): one for job in jobs if (one := job["overrides"].get(key)) is not None}
    if len(values) <= 4:
        return f"{key} ({', '.join(values)})"
    if all(isinstance(one, (int, float)) for one in values.values()):
        low, high = min(values.values()), max(values.values())
        return f"{key} ({low:.4g} to {high:.4g})"
    return f"{key} ({len(values)} values)"


def _best(
    jobs: Sequence[Job], rated: Sequence[Job], objective: Objective, constraints: Sequence[str]
) -> Iterator[str]:
    ordered = best_first(rated, objective)
    if not ordered and best_first(jobs, objective):
        yield f"No completed job keeps {listed(constraints)}, so there is no best one."
        return
    if not ordered:
        yield "No job is completed, so there is no best one yet."
        return
    best = ordered[0]
    kept = f" among those that keep {listed(constraints)}" if constraints else ""
    yield (
        f"Best {objective.name}{kept}: {objective.of(best):.4g} ({_better(objective)}), by job "
        f"{best['number']}: {best['name'] or 'no overrides'}."
    )
    if best["verdict"] == Level.DO_NOT_USE:
        yield f"But do not use its annotation: {'; '.join(best['reasons']) or 'see its verdict'}."
    elif best["verdict"] == Level.LOOK:
        yield f"Look at its annotation before you use it: {'; '.join(best['reasons'])}."


def _spread(groups: Sequence[Group], objective: Objective) -> Iterator[str]:
    """Whether the best config is better than the next by more than chance."""
    if len(groups) < 2:
        return
    spread = pooled_sd(groups)
    if spread is None:
        yield (
            "Every config was trained once, so nobody knows how much of a difference is chance: "
            "sweep seed=0,1,2 too, or set repeats=3."
        )
        return
    first, second = groups[:2]
    gap = abs(first.mean - second.mean)
    yield (
        f"Between seeds of one config {objective.name} varies by {spread:.3g} (standard "
        f"deviation). The best config, {_mean(first)}, is better than the next, {_mean(second)}, "
        f"by {gap:.3g}: {_verdict(gap, spread)}"
    )


def _mean(group: Group) -> str:
    return f"{group.name or 'without overrides'} (mean {group.mean:.4g})"


def _verdict(gap: float, spread: float) -> str:
    if gap <= spread:
        return "less than the spread, so another seed may turn them round."
    if gap <= 2 * spread:
        return "more than the spread, but not by much; a few more seeds would tell."
    return "clearly more than the spread."


def effect_words(effects: Sequence[Mapping[str, Any]], kind: str) -> str:
    """What the parameters do, in a sentence."""
    if not effects:
        return ""
    first = effects[0]
    if kind == "importances":
        return (
            f"Of what makes the trials differ, {first['parameter']} accounts for "
            f"{first['share']:.0%} (fANOVA of Optuna)."
        )
    return (
        f"{first['parameter']} explains {first['share']:.0%} of the variance of the objective over "
        "the jobs (eta squared: the means of its values against all jobs)."
    )


def _better(objective: Objective) -> str:
    return "higher is better" if objective.sign < 0 else "lower is better"


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
