"""``scyan-exp new``: the folder composes, trains, and does what its README says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from omegaconf import OmegaConf

from scyan_exp.cli.new import EXPERIMENT, README, TABLE, table_for
from scyan_exp.data.table import load_table
from scyan_exp.data.table_doubts import table_doubts, table_remarks
from tests.conftest import MARKERS, small_adata
from tests.data.fcs_files import small_fcs

TRAIN = ["train", "--config-dir=conf", "experiment=mine"]
QUICK = ["trainer.max_epochs=1", "flow=shallow", "logger=none", "figures.draw=none"]


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def commands_of(folder: Path) -> list[list[str]]:
    """The commands of a README, as words after ``scyan-exp``."""
    (block,) = re.findall(r"```bash\n(.*?)```", (folder / README).read_text(), re.DOTALL)
    lines = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert {words[0] for words in lines if words} == {"scyan-exp"}
    return [words[1:] for words in lines if words]


def write_cells(folder: Path, name: str) -> Path:
    """Cells of ``small_adata`` in the format of a file's name."""
    path, adata = folder / name, small_adata(300)
    frame = adata.to_df().assign(cell_type=adata.obs["cell_type"].astype(str))
    if path.suffix == ".fcs":
        small_fcs(300).write(path)
    elif path.suffix == ".h5ad":
        adata.write_h5ad(path)
    elif path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return path


@pytest.fixture
def made(scyan_exp, tmp_path, monkeypatch):
    """Make a folder, and go there."""

    def make(*arguments: str) -> Path:
        code, output = scyan_exp("new", "mine", *arguments)
        assert code == 0, output
        monkeypatch.chdir(tmp_path / "mine")
        return tmp_path / "mine"

    return make


def test_the_folder_holds_a_table_an_experiment_and_a_readme(made):
    assert files_of(made()) == {TABLE, EXPERIMENT, README}
    assert [path.name for path in Path("..").iterdir()] == ["mine"]  # nothing is left beside it


def test_the_table_is_one_without_doubts(made):
    table = load_table(made() / TABLE)
    assert table_doubts(table) == []
    assert (len(table.populations), len(table.markers)) == (7, 8)


def test_all_commands_of_the_readme_run(made, scyan_exp):
    """An epoch on few of the built-in cells, two seeds."""
    folder = made()
    commands = commands_of(folder)
    assert [words[0] for words in commands] == ["check", "train", "train", "report"]
    for words in commands:
        short = ["seed=0,1" if one.startswith("seed=") else one for one in words]
        extra = [*QUICK, "dataset.n_cells=400"] if words[0] == "train" else []
        code, output = scyan_exp(*short, *extra)
        assert code == 0, output
    config = OmegaConf.load(folder / "outputs" / "first" / ".hydra" / "config.yaml")
    assert (config.table.path, config.tags) == ("table.csv", ["mine"])
    assert (folder / "outputs" / "first" / "report.html").is_file()
    assert len(pd.read_csv(folder / "outputs" / "seeds" / "sweep.csv")) == 2


@pytest.mark.parametrize(
    ("name", "dataset", "columns"),
    [
        ("cells.h5ad", "h5ad", "cell_type, batch, age"),
        ("cells.fcs", "fcs", None),
        ("cells.csv", "csv", "cell_type"),
        ("cells.parquet", "parquet", "cell_type"),
    ],
)
def test_own_cells_are_filled_in(name, dataset, columns, made, tmp_path, scyan_exp):
    if dataset == "parquet":
        pytest.importorskip("pyarrow")
    write_cells(tmp_path, name)
    folder = made(f"cells={name}")
    table = load_table(folder / TABLE)
    others = [] if dataset == "fcs" else ["CD45"]  # nothing is known of it
    assert table.markers == [*MARKERS, *others]
    assert table.populations == ["CD4 T cells", "CD8 T cells", "B cells"]
    text = (folder / EXPERIMENT).read_text()
    assert f"override /dataset: {dataset}\n" in text
    assert ("# Columns of these cells" in text) == (columns is not None)
    assert columns is None or f"# Columns of these cells: {columns}\n" in text
    check, *_ = commands_of(folder)
    code, output = scyan_exp(*check)
    assert code == 0, output
    assert f"../{name}: 300 cells" in output
    code, output = scyan_exp(*TRAIN, *QUICK, "--cfg", "job", "--resolve")
    assert code == 0, output
    assert OmegaConf.create(output).dataset.path == f"../{name}"


def test_own_cells_train_as_they_are(made, tmp_path, scyan_exp):
    (tmp_path / "samples").mkdir()
    write_cells(tmp_path / "samples", "a.fcs")
    made("cells=samples")
    code, output = scyan_exp(*TRAIN, *QUICK, "hydra.run.dir=run")
    assert code == 0, output
    assert Path("run/annotated.h5ad").is_file()


def test_names_from_files_stay_names(made, tmp_path, scyan_exp):
    """Nothing that stands in a file, or in its path, becomes a setting."""
    adata = small_adata(50)
    adata.obs["a\nseed: 7"] = 1
    where = tmp_path / 'a "b" ${c} #d'
    where.mkdir()
    adata.write_h5ad(where / "cells.h5ad")
    made(f"cells={where / 'cells.h5ad'}")
    code, output = scyan_exp(*TRAIN, "--cfg", "job", "--resolve")
    assert code == 0, output
    config = OmegaConf.create(output.replace("${", "\\${"))
    assert config.dataset.path == str(where / "cells.h5ad")
    assert config.seed == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("heading", "extra"), [("# A sweep", ["-m"]), ("# A search", ["search=quick"])]
)
def test_the_sweep_and_the_search_in_comments_run(heading, extra, made, scyan_exp):
    folder = made()
    start, _, rest = (folder / EXPERIMENT).read_text().partition(heading)
    first, *lines = rest.partition("\n\n")[0].splitlines()
    assert all(line.startswith("#") for line in lines)
    uncommented = "\n".join(line.removeprefix("#") for line in lines)
    (folder / EXPERIMENT).write_text(f"{start}{heading}{first}\n{uncommented}\n")
    few = ["hydra.sweeper.n_trials=2", "hydra.sweeper.n_parallel=2"] if "-m" not in extra else []
    few = few or ["seed=0", "model.prior_std=0.2,0.25", "hydra/launcher=fleet"]
    where = ["hydra.sweep.dir=sweep", "dataset.n_cells=400"]
    code, output = scyan_exp(*TRAIN, *extra, *few, *QUICK, *where)
    assert code == 0, output
    assert len(pd.read_csv("sweep/sweep.csv")) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "usage: scyan-exp new FOLDER [cells=FILE]"),
        (["full"], "full: is not empty: name a new folder"),
        (["full/file"], "full/file: is a file: name a new folder"),
        (["full/file/below"], "full/file/below: cannot be written"),
        (["mine", "cells=absent.fcs"], "absent.fcs: no such file"),
        (["mine", "cells=full/file"], "expected files that end in"),
        (["mine", "cells=full/wrong.fcs"], "wrong.fcs: "),
        (["mine", "cell=x"], "cell=x: unknown. Did you mean 'cells='?"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(arguments, message, scyan_exp, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "full" / "wrong.fcs").write_text("no FCS")
    code, output = scyan_exp("new", *arguments)
    assert code == 2
    assert message in output
    assert "Traceback" not in output
    assert files_of(tmp_path) == {"full/file", "full/wrong.fcs"}
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_an_empty_folder_is_filled_also_the_current_one(scyan_exp, tmp_path):
    code, output = scyan_exp("new", ".")
    assert code == 0, output
    assert Path(TABLE).is_file()  # the shell is still in the folder
    assert files_of(tmp_path) == {TABLE, EXPERIMENT, README}
    assert "  cd " not in output


def test_a_table_for_markers_that_nobody_knows_is_left_to_the_reader(tmp_path):
    (tmp_path / TABLE).write_text(table_for([["GFP"], ["DAPI"]]))
    assert (tmp_path / TABLE).read_text() == "Populations,level,GFP,DAPI\nPopulation 1,,,\n"
    assert table_for([["CD8a"], ["147Sm_CD4", "Sm147Di"], ["CD3"]]).splitlines() == [
        "Populations,level,CD3,147Sm_CD4,CD8a",
        "CD4 T cells,T cells,1,1,-1",
        "CD8 T cells,T cells,1,-1,1",
    ]


def test_blank_columns_of_a_new_table_are_no_mistakes_and_named_once(tmp_path):
    known = ["CD3", "CD4", "CD8", "CD19"]
    (tmp_path / TABLE).write_text(table_for([[name] for name in [*known, "GFP", "DAPI", "Ki67"]]))
    table = load_table(tmp_path / TABLE)
    assert table_doubts(table) == []
    blank = [text for text in table_remarks(table) if "blank in every row" in text]
    assert [text.partition(":")[0] for text in blank] == [
        "markers 'GFP', 'DAPI', 'Ki67' are blank in every row"
    ]


def test_help(scyan_exp):
    code, output = scyan_exp("new", "--help")
    assert code == 0
    assert output.startswith("usage: scyan-exp new FOLDER [cells=FILE]\n")
    assert "cells=FILE" in output.partition("\n")[2]
    assert "scyan-exp new mine" in scyan_exp("--help")[1]
