"""``make crash``: strike at every call that changes the disk, and say what was found.

``python -m tests.crash [CASE ...] [--brief] [--jobs=...] ...``. Blows that stand in the log already
are not struck again, so that a run of hours may be cut off and go on.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tests.crash import fields
from tests.crash.cases import CASES
from tests.crash.striking import BLOWS, Blow, Call, Struck, points

Point = tuple[Call, Blow]


def main(arguments: list[str]) -> int:
    """Strike, print what is wrong, and count."""
    given = _parsed(arguments)
    report = Report(given.log)
    print(f"{report.n_struck} blows stand in {given.log} already", flush=True)
    with tempfile.TemporaryDirectory(prefix="crash-") as folder:
        context = get_context("spawn")
        with ProcessPoolExecutor(given.jobs, context, fields.take, (folder,)) as pool:
            for name in given.cases or CASES:
                _strike_all(pool, name, given, report)
    print(report)
    return 1 if report.found else 0


def _strike_all(
    pool: ProcessPoolExecutor, name: str, given: argparse.Namespace, report: Report
) -> None:
    """Strike one command; in an order that is as good when the time ends before the blows do."""
    begun = time.monotonic()
    calls = pool.submit(fields.calls, name).result()
    chosen = [
        (call, blow)
        for call, blow in points(calls, given.alike, given.brief)
        if blow.name in (given.blow or BLOWS)
    ]
    left = [(call, blow) for call, blow in chosen if not report.knows(name, call, blow)]
    random.Random(0).shuffle(left)
    deadline = begun + given.seconds
    n_struck = sum(report.add(name, *one) for one in _struck(pool, name, left, deadline))
    seconds = time.monotonic() - begun
    print(
        f"{name}: {len(calls)} calls, {n_struck} of {len(left)} blows ({len(chosen)} in all), "
        f"{seconds:.0f} s",
        flush=True,
    )


def _struck(
    pool: ProcessPoolExecutor, name: str, left: list[Point], deadline: float
) -> Iterable[tuple[Call, Struck]]:
    aims = {pool.submit(fields.strike, name, call, blow, deadline): call for call, blow in left}
    for done in as_completed(aims):
        if (struck := done.result()) is not None:
            yield aims[done], struck


class Report:
    """What was struck, and what was found.

    Args:
        path: gets a line a blow; what stands there already counts.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts: Counter[str] = Counter()
        self._known: set[tuple[Any, ...]] = set()
        self.found: defaultdict[str, list[str]] = defaultdict(list)
        for line in path.read_text().splitlines() if path.exists() else ():
            self._take(json.loads(line))

    @property
    def n_struck(self) -> int:
        """Blows so far."""
        return self._counts.total()

    def knows(self, case: str, call: Call, blow: Blow) -> bool:
        """Whether a blow was struck."""
        return (case, blow.name, call.process, call.number) in self._known

    def add(self, case: str, aim: Call, struck: Struck) -> bool:
        """Take in what became of a blow."""
        line = {"case": case, "aim": [aim.process, aim.number], **struck._asdict()}
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        self._take(line)
        return True

    def _take(self, line: dict[str, Any]) -> None:
        case, blow, call = line["case"], line["blow"], Call(*line["call"])
        self._known.add((case, blow.split(" ")[0], *line["aim"]))
        self._counts[f"{case} {blow}"] += 1
        for problem in line["problems"]:
            self.found[f"{case} {problem}"].append(f"{blow} {call}")

    def __str__(self) -> str:
        lines = [
            f"{len(where)} x {problem}\n    such as {where[0]}"
            for problem, where in sorted(self.found.items())
        ]
        lines += [f"{what}: {n}" for what, n in sorted(self._counts.items())]
        return "\n".join([*lines, f"{self.n_struck} blows, {len(self.found)} kinds of problems"])


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make crash", description=__doc__)
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], help="which (all)")
    parser.add_argument("--alike", type=int, default=4, help="blows at writes alike in a row")
    parser.add_argument("--brief", action="store_true", help="leave out what is nearly the same")
    parser.add_argument("--blow", action="append", choices=BLOWS, help="which blows (all)")
    parser.add_argument("--seconds", type=float, default=1e9, help="of each command, at most")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="at the same time")
    parser.add_argument("--log", type=Path, default=Path("crash.jsonl"), help="a line a blow")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
