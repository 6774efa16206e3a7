"""``scyan-exp dashboard``: a W&B workspace for the runs of a project, as code."""

from __future__ import annotations

from pathlib import Path

from scyan_exp.cli.command import Command, exit_code, read_options
from scyan_exp.errors import InputError

USAGE = "usage: scyan-exp dashboard [FOLDER] project=P [entity=E] [json=FILE]"
KEYS = ("project", "entity", "json")


def dashboard(arguments: list[str]) -> int:
    """Make a dashboard: ``dashboard [FOLDER] project=P [entity=E] [json=FILE]``."""
    return exit_code(lambda: _dashboard(arguments))


def _dashboard(arguments: list[str]) -> None:
    folders, given = read_options(arguments, KEYS, USAGE)
    if "project" not in given or len(folders) > 1:
        raise InputError(USAGE)
    from scyan_exp.files import explain_unwritable, write_json
    from scyan_exp.report.dashboard import Dashboard, require_workspaces, save
    from scyan_exp.report.dashboard_facts import Facts, facts_of

    require_workspaces()
    facts = facts_of(Path(folders[0])) if folders else Facts()
    made = Dashboard(given["project"], given.get("entity"), facts)
    if "json" not in given:
        print(f"Dashboard: {save(made)}")
        return
    with explain_unwritable():
        write_json(Path(given["json"]), made.spec())
    print(f"Spec of the dashboard: {given['json']}")


COMMAND = Command(
    "dashboard",
    "a W&B workspace for the runs of a project: losses, weights, sweep, quality",
    dashboard,
    (("dashboard SWEEP project=scyan_exp", "for the runs of a sweep; json=FILE needs no login"),),
    usage=USAGE,
    options={
        "FOLDER": "a sweep or a search whose columns and objective the panels show",
        "project=P": "the W&B project with the runs",
        "entity=E": "the user or team that the project belongs to; your default unless it is named",
        "json=FILE": "write the specification of the workspace to a file, and ask W&B nothing",
    },
)
