"""What a run makes of its cells once a model is trained: the sections of a config that say so.

They have defaults, so that configs of versions that lacked them still mean what they did. Importing
this module loads neither torch nor Lightning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from scyan_exp.config.types import Name, Names, OneOrMore, Section


class FiguresConfig(Section):
    """Which figures a run draws. Configs of versions that had no such section mean all.

    Attributes:
        draw: ``all``, ``none``, or a list of names.
        umap: whether the cells are placed by UMAP, for the page and a figure.
    """

    draw: OneOrMore = "all"  # checked by itself: the names are those of FIGURES
    umap: bool = False

    def has(self, name: str) -> bool:
        """Whether a figure is to be drawn."""
        return self.draw == "all" or (self.draw != "none" and name in self.draw)


#: What a config means that says nothing of figures.
ALL_FIGURES = FiguresConfig()


class PredictConfig(Section):
    """How cells are annotated by a trained model.

    Attributes:
        log_prob_th: cells whose most probable population has log p(u | z) below it stay
            unannotated (the reference's name and default).
        proba: whether the probability of every population is kept for each cell.
        key_added: the column of ``obs`` with the populations; those of levels and of single
            repeats begin with it, and all others that a run adds with ``scyan_``.
    """

    log_prob_th: Annotated[float, Field(allow_inf_nan=False)] = -50.0
    proba: bool = False
    key_added: Annotated[str, Field(pattern=r"^[^/]{1,128}$")] = "scyan_pop"


def _number_as_text(value: Any) -> Any:
    """Batches are often numbered."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class CorrectConfig(Section):
    """Correcting the batch effect, after the training.

    Attributes:
        batch_ref: the batch that all cells are brought to; None corrects nothing.
        refine: whether the model is refined first: blank entries of the table become the mean
            latent expressions of the first training, and it trains on.
    """

    batch_ref: Annotated[Name, BeforeValidator(_number_as_text)] | None = None
    refine: bool = False


class BiomarkersConfig(Section):
    """Counts and intensities of the populations in each sample.

    Attributes:
        sample_key: column of ``obs`` with the sample; None measures nothing.
        group_key: column of ``obs`` with the group of each sample, such as patient or control.
        level: the level of the table within which shares are taken; None for all cells alone.
        channels: columns of ``obs`` that are measured as markers are: channels of a file that the
            table leaves out.
    """

    sample_key: Name | None = None
    group_key: Name | None = None
    level: Name | None = None
    channels: Names = []


#: What a config means that says nothing of these.
PREDICT, NO_CORRECTION, NO_SAMPLES = PredictConfig(), CorrectConfig(), BiomarkersConfig()


@dataclass(frozen=True)
class Wanted:
    """What a run makes of its cells once a model is trained: the sections that say so.

    Attributes:
        figures: which figures are drawn.
        predict: how cells are annotated.
        correct: how the batch effect is corrected.
        biomarkers: what is measured in each sample.
    """

    figures: FiguresConfig = ALL_FIGURES
    predict: PredictConfig = PREDICT
    correct: CorrectConfig = NO_CORRECTION
    biomarkers: BiomarkersConfig = NO_SAMPLES


#: Sections that configs of earlier versions lack, which then mean the defaults: only what differs
#: from these enters the hash, so that earlier runs keep theirs.
ADDED_SECTIONS: dict[str, type[Section]] = {
    "predict": PredictConfig,
    "correct": CorrectConfig,
    "biomarkers": BiomarkersConfig,
}


def added_defaults() -> dict[str, Any]:
    """What configs mean that lack these sections, by key: ``predict.proba`` and so on."""
    return {
        f"{name}.{key}": value
        for name, schema in ADDED_SECTIONS.items()
        for key, value in schema().model_dump().items()
    }
