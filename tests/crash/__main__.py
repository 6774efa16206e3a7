"""``make crash``: strike at every call that changes the disk, and say what was found.

``python -m tests.crash [CASE ...] [--brief] [--every=1] [--seconds=...] ...``
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.crash.cases import CASES
from tests.crash.striking import BLOWS, Field, points


def main(arguments: list[str]) -> int:
    """Strike, print what is wrong, and count."""
    given = _parsed(arguments)
    n_struck: Counter[tuple[str, str]] = Counter()
    found: dict[str, list[str]] = {}
    deadline = time.monotonic() + given.seconds
    with tempfile.TemporaryDirectory(prefix="crash-") as folder, Field(Path(folder)) as field:
        field.prepare()
        for name in given.cases or CASES:
            begun = time.monotonic()
            calls, expected = field.undisturbed(CASES[name])
            chosen = [
                one
                for one in points(calls, given.alike, given.brief)
                if one[1].name in (given.blow or BLOWS)
            ][:: given.every]
            print(f"{name}: {len(calls)} calls, {len(chosen)} blows", flush=True)
            for call, blow in chosen:
                if time.monotonic() > deadline:
                    break
                struck = field.strike(CASES[name], call, blow, expected)
                n_struck[name, blow.name] += 1
                for problem in struck.problems:
                    found.setdefault(f"{name} {problem}", []).append(f"{blow.name} {struck.call}")
                if struck.problems:
                    record = {"case": name, **struck._asdict()}
                    with given.log.open("a") as log:
                        log.write(json.dumps(record) + "\n")
            n_of_case = sum(n for (case, _), n in n_struck.items() if case == name)
            seconds = time.monotonic() - begun
            print(f"  {n_of_case} of {len(chosen)} blows in {seconds:.0f} s", flush=True)
    for problem, where in sorted(found.items()):
        print(f"{len(where)} x {problem}\n    such as {where[0]}")
    for (name, blow), n in sorted(n_struck.items()):
        print(f"{name} {blow}: {n}")
    print(f"{n_struck.total()} blows, {len(found)} kinds of problems")
    return 1 if found else 0


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make crash", description=__doc__)
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], help="which (all)")
    parser.add_argument("--alike", type=int, default=4, help="blows at writes alike in a row")
    parser.add_argument("--brief", action="store_true", help="leave out what is nearly the same")
    parser.add_argument("--blow", action="append", choices=BLOWS, help="which blows (all)")
    parser.add_argument("--every", type=int, default=1, help="only each so-manieth of them")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin none after so long")
    parser.add_argument("--log", type=Path, default=Path("crash.jsonl"), help="all that is wrong")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
