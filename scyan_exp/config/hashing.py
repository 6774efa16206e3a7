"""The hash of a config: runs with equal hashes have equal results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from scyan_exp.config.wanted import ADDED_SECTIONS

#: Keys that have no influence on the result of a run, at the top and in ``trainer``.
INCIDENTAL = ("name", "group", "tags", "figures", "logger", "ckpt_path", "objective", "report")
PLACE = ("accelerator", "devices", "strategy")
#: Keys of data sets that configs of earlier versions lack; null means what these did.
ADDED_KEYS = ("metadata", "n_cells_per_file", "labels")


def config_hash(plain: Mapping[str, Any]) -> str:
    """Identify a config in plain containers by what decides its result, see `RunConfig.hash`."""
    decisive = {key: value for key, value in plain.items() if key not in INCIDENTAL}
    if decisive.get("repeats") == 1:  # a single run has the same hash as before there were repeats
        del decisive["repeats"]
    for name, schema in ADDED_SECTIONS.items():
        given, default = decisive.pop(name, None) or {}, schema().model_dump()
        changed = {key: value for key, value in given.items() if value != default.get(key)}
        if changed:
            decisive[name] = changed
    if cells := decisive.get("dataset"):
        unset = [key for key in ADDED_KEYS if cells.get(key) is None]
        decisive["dataset"] = {key: value for key, value in cells.items() if key not in unset}
    trainer = decisive.get("trainer", {})
    decisive["trainer"] = {key: value for key, value in trainer.items() if key not in PLACE}
    text = json.dumps(decisive, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
