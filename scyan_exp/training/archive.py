"""Files of tensors that somebody else may have written: read whole, or refused."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch

from scyan_exp.errors import InputError

#: No model has fewer weights than the product of these hyperparameters.
SIZES = ("n_layers", "hidden_size")


def load_checkpoint(path: Path) -> dict[str, Any]:
    """What a checkpoint of a run holds; no code in it is run.

    Raises:
        InputError: it is not a checkpoint of a run, or it would take more memory than its size
            suggests.
    """
    _check_archive(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise _no_checkpoint(path, type(error).__name__) from error
    if not isinstance(state, dict) or not {"state_dict", "hyper_parameters"} <= set(state):
        raise InputError("not a checkpoint of a Scyan run", where=str(path))
    _check_sizes(path, state["hyper_parameters"])
    return state


def _check_archive(path: Path) -> None:
    """Refuse a compressed archive: it could outgrow its file, and PyTorch writes none."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        raise _no_checkpoint(path, type(error).__name__) from error
    if any(one.compress_type != zipfile.ZIP_STORED for one in entries):
        raise _no_checkpoint(path, "compressed")
    if sum(one.file_size for one in entries) > path.stat().st_size:
        raise _no_checkpoint(path, "its parts are larger than the file")


def _check_sizes(path: Path, hyper_parameters: Any) -> None:
    """Refuse sizes that the file cannot hold: the model is built before its weights are read."""
    least = 1
    for name in SIZES:
        size = hyper_parameters.get(name) if isinstance(hyper_parameters, dict) else None
        if not isinstance(size, int):
            raise InputError(f"not a checkpoint of a Scyan run (no {name})", where=str(path))
        least *= size
    if least > path.stat().st_size:
        raise _no_checkpoint(path, "its model is larger than the file")


def _no_checkpoint(path: Path, reason: str) -> InputError:
    return InputError(
        f"not a checkpoint ({reason}; expected checkpoints/best.ckpt or last.ckpt of a run)",
        where=str(path),
    )
