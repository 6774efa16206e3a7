"""What only a Slurm cluster does: queues, preemption, refusals, launchers of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from scyan_exp.errors import InputError
from scyan_exp.fleet.check import check_settings
from scyan_exp.fleet.engines.base import Needs
from scyan_exp.fleet.engines.slurm import SlurmEngine, crew
from scyan_exp.fleet.engines.slurm.commands import living
from scyan_exp.fleet.engines.slurm.mailbox import Mailbox
from scyan_exp.fleet.engines.slurm.names import foremen_name
from scyan_exp.run.outcome import Outcome
from tests.fleet.engine_suite import AtWork, EngineSuite, all_ended
from tests.fleet.sweeps import ENDLESS, QUICK, STEADY, assert_same_training, ended, until
from tests.fleet.tasks import act
from tests.slurm_cluster import GPU

SLURM = ("hydra.launcher.engine=slurm", "hydra.launcher.slurm.ask_every_s=1")


class Jobs(EngineSuite):
    jobs = EngineSuite.jobs


def engine(folder: Path, n_jobs: int = 2, wants_gpu: bool = False, **settings) -> SlurmEngine:
    of_slurm = {"ask_every_s": 0.5, **settings.pop("slurm", {})}
    given = {"engine": "slurm", "slurm": of_slurm, **settings}
    return SlurmEngine(Needs(check_settings(given), act, wants_gpu, n_jobs, folder))


def script(folder: Path) -> str:
    """What was submitted."""
    (path,) = (folder / ".slurm").glob("[0-9]*_submission.sh")
    return path.read_text()


@pytest.fixture
def jobs(tmp_path, hydra_restore_singletons, request):
    """As in the suite of engines: jobs in the folder ``sweep``."""
    return Jobs.jobs.__wrapped__(None, tmp_path, hydra_restore_singletons)
