"""Benchmarks beside the reference: ``python -m benchmarks``."""
