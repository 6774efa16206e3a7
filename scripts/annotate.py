#!/usr/bin/env python
"""Annotate files of new cells: the same as ``scyan-exp annotate``."""

import sys

from scyan_exp.cli.main import process

if __name__ == "__main__":
    raise SystemExit(process(["annotate", *sys.argv[1:]]))
