"""Weights & Biases: one run a job, offline unless asked otherwise."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import WandbLogger

from scyan_exp.config.schema import LoggerConfig
from scyan_exp.errors import InputError
from scyan_exp.results.verdict import Verdict
from scyan_exp.run.outcome import Outcome


@dataclass(frozen=True)
class RunIdentity:
    """How a run is called on a dashboard.

    Attributes:
        name: what distinguishes this job, its overrides by default.
        group: the sweep it belongs to, if any.
        tags: words to filter by.
    """

    name: str
    group: str | None = None
    tags: Sequence[str] = ()


class Tracker:
    """The W&B run of one job, as a context: finished when the block ends, also by an error.

    Args:
        settings: the ``logger`` section of the config; nothing is tracked when its backend is none
            or its mode disabled.
        folder: the run folder; W&B writes to ``folder/wandb``.
        identity: name, group and tags.
        config: the resolved config as plain containers.
        run_id: id of a run to continue.

    Raises:
        InputError: W&B refuses, for want of a login or of a network.
    """

    def __init__(
        self,
        settings: LoggerConfig,
        folder: Path,
        identity: RunIdentity,
        config: Mapping[str, Any],
        run_id: str | None = None,
    ) -> None:
        self.run: Any = None
        if settings.uses_wandb:
            self.run = _start(settings, folder, identity, config, run_id)

    def __enter__(self) -> Tracker:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.run is None:
            return
        if kind is not None:
            stopped = issubclass(kind, KeyboardInterrupt)
            self.log_outcome(Outcome.INTERRUPTED if stopped else Outcome.FAILED)
        self.run.finish(exit_code=0 if kind is None else 1)

    @property
    def run_id(self) -> str | None:
        """Id of the W&B run, or None when nothing is tracked."""
        return None if self.run is None else str(self.run.id)

    def loggers(self) -> list[WandbLogger]:
        """The Lightning logger of this run, if there is one."""
        return [] if self.run is None else [WandbLogger(experiment=self.run)]

    def log_results(self, metrics: Mapping[str, float], figures: Sequence[Path] = ()) -> None:
        """Metrics as summary values, figures as images."""
        if self.run is None:
            return
        import wandb

        if figures:
            self.run.log({f"figures/{path.stem}": wandb.Image(str(path)) for path in figures})
        self.run.summary.update(dict(metrics))

    def log_verdict(self, verdict: Verdict) -> None:
        """Whether to use the annotation, as summary values."""
        if self.run is not None:
            self.run.summary.update(verdict.summary())

    def log_outcome(self, outcome: Outcome) -> None:
        """How the run ended, as a summary value."""
        if self.run is not None:
            self.run.summary.update({"outcome": outcome.value, "pruned": outcome == Outcome.PRUNED})


def _start(
    settings: LoggerConfig,
    folder: Path,
    identity: RunIdentity,
    config: Mapping[str, Any],
    run_id: str | None,
) -> Any:
    import wandb

    folder.mkdir(parents=True, exist_ok=True)
    try:
        return wandb.init(
            project=settings.project,
            entity=settings.entity,
            mode=settings.mode,
            job_type=settings.job_type,
            dir=folder,
            id=run_id,
            resume="allow" if run_id else None,
            name=identity.name,
            group=identity.group,
            tags=list(identity.tags),
            config=dict(config),
            # A run of its own, whatever else this process has open; the terminal stays ours.
            reinit="create_new",
            settings=wandb.Settings(
                silent=settings.mode == "offline",
                console="off",
                disable_git=True,
                x_stats_pid=os.getpid(),  # W&B's default is the process that imported it
            ),
        )
    except wandb.Error as error:
        raise InputError(
            f"logger.mode={settings.mode}: W&B cannot be used ({error}). Log in with `wandb "
            "login`, or use logger.mode=offline and `wandb sync` afterwards"
        ) from error
