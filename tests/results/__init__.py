"""Tests of ``scyan_exp.results``."""
