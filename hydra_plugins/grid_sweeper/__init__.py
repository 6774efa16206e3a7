"""Hydra's sweeper ``grid``."""
