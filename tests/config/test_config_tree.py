"""Every file under ``configs/``: it composes, passes the checks and instantiates for real."""

from __future__ import annotations

import inspect

import pytest
import pytorch_lightning as pl

import scyan_exp
from scyan_exp.config.check import check_config
from scyan_exp.config.compose import compose_config, configs_folder
from scyan_exp.config.formats import FORMATS, TABLES
from scyan_exp.config.schema import TRAINER_ARGUMENTS, ModelConfig, RunConfig, TrainerConfig
from scyan_exp.data import DataFormat, KnowledgeTable, PublicDataset, load_table
from scyan_exp.data.table_sources import PublicTable
from scyan_exp.run.build import make_trainer
from tests.conftest import TABLE, small_adata
from tests.data.fcs_files import small_fcs

FILES = sorted(configs_folder().rglob("*.yaml"))
OPTIONS = [
    f"{path.parent.relative_to(configs_folder()).as_posix()}={path.stem}"
    for path in FILES
    if path.parent != configs_folder() and not path.stem.startswith("_")
]
#: To be changed by who adds or removes an option: no file can vanish from these tests.
N_OPTIONS = 47


@pytest.fixture(scope="module")
def own_files(tmp_path_factory) -> dict[str, str]:
    """What each data set and table needs to be read quickly: a file, or few cells."""
    folder = tmp_path_factory.mktemp("own")
    cells = small_adata()
    cells.write_h5ad(folder / "cells.h5ad")
    cells.to_df().to_csv(folder / "cells.csv", index=False)
    cells.to_df().to_parquet(folder / "cells.parquet")
    (folder / "table.csv").write_text(TABLE)
    return {
        "scyan_exp.data.H5adDataset": f"dataset.path={folder / 'cells.h5ad'}",
        "scyan_exp.data.FcsDataset": f"dataset.path={small_fcs().write(folder / 'cells.fcs')}",
        "scyan_exp.data.ParquetDataset": f"dataset.path={folder / 'cells.parquet'}",
        "scyan_exp.data.CsvDataset": f"dataset.path={folder / 'cells.csv'}",
        "scyan_exp.data.SyntheticDataset": "dataset.n_cells=50",
        "scyan_exp.data.load_table": f"table.path={folder / 'table.csv'}",
    }


@pytest.fixture(scope="module", params=["", *OPTIONS])
def checked(request, own_files) -> RunConfig:
    """The default config, and that of each option of each group; checked."""
    overrides = [request.param] if request.param else []
    config = compose_config(overrides)
    targets = [config.dataset["_target_"], config.table["_target_"]]
    needed = [own_files[target] for target in targets if target in own_files]
    return check_config(compose_config([*overrides, *needed]))


def test_all_options_are_found():
    assert len(OPTIONS) == len(set(OPTIONS)) == N_OPTIONS


def test_parts_of_options_are_used_by_an_option():
    parts = [path for path in FILES if path.stem.startswith("_")]
    for part in parts:
        beside = [p for p in part.parent.glob("*.yaml") if p != part]
        assert any(f"- {part.stem}\n" in p.read_text() for p in beside), part


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(configs_folder()).as_posix())
def test_each_file_begins_by_saying_what_it_is(path):
    lines = path.read_text().splitlines()
    first = next(line for line in lines if not line.startswith("# @package"))
    assert first.startswith("# ")
    assert len(first) > 15


def test_each_option_composes_and_passes_the_checks(checked):
    sections = {"dataset", "table", "model", "trainer", "callbacks", "logger"}
    assert sections <= set(RunConfig.model_fields)
    assert sections <= set(checked.plain())


def test_each_option_gives_a_data_set_and_a_table_that_can_be_read(checked):
    assert isinstance(checked.dataset, DataFormat)
    if not isinstance(checked.dataset, PublicDataset):  # what is downloaded has tests of its own
        assert checked.dataset.read().n_obs >= 50
    if not isinstance(checked.table, PublicTable):
        assert isinstance(checked.table.load(), KnowledgeTable)


def test_each_option_gives_a_value_for_each_key_of_its_data_set(checked):
    """So a user sees them all, and no default is hidden in the code."""
    given = set(checked.plain()["dataset"]) - {"_target_"}
    assert given == set(type(checked.dataset).model_fields)


def test_every_data_format_and_table_has_an_option(own_files):
    """Built-in ones, that is: an installed package brings its own."""
    text = "".join(path.read_text() for path in FILES)
    ours = [name for name in (*FORMATS, *TABLES) if name.startswith("scyan_exp.")]
    assert len(ours) >= 7
    assert all(f"_target_: {name}\n" in text for name in ours)


@pytest.mark.parametrize("name", ["aml", "bmmc", "debarcoding", "poised"])
def test_a_public_data_set_brings_its_table_and_gives_way_to_another(name):
    assert compose_config([f"dataset={name}"]).table.name == name
    other = compose_config(["table=csv", "table.path=mine.csv", f"dataset={name}"])
    assert other.table.path == "mine.csv"


def test_each_option_gives_a_model(checked, table_file):
    values = checked.model.model_dump()
    model = scyan_exp.Scyan(load_table(table_file), seed=checked.seed, **values)
    for name, value in values.items():
        assert plain(model.hparams[name]) == plain(value)


def test_each_option_gives_a_trainer_with_its_callbacks(checked, tmp_path):
    # Lightning refuses to name a GPU that is not there.
    anywhere = checked.trainer.model_copy(update={"accelerator": "auto"})
    trainer = make_trainer(checked.model_copy(update={"trainer": anywhere}), [], [], tmp_path)
    assert trainer.max_epochs == checked.trainer.max_epochs
    kinds = {type(callback).__name__ for callback in trainer.callbacks}
    wanted = {c.target.rpartition(".")[2] for c in checked.callbacks.values()}
    assert wanted <= kinds


def test_the_hydra_options_decide_where_results_go():
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(configs_folder()), version_base="1.3"):
        config = compose("train", return_hydra_config=True)
    assert config.hydra.runtime.choices["hydra/job_logging"] == "scyan"
    assert config.hydra.job.name == "train"
    assert str(config.hydra.run.dir).startswith("outputs/")


def defaults_of(model: type) -> dict[str, object]:
    parameters = inspect.signature(model.__init__).parameters.values()
    return {p.name: plain(p.default) for p in parameters if p.default is not p.empty}


def plain(value: object) -> object:
    """The reference writes None and tuples where YAML has empty lists and lists."""
    return list(value) if isinstance(value, tuple) else value


@pytest.fixture(scope="module")
def reference() -> type:
    from tests.reference import scyan

    return scyan.Scyan


#: Hyperparameters that the reference does not have, and what it does instead.
ADDED = {"init": "reference", "agreement_tolerance": None}
SHARED = sorted(set(ModelConfig.model_fields) - set(ADDED))


@pytest.mark.parametrize("name", ModelConfig.model_fields)
def test_defaults_are_those_of_the_class(name):
    ours = check_config(compose_config([])).plain()["model"][name]
    assert ours == defaults_of(scyan_exp.Scyan)[name]


@pytest.mark.parametrize("name", ModelConfig.model_fields)
def test_the_recipe_of_the_reference_is_that_of_the_reference(name, reference):
    ours = check_config(compose_config(["model=reference"])).plain()["model"][name]
    theirs = {**defaults_of(reference), **ADDED}[name]
    assert ours == ([] if name == "continuum_markers" else theirs)


def test_no_hyperparameter_of_the_reference_is_left_out(reference):
    elsewhere = {"continuous_covariates", "categorical_covariates", "batch_key"}  # under dataset.
    assert set(defaults_of(reference)) - elsewhere == set(SHARED)


def test_the_known_trainer_arguments_are_arguments_of_lightnings_trainer():
    of_schema = set(TrainerConfig.model_fields)
    of_lightning = set(inspect.signature(pl.Trainer.__init__).parameters) - {"self"}
    groups_of_their_own = {"callbacks", "logger"}
    assert {*TRAINER_ARGUMENTS} | of_schema | groups_of_their_own <= of_lightning
    assert not {*TRAINER_ARGUMENTS} & of_schema
