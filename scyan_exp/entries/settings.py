"""Settings of a sweep over the entries of a table: ``hydra.sweeper.*``, declared here alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scyan_exp.config.sentences import problems_of
from scyan_exp.errors import InputError

#: What can be done to an entry: a known one becomes blank, a blank one becomes -1, then 1.
Kind = Literal["blank", "fill"]


class EntriesSettings(BaseModel):
    """Which entries are changed.

    Attributes:
        rows: populations whose entries are changed; None for all.
        markers: markers whose entries are changed; None for all.
        kinds: what is done: ``blank`` for the known entries, ``fill`` for the blanks.
    """

    model_config = ConfigDict(extra="forbid")

    rows: Annotated[list[str], Field(min_length=1)] | None = None
    markers: Annotated[list[str], Field(min_length=1)] | None = None
    kinds: Annotated[list[Kind], Field(min_length=1)] = ["blank", "fill"]


def check_entries_settings(values: Mapping[str, Any]) -> EntriesSettings:
    """Check the settings.

    Raises:
        InputError: everything that is wrong with them.
    """
    try:
        return EntriesSettings.model_validate(dict(values))
    except ValidationError as error:
        problems = map(str, problems_of(error, EntriesSettings, "hydra.sweeper."))
        raise InputError(list(problems), where="config") from error
