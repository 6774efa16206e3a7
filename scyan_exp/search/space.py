"""The search space, written in Hydra's own override grammar.

| written | searched |
| --- | --- |
| ``interval(0.15, 0.35)`` | any number between, both ends included |
| ``tag(log, interval(1e-4, 1e-3))`` | the same on a logarithmic scale |
| ``int(interval(2048, 16384))`` | whole numbers, both ends included |
| ``range(2, 5)``, ``range(0, 1, 0.25)`` | 2, 3, 4; 0, 0.25, 0.5, 0.75: the end excluded |
| ``choice(16, 32)``, ``16,32``, ``choice(shallow, deep)`` | one of these values or options |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from scyan_exp.config.overrides import as_override, bare_key, variants
from scyan_exp.errors import InputError
from scyan_exp.search.dimension import Dimension, Scalar, dimension_of

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader
    from optuna.distributions import BaseDistribution

#: What decides which trial is better, and so is the same for all.
UNSEARCHED = ("objective",)


@dataclass(frozen=True)
class Space:
    """What a search varies, and what it leaves as it is.

    Attributes:
        dimensions: the parameters.
        fixed: overrides of every trial.
    """

    dimensions: tuple[Dimension, ...]
    fixed: tuple[str, ...]

    def overrides(self, params: Mapping[str, Scalar]) -> list[str]:
        """The overrides of a trial."""
        return [*self.fixed, *(d.override(params[d.name]) for d in self.dimensions)]

    def distributions(self) -> dict[str, BaseDistribution]:
        """All parameters for Optuna."""
        return {d.name: d.distribution() for d in self.dimensions}

    def variants(self) -> list[list[str]]:
        """Lists of overrides in which each extreme value occurs once, not all combinations."""
        return list(
            variants([*([one] for one in self.fixed), *(d.extremes() for d in self.dimensions)])
        )


def parse_space(
    params: Mapping[str, Any],
    overrides: Sequence[str],
    config_loader: ConfigLoader | None = None,
) -> Space:
    """The space that the config and the command line give; the command line wins.

    Args:
        params: ``hydra.sweeper.params``: keys and what to search, or plain values.
        overrides: of the command line.
        config_loader: knows the options of groups, for ``glob(*)``.

    Raises:
        InputError: everything that is wrong with it.
    """
    written = {bare_key(str(key)): as_override(key, value) for key, value in params.items()}
    typed = {bare_key(text): text for text in overrides}
    space, problems = read_space([*{**written, **typed}.values()], config_loader)
    if not space.dimensions and not problems:
        raise InputError(
            "nothing to search: give hydra.sweeper.params, or values such as "
            "'model.prior_std=interval(0.15,0.35)' on the command line, or search=quick",
            where="search space",
        )
    if problems:
        raise InputError(list(problems.values()), where="search space")
    return space


def read_space(
    texts: Sequence[str], config_loader: ConfigLoader | None = None
) -> tuple[Space, dict[str, str]]:
    """The space of all overrides that can be read, and what is wrong with each of the others."""
    dimensions, fixed, problems = [], [], {}
    for text in texts:
        try:
            found = _read(text, config_loader)
        except (HydraException, ValueError) as error:
            problems[text] = f"{text}: {_reason(error)}"
            continue
        if found is None:
            fixed.append(text)
        else:
            dimensions.append(found)
    return Space(tuple(dimensions), tuple(fixed)), problems


def _read(text: str, config_loader: ConfigLoader | None) -> Dimension | None:
    """The parameter that an override searches; None if it gives one value.

    Raises:
        ValueError: a bad range, or a key that cannot be searched.
        HydraException: it cannot be read.
    """
    parsed = OverridesParser.create().parse_override(text)
    parsed.config_loader = config_loader  # `parse_override` would leave out the parser's
    if not parsed.is_sweep_override():
        return None
    if bare_key(text) in UNSEARCHED or bare_key(text).startswith("hydra."):
        raise ValueError("cannot be searched: it is the same for all trials")
    return dimension_of(parsed)


def _reason(error: Exception) -> str:
    unreadable = ("token recognition", "expecting", "viable")  # what ANTLR says
    if any(words in str(error) for words in unreadable):
        return "cannot be read. Spaces look like interval(0.1,0.5), range(2,5), choice(16,32)"
    return str(error)
