#!/usr/bin/env python
"""Annotate files of new cells: the same as ``scyan-exp annotate``."""

import sys

from scyan_exp.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main(["annotate", *sys.argv[1:]]))
