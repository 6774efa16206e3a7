"""Mean and spread of the metrics of several trainings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np


def spread(
    metrics: Sequence[Mapping[str, float | None]],
) -> tuple[dict[str, float], dict[str, float]]:
    """Mean and sample standard deviation of each metric; a value that is not finite makes both so.

    For a single training the standard deviations are NaN. A metric that some trainings lack,
    because the package that adds it was installed later, is left out.
    """
    mean, std = {}, {}
    for name in [one for one in metrics[0] if all(one in others for others in metrics)]:
        values = [math.inf if one[name] is None else float(one[name]) for one in metrics]  # type: ignore[arg-type]
        is_finite = all(map(math.isfinite, values))
        mean[name] = float(np.mean(values))
        std[name] = math.inf
        if is_finite:
            std[name] = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return mean, std
