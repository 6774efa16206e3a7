"""Execute the tutorials and keep their outputs: ``make tutorials``.

Each notebook runs in an empty folder of its own, with the Python that runs this script. What an
output says of that folder becomes relative, and what a terminal would overwrite is left out.

    python scripts/tutorials.py [NAME ...] [--to FOLDER]
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets.config import Config

TUTORIALS = Path(__file__).parents[1] / "docs" / "tutorials"
#: Seconds that a cell may take, also on a busy machine.
TIMEOUT = 600
#: Colours and moves of a terminal, and what a progress bar is made of.
CONTROL, BAR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]"), "\N{BOX DRAWINGS HEAVY HORIZONTAL}"
#: Variables that would have the outputs differ from what a reader sees.
NOT_HERE = ("MPLBACKEND", "SCYAN_EXP_REPORT", "SCYAN_EXP_DATA", "COLUMNS", "PYTHONWARNINGS")


def main() -> int:
    """Execute the tutorials that are named, all by default."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a tutorial, without .ipynb")
    parser.add_argument("--to", type=Path, default=TUTORIALS, help="where the results go")
    given = parser.parse_args()
    names = given.names or sorted(path.stem for path in TUTORIALS.glob("*.ipynb"))
    for name in names:
        notebook = nbformat.read(TUTORIALS / f"{name}.ipynb", as_version=4)
        try:
            execute(notebook)
        except CellExecutionError as error:
            print(f"{name}: {CONTROL.sub('', str(error))}", file=sys.stderr)
            return 1
        nbformat.write(notebook, given.to / f"{name}.ipynb")
        print(f"{name}: executed", flush=True)
    return 0


def execute(notebook: Any) -> None:
    """Execute a notebook in place.

    Raises:
        CellExecutionError: a cell failed.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve() / "tutorial"
        folder.mkdir()
        sockets = {"transport": "ipc", "ip": str(Path(temporary) / "kernel")}  # in no network
        client = NotebookClient(
            notebook,
            timeout=TIMEOUT,
            record_timing=False,
            coalesce_streams=True,
            config=Config({"KernelManager": sockets}),
            resources={"metadata": {"path": str(folder)}},
        )
        client.execute(env=environment(Path(temporary)))
        for cell in notebook.cells:
            for output in cell.get("outputs", []):
                tidy(output, f"{folder}/")
    notebook.metadata["language_info"] = {"name": "python"}


def environment(home: Path) -> dict[str, str]:
    """The environment of the kernel: the commands of this Python, and settings of nobody."""
    variables = {name: value for name, value in os.environ.items() if name not in NOT_HERE}
    path = os.pathsep.join([str(Path(sys.executable).parent), variables.get("PATH", "")])
    return {**variables, "PATH": path, "IPYTHONDIR": str(home / "ipython")}


def tidy(output: Any, folder: str) -> None:
    """Take the folder, colours and progress bars away from the texts of an output."""
    if "text" in output:
        lines = CONTROL.sub("", output["text"].replace(folder, "")).splitlines(keepends=True)
        output["text"] = "".join(line for line in lines if BAR not in line)
    for kind, value in output.get("data", {}).items():
        if isinstance(value, str) and not kind.startswith("image/"):
            output["data"][kind] = value.replace(folder, "")


if __name__ == "__main__":
    sys.exit(main())
