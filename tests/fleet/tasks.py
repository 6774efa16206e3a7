"""What jobs do in the tests of engines: a task whose config says how it ends."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

LONG = 300.0


def act(config: DictConfig) -> object:
    """Do what the config says, after leaving the file ``began`` in the run folder."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    (folder / "began").touch()
    if config.does == "raise":
        raise ValueError("first line\nsecond line")
    if config.does == "exit":
        raise SystemExit(3)
    if config.does == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if config.does == "meet":
        others = [path.parent for path in folder.parent.glob("*/.hydra")]
        while not all((other / "began").exists() for other in others):
            time.sleep(0.02)
    if config.does == "sleep":
        _sleep(folder / "saved")
    return config.value


class SlowToBegin:
    """The same task, whose libraries take so many seconds to be imported."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def import_libraries(self) -> None:
        time.sleep(self.seconds)

    def __call__(self, config: DictConfig) -> object:
        return act(config)


def _sleep(saved: Path) -> None:
    """Sleep until Ctrl-C, and take a while to save then."""
    try:
        for _ in range(int(LONG / 0.05)):  # Ray's signal does not wake a process that sleeps
            time.sleep(0.05)
    except KeyboardInterrupt:
        time.sleep(0.5)
        saved.touch()
        raise
