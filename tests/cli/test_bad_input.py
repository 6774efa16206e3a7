"""Wrong input: one clear message, exit code 2, no traceback, nothing half-written."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import uuid
import warnings
from collections import namedtuple
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pytest
import scipy.sparse
import torch

from tests.conftest import TABLE, small_adata

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Change = Callable[[anndata.AnnData], anndata.AnnData]

SYNTHETIC = ("experiment=smoke", "dataset.n_cells=1000", "trainer.max_epochs=1", "logger=none")
SYNTHETIC = (*SYNTHETIC, "figures.draw=none")
OWN = (
    *("dataset=h5ad", "dataset.path=cells.h5ad", "table=csv", "table.path=table.csv"),
    *("logger=none", "figures.draw=none", "flow=shallow"),
    *("trainer.max_epochs=2", "model.batch_size=100"),
)


class MakesFolder:
    """Its pickle makes a folder when it is loaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.fixture
def expect_refusal(scyan_exp, cells_file, table_file, tmp_path):
    """Run with the user's own files, and make sure that the run is refused as it should be."""

    def refuse(*overrides: str, told: tuple[str, ...], base: tuple[str, ...] = OWN) -> str:
        before = sorted(tmp_path.rglob("*"))
        code, output = scyan_exp("train", *base, "hydra.run.dir=run", *overrides)
        assert code == 2, output
        for part in told:
            assert output.count(part) == 1, f"{part!r} in {output}"
        assert "Traceback" not in output
        assert "Warning" not in output
        assert sorted(tmp_path.rglob("*")) == before
        return output

    return refuse


def write_cells(change: Change) -> None:
    change(small_adata()).write_h5ad("cells.h5ad")


def with_expressions(rows: object, column: int, values: float) -> Change:
    def change(adata: anndata.AnnData) -> anndata.AnnData:
        adata.X[rows, column] = values
        return adata

    return change


def with_duplicate_marker(adata: anndata.AnnData) -> anndata.AnnData:
    adata.var_names = ["CD3", "CD4", "CD8", "CD19", "CD19"]
    return adata


def without_some_ages(adata: anndata.AnnData) -> anndata.AnnData:
    adata.obs.loc[adata.obs_names[:5], "age"] = np.nan
    return adata


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("dataset.path=cels.h5ad", ("cels.h5ad: no such file", "Did you mean 'cells.h5ad'?")),
        ("dataset.path=nowhere/x.h5ad", ("nowhere/x.h5ad: no such file",)),
        ("dataset.path=..", ("no file in this folder ends in .h5ad",)),
        (
            "dataset.path=table.csv",
            ("table.csv: expected a file that ends in .h5ad; for this one set dataset=csv",),
        ),
        ("table.path=tabel.csv", ("tabel.csv: no such file",)),
        ("table.path=.", (".: ",)),
        ("table.path=cells.h5ad", ("cells.h5ad: not a text file",)),
        ("ckpt_path=last.ckpt", ("last.ckpt: no such file",)),
        ("ckpt_path=table.csv", ("table.csv: not a checkpoint",)),
        ("dataset.label_key=celltype", ("'celltype'", "'cell_type'?", "cell_type, batch, age")),
        ("dataset.batch_key=btach", ("'btach'", "'batch'?", "cell_type, batch, age")),
        ("dataset.categorical_covariates=[sex]", ("'sex'", "cell_type, batch, age")),
        ("dataset.continuous_covariates=[agee]", ("'agee'", "'age'?", "cell_type, batch, age")),
        ("dataset.continuous_covariates=[batch]", ("obs['batch'] holds text",)),
        ("dataset.subset={batch:c}", ("no cell has batch='c'", "Found: a, b")),
        ("dataset.subset={bach:a}", ("no column 'bach'", "'batch'?")),
        ("model.continuum_markers=[CD33]", ("'CD33' is not in the table", "'CD3'?")),
        ("objective=accuracy", ("'accuracy' needs labels",)),
        ("+callbacks.early_stopping.patienc=3", ("patienc",)),
        ("callbacks.early_stopping.monitor=los", ("'los'",)),
        ("trainer.precision=abc", ("precision", "'abc'")),
        ("hydra.run.dir=table.csv/run", ("table.csv/run: the results cannot be written",)),
    ],
)
def test_a_wrong_setting_is_explained(expect_refusal, override, told):
    expect_refusal(override, told=told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ("the file is empty",)),
        ("\n \n", ("the file is empty",)),
        ("Populations,CD3\n", ("no populations",)),
        ("Populations\nB cells\n", ("no markers",)),
        ("Populations,CD3,CD4\nB cells,NA,\nT cells,nan,none\n", ("every value is NA",)),
        (TABLE.replace("CD8 T", "CD4 T"), ("population 'CD4 T cells' is in rows 2, 3",)),
        (TABLE.replace("CD4,", "CD3,"), ("marker 'CD3' is in 2 columns",)),
        (TABLE.replace(",,", ",high,"), ("row 4 (B cells), column CD4", "found 'high'")),
        (TABLE.replace(",,", ",3,"), ("row 4 (B cells), column CD4", "found 3")),
        (TABLE.replace("CD8,", "CD88,"), ("marker 'CD88'", "'CD8'?", "CD3, CD4, CD8, CD19, CD45")),
        (TABLE.replace("B cells", ""), ("row 4 has no population name",)),
    ],
    ids=[
        *("empty", "blank", "no-rows", "no-markers", "all-na", "populations", "markers"),
        *("text", "number", "unknown-marker", "unnamed"),
    ],
)
def test_a_wrong_table_is_explained(expect_refusal, table_file, text, told):
    table_file.write_text(text)
    expect_refusal(told=told)


def test_all_problems_of_a_table_are_named_at_once(expect_refusal, table_file):
    table_file.write_text(TABLE.replace(",,", ",high,").replace("CD8 T", "CD4 T"))
    expect_refusal(told=("table.csv: 2 problems", "found 'high'", "rows 2, 3"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (with_expressions(slice(3), 0, np.nan), ("marker 'CD3' has 3 NaN or infinite",)),
        (with_expressions([7], 1, -np.inf), ("marker 'CD4' has 1 NaN or infinite",)),
        (with_expressions(slice(None), 3, 2.5), ("marker 'CD19' is constant (2.5",)),
        (with_expressions([0], 2, 4321), ("look untransformed", "'CD8' reaches 4,321", "asinh")),
        (lambda adata: adata[:2], ("2 cells are fewer than the 3 populations",)),
        (lambda adata: adata[:0], ("0 cells are fewer than the 3 populations",)),
        (with_duplicate_marker, ("marker 'CD19' occurs 2 times",)),
    ],
    ids=["nan", "infinite", "constant", "untransformed", "few", "none", "duplicate"],
)
def test_wrong_cells_are_explained(expect_refusal, change, told):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # anndata's, of what is wrong with these cells
        write_cells(change)
    expect_refusal(told=told)


def test_expressions_that_the_table_does_not_use_may_be_missing(scyan_exp, cells_file, table_file):
    write_cells(with_expressions(slice(None), 4, np.nan))
    assert scyan_exp("train", *OWN, "hydra.run.dir=run")[0] == 0


def test_a_missing_covariate_is_counted(expect_refusal):
    write_cells(without_some_ages)
    told = ("obs['age'] is missing in 5 of 600 cells",)
    expect_refusal("dataset.continuous_covariates=[age]", told=told)


def test_labels_that_are_no_rows_of_the_table_are_no_objective(expect_refusal):
    overrides = ("dataset.label_key=batch", "objective=f1_macro")
    expect_refusal(*overrides, told=("labels: 'a', 'b'; rows: CD4 T cells, CD8 T cells, B cells",))


def test_text_in_a_column_of_numbers_is_placed(expect_refusal):
    frame = small_adata().to_df().astype(object)
    frame.iloc[9, 1] = "1,5"
    frame.to_csv("cells.csv", index=False)
    overrides = ("dataset=csv", "dataset.path=cells.csv")
    expect_refusal(*overrides, told=("column CD4", "row 11 ('1,5')"))


def test_a_gpu_that_is_not_there_is_named(expect_refusal):
    if torch.cuda.device_count() > 7:
        pytest.skip("this machine has a GPU 7")
    expect_refusal("trainer=gpu", "trainer.devices=[7]", told=("no GPU 7", "trainer=cpu"))


def test_a_disk_that_is_too_full_is_found_before_training(expect_refusal, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**30, 2**30 - 2**20, 2**20))
    expect_refusal(told=("1 MiB are free, the results need about 50 MiB", "hydra.run.dir="))


def test_an_empty_folder_of_the_user_is_not_removed(expect_refusal, tmp_path):
    (tmp_path / "mine").mkdir()
    expect_refusal("hydra.run.dir=mine/run", "table.path=none.csv", told=("none.csv",))
    assert (tmp_path / "mine").is_dir()


def test_an_earlier_run_in_the_folder_is_kept(scyan_exp, cells_file, table_file, tmp_path):
    assert scyan_exp("train", *OWN, "hydra.run.dir=run")[0] == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    assert scyan_exp("train", *OWN, "hydra.run.dir=run", "table.path=none.csv")[0] == 2
    changed = {path.name for path, content in before.items() if path.read_bytes() != content}
    assert changed <= {"train.log", "hydra.yaml", "overrides.yaml", "config.yaml"}


def save_pickle(value: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(value))


@pytest.mark.parametrize("save", [torch.save, save_pickle])
def test_code_in_a_checkpoint_is_not_run(expect_refusal, tmp_path, save):
    save(MakesFolder(tmp_path / "code-ran"), tmp_path / "bad.ckpt")
    expect_refusal("ckpt_path=bad.ckpt", told=("bad.ckpt: not a checkpoint",))


@pytest.mark.parametrize("target", ["scyan_exp.data.sources.pd.read_pickle", "pandas.read_pickle"])
def test_code_named_by_the_config_is_not_run(expect_refusal, tmp_path, target):
    (tmp_path / "bad.pkl").write_bytes(pickle.dumps(MakesFolder(tmp_path / "code-ran")))
    overrides = (f"+callbacks.x._target_={target}", "+callbacks.x.filepath_or_buffer=bad.pkl")
    expect_refusal(*overrides, told=("callbacks.x._target_", "is not allowed"))


def test_the_checkpoint_of_another_model_is_refused_with_the_differences(
    expect_refusal, scyan_exp, tmp_path
):
    assert scyan_exp("train", *OWN, "hydra.run.dir=first")[0] == 0
    overrides = ("ckpt_path=first/checkpoints/last.ckpt", "flow=deep", "seed=3")
    told = ("had n_layers=4, this config gives n_layers=10", "had seed=0", "hidden_size=32")
    expect_refusal(*overrides, told=told)


def annotation(scyan_exp, x) -> np.ndarray:
    """Populations and log probabilities, trained on the cells with other expressions."""
    adata = small_adata()
    adata.X = x
    name = f"of_{uuid.uuid4().hex}"
    adata.write_h5ad(f"{name}.h5ad")
    overrides = (*OWN, f"dataset.path={name}.h5ad", f"hydra.run.dir={name}")
    code, output = scyan_exp("train", *overrides)
    assert code == 0, output
    obs = anndata.read_h5ad(f"{name}/annotated.h5ad").obs
    return obs[["scyan_pop", "scyan_log_prob"]].astype(str).to_numpy()


def test_sparse_and_integer_cells_are_annotated_like_dense_ones(scyan_exp, table_file):
    counts = np.rint(small_adata().X * 10).clip(0)
    dense = annotation(scyan_exp, counts)
    for x in (
        scipy.sparse.csr_matrix(counts),
        scipy.sparse.csc_matrix(counts),
        counts.astype(np.int64),
        counts.astype(np.float64),
    ):
        np.testing.assert_array_equal(annotation(scyan_exp, x), dense)


def test_cells_too_many_for_memory_are_read_in_chunks(scyan_exp, table_file, monkeypatch):
    x = small_adata().X
    whole = annotation(scyan_exp, x)
    monkeypatch.setattr("scyan_exp.data.sources.CHUNK_BYTES", 1000)
    np.testing.assert_array_equal(annotation(scyan_exp, x), whole)


def run_in_tmpfs(folder: Path, options: str, before: str = "true") -> subprocess.CompletedProcess:
    """Train into a file system of its own, and list what is left there.

    Root may write wherever it likes, so read-only and full folders are real file systems,
    mounted in a namespace that ends with the process.
    """
    folder.mkdir()
    train = f"{sys.executable} -m scyan_exp train {' '.join(SYNTHETIC)} hydra.run.dir={folder}/run"
    script = f"mount -t tmpfs -o {options} tmpfs {folder} && {before} || exit 99; {train}; "
    script += f"code=$?; find {folder} -mindepth 1 -not -name filler; exit $code"
    unshare = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    return subprocess.run([*unshare, "sh", "-c", script], capture_output=True, text=True)


def mounted(folder: Path, options: str, before: str = "true") -> subprocess.CompletedProcess:
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare to mount with")
    done = run_in_tmpfs(folder, options, before)
    if done.returncode in (1, 99) and "scyan" not in done.stderr:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
    return done


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX permissions")
def test_a_read_only_folder_is_named(tmp_path, scyan_exp):
    folder = tmp_path / "read-only"
    if os.geteuid() == 0:  # the permissions of a folder do not bind root
        done = mounted(folder, "ro")
        code, output, left = done.returncode, done.stderr, done.stdout
    else:
        folder.mkdir(mode=0o555)
        code, output = scyan_exp("train", *SYNTHETIC, f"hydra.run.dir={folder}/run")
        left = "".join(str(path) for path in folder.iterdir())
    assert (code, left) == (2, "")
    assert output.count(f"{folder}/run: the results cannot be written") == 1
    assert "Traceback" not in output


def test_a_small_disk_is_named_and_left_empty(tmp_path):
    done = mounted(tmp_path / "small", "size=1m")
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert "small/run: 1 MiB are free, the results need about 50 MiB" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_named_and_left_empty(tmp_path):
    folder = tmp_path / "full"
    done = mounted(folder, "size=1m", f"(head -c 1048576 /dev/zero > {folder}/filler || true)")
    assert done.returncode == 2, done.stderr
    assert "cannot be written (No space left on device)" in done.stderr
    assert str(folder) in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_disk_that_fills_up_midway_is_explained(tmp_path):
    resource = pytest.importorskip("resource")

    def small_files_only() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    command = [sys.executable, "-m", "scyan_exp", "train", *SYNTHETIC, "hydra.run.dir=run"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, preexec_fn=small_files_only
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("the results cannot be written (File too large)") == 1
    assert "Traceback" not in done.stderr
    assert '"status": "failed"' in (tmp_path / "run" / "result.json").read_text()
    assert not [path for path in tmp_path.rglob(".*-*") if path.is_file()]
