"""Composing configs: where they are, and which groups there are."""

from __future__ import annotations

import errno
import warnings
from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from scyan_exp.config.extensions import extension_configs
from scyan_exp.config.hydra_internals import repository_of

#: What composing raises; Hydra uses ValueError for values that cannot name a group's option.
COMPOSE_ERRORS = (HydraException, MissingConfigException, OmegaConfBaseException, ValueError)


def configs_folder() -> Path:
    """The folder of our YAML files: in the package when installed, else beside it."""
    package = Path(__file__).parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def compose_config(
    overrides: Sequence[str], config_dirs: Sequence[str] = (), *, with_hydra: bool = False
) -> DictConfig:
    """The config that a command line composes, without running it.

    Args:
        overrides: as on the command line, without sweeps.
        config_dirs: folders with groups of the user's own, as with ``--config-dir``.
        with_hydra: keep Hydra's own part of the config.

    Raises:
        HydraException: and the others of ``COMPOSE_ERRORS``, also for files that cannot be read.
    """
    configs = str(configs_folder())
    with warnings.catch_warnings(), initialize_config_dir(configs, version_base="1.3"):
        quiet_presets()
        whole = _with_search_path(overrides, config_dirs)
        try:
            return compose("train", overrides=whole, return_hydra_config=with_hydra)
        except MissingConfigException:  # itself an OSError
            raise
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:  # so there is no such file
                raise MissingConfigException("no file can have this name") from error
            problem = f"a file that it names cannot be read ({error.strerror})"
            raise ConfigCompositionException(problem) from error


def quiet_presets() -> None:
    """Our presets of others' launchers bear their names and are checked against their schemas.

    That is meant; Hydra warns of it.
    """
    warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/\w+' is validated against")


def first_lines(error: Exception) -> str:
    """What Hydra or OmegaConf said, without the part meant for programmers."""
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [line for line in lines if line and not line.startswith(("full_key", "object_type"))]
    cause = error.__cause__
    if isinstance(cause, COMPOSE_ERRORS):
        kept.append(first_lines(cause))
    if type(error) is ValueError and isinstance(cause, OSError):  # a log that cannot be opened
        kept.append(f"{cause.filename}: {cause.strerror}")
    return ": ".join(dict.fromkeys(kept[:3]))


def groups(config_dirs: Sequence[str] = ()) -> dict[str, list[str]]:
    """The config groups and their options; files starting with ``_`` are parts of others."""
    options: dict[str, dict[str, None]] = {}
    for folder in (configs_folder(), *extension_configs(), *map(Path, config_dirs)):
        for path in sorted(folder.glob("*/*.yaml")):
            if not path.stem.startswith("_"):
                options.setdefault(path.parent.name, {})[path.stem] = None
    return {group: list(names) for group, names in options.items()}


def options_of_hydra(group: str, config_dirs: Sequence[str] = ()) -> list[str]:
    """The options of a group of Hydra's own, such as ``hydra/launcher``: also those of plugins."""
    with (
        warnings.catch_warnings(),
        initialize_config_dir(str(configs_folder()), version_base="1.3"),
    ):
        quiet_presets()
        whole = _with_search_path([], config_dirs)
        config = compose(overrides=whole, return_hydra_config=True)
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        repository = repository_of(hydra.config_loader, config)
        return repository.get_group_options(group)


def _with_search_path(overrides: Sequence[str], config_dirs: Sequence[str]) -> list[str]:
    """Overrides with folders of groups in the search path, besides those that they name."""
    key = "hydra.searchpath="
    given = [one.removeprefix(key).strip().strip("[]") for one in overrides if one.startswith(key)]
    folders = [f"file://{Path(folder).resolve()}" for folder in config_dirs]
    if not folders:
        return list(overrides)
    others = [one for one in overrides if not one.startswith(key)]
    return [f"{key}[{','.join([*folders, *given])}]", *others]
