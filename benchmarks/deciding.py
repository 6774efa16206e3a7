"""How often a trial with five repeats is rightly given no more of them: by two rules.

Simulated: the repeats of a trial lie around its mean with the standard deviation 1, and those of
the best trial so far around 0. Four trials are completed, so that the spread is known as well as
in a search. Ours is that of the searches; the other one is Optuna's ``WilcoxonPruner``, which
compares a trial with the best one seed by seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scyan_exp.search.deciding import chance

N_REPEATS, N_COMPLETED, N_SIMULATED = 5, 4, 1000
#: How far a trial is behind the best, in standard deviations of a repeat.
BEHIND = (-1.0, 0.0, 1.0, 2.0, 4.0, 8.0)
MIN_CHANCE, P_THRESHOLD, N_STARTUP = 0.05, 0.1, 2
Rule = Callable[[Sequence[float], np.ndarray], bool]


def simulate() -> list[dict[str, Any]]:
    """A row a rule and a distance: repeats trained, trials stopped, those that would have won."""
    rows = []
    for name, rule in {"chance below 0.05": _ours, "WilcoxonPruner": _wilcoxon}.items():
        for behind in BEHIND:
            rng = np.random.default_rng(0)
            trials = [_simulated(rule, behind, rng) for _ in range(N_SIMULATED)]
            trained, stopped, would_win = np.array(trials).mean(axis=0)
            rows.append(
                {
                    **{"rule": name, "behind": behind, "trained": float(trained)},
                    **{"stopped": float(stopped), "stopped, best": float(would_win)},
                }
            )
    return rows


def _simulated(rule: Rule, behind: float, rng: np.random.Generator) -> tuple[int, bool, bool]:
    """Repeats trained; whether the trial was stopped; whether it was, and would have won."""
    completed = rng.standard_normal((N_COMPLETED, N_REPEATS))
    completed[1:] += rng.uniform(0, 4, (N_COMPLETED - 1, 1))
    values = behind + rng.standard_normal(N_REPEATS)
    for n in range(1, N_REPEATS):
        if rule(values[:n].tolist(), completed):
            return n, True, bool(values.mean() < completed.mean(axis=1).min())
    return N_REPEATS, False, False


def _ours(values: Sequence[float], completed: np.ndarray) -> bool:
    best = float(completed.mean(axis=1).min())
    return chance(values, best, completed.tolist(), N_REPEATS) < MIN_CHANCE


def _wilcoxon(values: Sequence[float], completed: np.ndarray) -> bool:
    """What Optuna's pruner says, with the values as it would find them in a study."""
    import warnings

    import optuna

    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pruner = optuna.pruners.WilcoxonPruner(p_threshold=P_THRESHOLD, n_startup_steps=N_STARTUP)
    study = optuna.create_study(pruner=pruner)
    for repeats in completed:
        study.add_trial(
            optuna.trial.create_trial(
                value=float(repeats.mean()), intermediate_values=dict(enumerate(repeats.tolist()))
            )
        )
    trial = study.ask()
    for step, value in enumerate(values):
        trial.report(value, step)
    return trial.should_prune()


def markdown(rows: list[dict[str, Any]]) -> str:
    """Of each rule and distance: repeats trained, and trials wrongly stopped."""
    lines = ["| behind the best by | " + " | ".join(_heads(rows)) + " |"]
    lines.append("|" + " --- |" * (1 + len(_heads(rows))))
    for behind in BEHIND:
        some = [row for row in rows if row["behind"] == behind]
        cells = "".join(
            f" {row['trained']:.1f} | {row['stopped']:.0%} | {row['stopped, best']:.1%} |"
            for row in some
        )
        lines.append(f"| {behind:g} sd |{cells}")
    return "\n".join(lines)


def _heads(rows: list[dict[str, Any]]) -> list[str]:
    rules = dict.fromkeys(row["rule"] for row in rows)
    what = ("repeats trained", "stopped", "stopped, but would have been best")
    return [f"{rule}: {one}" for rule in rules for one in what]
