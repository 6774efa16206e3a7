"""Configs are data: nothing in one makes the program run what is not ours."""

from __future__ import annotations

import pickle

import pytest


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def experiment(folder, text: str) -> tuple[str, str, str]:
    (folder / "mine" / "experiment").mkdir(parents=True)
    (folder / "mine" / "experiment" / "evil.yaml").write_text(f"# @package _global_\n{text}\n")
    return "--config-dir", str(folder / "mine"), "experiment=evil"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "hydra: {{callbacks: {{x: {{_target_: builtins.open, file: {path}, mode: w}}}}}}",
            "hydra.callbacks.x._target_: 'builtins.open' is not allowed",
        ),
        (
            "hydra: {{job_logging: {{formatters: {{x: {{'()': os.mkdir, path: {path}}}}}}}}}",
            "hydra.job_logging.formatters.x.(): 'os.mkdir' is not allowed",
        ),
        (
            "hydra: {{job_logging: {{handlers: {{x: {{class: os.mkdir, path: {path}}}}}}}}}",
            "hydra.job_logging.handlers.x.class: 'os.mkdir' is not allowed",
        ),
        (
            "hydra: {{hydra_logging: {{handlers: {{x: {{class: logging.FileHandler, "
            "filename: 'ext://os.environ'}}}}}}}}",
            "'ext://os.environ' is not allowed",
        ),
        (
            "callbacks: {{x: {{_target_: builtins.open, file: {path}, mode: w}}}}",
            "callbacks.x._target_: 'builtins.open' is not allowed",
        ),
    ],
)
@pytest.mark.parametrize("flags", [(), ("-m",)], ids=["single", "sweep"])
def test_a_config_cannot_make_other_things_run(scyan_exp, tmp_path, text, told, flags):
    victim = tmp_path / "victim"
    code, output = scyan_exp("train", *flags, *experiment(tmp_path, text.format(path=victim)))
    assert code == 2
    assert told in output
    assert "Traceback" not in output
    assert not victim.exists()
    assert not (tmp_path / "outputs").exists()


def test_the_second_value_of_a_sweep_is_checked_too(scyan_exp, tmp_path):
    victim = tmp_path / "victim"
    text = f"hydra: {{job_logging: {{formatters: {{x: {{'()': os.mkdir, path: {victim}}}}}}}}}"
    flags = experiment(tmp_path, text)[:2]
    code, output = scyan_exp("train", "-m", *flags, "experiment=smoke,evil")
    assert code == 2
    assert "'os.mkdir' is not allowed" in output
    assert not victim.exists()


@pytest.mark.parametrize("flags", [("--config-path=/tmp", "--config-name=evil"), ("-cn", "evil")])
def test_the_checked_config_cannot_be_replaced(scyan_exp, flags):
    code, output = scyan_exp("train", *flags)
    assert code == 2
    assert "not supported; add groups with --config-dir" in output


def test_a_pickled_job_is_not_read(scyan_exp, tmp_path):
    victim = tmp_path / "victim"
    (tmp_path / "job.pickle").write_bytes(pickle.dumps(Payload(victim)))
    code, output = scyan_exp("train", "--experimental-rerun", str(tmp_path / "job.pickle"))
    assert code == 2
    assert "--experimental-rerun: reads a pickle" in output
    assert not victim.exists()
