"""Ctrl-C while the figures of a run are drawn."""

from __future__ import annotations

import re
import signal

import anndata
import pytest

from scyan_exp.results.figures import FIGURES, figure
from tests.run.test_resume import read_result
from tests.run.test_run import QUICK


@pytest.fixture
def _stopping(monkeypatch):
    """A figure during which somebody presses Ctrl-C."""
    len(FIGURES)  # read what there is, before it is copied
    monkeypatch.setattr(FIGURES, "_parts", dict(FIGURES._parts))
    monkeypatch.setattr(FIGURES, "_origins", dict(FIGURES._origins))

    @figure("stopping")
    def stopping(annotation):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("_stopping")
@pytest.mark.parametrize("more", [(), ("repeats=2",)])
def test_the_cells_are_there_and_the_log_says_how_to_have_the_figures(scyan_exp, tmp_path, more):
    folder = tmp_path / "run"
    small = ("dataset.n_cells=900", "trainer.max_epochs=3", "flow=shallow")
    draw = ("figures.draw=[loss,stopping]", f"hydra.run.dir={folder}")
    code, output = scyan_exp("train", *QUICK, *small, *draw, *more)
    assert code == 130, output
    assert "Traceback" not in output
    own = folder / "seed_0" if more else folder
    again = f"To {'go on' if more else 'have them, run it again'}: scyan-exp train"
    assert again in output
    result = read_result(own)
    assert result["status"] == "interrupted"
    assert result["metrics"]["table_agreement"] > 0
    assert result["trust"]["verdict"]
    assert anndata.read_h5ad(own / "annotated.h5ad").obs["scyan_pop"].notna().any()
    # The default recipe has epochs at a temperature, whose loss is another.
    if not more:
        assert "Interrupted while the figures were drawn: the cells are annotated (" in output
        lines = re.findall(r"epoch +(\d)/3 .* cells/s(.*)", output)
        assert [number for number, _ in lines] == ["1", "2", "3"]
        assert {"  (temperature)", ""} == {after for _, after in lines}
