"""Folders of others: whatever lies in them, they are read or refused in words."""

from __future__ import annotations

import json

import pytest

from scyan_exp.cli.main import main
from tests.look.conftest import make_sweep

ALIASES = "a: &a [1, 1]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("ab", "bc", strict=True)
)
CONTENTS = {
    "nothing": b"",
    "zeros": b"\0" * 1000,
    "no text": "é".encode("latin-1"),
    "null": b"null",
    "a number": b"1",
    "a list": b"[]",
    "a text": b'"x"',
    "a list of lists": b"[" * 200_000,
    "a section of sections": b'{"a":' * 100_000,
    "aliases": ALIASES.encode(),
    "a tag": b"!!python/object/apply:os.mkdir [harmed]",
    "a huge number": b"9" * 6000,
    "an infinite number": b'{"jobs":[{"number":1e400,"folder":"0","overrides":[]}],"launcher":{}}',
}
FILES = (
    "sweep.json",
    ".sweep.json.journal",
    "sweep.csv",
    ".sweep.csv.journal",
    "multirun.yaml",
    "0/result.json",
    "0/cleaned.json",
    "0/.hydra/config.yaml",
    "0/.hydra/hydra.yaml",
    "0/.hydra/overrides.yaml",
    "0/metrics.csv",
    "0/population_weights.csv",
)


@pytest.mark.parametrize("file", FILES)
def test_a_file_of_a_sweep_may_hold_anything(file, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for number, content in enumerate(CONTENTS.values()):
        sweep = make_sweep(tmp_path / f"sweep{number}", {0: 1.0, 1: 2.0})
        (sweep / file).write_bytes(content)
        for command in (["ls"], ["report"], ["clean"], ["compare", f"{sweep}/1"]):
            name, *others = command
            code = main([name, str(sweep), *others])
            output = capsys.readouterr()
            assert code in (0, 2), (content[:40], name, code)
            assert "Traceback" not in output.out + output.err
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize("elsewhere", ["../outside", "{outside}", "0/../../outside"])
def test_nothing_outside_of_a_sweep_is_removed(elsewhere, tmp_path, capsys):
    sweep = make_sweep(tmp_path / "sweep", {0: 1.0, 1: None})
    outside = make_sweep(tmp_path / "outside", {1: None})
    checkpoint = outside / "checkpoints" / "best.ckpt"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"weights")
    listed = json.loads((sweep / "sweep.json").read_text())
    listed["jobs"][1]["folder"] = elsewhere.format(outside=outside)
    (sweep / "sweep.json").write_text(json.dumps(listed))
    (sweep / "1").rename(tmp_path / "gone")
    (sweep / "1").symlink_to(outside)
    assert main(["clean", str(sweep), "best=1", "--yes"]) == 0
    assert "They are removed" not in capsys.readouterr().out
    assert checkpoint.read_bytes() == b"weights"
