"""Hydra's search path: the folders ``configs`` of installed packages, after ours.

Hydra imports this file at every start, so the work stands in ``scyan_exp.config.extensions``.
"""

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin


class Extensions(SearchPathPlugin):
    """Lets Hydra find YAML files of packages in the entry-point group ``scyan_exp``."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append their folders."""
        from scyan_exp.config.extensions import extension_configs

        for folder in extension_configs():
            search_path.append("scyan_exp extension", f"file://{folder}")
