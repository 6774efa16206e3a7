"""``scyan-exp wandb-sweep``: a search as the file of a W&B sweep."""

from __future__ import annotations

from pathlib import Path

from scyan_exp.cli.command import Command, exit_code, set_environment
from scyan_exp.errors import InputError

USAGE = "usage: scyan-exp wandb-sweep search=NAME [KEY=VALUE ...] [method=bayes] [out=sweep.yaml]"
#: Options of this command; all else are overrides.
OWN = ("method", "out")


def wandb_sweep(arguments: list[str]) -> int:
    """Write the file of a sweep: ``wandb-sweep search=NAME [KEY=VALUE ...] [out=FILE]``."""
    set_environment()
    return exit_code(lambda: _write(arguments))


def _write(arguments: list[str]) -> None:
    own = [one for one in arguments if one.partition("=")[0] in OWN]
    overrides = [one for one in arguments if one not in own]
    if not overrides or any("=" not in one or one.startswith("-") for one in overrides):
        raise InputError(USAGE)
    import yaml

    from scyan_exp.files import explain_unwritable, write_text
    from scyan_exp.search.wandb_sweep import wandb_sweep as make

    given = dict(one.split("=", 1) for one in own)
    sweep = make(overrides, given.get("method", "bayes"))
    path = Path(given.get("out", "sweep.yaml"))
    with explain_unwritable(path.parent):
        write_text(path, yaml.safe_dump(sweep, sort_keys=False, allow_unicode=True))
    print(f"{path}: {len(sweep['parameters'])} parameters, {sweep['run_cap']} runs at most")
    print(f"Next: wandb sweep {path}, then wandb agent SWEEP_ID wherever there is room")
    print("Every run trains to its end: agents do not prune")


COMMAND = Command(
    "wandb-sweep",
    "write a search as a W&B sweep, whose agents run scyan-exp train",
    wandb_sweep,
    (("wandb-sweep search=quick dataset.path=cells.h5ad dataset=h5ad", ""),),
    usage=USAGE,
    options={
        "search=NAME": "the search whose space becomes the sweep",
        "KEY=VALUE": "settings, as train takes them",
        "method=bayes": "how W&B chooses: bayes, random or grid",
        "out=sweep.yaml": "the file that is written",
    },
)
