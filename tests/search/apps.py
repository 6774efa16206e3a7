"""Small programs whose objective is a known function: searches without any training."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna

from scyan_exp.config.overrides import quoted
from scyan_exp.search.storage.opening import open_storage
from tests.fleet.sweeps import MARK, Sweep
from tests.starting import Process

#: What a program is, around the function of its config.
PROGRAM = """\
import hydra, math, os, time
from pathlib import Path

@hydra.main(config_path=".", config_name="config", version_base="1.3")
def main(config):
{body}

main()
"""
#: Falls towards x=0.3, y=-2, kind=b; each of the three matters.
QUADRATIC = (
    "return (config.x - 0.3) ** 2 + 0.1 * (config.y + 2) ** 2 + {'a': 1, 'b': 0, 'c': 2}"
    "[config.kind] + (math.log10(config.rate) + 2) ** 2"
)
QUADRATIC_CONFIG = "x: 0.5\ny: 0\nkind: a\nrate: 0.1\n"
QUADRATIC_SPACE = (
    "x=interval(-1,1)",
    "y=range(-10,10)",
    "kind=a,b,c",
    "rate=tag(log,interval(1e-5,1))",
)


class App(Sweep):
    """A program of its own and a search with it, in processes of its own.

    Args:
        folder: the folder of the search; the program lies beside it.
        body: lines of a function of ``config``.
        config: its YAML.
    """

    def __init__(self, folder: Path, body: str = QUADRATIC, config: str = QUADRATIC_CONFIG) -> None:
        super().__init__(folder)
        self.token = uuid.uuid4().hex
        lines = "\n".join(f"    {line}" for line in body.splitlines())
        self.program = folder.with_name(f"{folder.name}_app") / "app.py"
        self.program.parent.mkdir(parents=True)
        self.program.write_text(PROGRAM.format(body=lines))
        (self.program.parent / "config.yaml").write_text(config)

    def search(
        self,
        *arguments: str,
        launcher: str = "fleet",
        environment: Mapping[str, str] | None = None,
    ) -> Process:
        """Start the search, or go on with it."""
        more = ["hydra/sweeper=study", *arguments]
        return self.sweep(*more, launcher=launcher, environment=environment)

    def sweep(
        self,
        *arguments: str,
        launcher: str = "fleet",
        environment: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Process:
        """Start the program as a sweep."""
        where = [f"hydra/launcher={launcher}", f"hydra.sweep.dir={quoted(str(self.folder))}"]
        process = Process(
            [str(self.program), "-m", *where, *arguments],
            cwd=self.folder.parent,
            env={**os.environ, MARK: self.token, **(environment or {})},
            **options,
        )
        self.started.append(process)
        return process


def open_study(folder: Path, url: str | None = None, name: str | None = None) -> optuna.Study:
    """The study of a search; a journal is read with what Optuna itself brings.

    Args:
        folder: of the search.
        url: of its storage, if it is not the file there.
        name: of the study, if it is not that of the folder.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage: Any
    if url is None:
        storage = JournalStorage(JournalFileBackend(str(folder / "study.journal")))
    else:
        storage = open_storage(url)  # which a search may be making right now
    return optuna.load_study(study_name=name or folder.name, storage=storage)


def states(study: optuna.Study) -> list[str]:
    """The states of its trials, in order."""
    return [trial.state.name for trial in study.get_trials(deepcopy=False)]
