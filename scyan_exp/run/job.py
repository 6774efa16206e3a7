"""One job as Hydra starts it: a single run, or a job of a sweep under any launcher."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scyan_exp.errors import InputError, TrainingDiverged
from scyan_exp.files import explain_unwritable
from scyan_exp.run.importing import import_libraries
from scyan_exp.run.locking import FolderInUse, alone_in
from scyan_exp.run.wandb_variables import require_own_id
from scyan_exp.terminal import short_numbers

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from scyan_exp.config.schema import RunConfig
    from scyan_exp.run.cells import KeptCells
    from scyan_exp.run.record import Value
    from scyan_exp.run.tracking import RunIdentity
    from scyan_exp.training.reporting import Reporter

log = logging.getLogger(__name__)

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130


#: Finds what takes the values of a job's epochs, given ``hydra.sweeper``, the folder of the sweep,
#: and the folder in which it was started.
ReporterOf = Callable[[Mapping[str, Any], Path, Path], "Reporter | None"]


class JobFailed(RuntimeError):
    """A job of a sweep failed; its error is already in its log."""


class TrainJob:
    """Hydra's task function. Torch is imported when a job is called, not before.

    In a sweep, a job whose folder holds the result of the same config is not run again, and one
    that was cut off continues from its last checkpoint. So a sweep into the same folder goes on.
    The cells stay loaded for the process's next job.

    Args:
        reporter_of: finds what takes the values of a job's epochs; None if nothing does.
        owns_process: whether the process does nothing but run jobs; False in a notebook.

    Attributes:
        sweep_dir: the folder of the sweep whose jobs ran in this process, if they want its page.
    """

    def __init__(self, reporter_of: ReporterOf | None = None, *, owns_process: bool = True) -> None:
        self._reporter_of, self._owns_process = reporter_of, owns_process
        self._kept: KeptCells | None = None
        self.sweep_dir: Path | None = None

    def __call__(self, config: DictConfig) -> Value | None:
        """Run a job, and log what goes wrong.

        Returns:
            The objective (a list of several), or None when a search pruned the run.

        Raises:
            SystemExit: a single run had wrong input or failed; with the exit code.
            JobFailed: a job of a sweep had wrong input or failed.
        """
        from hydra.core.hydra_config import HydraConfig

        from scyan_exp.run.folder import RunFolder

        folder, is_single = Path(HydraConfig.get().runtime.output_dir), not is_sweep()
        try:
            with explain_unwritable(folder), alone_in(folder), _where_typed():
                return self._run(config, folder)
        except InputError as error:
            if is_single:  # Hydra lets SystemExit pass, and treats other errors as its own
                if not isinstance(error, FolderInUse):
                    discard(folder)
                print(error, file=sys.stderr)
                raise SystemExit(WRONG_INPUT) from error
            log.error("%s", error)
            raise JobFailed(f"a job had wrong input; see {RunFolder(folder).log}") from error
        except KeyboardInterrupt:
            if is_single:
                discard(folder)  # only if the run had not begun
            raise
        except Exception as error:
            _say_failed(error, RunFolder(folder).log)
            if is_single:
                raise SystemExit(FAILED) from error
            raise JobFailed(f"a job failed; see {RunFolder(folder).log}") from error

    def check(self, config: DictConfig) -> RunConfig:
        """The config of a job, checked and resolved, without torch.

        Raises:
            InputError: everything that is wrong with it.
        """
        from scyan_exp.config.check import check_config

        return check_config(config)

    def checker(self, base: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], RunConfig]:
        """What checks configs that are similar to this one, all in plain containers."""
        from scyan_exp.config.check import Checker

        return Checker(base)

    def import_libraries(self) -> None:
        """Import what jobs need, before processes are forked off this one."""
        import_libraries()

    def _run(self, config: DictConfig, folder: Path) -> Value | None:
        from scyan_exp.run.folder import RunFolder
        from scyan_exp.run.record import RunRecord

        checked = self.check(config)
        require_own_id(checked, is_sweep=is_sweep())
        RunFolder(folder).write_config(checked.plain())
        was_cut_off = False
        if is_sweep():
            self.sweep_dir = sweep_dir() if checked.report else None
            ended = RunRecord.read_ended(folder, checked)
            if ended is not None:
                log.info("%s earlier; objective: %s", ended.status, ended.objective)
                return ended.objective
            was_cut_off = RunRecord.has_cut_off(folder, checked)
        import_libraries(tracked=checked.logger.uses_wandb, for_good=self._owns_process)
        from scyan_exp.run.experiment import RunPruned
        from scyan_exp.run.repeats import run_all

        try:
            return run_all(
                checked,
                folder,
                identity(checked, folder),
                continuing=was_cut_off,
                reporter=self._reporter(),
                cells=self._cells(),
            )
        except RunPruned as reason:
            log.info("%s", reason)
            return None

    def _cells(self) -> KeptCells | None:
        """The cells of the last job, for the next one; a single run keeps none."""
        if not is_sweep():
            return None
        if self._kept is None:
            from scyan_exp.run.cells import KeptCells

            self._kept = KeptCells()
        return self._kept

    def _reporter(self) -> Reporter | None:
        """What takes the values of this job's epochs, if anything does."""
        from hydra.core.hydra_config import HydraConfig
        from omegaconf import OmegaConf

        hydra = HydraConfig.get()
        if self._reporter_of is None or not is_sweep() or not hydra.sweeper.get("prunes"):
            return None
        sweeper: Any = OmegaConf.to_container(hydra.sweeper, resolve=True)
        return self._reporter_of(sweeper, Path(str(hydra.sweep.dir)), Path(hydra.runtime.cwd))


def _say_failed(error: Exception, file: Path) -> None:
    """Log what went wrong, with a traceback unless the error says what to do."""
    if isinstance(error, TrainingDiverged):
        log.error("the run failed: %s; see %s", error, file)
        log.debug("where it failed", exc_info=error)
    else:
        log.exception("the run failed; see %s", file)


@contextmanager
def _where_typed() -> Iterator[None]:
    """Within the block, paths are relative to the folder where the command was typed.

    With ``hydra.job.chdir=true``, Hydra changes to the folder of the run.
    """
    from hydra.core.hydra_config import HydraConfig

    hydra = HydraConfig.get()
    with chdir(hydra.runtime.cwd) if hydra.job.chdir else nullcontext():
        yield


def is_sweep() -> bool:
    """Whether Hydra's current job belongs to a sweep."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    return HydraConfig.get().mode == RunMode.MULTIRUN


def sweep_dir() -> Path:
    """The folder of the sweep to which Hydra's current job belongs."""
    from hydra.core.hydra_config import HydraConfig

    return Path(str(HydraConfig.get().sweep.dir)).absolute()


def identity(config: RunConfig, folder: Path) -> RunIdentity:
    """Name, group and tags of a job on dashboards."""
    from hydra.core.hydra_config import HydraConfig

    from scyan_exp.run.tracking import RunIdentity

    job = HydraConfig.get()
    sweep = Path(job.sweep.dir).name if is_sweep() else None
    return RunIdentity(
        name=config.name or short_numbers(job.job.override_dirname) or folder.name,
        group=config.group or sweep,
        tags=list(config.tags),
        choices=_choices(),
    )


def _choices() -> dict[str, str]:
    """The current job's option of each config group, except for Hydra's own groups."""
    from hydra.core.hydra_config import HydraConfig

    chosen = HydraConfig.get().runtime.choices.items()
    return {
        str(group): str(option)
        for group, option in chosen
        if option is not None and str(group).partition("/")[0] != "hydra"
    }


def discard(folder: Path) -> None:
    """Remove the folder of a run that never began, if it holds only Hydra's files."""
    from scyan_exp.run.folder import RunFolder

    own = RunFolder(folder)
    if set(folder.glob("*")) <= {own.hydra, own.log}:
        shutil.rmtree(folder, ignore_errors=True)
        for parent in (folder.parent, folder.parent.parent):  # outputs/<day>, outputs
            if "outputs" in (parent.name, parent.parent.name) and not any(parent.iterdir()):
                parent.rmdir()
