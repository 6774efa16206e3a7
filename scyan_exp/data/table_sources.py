"""Where knowledge tables come from, and the keys that each takes in a config."""

from __future__ import annotations

from typing import Literal

from scyan_exp.config.formats import TableSource, table_source
from scyan_exp.config.types import Name, PathName
from scyan_exp.data.table import KnowledgeTable, load_table


@table_source("scyan_exp.data.load_table")
class TableFile(TableSource):
    """A CSV file (``table=csv``).

    Attributes:
        path: the file.
    """

    path: PathName

    def read(self) -> KnowledgeTable:
        """The table of the file."""
        return load_table(self.path)


@table_source("scyan_exp.data.load_public_table")
class PublicTable(TableSource):
    """The table of a data set that the reference publishes (``table=aml`` and others).

    Attributes:
        name: ``aml``, ``bmmc``, ``debarcoding`` or ``poised``.
        version: ``default``; poised also has ``full`` and ``short``.
    """

    name: Literal["aml", "bmmc", "debarcoding", "poised"]
    version: Name = "default"

    def read(self) -> KnowledgeTable:
        """The table, downloaded when it is first used."""
        from scyan_exp.data.public import load_public_table

        return load_public_table(self.name, self.version)


@table_source("scyan_exp.data.load_pbmc_table")
class PbmcTable(TableSource):
    """The table of the synthetic cells (``table=synthetic``)."""

    def read(self) -> KnowledgeTable:
        """The table that comes with this package."""
        from scyan_exp.data.synthetic import load_pbmc_table

        return load_pbmc_table()
