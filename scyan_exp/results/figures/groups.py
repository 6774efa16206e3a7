"""The figure of groups of samples: their shares beside each other."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scyan_exp.results.biomarkers import Biomarkers
from scyan_exp.results.figures.canvas import canvas, colors, short, titled
from scyan_exp.results.figures.registry import figure
from scyan_exp.results.group_tests import OF_PARENT, OWN_LEVEL, SHARE, UNANNOTATED, Groups

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Panels in a row, and panels drawn at most.
COLUMNS, MOST_PANELS = 5, 50
#: Characters that have room: across a panel, and below a box.
CHARACTERS_A_PANEL, CHARACTERS_A_GROUP = 28, 18


@figure("group_shares")
def groups_figure(biomarkers: Biomarkers, groups: Groups) -> Figure:
    """Shares of the samples of each group, a panel a population, the surest difference first.

    With a level, the share is of the parent, where that has several populations.
    """
    rows = biomarkers.own_populations
    tests, left_out = _shown_tests(groups.tests, rows)
    n_columns = min(COLUMNS, len(tests))
    n_rows = -(-len(tests) // n_columns)
    figure, grid = canvas(
        2.3 * n_columns + 0.6, 2.7 * n_rows + 0.4, columns=n_columns, rows=n_rows, squeeze=False
    )
    for axes in grid.ravel()[len(tests) :]:
        axes.set_axis_off()
    for axes, test in zip(grid.ravel(), tests.to_dict("records"), strict=False):
        own = rows[rows["population"] == test["population"]]
        _draw_groups(axes, own, test, groups.names)
    title = f"Shares by sample; {test['test']}, p adjusted over the populations"
    figure.suptitle(titled(title, left_out), fontsize=10)
    return figure


def _shown_tests(tests: pd.DataFrame, rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """One test a population, of its share in the parent if there is such a test; what is missing.

    Populations without cells are left out, and of many the least sure ones.
    """
    own = tests[(tests["level"] == OWN_LEVEL) & tests["measure"].isin((SHARE, OF_PARENT))]
    own = own[own["population"] != UNANNOTATED]
    one_each = own.drop_duplicates("population", keep="last")  # the shares of parents come last
    with_cells = rows.groupby("population")["count"].sum()
    some = one_each[one_each["population"].map(with_cells) > 0]
    some = one_each if some.empty else some
    surest = some.sort_values("p_adjusted", kind="stable").head(MOST_PANELS)
    n_empty, n_more = len(one_each) - len(some), len(some) - len(surest)
    words = [f"without {n_empty} populations that have no cells"] if n_empty else []
    words += [f"the {len(surest)} surest; groups.csv has {n_more} more"] if n_more else []
    return surest, "; ".join(words)


def _draw_groups(axes: Axes, rows: pd.DataFrame, test: dict[str, Any], names: list[str]) -> None:
    """Boxes of one population, a point a sample."""
    values = 100 * rows[test["measure"]]
    rng = np.random.default_rng(0)
    for i, (name, color) in enumerate(zip(names, colors(len(names)), strict=True)):
        own = values[(rows["group"] == name) & values.notna()].to_numpy()
        if len(own):
            axes.boxplot(
                own, positions=[i], widths=0.6, showfliers=False, medianprops={"color": "black"}
            )
        places = i + rng.uniform(-0.15, 0.15, len(own))
        axes.scatter(places, own, s=14, color=[color], zorder=3, linewidths=0)
    shown = [short(name, CHARACTERS_A_GROUP) for name in names]
    labels = [f"{one}\nn = {test[f'n_{name}']}" for one, name in zip(shown, names, strict=True)]
    is_wide = len(names) * max(map(len, shown)) > CHARACTERS_A_PANEL
    tilted: dict[str, Any] = {"rotation": 40, "ha": "right"} if is_wide else {}
    axes.set_xticks(range(len(names)), labels, fontsize=8, **tilted)
    axes.tick_params(axis="y", labelsize=8)
    axes.set_ylim(bottom=0)
    whole = rows["parent"].iloc[0] if test["measure"] == OF_PARENT else "all cells"
    axes.set_ylabel(f"% of {short(str(whole), CHARACTERS_A_PANEL)}", fontsize=8)
    p = test["p_adjusted"]
    name = fill(short(test["population"]), CHARACTERS_A_PANEL)
    axes.set_title(f"{name}\n{_p(p)}", fontsize=8)


def _p(p: float) -> str:
    return "not tested" if np.isnan(p) else "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
