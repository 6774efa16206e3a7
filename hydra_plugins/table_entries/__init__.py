"""Hydra's sweeper ``table_entries``."""
