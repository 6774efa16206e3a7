"""Weights & Biases: one W&B run per job, offline unless asked otherwise."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import string
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scyan_exp.config.schema import LoggerConfig
from scyan_exp.errors import InputError
from scyan_exp.results.verdict import Verdict
from scyan_exp.run.beside import Beside
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.tracked import Table
from scyan_exp.run.wandb_variables import RUN_ID, check_variables

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

#: W&B's names for the kinds of files in ``logger.artifacts``.
ARTIFACT_TYPES = {"checkpoint": "model", "cells": "dataset"}
#: W&B's variable for the folder of files that wait to be uploaded.
STAGING = "WANDB_DATA_DIR"


@dataclass(frozen=True)
class RunIdentity:
    """The name, group and tags of a run on dashboards.

    Attributes:
        name: what tells this job from others; by default its overrides.
        group: the sweep it belongs to, if any.
        tags: words to filter by.
        choices: the option of each config group, such as ``{"flow": "deep"}``.
    """

    name: str
    group: str | None = None
    tags: Sequence[str] = ()
    choices: Mapping[str, str] = field(default_factory=dict)


class Tracker:
    """The W&B run of one job, as a context: it is finished when the block ends, even by an error.

    Offline, W&B starts while the first epochs are trained, and their rows wait for it.

    Args:
        settings: the ``logger`` section of the config; nothing is tracked if its backend is
            ``none`` or its mode ``disabled``.
        folder: the run folder; W&B writes to ``folder/wandb``.
        identity: name, group and tags.
        config: the resolved config as plain containers.
        run_id: id of a run to continue.

    Attributes:
        run_id: id of the W&B run; None if nothing is tracked.

    Raises:
        InputError: W&B refuses: one of its variables is wrong, or it needs a login or a network.
    """

    def __init__(
        self,
        settings: LoggerConfig,
        folder: Path,
        identity: RunIdentity,
        config: Mapping[str, Any],
        run_id: str | None = None,
    ) -> None:
        self._settings, self._folder, self._group = settings, RunFolder(folder), identity.group
        self._run: Any = None
        self.run_id: str | None = None
        if not settings.uses_wandb:
            return
        check_variables()
        self.run_id = run_id or os.environ.get(RUN_ID) or _new_id()
        self._beside = Beside("wandb")
        self._beside.do(self._start, settings, folder, identity, config, self.run_id, bool(run_id))
        if settings.mode != "offline":  # so that a server can refuse before anything is trained
            self._wait_for_start()

    def __enter__(self) -> Tracker:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.run_id is None:
            return
        try:
            run = self.run
            if kind is not None:
                stopped = issubclass(kind, KeyboardInterrupt)
                self.log_outcome(Outcome.INTERRUPTED if stopped else Outcome.FAILED)
            run.finish(exit_code=0 if kind is None else 1)
        finally:
            self._beside.close()
            shutil.rmtree(self._temporary, ignore_errors=True)

    @property
    def run(self) -> Any:
        """The W&B run, once all rows are logged; None if nothing is tracked.

        Raises:
            InputError: it could not be started.
        """
        if self.run_id is not None:
            self._beside.wait()
        return self._run

    def loggers(self) -> list[Logger]:
        """The Lightning logger of this run, if there is one."""
        if self.run_id is None:
            return []
        from scyan_exp.run.wandb_logger import TrackerLogger

        return [TrackerLogger(self.run_id, self._log_row)]

    def _log_row(self, row: Mapping[str, float]) -> None:
        """Log a row once the W&B run has started, without waiting for that."""
        kept = dict(row)
        self._beside.do(lambda: self._run.log(kept))

    def _start(self, *arguments: Any) -> None:
        self._run = _start(*arguments)

    def _wait_for_start(self) -> None:
        try:
            self._beside.wait()
        except BaseException:
            self._beside.close()
            raise

    def log_results(
        self,
        metrics: Mapping[str, float],
        figures: Sequence[Path] = (),
        tables: Mapping[str, Table] | None = None,
    ) -> None:
        """Metrics as summary values, figures as images, tables by their names."""
        run = self.run
        if run is None:
            return
        import wandb

        media: dict[str, Any] = {f"figures/{one.stem}": wandb.Image(str(one)) for one in figures}
        for name, table in (tables or {}).items():
            media[name] = wandb.Table(columns=list(table.columns), data=table.rows)
        if media:
            with self._in_run_folder():
                run.log(media)
        run.summary.update(dict(metrics))

    def log_artifacts(self) -> None:
        """Log the files that ``logger.artifacts`` asks for, as far as the run folder has them."""
        if self.run is None:
            return
        import wandb

        files = {"checkpoint": self._folder.best, "cells": self._folder.annotated}
        for kind in self._settings.artifacts:
            if files[kind].is_file():
                artifact = wandb.Artifact(f"{kind}-{self.run.id}", ARTIFACT_TYPES[kind])
                # Without copying: otherwise W&B keeps a second file of each until it is uploaded.
                artifact.add_file(str(files[kind]), policy="immutable", skip_cache=True)
                with self._in_run_folder():
                    self.run.log_artifact(artifact, aliases=_aliases(self._group))

    @property
    def _temporary(self) -> Path:
        return self._folder.wandb / "tmp"

    @contextmanager
    def _in_run_folder(self) -> Iterator[None]:
        """Let W&B keep its files in the run folder, not in the home or in TMPDIR.

        W&B removes temporary files when Python ends, which it does not in workers of a fleet.
        """
        self._temporary.mkdir(parents=True, exist_ok=True)
        before, tempfile.tempdir = tempfile.tempdir, str(self._temporary.absolute())
        is_ours = STAGING not in os.environ
        os.environ.setdefault(STAGING, str(self._folder.wandb.absolute()))
        try:
            yield
        finally:
            tempfile.tempdir = before
            if is_ours:
                del os.environ[STAGING]

    def log_verdict(self, verdict: Verdict) -> None:
        """Log whether to use the annotation, as summary values."""
        if self.run is not None:
            self.run.summary.update(verdict.summary())

    def log_outcome(self, outcome: Outcome) -> None:
        """Log how the run ended, as a summary value."""
        if self.run is not None:
            self.run.summary.update({"outcome": outcome.value, "pruned": outcome == Outcome.PRUNED})


def _aliases(group: str | None) -> list[str]:
    """``best``, because the weights are those of the best epoch, and the name of the sweep."""
    return ["best", *([re.sub(r"[/:]", "_", group)] if group else [])]


def _new_id() -> str:
    """A new id in the form of W&B's own, known before W&B has started."""
    letters = string.ascii_lowercase + string.digits
    return "".join(secrets.choice(letters) for _ in range(8))


def _start(
    settings: LoggerConfig,
    folder: Path,
    identity: RunIdentity,
    config: Mapping[str, Any],
    run_id: str,
    resumes: bool,
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
            # An agent of a W&B sweep has told W&B the id itself.
            id=None if run_id == os.environ.get(RUN_ID) else run_id,
            resume="allow" if resumes else None,
            name=identity.name,
            group=identity.group,
            tags=list(identity.tags),
            config=dict(config),
            # A separate W&B run, whatever else this process has open; W&B leaves the terminal
            # alone.
            reinit="create_new",
            settings=wandb.Settings(
                silent=settings.mode == "offline",
                console="off",
                disable_git=True,
                x_stats_pid=os.getpid(),  # otherwise W&B takes the process that imported it
            ),
        )
    except wandb.Error as error:
        raise InputError(
            f"logger.mode={settings.mode}: W&B cannot be used ({error}). Log in with `wandb "
            "login`, or use logger.mode=offline and `wandb sync` afterwards"
        ) from error
