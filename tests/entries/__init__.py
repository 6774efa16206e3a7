"""Sweeps over the entries of a table."""
