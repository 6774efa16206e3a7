"""The figures of trials for optuna-dashboard, which shows the artifacts of Optuna's studies."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta, upload_artifact

from scyan_exp.run.folder import RunFolder, SweepFolder
from scyan_exp.search.optuna_internals import StoredTrial

if TYPE_CHECKING:
    from optuna import Study

log = logging.getLogger(__name__)

#: User attribute of a trial: where its run folder is.
RUN_FOLDER = "run_folder"


class LinkedStore(FileSystemArtifactStore):
    """A store whose files are hard links to those of the runs: they take no room of their own.

    Where the file system has no links, they are copies.

    Args:
        folder: where the store is.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._folder = folder

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Take in a file that is open for reading."""
        try:
            os.link(content_body.name, self._folder / artifact_id)
        except OSError:
            super().write(artifact_id, content_body)


def attach_figures(study: Study, number: int, run: Path, sweep: Path) -> None:
    """Attach the figures of a run to its trial, which has not been told yet, and name its folder.

    Args:
        study: the study.
        number: of the trial.
        run: the run folder.
        sweep: the folder of the sweep, where the store is.
    """
    trial = StoredTrial(study, number)
    figures = sorted(RunFolder(run).figures.glob("*.png"))
    if not figures or trial.read().state.is_finished():
        return
    trial.set_attr(RUN_FOLDER, str(run.absolute()))
    folder = SweepFolder(sweep).artifacts
    there = get_all_artifact_meta(trial.read(), storage=trial.storage)
    # The sweep was killed before the trial was told; Optuna writes the name before the file.
    known = {one.filename for one in there if (folder / one.artifact_id).exists()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in figures:
            if path.name not in known:
                upload_artifact(
                    artifact_store=LinkedStore(folder),
                    file_path=str(path),
                    study_or_trial=trial.read(),
                    storage=trial.storage,
                )
    except OSError as error:
        log.warning("trial %d: its figures are not in the dashboard (%s)", number, error)
