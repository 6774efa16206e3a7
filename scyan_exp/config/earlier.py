"""What configs of earlier versions meant: keys that they lack, or whose default was another."""

from __future__ import annotations

from typing import Any

#: Values by key, for what was begun before there was the key.
MEANT: dict[str, Any] = {
    "callbacks.early_stopping.agreement_patience": 10,
    "dataset.center": None,
    "dataset.check_range": True,
    "model.batch_size": 8192,
    "objective": "heuristic",
    "model.init": "reference",
    "model.agreement_tolerance": None,
    "table.set": None,
    "table.drop": [],
}
