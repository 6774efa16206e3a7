"""Packages that extend ``scyan_exp``, installed for a test."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from tests.starting import finished

REPOSITORY = Path(__file__).parents[2]


def install(site: Path, pyproject: str, files: Mapping[str, str]) -> Path:
    """Put a package into a folder of the import path, as pip does.

    Args:
        site: the folder.
        pyproject: the package's ``pyproject.toml``.
        files: its files by path.

    Returns:
        The folder.
    """
    project = tomllib.loads(pyproject)["project"]
    name, version = project["name"], project["version"]
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    points = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in of_group.items())
        for group, of_group in project["entry-points"].items()
    ]
    for path, text in {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/entry_points.txt": "\n".join(points),
    }.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text, encoding="utf-8")
    return site


def pyproject(name: str, module: str) -> str:
    """A package with one entry point."""
    return (
        f'[project]\nname = "{name}"\nversion = "1.0"\n'
        f'[project.entry-points.scyan_exp]\nparts = "{module}"\n'
    )


def run_with(paths: list[Path], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``scyan-exp`` in a process whose import path begins with some folders."""
    places = [*map(str, paths), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    if not any((path / "scyan_exp").is_dir() for path in paths):  # it is our own that runs
        return finished(["-m", "scyan_exp", *arguments], cwd=folder, env=environment)
    command = [sys.executable, "-m", "scyan_exp", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
