"""Text for people."""

from __future__ import annotations

import re


def short_numbers(text: str) -> str:
    """The same with numbers of many digits rounded: a search draws them with 17.

    Example:
        >>> short_numbers("model.prior_std=0.28389983713 seed=3")
        'model.prior_std=0.2839 seed=3'
    """
    return re.sub(r"\d+\.\d{5,}(e-?\d+)?", lambda found: f"{float(found[0]):.4g}", text)
