"""What a data set and a knowledge table are in a config: base classes and registries.

Data formats and tables stand in ``scyan_exp/data/``, and in installed packages; each owns its
fields, which are its section of the config.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from scyan_exp.config.registry import Registry
from scyan_exp.config.types import Cofactor, Name, Names, Positive, Section

#: An entry of a knowledge table.
Entry = Annotated[float, Field(ge=-1, le=1)]


class DataFormat(Section):
    """What every data set says of its cells; subclasses say where the cells come from.

    Attributes:
        label_key: column of ``obs`` with the true populations, for the metrics only.
        batch_key: column of ``obs`` with the batch; it becomes a categorical covariate.
        categorical_covariates: columns of ``obs`` that enter the model one-hot.
        continuous_covariates: columns of ``obs`` that enter the model as numbers.
        transform: ``none`` (already transformed), ``asinh``, ``logicle``, or ``auto``: what the
            cells look to need.
        cofactor: divisor before arcsinh: 5 for CyTOF, 150 for flow cytometry; one number, or
            numbers by marker and ``default`` for all others.
        scale: whether each marker is standardised.
        center: mean to 0 (True) or 0 to -1 (False); ``auto`` decides by the cells; None chooses
            False for asinh, as the reference does.
        max_value: clip of the scaled expressions.
        check_range: whether expressions that look untransformed are refused.
    """

    label_key: Name | None = None
    batch_key: Name | None = None
    categorical_covariates: Names = Field(default_factory=list)
    continuous_covariates: Names = Field(default_factory=list)
    transform: Literal["none", "asinh", "logicle", "auto"] = "none"
    cofactor: Cofactor = 5.0
    scale: bool = True
    center: bool | Literal["auto"] | None = None
    max_value: Positive = 10.0
    check_range: bool = True

    @abstractmethod
    def read(self) -> Any:
        """The cells as an ``AnnData``, as they stand at the source; X may stay on disk.

        Raises:
            InputError: they cannot be read.
        """

    def read_for(self, markers: Sequence[str]) -> Any:
        """The cells, of a table with these markers; formats whose names are looser choose here.

        Raises:
            InputError: they cannot be read, or lack a marker.
        """
        return self.read()

    def columns(self) -> list[str] | None:
        """All that may become a column of ``obs``, as far as it is known before cells are read.

        None where it is not. Keys of the config that are not among them are refused at once.
        """
        return None

    def sources(self) -> list[Path]:
        """The files that the cells come from: cells are read anew when one of them changes."""
        path = getattr(self, "path", None)
        return [Path(path).expanduser()] if isinstance(path, str) else []

    @property
    def all_categorical(self) -> list[str]:
        """Categorical covariates, the batch included."""
        keys = list(self.categorical_covariates)
        return keys if self.batch_key in (None, *keys) else [*keys, str(self.batch_key)]


class TableSource(Section):
    """Where a knowledge table comes from, and what of it is changed; subclasses read it.

    Attributes:
        set: entries by population and marker that replace those of the table; null for "not
            known".
        drop: populations that are left out.
    """

    set: dict[Name, dict[Name, Entry | None]] | None = None
    drop: Names = Field(default_factory=list)

    @abstractmethod
    def read(self) -> Any:
        """The :class:`~scyan_exp.data.KnowledgeTable` as it stands at the source.

        Raises:
            InputError: everything that is wrong with it.
        """

    def load(self) -> Any:
        """The table with its changes.

        Raises:
            InputError: everything that is wrong with it, or with the changes.
        """
        return self.read().edited(self.set or {}, self.drop)


#: Data formats and tables by the ``_target_`` that names them in a config.
FORMATS: Registry[type[DataFormat]] = Registry(
    "data format", ["scyan_exp.data.dataset", "scyan_exp.data.file_datasets"]
)
TABLES: Registry[type[TableSource]] = Registry("table", ["scyan_exp.data.table_sources"])

F = TypeVar("F", bound=type[DataFormat])
T = TypeVar("T", bound=type[TableSource])


def data_format(target: str | None = None) -> Callable[[F], F]:
    """Register a data format, so that ``dataset._target_`` may name it.

    Args:
        target: its name in a config; module and name of the class when None.
    """

    def register(cls: F) -> F:
        FORMATS.add(target or f"{cls.__module__}.{cls.__qualname__}", cls)
        return cls

    return register


def table_source(target: str) -> Callable[[T], T]:
    """Register where a table can come from, so that ``table._target_`` may name it."""

    def register(cls: T) -> T:
        TABLES.add(target, cls)
        return cls

    return register
