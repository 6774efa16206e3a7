"""What Hydra hands to our plugins, and what they make of it."""

from __future__ import annotations

from typing import Any

from omegaconf import OmegaConf

from scyan_exp.config.compose import compose_config
from scyan_exp.config.plugins import LaunchingSweeper, plain_settings


class Sweeper(LaunchingSweeper):
    """A sweeper that gives back what it works with."""

    def sweep(self, arguments: list[str]) -> Any:
        return self._settings, self._context, self._task, self._config, self._launcher


def test_settings_are_plain_containers():
    given = OmegaConf.create({"space": {"lr": [1, 2]}, "names": ["a"]})
    settings = {"space": given.space, "names": given.names, "n_trials": 3, "storage": None}
    plain = plain_settings(settings)
    assert plain == {"space": {"lr": [1, 2]}, "names": ["a"], "n_trials": 3, "storage": None}
    assert [type(one) for one in plain.values()] == [dict, list, int, type(None)]


def test_a_sweeper_has_its_settings_and_the_launcher_that_the_config_names():
    config = compose_config(["hydra/launcher=basic"], with_hydra=True)
    context: Any = object()
    task: Any = object()
    sweeper = Sweeper(names=OmegaConf.create(["a"]), n_trials=3)
    sweeper.setup(hydra_context=context, task_function=task, config=config)
    *handed, launcher = sweeper.sweep([])
    assert handed == [{"names": ["a"], "n_trials": 3}, context, task, config]
    assert type(launcher).__name__ == "BasicLauncher"
    assert launcher.hydra_context is context
    assert launcher.task_function is task
    assert launcher.config is config
