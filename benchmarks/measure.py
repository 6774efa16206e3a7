"""Time one implementation in a process of its own: ``python -m benchmarks.measure run aml 3``.

``run``        our training as ``scyan-exp train`` does it: Lightning, W&B (offline) and CSV logs,
               checkpoints and population weights after each epoch
``lightning``  without logs and checkpoints
``loop``       a bare loop over batches, without Lightning
``reference``  PyPI ``scyan``
``products``   no training: the GFLOP/s of matrix products

Prints one line of JSON: seconds of each epoch, seconds to annotate all cells, and peak memory
above what was in use after the imports.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.cases import CASES, Case

QUIET: dict[str, Any] = {
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
#: As many cells an epoch as the defaults of both implementations.
MAX_SAMPLES = 200_000


def measure(
    implementation: str, case: Case, n_epochs: int, max_samples: int | None = MAX_SAMPLES
) -> dict[str, Any]:
    """Train ``n_epochs`` epochs and annotate."""
    if implementation == "products":
        return {"gflops": _product_peak()}
    if implementation == "reference":
        return _reference(case, n_epochs)
    return _ours(implementation, case, n_epochs, max_samples)


def _ours(kind: str, case: Case, n_epochs: int, max_samples: int | None) -> dict[str, Any]:
    import pytorch_lightning as pl
    import wandb  # noqa: F401  # counts as imported before

    from scyan_exp import Scyan
    from scyan_exp.data import CellDataModule, KnowledgeTable, Preprocessing
    from scyan_exp.data.cells import Cells
    from scyan_exp.data.covariates import CovariateEncoding
    from scyan_exp.results.annotation import predict_cells

    before = _memory()
    x, rho = case.draw()
    table = KnowledgeTable(*_names(rho), rho)
    covariates = torch.empty(len(x), 0)
    cells = Cells(
        None, table, torch.from_numpy(x), covariates, Preprocessing(), CovariateEncoding()
    )
    recipe = {"init": "reference", "agreement_tolerance": None, "batch_size": 8192}
    model = Scyan(table, n_layers=case.n_layers, max_samples=max_samples, **recipe)
    data = CellDataModule(cells, recipe["batch_size"], max_samples)
    if kind == "loop":
        seconds = _bare_loop(model, data, n_epochs)
    else:
        clock = _clock(pl.Callback)
        with tempfile.TemporaryDirectory() as folder:
            trainer = _trainer(kind, Path(folder), n_epochs, clock)
            trainer.fit(model, data)
            seconds = clock.seconds
            _finish_wandb(trainer)
    started = time.perf_counter()
    predict_cells(model, cells.x, cells.covariates)
    return _result(seconds, time.perf_counter() - started, before)


def _trainer(kind: str, folder: Path, n_epochs: int, clock: Any) -> Any:
    import pytorch_lightning as pl
    import wandb
    from pytorch_lightning.loggers import CSVLogger, WandbLogger

    from scyan_exp.run.folder import RunFolder
    from scyan_exp.training.saving import SaveRun

    if kind == "lightning":
        return pl.Trainer(
            accelerator="cpu",
            max_epochs=n_epochs,
            callbacks=[clock],
            logger=False,
            enable_checkpointing=False,
            **QUIET,
        )
    wandb_run = wandb.init(
        mode="offline", dir=folder, settings=wandb.Settings(console="off", silent=True)
    )
    loggers = [CSVLogger(folder, name="", version=""), WandbLogger(experiment=wandb_run)]
    return pl.Trainer(
        accelerator="cpu",
        max_epochs=n_epochs,
        callbacks=[clock, SaveRun(RunFolder(folder))],
        logger=loggers,
        default_root_dir=folder,
        **QUIET,
    )


def _finish_wandb(trainer: Any) -> None:
    from pytorch_lightning.loggers import WandbLogger

    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.finish()


def _bare_loop(model: Any, data: Any, n_epochs: int) -> list[float]:
    """The least that trains the same model on the same batches: seconds of each epoch."""
    from scyan_exp.data.datamodule import BatchLoader, CellSampler

    sampler = CellSampler(len(data.cells), data.batch_size, data.max_samples, data.seed)
    loader = BatchLoader(data.cells.x, data.cells.covariates, sampler)
    optimizer = model.configure_optimizers()
    seconds = []
    for epoch in range(n_epochs):
        started = time.perf_counter()
        sampler.set_epoch(epoch)
        model.module.prior.prior_std.fill_(model.prior_std_at(epoch))
        total = torch.zeros(2)
        for batch in loader:
            optimizer.zero_grad()
            loss, ldj = model.computing.loss_terms(*batch, model.uses_temperature(epoch))
            loss.backward()
            optimizer.step()
            total += torch.stack([loss.detach(), ldj.detach()])
        total.tolist()
        seconds.append(time.perf_counter() - started)
    return seconds


def _reference(case: Case, n_epochs: int) -> dict[str, Any]:
    import anndata
    import lightning
    import pandas as pd
    import scyan

    before = _memory()
    x, rho = case.draw()
    populations, markers = _names(rho)
    frame = pd.DataFrame(rho, index=populations, columns=markers)
    obs = pd.DataFrame(index=pd.RangeIndex(len(x)).astype(str))
    adata = anndata.AnnData(x, obs=obs, var=pd.DataFrame(index=markers))
    model, clock = scyan.Scyan(adata, frame, n_layers=case.n_layers), _clock(lightning.Callback)
    with tempfile.TemporaryDirectory() as folder:
        # Its own early stopping, with a patience that never ends the training.
        model.fit(
            max_epochs=n_epochs,
            patience=10_000,
            callbacks=[clock],
            default_root_dir=folder,
            **QUIET,
        )
    started = time.perf_counter()
    model.predict()
    return _result(clock.seconds, time.perf_counter() - started, before)


def _clock(base: type) -> Any:
    """A callback that times epochs, of whichever Lightning package the model uses.

    From the start of one epoch to the start of the next, so that all that follows an epoch
    (logs, checkpoints) counts.
    """

    class Clock(base):
        def __init__(self) -> None:
            self.times: list[float] = []

        @property
        def seconds(self) -> list[float]:
            return np.diff(self.times).tolist()

        def on_train_epoch_start(self, *_: object) -> None:
            self.times.append(time.perf_counter())

        def on_train_end(self, *_: object) -> None:
            self.times.append(time.perf_counter())

    return Clock()


def _names(rho: np.ndarray) -> tuple[list[str], list[str]]:
    return [f"pop{i}" for i in range(len(rho))], [f"m{i}" for i in range(rho.shape[1])]


def _product_peak(size: int = 2048, repeats: int = 10) -> float:
    """GFLOP/s of the best of some float32 matrix products, with PyTorch's threads."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / min(seconds) / 1e9


def _result(epochs: list[float], annotate: float, before: float) -> dict[str, Any]:
    return {"epochs": epochs, "annotate": annotate, "memory_mib": _memory() - before}


def _memory() -> float:
    """Peak memory of this process so far, in MiB (Linux counts in KiB, macOS in bytes)."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main() -> None:
    """Measure what the command line says."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    implementation, shape, n_epochs, max_samples = sys.argv[1:]
    case = CASES[shape] if shape in CASES else Case(*map(int, shape.split("x")))
    cells_an_epoch = None if max_samples == "all" else int(max_samples)
    print(json.dumps(measure(implementation, case, int(n_epochs), cells_an_epoch)))


if __name__ == "__main__":
    main()
