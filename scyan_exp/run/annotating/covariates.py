"""Finding covariates of new cells that the models do not know, before anything is computed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import pandas as pd

from scyan_exp.data.covariates import CovariateEncoding
from scyan_exp.errors import InputError
from scyan_exp.run.annotating.annotator import Annotator


def covariate_problems(annotator: Annotator, blocks: Iterable[pd.DataFrame]) -> list[str]:
    """What is wrong with the covariates of a file.

    Args:
        annotator: the models.
        blocks: the columns of the covariates, a block of rows at a time.
    """
    encodings = [one.model.encoding for one in annotator.members]
    keys = {key for one in encodings for key in one.categories}
    numbers = {key for one in encodings for key in one.continuous}
    if not keys and not numbers:
        return []
    found: dict[str, set[str]] = defaultdict(set)
    n_bad, n_cells = dict.fromkeys(sorted(numbers), 0), 0
    for block in blocks:
        n_cells += len(block)
        for key in keys:
            found[key].update(map(str, block[key].unique()))
        for key in numbers:
            values = pd.to_numeric(block[key], errors="coerce").to_numpy(np.float32)
            n_bad[key] += int((~np.isfinite(values)).sum())
    problems = [text for one in encodings for text in _unknown(one, found)]
    problems += [
        f"obs[{key!r}] is not a finite number in {n} of {n_cells} cells"
        for key, n in n_bad.items()
        if n
    ]
    return list(dict.fromkeys(problems))


def _unknown(encoding: CovariateEncoding, found: dict[str, set[str]]) -> list[str]:
    """The problems that a model's encoding has with categories that it does not know."""
    problems: list[str] = []
    for key, names in encoding.categories.items():
        try:
            CovariateEncoding({key: names}).encode(pd.DataFrame({key: sorted(found[key])}))
        except InputError as error:
            problems += error.problems
    return problems
