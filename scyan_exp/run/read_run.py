"""A run in a folder as an object: its settings and its results."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from scyan_exp.errors import InputError
from scyan_exp.run.cleaned import why_gone
from scyan_exp.run.config_file import Settings, read_config_file
from scyan_exp.run.folder import RunFolder
from scyan_exp.run.outcome import Outcome
from scyan_exp.run.record import RunRecord, Value
from scyan_exp.terminal import short_numbers

if TYPE_CHECKING:
    from anndata import AnnData
    from pandas import DataFrame

    from scyan_exp.results.annotation import Annotation
    from scyan_exp.training.scyan import Scyan

#: Metrics that are shown besides the objective if there are labels.
SHOWN = ("accuracy", "f1_macro")


def read_run(folder: str | Path) -> Run:
    """Read the folder of a run, which may have failed, been cut off, or still be running.

    Raises:
        InputError: there is no run in this folder, or a newer version of the program wrote it.
    """
    return Run(folder)


class Run:
    """A run in its folder. Each attribute is read when it is first used, and then kept.

    So an object shows a run that still trains at one moment; call ``read_run`` again for a later
    one.

    Args:
        folder: the folder of the run.

    Attributes:
        folder: the folder of the run.
        record: what ``result.json`` says: seed, epochs, seconds, error, ...

    Raises:
        InputError: there is no run in this folder, or a newer version of the program wrote it.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.record = RunRecord.of_run(self.folder)

    @property
    def outcome(self) -> Outcome:
        """How the run ended: ``completed``, ``failed``, ...; ``running`` if it has not."""
        return self.record.status

    @property
    def metrics(self) -> dict[str, float | None]:
        """The metrics by name (with repeats, their means); None for a value that is not finite."""
        return dict(self.record.metrics)

    @property
    def objective(self) -> Value | None:
        """The value of the objective (a list of several); None if the run did not end well."""
        return self.record.objective

    @cached_property
    def config(self) -> Settings:
        """The resolved config, read only: ``run.config.model.prior_std``.

        Raises:
            InputError: the file is gone, or damaged.
        """
        return Settings(read_config_file(self._existing(RunFolder(self.folder).config)))

    @cached_property
    def weights(self) -> DataFrame:
        """The weight of each population (a column) after each epoch (a row); a row sums to 1.

        Raises:
            InputError: no epoch has been written, or this is a run with repeats.
        """
        import pandas as pd

        self._needs_a_training("weights")
        path = self._existing(RunFolder(self.folder).population_weights)
        return pd.read_csv(path, index_col="epoch")

    @cached_property
    def history(self) -> DataFrame:
        """What was measured in each epoch (a row): loss, cells_per_second, ...

        Raises:
            InputError: no epoch has been written, or this is a run with repeats.
        """
        import pandas as pd

        self._needs_a_training("history")
        logged = pd.read_csv(self._existing(RunFolder(self.folder).metrics))
        epochs = logged.dropna(subset="loss")  # the other rows are of single batches
        return epochs.dropna(axis="columns", how="all").set_index("epoch")

    @cached_property
    def model(self) -> Scyan:
        """The model with the weights of the best epoch.

        Raises:
            InputError: no epoch has been written, or this is a run with repeats.
        """
        from scyan_exp.results.annotation import load_model

        self._needs_a_training("model")
        return load_model(self._existing(RunFolder(self.folder).best))

    @cached_property
    def cells(self) -> AnnData:
        """The cells with their annotation, ``obs["scyan_pop"]`` and more.

        Raises:
            InputError: the run has annotated none, or the file is gone.
        """
        import anndata

        return anndata.read_h5ad(self._existing(RunFolder(self.folder).annotated))

    @property
    def figures(self) -> dict[str, Path]:
        """The figures by name."""
        paths = sorted(RunFolder(self.folder).figures.glob("*.png"))
        return {path.stem: path for path in paths}

    @property
    def has_repeats(self) -> bool:
        """Whether this is a run with repeats, or a consensus of runs."""
        if self.record.repeats is not None:
            return True
        return RunFolder(self.folder).config.is_file() and self.config.get("repeats", 1) > 1

    @cached_property
    def repeats(self) -> list[Run]:
        """The repeats that have begun, in the order of their seeds; empty for a single run.

        For a consensus of runs: these runs, as far as they still exist.
        """
        if self.record.repeats is not None and not RunFolder(self.folder).config.is_file():
            named = [self.folder / one["folder"] for one in self.record.repeats["members"]]
            return [Run(folder) for folder in named if RunRecord.read(folder) is not None]
        if self.config.get("repeats", 1) == 1:
            return []
        first = self.config.seed
        seeds = range(first, first + self.config.repeats)
        folders = [RunFolder(self.folder).repeat(seed).path for seed in seeds]
        return [Run(folder) for folder in folders if RunRecord.read(folder) is not None]

    def annotate(self, adata: AnnData) -> Annotation:
        """Annotate new cells; see :func:`scyan_exp.annotate`.

        Args:
            adata: cells with the markers and covariates of the run; changed in place.

        Raises:
            InputError: the cells lack a marker or covariate, or the run has no model.
        """
        from scyan_exp.run.annotate import annotate

        return annotate(self.folder, adata)

    def __repr__(self) -> str:
        shown = {name: self.metrics[name] for name in SHOWN if self.metrics.get(name) is not None}
        parts = [str(self.outcome)]
        if self.objective is not None:
            parts.append(f"objective {self.objective}")
        parts += [f"{name} {value}" for name, value in shown.items()]
        if self.record.epochs:
            parts.append(f"{self.record.epochs} epochs")
        if self.record.error:
            parts.append(self.record.error)
        return f"Run({str(self.folder)!r}: {short_numbers(', '.join(parts))})"

    def _needs_a_training(self, what: str) -> None:
        """Refuse a run with repeats, each of which has its own."""
        if self.repeats:
            raise InputError(
                f"{what}: this run has {len(self.repeats)} repeats, each with its own: "
                f"repeats[0].{what}",
                where=str(self.folder),
            )

    def _existing(self, path: Path) -> Path:
        if path.is_file():
            return path
        name = path.relative_to(self.folder)
        why = why_gone(self.folder, path) or f"it is {self.outcome}"
        raise InputError(f"no {name} in this run ({why})", where=str(self.folder))
