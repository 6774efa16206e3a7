"""What a checkpoint may be continued by."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from scyan_exp.errors import InputError
from scyan_exp.run.folder import RunFolder
from scyan_exp.training.checkpoint import check_resumable, load_weights
from scyan_exp.training.saving import SaveRun
from tests.training.conftest import fit, make_model

N_EPOCHS = 3


@pytest.fixture
def last(cells, tmp_path) -> Path:
    """The checkpoint of a run of ``N_EPOCHS`` epochs."""
    saving = SaveRun(RunFolder(tmp_path), wandb_run_id="abc", cells=cells.digest())
    fit(make_model(cells), cells, N_EPOCHS, callbacks=[saving], enable_checkpointing=True)
    return saving.last


@pytest.mark.parametrize("max_epochs", [N_EPOCHS - 1, N_EPOCHS])
def test_a_run_that_has_all_its_epochs_is_not_continued(cells, last, max_epochs):
    with pytest.raises(InputError) as refused:
        check_resumable(last, make_model(cells), max_epochs, cells.digest())
    assert refused.value.problems == [
        "ckpt_path: 3 epochs are trained already; set trainer.max_epochs above that"
    ]
    assert refused.value.where == str(last)


def test_a_run_that_lacks_an_epoch_is_continued(cells, last):
    assert check_resumable(last, make_model(cells), N_EPOCHS + 1, cells.digest()) == "abc"


def test_a_run_that_has_more_to_do_than_to_train_may_have_all_its_epochs(cells, last):
    model, digest = make_model(cells), cells.digest()
    assert check_resumable(last, model, N_EPOCHS, digest, may_be_complete=True) == "abc"
    with pytest.raises(InputError, match="3 epochs are trained already"):
        check_resumable(last, model, N_EPOCHS - 1, digest, may_be_complete=True)


def test_a_checkpoint_from_before_batches_were_corrected_is_continued(cells, last):
    """It does not say which covariate is the batch."""
    state = torch.load(last, weights_only=True)
    assert state["hyper_parameters"]["encoding"].pop("batch_key") == "batch"
    torch.save(state, last)
    assert check_resumable(last, make_model(cells), N_EPOCHS + 1, cells.digest()) == "abc"


def test_all_that_differs_is_named_at_once(cells, last):
    with pytest.raises(InputError) as refused:
        check_resumable(last, make_model(cells, seed=5, lr=0.1), N_EPOCHS, "other cells")
    assert refused.value.problems == [
        "ckpt_path: the run to resume had lr=0.0005, this config gives lr=0.1",
        "ckpt_path: the run to resume had seed=0, this config gives seed=5",
        "ckpt_path: the run to resume was trained on other cells",
        "ckpt_path: 3 epochs are trained already; set trainer.max_epochs above that",
    ]


def test_weights_are_put_into_another_model(cells, last):
    other = make_model(cells, seed=5)
    load_weights(last, other)
    trained = make_model(cells)
    fit(trained, cells, N_EPOCHS)
    assert all(
        (a == b).all() for a, b in zip(other.parameters(), trained.parameters(), strict=True)
    )
