"""Tests of ``scyan_exp.fleet``."""
