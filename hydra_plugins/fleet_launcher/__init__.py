"""Hydra's launcher ``fleet``."""
