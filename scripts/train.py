#!/usr/bin/env python
"""Train one experiment or a sweep: the same as ``scyan-exp train``."""

import sys

from scyan_exp.cli.main import process

if __name__ == "__main__":
    raise SystemExit(process(["train", *sys.argv[1:]]))
