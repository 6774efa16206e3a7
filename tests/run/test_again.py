"""The command that goes on with a run."""

from __future__ import annotations

import pytest
import yaml

from scyan_exp.run.again import command_again
from scyan_exp.run.folder import RunFolder


def hydra(mode: str = "RUN") -> dict:
    sources = [{"path": "mine", "provider": "command-line"}, {"path": "pkg", "provider": "main"}]
    task = ["dataset=h5ad", "name=a b"]
    return {"mode": mode, "overrides": {"task": task}, "runtime": {"config_sources": sources}}


def test_it_has_the_words_that_were_typed_and_the_folder(tmp_path):
    RunFolder(tmp_path).write_config({}, {"hydra": hydra()})
    expected = f"scyan-exp train --config-dir=mine dataset=h5ad 'name=a b' hydra.run.dir={tmp_path}"
    assert command_again(tmp_path) == expected


@pytest.mark.parametrize(
    "text", [None, "", "a: [", "hydra: {}", yaml.safe_dump({"hydra": hydra("MULTIRUN")})]
)
def test_there_is_none_of_a_job_of_a_sweep_or_of_damaged_files(tmp_path, text):
    if text is not None:
        path = RunFolder(tmp_path).hydra_config
        path.parent.mkdir()
        path.write_text(text)
    assert command_again(tmp_path) is None
