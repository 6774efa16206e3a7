"""What the log says about a run at its end."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scyan_exp.errors import listed
from scyan_exp.results.annotation import LOG_PROB_THRESHOLD, Annotation
from scyan_exp.results.verdict import Level, Verdict
from scyan_exp.run.fitting import Trained
from scyan_exp.run.record import RunRecord

log = logging.getLogger(__name__)

#: If more than this share of the cells fits no population, the log says what may help.
MANY_UNFIT = 0.1
#: The most populations that are named, the largest first.
MOST_NAMED = 8


def say_training(trained: Trained) -> None:
    """Log a line on a training: how long it was, which epoch annotates, and why it ended."""
    n_epochs = len(trained.history)
    log.info(
        "%d epoch%s in %.1f s, the best was number %d (%s). It stopped because %s",
        n_epochs,
        "" if n_epochs == 1 else "s",
        trained.seconds,
        trained.best_epoch + 1,
        trained.outcome,
        trained.because,
    )


def say_warm_up(best_epoch: int, warm_up_epochs: int, n_epochs: int) -> None:
    """Warn if an epoch of the warm-up annotates although there were later epochs."""
    if best_epoch < warm_up_epochs < n_epochs:
        log.warning(
            "epoch %d annotates, which is of the warm-up: later ones agreed less with the table. "
            "Is an entry of the table wrong (scyan-exp check)? model.agreement_tolerance=null "
            "chooses by the loss alone",
            best_epoch + 1,
        )


def say_results(
    annotation: Annotation, metrics: Mapping[str, float], verdict: Verdict, folder: Path
) -> None:
    """Log the metrics of an annotation, whether to use it, and where the results are."""
    for name, value in metrics.items():
        log.info("  %-22s %s", name, f"{value:.4f}" if isinstance(value, float) else value)
    unannotated, n_cells = int((annotation.codes < 0).sum()), len(annotation.codes)
    if unannotated:
        share = unannotated / n_cells
        counts = f"{unannotated:,} of {n_cells:,} cells ({share:.1%})"
        log.info("  %-22s %s", "unannotated", counts)
    unfit = float(
        (~(annotation.log_prob >= LOG_PROB_THRESHOLD)).mean()
    )  # cells whose number is NaN fit nothing
    if unfit > MANY_UNFIT:
        log.warning(
            "%.0f%% of the cells fit no population well (log-probability below %g): train "
            "longer (a smaller model.batch_size, callbacks=none), or look at the table",
            100 * unfit,
            LOG_PROB_THRESHOLD,
        )
    say_verdict(verdict)
    log.info("Results: %s", folder)


def say_verdict(verdict: Verdict) -> None:
    """Log whether to use the annotation, why not, and which populations to look at."""
    say = log.info if verdict.level == Level.GOOD else log.warning
    say("Verdict: %s", "\n  - ".join([verdict.level.value, *verdict.reasons]))
    named = [f"  {name}: {listed(remarks)}" for name, remarks in verdict.populations.items()]
    if named:
        rest = [f"  and {len(named) - MOST_NAMED} more in result.json"] * (len(named) > MOST_NAMED)
        log.info("Populations to look at:\n%s", "\n".join([*named[:MOST_NAMED], *rest]))


def say_repeat(record: RunRecord, objectives: Sequence[str]) -> None:
    """Log a line on a repeat: seed, epochs, objectives, agreement with the table, seconds."""
    names = list(dict.fromkeys([*objectives, "table_agreement"]))
    values = [(name, record.metrics.get(name)) for name in names]
    shown = "".join(f", {name} {value:.4f}" for name, value in values if value is not None)
    count = f"{record.epochs} epoch{'' if record.epochs == 1 else 's'}"
    log.info("seed %d: %s%s, %.1f s", record.seed, count, shown, record.fit_seconds)


def say_repeats(metrics: Mapping[str, float], repeats: Mapping[str, Any]) -> None:
    """Log mean and spread of several trainings, and the weight of each in their consensus."""
    members, std = repeats["members"], repeats["std"]
    log.info("mean of %d trainings (standard deviation):", len(members))
    for name, value in metrics.items():
        log.info("  %-22s %.4f (%.4f)", name, value, std[name])
    weights = [f"{_shown(one)}: {one['weight']:.2f}" for one in members]
    log.info("consensus, with weights %s:", ", ".join(weights))


def _shown(member: Mapping[str, Any]) -> str:
    """The name of a member within a sentence."""
    seed, name = member["seed"], str(member["name"])
    return f"seed {seed}" if name == f"seed_{seed}" else name


def say_unfinished(n_finished: int, n_repeats: int, again: str | None) -> None:
    """For an interrupted run, log how many repeats its consensus has, and how to go on."""
    if n_finished > 1:
        log.warning(
            "incomplete: the consensus is of the %d of %d repeats that were finished",
            n_finished,
            n_repeats,
        )
    else:
        log.warning("%d of %d repeats were finished: no consensus", n_finished, n_repeats)
    log.warning("To go on: %s", again or "the same command into the same folder")
