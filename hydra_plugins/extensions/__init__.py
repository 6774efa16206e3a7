"""Configs of installed packages that extend ``scyan_exp``."""
