"""Time one implementation in a process of its own: ``python -m benchmarks.measure ours aml 3``.

Prints one line of JSON: seconds of each epoch, seconds to annotate all cells, and peak memory
above what was in use before the cells were drawn.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import time
import warnings
from typing import Any

import numpy as np
import torch

from benchmarks.cases import CASES

QUIET: dict[str, Any] = {
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
}


def measure(implementation: str, case: str, n_epochs: int) -> dict[str, Any]:
    """Train ``n_epochs`` epochs and annotate."""
    run = {"ours": _ours, "reference": _reference}[implementation]
    return run(case, n_epochs)


def _ours(case: str, n_epochs: int) -> dict[str, Any]:
    import pytorch_lightning as pl

    from scyan_exp import Scyan
    from scyan_exp.data import CellDataModule, KnowledgeTable, Preprocessing
    from scyan_exp.data.cells import Cells
    from scyan_exp.data.covariates import CovariateEncoding
    from scyan_exp.results.annotation import predict_cells

    before = _memory()
    x, rho = CASES[case].draw()
    table = KnowledgeTable(*_names(rho), rho)
    covariates = torch.empty(len(x), 0)
    cells = Cells(
        None, table, torch.from_numpy(x), covariates, Preprocessing(), CovariateEncoding()
    )
    model, clock = Scyan(table), _clock(pl.Callback)
    trainer = pl.Trainer(accelerator="cpu", max_epochs=n_epochs, callbacks=[clock], **QUIET)
    trainer.fit(model, CellDataModule(cells))
    started = time.perf_counter()
    predict_cells(model, cells.x, cells.covariates)
    return _result(clock.seconds, time.perf_counter() - started, before)


def _reference(case: str, n_epochs: int) -> dict[str, Any]:
    import anndata
    import lightning
    import pandas as pd
    import scyan

    before = _memory()
    x, rho = CASES[case].draw()
    populations, markers = _names(rho)
    frame = pd.DataFrame(rho, index=populations, columns=markers)
    obs = pd.DataFrame(index=pd.RangeIndex(len(x)).astype(str))
    adata = anndata.AnnData(x, obs=obs, var=pd.DataFrame(index=markers))
    model, clock = scyan.Scyan(adata, frame), _clock(lightning.Callback)
    quiet = {name: value for name, value in QUIET.items() if name.startswith("enable_")}
    quiet.pop("enable_checkpointing")
    # Its own early stopping, with a patience that never ends the training.
    model.fit(max_epochs=n_epochs, patience=10_000, callbacks=[clock], **quiet)
    started = time.perf_counter()
    model.predict()
    return _result(clock.seconds, time.perf_counter() - started, before)


def _clock(base: type) -> Any:
    """A callback that times epochs, of whichever Lightning package the model uses."""

    class Clock(base):
        def __init__(self) -> None:
            self.seconds: list[float] = []

        def on_train_epoch_start(self, *_: object) -> None:
            self.started = time.perf_counter()

        def on_train_epoch_end(self, *_: object) -> None:
            self.seconds.append(time.perf_counter() - self.started)

    return Clock()


def _names(rho: np.ndarray) -> tuple[list[str], list[str]]:
    return [f"pop{i}" for i in range(len(rho))], [f"m{i}" for i in range(rho.shape[1])]


def _result(epochs: list[float], annotate: float, before: float) -> dict[str, Any]:
    return {"epochs": epochs, "annotate": annotate, "memory_mib": _memory() - before}


def _memory() -> float:
    """Peak memory of this process so far, in MiB (Linux counts in KiB, macOS in bytes)."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    implementation, case, n_epochs = sys.argv[1:]
    print(json.dumps(measure(implementation, case, int(n_epochs))))
