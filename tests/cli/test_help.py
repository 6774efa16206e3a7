"""What the program says of itself: help of commands, and the tab key."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest

from scyan_exp.cli.command import WIDTH
from scyan_exp.cli.commands import commands
from scyan_exp.cli.main import main


def test_help_shows_the_config_that_the_overrides_compose(capsys):
    assert main(["train", "flow=deep", "model.lr=0.1", "--help"]) == 0
    told = capsys.readouterr().out
    assert "  n_layers: 10                      # coupling layers\n" in told
    assert "  lr: 0.1                           # learning rate of Adam\n" in told
    assert "_target_" not in told
    assert main(["train", "flow=dep", "--help"]) == 2
    assert "flow=dep: no such option. Did you mean 'deep'?" in capsys.readouterr().err


SHOWN = [command for command in commands().values() if command.summary]


@pytest.mark.parametrize("command", SHOWN, ids=lambda command: command.name)
def test_every_part_of_a_command_has_its_sentence(command):
    """``usage`` and ``options`` name the same parts; settings of KEY=VALUE are examples."""
    assert command.usage.startswith(f"usage: scyan-exp {command.name} ")
    typed = command.usage.split()[3:]
    parts = {re.sub(r"[\[\]]|\.\.\.", "", word) for word in typed} - {"", "|"}
    told = {option.replace("...", "") for option in command.options}
    assert parts <= told
    assert parts == told or "KEY=VALUE" in parts
    assert all(len(sentence.split()) >= 2 for sentence in command.options.values())
    assert command.examples


@pytest.mark.parametrize("command", SHOWN, ids=lambda command: command.name)
@pytest.mark.parametrize("asked", ["--help", "-h"])
def test_a_command_tells_how_it_is_used(command, asked, capsys):
    assert main([command.name, asked]) == 0
    told = capsys.readouterr().out
    if command.has_own_help:
        assert "== Groups" in told
        return
    assert told.startswith(f"usage: scyan-exp {command.name} ")
    assert all(f"\n  {option}  " in told for option in command.options)
    assert max(map(len, told.splitlines())) <= WIDTH


def test_info_of_hydra_is_told(capfd):
    assert main(["train", "--info", "defaults"]) == 0
    told = capfd.readouterr()
    assert "flow/default" in told.out + told.err
    assert "Traceback" not in told.err


def test_resume_says_what_it_takes(capsys):
    assert main(["resume", "--help"]) == 0
    told = capsys.readouterr().out
    assert "usage: scyan-exp resume FOLDER_OF_THE_SWEEP" in told
    settings = re.findall(r"^  ([a-z_]+)=", told, re.MULTILINE)
    from scyan_exp.fleet.settings import FleetSettings
    from scyan_exp.search.settings import StudySettings

    assert len(settings) > 5
    assert {*settings} <= {*FleetSettings.model_fields, *StudySettings.model_fields, "trust"}


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_tab_key_completes_commands_groups_and_keys(tmp_path):
    """In a real bash, which calls its completion as at a prompt."""
    program = tmp_path / "scyan-exp"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m scyan_exp "$@"\n')
    program.chmod(0o755)
    script = """
        eval "$(scyan-exp -sc install=bash)"
        ask() {
            COMP_LINE="$*"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_POINT=${#COMP_LINE}
            hydra_bash_completion; echo "${COMPREPLY[*]}"
        }
        complete -p scyan-exp
        ask scyan-exp tra
        ask scyan-exp train flow=d
        ask scyan-exp train seed=1 model.prior_s
        ask scyan-exp ls flow=d
    """
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, env=environment
    )
    lines = done.stdout.splitlines()
    assert "hydra_bash_completion scyan-exp" in lines[0]
    assert lines[1] == "train"
    assert set(lines[2].split()) == {"flow=deep", "flow=default"}
    assert lines[3:] == ["model.prior_std=", ""], done.stderr


@pytest.mark.parametrize("start", [["-sc"], ["train", "-sc"], ["train", "--shell-completion"]])
def test_the_shell_is_named(start, capsys):
    assert main([*start, "install=bush"]) == 2
    assert "SHELL is one of bash, fish, zsh" in capsys.readouterr().err
