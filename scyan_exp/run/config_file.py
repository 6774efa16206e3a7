"""The resolved config that a run leaves in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scyan_exp.documents import read_yaml
from scyan_exp.errors import InputError


def read_config_file(path: Path) -> Any:
    """A config, read only.

    Raises:
        InputError: the file is damaged.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        values = read_yaml(path)
        if not isinstance(values, dict):
            raise ValueError(f"expected keys and values, found {type(values).__name__}")
        config = OmegaConf.create(values)
    except (OSError, OmegaConfBaseException, ValueError) as error:
        raise InputError(f"not a config ({error})", where=str(path)) from error
    OmegaConf.set_readonly(config, True)
    return config
