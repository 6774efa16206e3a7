"""A W&B workspace as code: the sections of a dashboard, for the runs of a project.

Making one needs neither a login nor a network; saving it needs both.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from scyan_exp.errors import InputError
from scyan_exp.report.dashboard_facts import Facts
from scyan_exp.report.vega import confusion_matrix, stacked_weights

NAME = "Scyan"
#: Our charts by the names under which they are registered: spec, table, columns.
CHARTS: dict[str, tuple[Callable[[], dict[str, Any]], str, tuple[str, ...]]] = {
    "scyan-population-weights": (stacked_weights, "populations", ("population", "weight")),
    "scyan-confusion-matrix": (
        confusion_matrix,
        "confusion_matrix",
        ("label", "annotated", "share"),
    ),
}
#: What W&B measures of a process, and of a GPU.
SYSTEM = {
    "Memory of the run (MB)": "system/proc.memory.rssMB",
    "Memory of the machine (%)": "system/memory_percent",
    "Threads": "system/proc.cpu.threads",
}
GPU = r"system/gpu\..*\.(gpu|memoryAllocated)$"


@dataclass(frozen=True)
class Dashboard:
    """A workspace for a project.

    Attributes:
        project: the W&B project.
        entity: user or team; None for the user's own, which only a login tells.
        facts: what the runs have.
    """

    project: str
    entity: str | None
    facts: Facts

    def spec(self) -> dict[str, Any]:
        """The workspace and the charts, as JSON can hold them.

        Raises:
            InputError: wandb-workspaces is not installed.
        """
        view = self.workspace()._to_model()
        workspace = view.model_dump(mode="json", by_alias=True, exclude_none=True)
        return {"workspace": workspace, "charts": {n: make() for n, (make, *_) in CHARTS.items()}}

    def workspace(self) -> Any:
        """The workspace of wandb-workspaces.

        Raises:
            InputError: wandb-workspaces is not installed.
        """
        require_workspaces()
        ws = _imported("wandb_workspaces.workspaces")

        return ws.Workspace(
            entity=self.entity or "",
            project=self.project,
            name=NAME,
            sections=[
                ws.Section(name=name, panels=panels, is_open=i < len(_SHOWN))
                for i, (name, panels) in enumerate(self._sections().items())
            ],
            settings=ws.WorkspaceSettings(x_axis="epoch", max_runs=50),
            runset_settings=ws.RunsetSettings(
                pinned_columns=[
                    *(f"summary:{name}" for name in self.facts.objectives),
                    "summary:trust/verdict",
                ]
            ),
        )

    def _sections(self) -> dict[str, list[Any]]:
        return {
            "Losses": _losses(),
            "Population weights": [*_weights(self.facts), self._chart("scyan-population-weights")],
            "Sweep": _sweep(self.facts),
            "Annotation quality": self._quality(),
            "System": _system(self.facts),
        }

    def _quality(self) -> list[Any]:
        panels = _quality(self.facts)
        return [*panels, *([self._chart("scyan-confusion-matrix")] * self.facts.has_labels)]

    def _chart(self, name: str) -> Any:
        """The panel of one of our charts."""
        wr = _panels()

        _, table, columns = CHARTS[name]
        return wr.CustomChart(
            query={"summaryTable": {"tableKey": table}},
            chart_name=f"{self.entity}/{name}" if self.entity else name,
            chart_fields={column: column for column in columns},
        )


#: The sections that are open at first.
_SHOWN = ("Losses", "Population weights", "Sweep", "Annotation quality")


def save(dashboard: Dashboard) -> str:
    """Save a workspace and its charts on W&B; returns its address.

    Raises:
        InputError: nobody is logged in, or W&B refuses.
    """
    require_workspaces()
    import wandb

    if not wandb.login(prompt=False, verify=False):
        raise InputError(
            "saving a dashboard needs a login, and nobody is logged in to W&B: run `wandb login`, "
            "or write the spec to a file with json=FILE"
        )
    try:
        api = wandb.Api()
        owned = Dashboard(
            dashboard.project, dashboard.entity or api.default_entity, dashboard.facts
        )
        _register(api, str(owned.entity))
        return str(owned.workspace().save().url)
    except (wandb.Error, wandb.errors.CommError, ValueError, OSError) as error:
        raise InputError(f"W&B did not take the dashboard ({error})") from error


def require_workspaces() -> None:
    """Make sure that the extra is installed.

    Raises:
        InputError: it is not.
    """
    if importlib.util.find_spec("wandb_workspaces") is None:
        raise InputError("a dashboard needs wandb-workspaces: pip install 'scyan_exp[dashboard]'")


def _register(api: Any, entity: str) -> None:
    """Make our charts known to W&B; those that are there already stay."""
    import wandb

    for name, (make, *_) in CHARTS.items():
        try:
            api.create_custom_chart(
                entity=entity,
                name=name,
                display_name=name,
                spec_type="vega2",
                access="private",
                spec=make(),
            )
        except wandb.Error as error:
            if "exist" not in str(error).lower():
                raise


def _panels() -> Any:
    """The panels of wandb-workspaces."""
    return _imported("wandb_workspaces.reports.v2")


def _imported(name: str) -> Any:
    """A module of wandb-workspaces: its types cannot be checked, and it warns of its own parts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


def _losses() -> list[Any]:
    names = {
        "Loss": "loss",
        "Agreement with the table": "table_agreement",
        "log |det J|": "ldj",
        "Prior": "prior_std",
        "Learning rate": "lr",
        "Temperature in use": "use_temperature",
    }
    return [_line(title, [name]) for title, name in names.items()]


def _weights(facts: Facts) -> list[Any]:
    """All weights of the runs, and each population across runs, if their names are known."""
    wr = _panels()

    together = wr.LinePlot(
        title="All weights of the chosen run (choose one)",
        x="epoch",
        metric_regex="pi/.*",
        plot_type="stacked-area",
        max_runs_to_show=1,
    )
    return [together, *(_line(name, [f"pi/{name}"]) for name in facts.populations)]


def _sweep(facts: Facts) -> list[Any]:
    wr = _panels()

    objectives = [wr.SummaryMetric(name) for name in facts.objectives]
    axes = [*(wr.Config(key) for key in facts.parameters), *objectives]
    columns = [wr.ParallelCoordinatesPlotColumn(metric=axis) for axis in axes]
    scatters = [
        wr.ScatterPlot(title=f"{name} by {key}", x=wr.Config(key), y=wr.SummaryMetric(name))
        for name in facts.objectives
        for key in facts.parameters
    ]
    importances = [wr.ParameterImportancePlot(with_respect_to=name) for name in facts.objectives]
    return [
        wr.ParallelCoordinatesPlot(title="Parameters and objective", columns=columns),
        *importances,
        *scatters,
    ]


def _quality(facts: Facts) -> list[Any]:
    wr = _panels()

    bars = [wr.BarPlot(title=name, metrics=[name]) for name in facts.metrics if name != "loss"]
    images = [wr.MediaBrowser(title=name, media_keys=[f"figures/{name}"]) for name in facts.figures]
    verdict = wr.RunComparer(diff_only="split")
    return [*bars, *images, wr.WeavePanelSummaryTable(table_name="populations"), verdict]


def _system(facts: Facts) -> list[Any]:
    wr = _panels()

    panels = [_line("Cells per second", ["cells_per_second"])]
    panels += [_line(title, [name], x="_runtime") for title, name in SYSTEM.items()]
    if facts.on_gpu:
        panels.append(wr.LinePlot(title="GPU", x="_runtime", metric_regex=GPU))
    return panels


def _line(title: str, names: Sequence[str], x: str = "epoch") -> Any:
    wr = _panels()

    return wr.LinePlot(title=title, x=x, y=list(names))
