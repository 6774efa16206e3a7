"""``make crash``: strike at every call that changes the disk, and say what was found.

``python -m tests.crash [CASE ...] [--brief] [--seconds=...] ...``
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

from tests.crash.cases import CASES
from tests.crash.striking import BLOWS, Field, Struck, points


def main(arguments: list[str]) -> int:
    """Strike, print what is wrong, and count."""
    given = _parsed(arguments)
    report = Report(given.log)
    with tempfile.TemporaryDirectory(prefix="crash-") as folder, Field(Path(folder)) as field:
        field.prepare()
        for name in given.cases or CASES:
            _strike_all(field, name, given, report)
    print(report)
    return 1 if report.found else 0


def _strike_all(field: Field, name: str, given: argparse.Namespace, report: Report) -> None:
    """Strike one command; in an order that is as good when the time ends before the blows do."""
    begun = time.monotonic()
    calls, expected = field.undisturbed(CASES[name])
    chosen = [
        (call, blow)
        for call, blow in points(calls, given.alike, given.brief)
        if blow.name in (given.blow or BLOWS)
    ]
    random.Random(0).shuffle(chosen)
    n_struck = 0
    for call, blow in chosen:
        if time.monotonic() > begun + given.seconds:
            break
        report.add(name, field.strike(CASES[name], call, blow, expected))
        n_struck += 1
    seconds = time.monotonic() - begun
    print(
        f"{name}: {len(calls)} calls, {n_struck} of {len(chosen)} blows, {seconds:.0f} s",
        flush=True,
    )


class Report:
    """What was struck, and what was found.

    Args:
        path: gets a line a blow.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._n_struck: Counter[str] = Counter()
        self.found: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, case: str, struck: Struck) -> None:
        """Take in what became of a blow."""
        self._n_struck[f"{case} {struck.blow}"] += 1
        for problem in struck.problems:
            self.found[f"{case} {problem}"].append(f"{struck.blow} {struck.call}")
        with self._path.open("a") as file:
            file.write(json.dumps({"case": case, **struck._asdict()}) + "\n")

    def __str__(self) -> str:
        lines = [
            f"{len(where)} x {problem}\n    such as {where[0]}"
            for problem, where in sorted(self.found.items())
        ]
        lines += [f"{what}: {n}" for what, n in sorted(self._n_struck.items())]
        n_struck = self._n_struck.total()
        return "\n".join([*lines, f"{n_struck} blows, {len(self.found)} kinds of problems"])


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make crash", description=__doc__)
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], help="which (all)")
    parser.add_argument("--alike", type=int, default=4, help="blows at writes alike in a row")
    parser.add_argument("--brief", action="store_true", help="leave out what is nearly the same")
    parser.add_argument("--blow", action="append", choices=BLOWS, help="which blows (all)")
    parser.add_argument("--seconds", type=float, default=1e9, help="of each command, at most")
    parser.add_argument("--log", type=Path, default=Path("crash.jsonl"), help="a line a blow")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
