"""The reference, PyPI's ``scyan``, imported without UMAP, which only its plots use.

The first import of UMAP on a machine compiles for a quarter of a minute.
"""

from __future__ import annotations

import sys
import types
import warnings

missing = types.ModuleType("umap")
missing.UMAP = type(None)  # type: ignore[attr-defined]  # annotations name it

sys.modules.setdefault("umap", missing)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # TensorFlow is missing, which UMAP may use
    import scyan
if sys.modules["umap"] is missing:
    del sys.modules["umap"]

__all__ = ["scyan"]
