"""What is struck: commands, how each goes on, and what it leaves in the end."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: A training of a moment.
TINY = (
    *("dataset.n_cells=300", "flow=shallow", "model.batch_size=150", "trainer.max_epochs=2"),
    *("callbacks=none", "figures.draw=none", "report=false"),
)
UNTRACKED = (*TINY, "logger=none")
FLEET = "hydra/launcher=fleet"
#: One job at a time, so that the calls of a worker come in the same order each time.
ONE = "hydra.launcher.jobs_per_device=1"
SEARCH = ("-m", "hydra/sweeper=study", "model.prior_std=interval(0.2,0.4)")

#: Runs in the process that all others are forked off. A YAML file is parsed once, and what is typed
#: is not looked at before Hydra does, which takes half of the time of such small jobs and writes
#: nothing. A note is written after each block of an annotation, and a checkpoint after each epoch.
SETUP = """
import copy, gc, yaml
from omegaconf._utils import get_yaml_loader
from scyan_exp.cli import problems, safety
from scyan_exp.config.compose import compose_config, configs_folder
from scyan_exp.run.annotating import filling, h5ad, row_sinks, row_sources, rows
from scyan_exp.training import saving

load, parsed = yaml.load, {}
def load_known(stream, Loader):
    text = stream if isinstance(stream, (str, bytes)) else stream.read()
    if text not in parsed:
        return load(text, Loader)
    return copy.deepcopy(parsed[text])
for path in configs_folder().rglob("*.yaml"):
    parsed[path.read_text()] = load(path.read_text(), get_yaml_loader())
yaml.load = load_known
safety.unsafe_problems = problems.command_problems = lambda arguments: []
filling.EVERY = row_sinks.EVERY = 0.0
h5ad.BLOCK_BYTES = 1
row_sources.ROWS = rows.ROWS = 8192
saving.SECONDS_BETWEEN_WRITES = 0.0
for launcher in ("fleet", "basic"):
    compose_config([f"hydra/launcher={launcher}", "flow=shallow", "callbacks=none", "logger=none"])
gc.collect()
gc.freeze()
gc.disable()
"""


@dataclass(frozen=True)
class Case:
    """A command that is struck.

    Attributes:
        arguments: the command, given its folder and that of what all cases share.
        resumes: whether ``scyan-exp resume`` goes on with it; else the same command does.
        is_search: whether failed trials count.
    """

    arguments: Callable[[Path, Path], tuple[str, ...]]
    resumes: bool = False
    is_search: bool = False

    def begin(self, folder: Path, shared: Path) -> list[str]:
        """The command."""
        return list(self.arguments(folder, shared))

    def go_on(self, folder: Path, shared: Path, said: str | None) -> list[str]:
        """The command that goes on, as the program names it.

        Args:
            folder: its folder.
            shared: the folder of what all cases share.
            said: what the last command said, if it was refused.
        """
        if not self.resumes:
            return self.begin(folder, shared)
        if said is None:
            return ["resume", str(folder)]
        named = re.search(r"scyan-exp (train .*)", said)
        return shlex.split(named[1]) if named else self.begin(folder, shared)


def _sweep(*arguments: str) -> Callable[[Path, Path], tuple[str, ...]]:
    return lambda folder, _: ("train", *arguments, FLEET, f"hydra.sweep.dir={folder}")


def _run(*arguments: str) -> Callable[[Path, Path], tuple[str, ...]]:
    return lambda folder, _: ("train", *arguments, f"hydra.run.dir={folder}")


def _annotate(cells: str, *options: str) -> Callable[[Path, Path], tuple[str, ...]]:
    return lambda folder, shared: (
        *("annotate", str(shared / "model"), str(shared / cells), f"out={folder}", *options),
    )


def _sqlite(folder: Path, shared: Path) -> tuple[str, ...]:
    url = f"hydra.sweeper.storage=sqlite:///{folder}/study.db"
    given = _sweep(*SEARCH, *UNTRACKED, ONE, url, "hydra.sweeper.n_trials=3")
    return given(folder, shared)


CASES = {
    "sweep": Case(_sweep("-m", "seed=0,1", *UNTRACKED, ONE), True),
    "slots": Case(_sweep("-m", "seed=0,1,2", *UNTRACKED, "hydra.launcher.jobs_per_device=2"), True),
    "repeats": Case(_sweep("-m", "seed=0,5", "repeats=2", *UNTRACKED, ONE), True),
    "search": Case(_sweep(*SEARCH, *UNTRACKED, ONE, "hydra.sweeper.n_trials=3"), True, True),
    "sqlite": Case(_sqlite, True, True),
    "tracked": Case(_sweep("-m", "seed=0,1", *TINY, ONE), True),
    "run": Case(_run("repeats=2", *UNTRACKED, "figures.draw=[loss]")),
    "annotate": Case(_annotate("cells.h5ad")),
    "annotate_csv": Case(_annotate("cells.csv", "format=csv")),
}
