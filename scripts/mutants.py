"""Mutation testing of one part of the program: which changes of it go unnoticed by its tests.

``make mutants MODULE=files`` works in ``.mutants/files``, a copy, so that the tree stays as it is.
A run that is cut off goes on where it was. A later one tries again what survived, so that a new
test takes seconds to tell; remove the copy where a test has gone. What survived, and why, stands in
``benchmarks/MUTANTS.md``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
#: What mutmut copies besides the package, so that the tests run.
BESIDE = ("hydra_plugins", "configs", "tests", "pyproject.toml", "README.md")
#: Files of ``config`` whose tests compose for every case, and take a second each.
COMPOSING = ("compose", "composed_once", "extensions", "meanings", "problems")


class Part(NamedTuple):
    """Files that are mutated, and the tests that should notice: fast ones, in one process."""

    sources: tuple[str, ...]
    tests: tuple[str, ...]


def besides(pattern: str, names: Iterable[str]) -> tuple[str, ...]:
    """Files without those of these names, which may begin with ``test_``."""
    paths = [path.relative_to(ROOT) for path in sorted(ROOT.glob(pattern))]
    return tuple(str(path) for path in paths if path.stem.removeprefix("test_") not in names)


PARTS = {
    # Without those that start the whole command or compose every file below configs/.
    "composing": Part(
        tuple(f"scyan_exp/config/{name}.py" for name in COMPOSING),
        tuple(
            f"tests/config/test_{name}.py"
            for name in (*COMPOSING[1:], "groups", "hostile_overrides")
        ),
    ),
    "config": Part(
        besides("scyan_exp/config/*.py", COMPOSING),
        besides(
            "tests/config/test_*.py", (*COMPOSING, "groups", "config_tree", "hostile_overrides")
        ),
    ),
    "consensus": Part(("scyan_exp/results/consensus.py",), ("tests/results/test_consensus.py",)),
    "files": Part(("scyan_exp/files.py",), ("tests/test_files.py",)),
    "metrics": Part(("scyan_exp/metrics/*.py",), ("tests/metrics",)),
    "module": Part(("scyan_exp/module/*.py",), ("tests/module",)),
    "pruners": Part(("scyan_exp/search/pruners.py",), ("tests/search/test_*pruner*.py",)),
    "record": Part(("scyan_exp/run/record.py",), ("tests/run/test_record.py",)),
    "schedule": Part(("scyan_exp/fleet/schedule.py",), ("tests/fleet/test_schedule*.py",)),
    "space": Part(
        ("scyan_exp/search/space.py", "scyan_exp/search/dimension.py"),
        ("tests/search/test_space*.py", "tests/search/test_dimensions.py"),
    ),
}

#: The lines of a difference that name files.
MARKS = ("---", "+++")

#: The same examples for every mutant; one that fails says enough without being made small.
CONFTEST = """\
from hypothesis import Phase, settings

phases = (Phase.explicit, Phase.generate)
settings.register_profile(
    "mutants", deadline=None, derandomize=True, database=None, phases=phases
)
"""


def main(arguments: list[str]) -> int:
    """Run the mutants of a part, and show those that survive."""
    if len(arguments) != 1 or arguments[0] not in PARTS:
        print(f"make mutants MODULE=...: expected one of {', '.join(PARTS)}", file=sys.stderr)
        return 2
    name = arguments[0]
    part = PARTS[name]
    absent = [pattern for pattern in (*part.sources, *part.tests) if not found([pattern])]
    if absent:
        print(f"there is no {', '.join(absent)}: see PARTS in {__file__}", file=sys.stderr)
        return 2
    folder = ROOT / ".mutants" / name
    prepare(folder, part)
    earlier = unnoticed(folder)
    code = mutmut(folder, "run", "--max-children", "1").returncode
    if code == 0 and earlier:  # there may be new tests, which mutmut does not look at by itself
        code = mutmut(folder, "run", "--max-children", "1", *earlier).returncode
    if code == 0:
        show_survivors(folder)
    return code


def mutmut(folder: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run mutmut in a copy of the tree."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "mutmut", *arguments]
    return subprocess.run(command, cwd=folder, env=env, text=True, **options)


def found(patterns: Iterable[str]) -> list[str]:
    """The files and folders that there are, relative to the root."""
    paths = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    return [str(path.relative_to(ROOT)) for path in paths]


def prepare(folder: Path, part: Part) -> None:
    """Copy what the tests need, and tell mutmut what to do with it."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in ("scyan_exp", *BESIDE):
        source, target = ROOT / one, folder / one
        if source.is_dir():
            # Removed first: a file that has gone must not be found any more.
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    (folder / "conftest.py").write_text(CONFTEST)
    options = {
        "source_paths": ("scyan_exp",),
        "only_mutate": part.sources,
        "also_copy": ("conftest.py", *BESIDE),
        "pytest_add_cli_args_test_selection": found(part.tests),
        "pytest_add_cli_args": ("-p", "no:cacheprovider", "--hypothesis-profile=mutants"),
    }
    lines = [f"{key} =" + "".join(f"\n    {one}" for one in ones) for key, ones in options.items()]
    (folder / "setup.cfg").write_text("\n".join(["[mutmut]", *lines]) + "\n")


def results(folder: Path) -> dict[str, str]:
    """What became of each mutant that there is."""
    lines = mutmut(folder, "results", "--all", "true", capture_output=True).stdout.splitlines()
    return dict(line.strip().rsplit(": ", 1) for line in lines if ": " in line)


def unnoticed(folder: Path) -> list[str]:
    """The mutants that no test noticed, of those that were tried."""
    if not (folder / "mutants").is_dir():
        return []
    noticed = ("killed", "timeout", "not checked")
    return [name for name, outcome in results(folder).items() if outcome not in noticed]


def show_survivors(folder: Path) -> None:
    """Print each mutant that no test noticed, as a difference, and how many there are."""
    survivors = unnoticed(folder)
    for name in survivors:
        lines = mutmut(folder, "show", name, capture_output=True).stdout.splitlines()
        changes = [line for line in lines if line[:1] in ("+", "-") and line[:3] not in MARKS]
        print(name, *changes, sep="\n    ")
    n_mutants = len(results(folder))
    print(f"{n_mutants - len(survivors)} of {n_mutants} mutants noticed")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
