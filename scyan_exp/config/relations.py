"""Values of a config that are right alone, and not together."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from typing import Any

from scyan_exp.config.figures import FIGURES
from scyan_exp.config.objectives import KEYS_OF_NEEDS, METRICS
from scyan_exp.config.schema import objective_names
from scyan_exp.config.wanted import PredictConfig
from scyan_exp.errors import Problem, near_matches


def relation_problems(plain: Mapping[str, Any]) -> Iterator[Problem]:
    """What does not go together; what is wrong by itself is named elsewhere."""
    yield from _objective_problems(plain.get("objective"), plain.get("dataset"))
    if (plain.get("repeats") or 1) != 1 and plain.get("ckpt_path") is not None:
        yield Problem(
            "ckpt_path",
            "is of one training, and there are repeats; a run with repeats that was cut off goes "
            "on in its own folder (hydra.run.dir=...)",
        )
    yield from _batch_problems(plain.get("correct"), plain.get("dataset"))
    yield from _figure_problems(plain.get("figures"))
    yield from _key_problems(plain.get("predict"), plain.get("dataset"))
    yield from _sample_problems(plain.get("biomarkers"))
    yield from _seed_problems(plain.get("seed"), plain.get("repeats"))
    yield from _device_problems(plain.get("trainer"), plain.get("model"))


def _objective_problems(objective: Any, dataset: Any) -> Iterator[Problem]:
    """Names that do not name a metric, and metrics that these cells do not allow."""
    names = objective if isinstance(objective, list) else [objective]
    unknown = [name for name in names if not isinstance(name, str) or name not in METRICS]
    if unknown:
        hints = "".join(near_matches(str(name), METRICS) for name in unknown)
        yield Problem(
            "objective",
            f"expected one of {', '.join(METRICS)}, or a list of several, found "
            f"{objective!r}.{hints}",
        )
        return
    if isinstance(objective, list) and (len(names) < 2 or len(set(names)) < len(names)):
        yield Problem("objective", f"expected at least 2 distinct metrics, found {objective!r}.")
        return
    dataset = dataset if isinstance(dataset, Mapping) else {}
    absent = {need: key for need, key in KEYS_OF_NEEDS.items() if dataset.get(key) is None}
    for name in objective_names(objective):
        for need, key in absent.items():
            if need in METRICS[name].needs:
                possible = ", ".join(
                    name for name, one in METRICS.items() if not {*one.needs} & {*absent}
                )
                text = f"{name!r} needs {need}; set dataset.{key}, or choose one of {possible}"
                yield Problem("objective", text)


def _batch_problems(correct: Any, dataset: Any) -> Iterator[Problem]:
    """Corrections of a batch effect where there are no batches."""
    correct = correct if isinstance(correct, Mapping) else {}
    if isinstance(dataset, Mapping) and dataset.get("batch_key") is None:
        for key in ("batch_ref", "refine"):
            if correct.get(key) not in (None, False):
                text = "needs batches; set dataset.batch_key to the column of obs that has them"
                yield Problem(f"correct.{key}", text)


def _figure_problems(figures: Any) -> Iterator[Problem]:
    """Names that do not name a figure."""
    draw = figures.get("draw", "all") if isinstance(figures, Mapping) else "all"
    if isinstance(figures, Mapping) and figures.get("umap") is True and not _has("umap"):
        yield Problem("figures.umap", "not installed; pip install 'scyan_exp[umap]'")
    if draw in ("all", "none"):
        return
    names = draw if isinstance(draw, list) else [draw]
    unknown = [name for name in names if not isinstance(name, str) or name not in FIGURES]
    if unknown or not isinstance(draw, list):
        options = [*FIGURES, *(() if isinstance(draw, list) else ("all", "none"))]
        hints = "".join(near_matches(str(name), options) for name in unknown)
        yield Problem(
            "figures.draw",
            f"expected all, none, or a list of {', '.join(FIGURES)}, found {draw!r}.{hints}",
        )


def _key_problems(predict: Any, dataset: Any) -> Iterator[Problem]:
    """A column of populations that would take the place of another one."""
    key = predict.get("key_added") if isinstance(predict, Mapping) else None
    if not isinstance(key, str) or key == PredictConfig().key_added:
        return
    dataset = dataset if isinstance(dataset, Mapping) else {}
    roles = [role for role in ("label_key", "batch_key") if dataset.get(role) == key]
    if roles:
        text = f"{key!r} is dataset.{roles[0]}: that column would be overwritten. Choose another"
        yield Problem("predict.key_added", text)
    if key.startswith("scyan_"):
        text = f"names that begin with 'scyan_' are the program's own, found {key!r}"
        yield Problem("predict.key_added", text)


def _sample_problems(biomarkers: Any) -> Iterator[Problem]:
    """What is asked of samples, without samples."""
    given = biomarkers if isinstance(biomarkers, Mapping) else {}
    if given.get("sample_key") is None:
        for key in ("group_key", "level", "channels"):
            if given.get(key):
                text = "there are no samples; set biomarkers.sample_key to the column that has them"
                yield Problem(f"biomarkers.{key}", text)


def _has(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _seed_problems(seed: Any, repeats: Any) -> Iterator[Problem]:
    """Seeds of repeats that are too large."""
    if not isinstance(seed, int) or not isinstance(repeats, int):
        return
    if repeats != 1 and seed + repeats > 2**32:
        text = f"seeds go up to {2**32 - 1}, and {repeats} from {seed} on do not"
        yield Problem("repeats", text)


def _device_problems(trainer: Any, model: Any) -> Iterator[Problem]:
    trainer = trainer if isinstance(trainer, Mapping) else {}
    devices = trainer.get("devices")
    if isinstance(devices, list) and trainer.get("accelerator") == "cpu":
        text = f"on the CPU expected a number of processes, found {devices}"
        yield Problem("trainer.devices", text)
    n_devices = len(devices) if isinstance(devices, list) else devices
    batch_size = model.get("batch_size") if isinstance(model, Mapping) else None
    if isinstance(n_devices, int) and isinstance(batch_size, int) and 0 < batch_size < n_devices:
        text = f"{batch_size} cells cannot be shared by {n_devices} devices"
        yield Problem("model.batch_size", text)
