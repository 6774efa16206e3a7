"""``python scripts/dashboard.py project=P``: the same as ``scyan-exp dashboard project=P``."""

from __future__ import annotations

import sys

from scyan_exp.cli.main import process

if __name__ == "__main__":
    sys.exit(process(["dashboard", *sys.argv[1:]]))
