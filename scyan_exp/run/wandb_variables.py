"""Checking W&B's own settings, which it reads from variables and files when it is first used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scyan_exp.errors import InputError

if TYPE_CHECKING:
    from scyan_exp.config.schema import RunConfig

#: The id of the W&B run that this process makes, which agents of W&B sweeps set.
RUN_ID = "WANDB_RUN_ID"


def check_variables() -> None:
    """Make sure that W&B accepts its settings, from variables and from its own files.

    Raises:
        InputError: it does not.
    """
    import wandb
    from pydantic import ValidationError

    try:
        wandb.setup()
    except ValidationError as error:
        problems = [_refused(str(one["loc"][0]), one) for one in error.errors()]
        raise InputError(problems, where="W&B") from error
    except wandb.Error as error:
        raise InputError(f"the environment variables WANDB_*: {error}", where="W&B") from error


def _refused(setting: str, problem: Mapping[str, Any]) -> str:
    """What is wrong with a W&B setting, named after its variable if that is set."""
    short, private = setting.removeprefix("x_"), setting.startswith("x_")
    variable = f"WANDB_{'_' if private else ''}{short}".upper()
    name = variable if variable in os.environ else f"its setting {setting}"
    return f"{name}={problem['input']}: {problem['msg'].lower()}; or leave it out"


def require_own_id(config: RunConfig, *, is_sweep: bool) -> None:
    """Make sure that a W&B run gets only one training, if the agent of a W&B sweep gives its id.

    Raises:
        InputError: several trainings would go to one W&B run.
    """
    if not os.environ.get(RUN_ID) or not config.logger.uses_wandb:
        return
    if config.repeats > 1 or is_sweep:
        several = f"repeats={config.repeats}" if config.repeats > 1 else "-m"
        raise InputError(
            f"{several}: {RUN_ID} is set, as agents of W&B's sweeps do, so all trainings would "
            "land in one W&B run; leave it out, or use logger=none"
        )
