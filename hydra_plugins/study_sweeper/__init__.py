"""Hydra's sweeper ``study``."""
