"""Checkpoints that a run starts from: checked before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from scyan_exp.config.earlier import MEANT
from scyan_exp.data.sources import existing_file
from scyan_exp.errors import InputError
from scyan_exp.training.archive import load_checkpoint
from scyan_exp.training.saving import SaveRun
from scyan_exp.training.scyan import Scyan


def check_resumable(
    path: str | Path, model: Scyan, max_epochs: int, cells: str, *, may_be_complete: bool = False
) -> str | None:
    """Make sure that ``path`` holds an earlier state of this same run.

    Args:
        path: a checkpoint of a run.
        model: the model that the present config gives.
        cells: identifies the cells, see ``Cells.digest``.
        max_epochs: epochs that the present config asks for.
        may_be_complete: whether it may have all these epochs already, because there is more to do
            than to train.

    Returns:
        The id of the W&B run to continue, if there was one.

    Raises:
        InputError: there is no such file, it is not a checkpoint, or it belongs to another table,
            data or model.
    """
    path = existing_file(path, "checkpoints/last.ckpt of a run")
    state = load_checkpoint(path)
    earlier = _comparable({**_meant_by_earlier(), **state["hyper_parameters"]})
    now = _comparable(dict(model.hparams))
    problems = [
        f"ckpt_path: the run to resume had {_shown(key, earlier.get(key))}, "
        f"this config gives {_shown(key, now[key])}"
        for key in now
        if earlier.get(key) != now[key]
    ]
    callback_state = state.get("callbacks", {}).get(SaveRun.__qualname__, {})
    if callback_state.get("cells", cells) != cells:
        problems.append("ckpt_path: the run to resume was trained on other cells")
    n_epochs = state["epoch"] + 1
    if n_epochs > max_epochs or (n_epochs == max_epochs and not may_be_complete):
        problems.append(
            f"ckpt_path: {n_epochs} epochs are trained already; set trainer.max_epochs above that"
        )
    if problems:
        raise InputError(problems, where=str(path))
    return callback_state.get("wandb_run_id")


def _meant_by_earlier() -> dict[str, Any]:
    """The hyperparameters that models of earlier versions lack, with the values that they had."""
    prefix = "model."
    return {k.removeprefix(prefix): v for k, v in MEANT.items() if k.startswith(prefix)}


def _comparable(hparams: dict[str, Any]) -> dict[str, Any]:
    """The hyperparameters without what earlier versions did not keep, or could not do (None)."""
    preprocessing, encoding = hparams.get("preprocessing") or {}, hparams.get("encoding") or {}
    constants = {k: v for k, v in preprocessing.items() if v is not None and k != "quantiles"}
    categories = {k: v for k, v in encoding.items() if k != "batch_key"}
    return {**hparams, "preprocessing": constants, "encoding": categories}


def load_weights(path: Path, model: Scyan) -> None:
    """Put the weights of a checkpoint into a model of the same sizes."""
    model.load_state_dict(load_checkpoint(path)["state_dict"])


def prior_of(path: Path) -> Tensor:
    """(P, M) table of the prior in a checkpoint: NaN where not known, filled where refined.

    Raises:
        InputError: it is no checkpoint.
    """
    rho: Tensor = load_checkpoint(path)["state_dict"]["module.prior.rho"]
    return rho


def cells_of(path: Path) -> str | None:
    """What identifies the cells that a model was trained on, see ``Cells.digest``.

    Returns:
        None of a checkpoint that does not say so.

    Raises:
        InputError: it is no checkpoint.
    """
    saved = load_checkpoint(path).get("callbacks", {}).get(SaveRun.__qualname__, {})
    return saved.get("cells") or None


def _shown(key: str, value: Any) -> str:
    """Long values, such as the table, are named and not shown."""
    text = f"{key}={value}"
    return text if len(text) < 80 else f"another {key}"
