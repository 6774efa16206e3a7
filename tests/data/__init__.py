"""Tests of ``scyan_exp.data``."""
