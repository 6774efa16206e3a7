"""Charts that W&B has no panel for, as Vega-Lite specs.

W&B shows a chart of one's own only by the name under which it was registered, which needs a login:
:func:`scyan_exp.report.dashboard.save` does both. Its spec can also be pasted into the editor of a
"Custom chart" panel. ``${field:...}`` are W&B's: columns of the table that the panel asks for.
"""

from __future__ import annotations

from typing import Any

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"


def stacked_weights() -> dict[str, Any]:
    """The weights of the populations of each run, stacked: a bar a run.

    Its data is the table ``populations`` of the runs.
    """
    return {
        "$schema": SCHEMA,
        "description": "Weights of the populations in the model of each run",
        "data": {"name": "wandb"},
        "mark": {"type": "bar", "tooltip": True},
        "encoding": {
            "x": {
                "field": "${field:weight}",
                "type": "quantitative",
                "stack": "normalize",
                "title": "weight",
            },
            "y": {"field": "name", "type": "nominal", "title": None},
            "color": {
                "field": "${field:population}",
                "type": "nominal",
                "title": "population",
                "scale": {"scheme": "tableau20"},
            },
            "order": {"field": "${field:population}"},
        },
    }


def confusion_matrix() -> dict[str, Any]:
    """Where the cells of each label went, in shares of the label: a square a pair.

    Its data is the table ``confusion_matrix`` of the runs; choose one run.
    """
    return {
        "$schema": SCHEMA,
        "description": "Populations given to the cells of each label, in shares of the label",
        "data": {"name": "wandb"},
        "mark": {"type": "rect", "tooltip": True},
        "encoding": {
            "x": {"field": "${field:annotated}", "type": "nominal", "title": "annotated as"},
            "y": {"field": "${field:label}", "type": "nominal", "title": "label"},
            "color": {
                "field": "${field:share}",
                "type": "quantitative",
                "aggregate": "mean",
                "title": "share of label",
                "scale": {"scheme": "blues", "domain": [0, 1]},
            },
        },
    }
