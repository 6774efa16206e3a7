"""Tests of ``scyan_exp.sweep``."""
