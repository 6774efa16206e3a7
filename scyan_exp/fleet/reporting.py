"""The page of a sweep, written by a process of its own when the sweep ends.

A failure there costs no more than a line, and this process need not import what the page needs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from scyan_exp.fleet.jobs import Job
from scyan_exp.run.folder import SweepFolder

#: ``SCYAN_EXP_REPORT=0`` turns the page off, whatever configs say.
VARIABLE = "SCYAN_EXP_REPORT"
#: Seconds for a page; one of thousands of jobs takes less.
MOST_SECONDS = 900


def report_jobs(jobs: Iterable[Job], sweep_dir: Path) -> None:
    """Write the page, if any of these jobs wants one (``report=true``)."""
    if any(job.checked is not None and job.checked.report for job in jobs):
        report_sweep(sweep_dir)


def report_sweep(sweep_dir: Path) -> None:
    """Write the page of a sweep, and say where it is, or in one line why there is none."""
    if os.environ.get(VARIABLE) == "0":
        return
    command = [sys.executable, "-m", "scyan_exp", "report", str(sweep_dir)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=MOST_SECONDS)
        reason = None if done.returncode == 0 else _last_line(done.stderr)
    except KeyboardInterrupt:
        reason = "interrupted"
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        reason = str(error)
    if reason is None:
        print(f"Report: {SweepFolder(sweep_dir).report}", flush=True)
    else:
        print(f"There is no report ({reason}): scyan-exp report {sweep_dir}", flush=True)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it ended without a word"
