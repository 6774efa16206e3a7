"""A checkpoint of somebody else is read whole, or refused before it takes memory."""

from __future__ import annotations

import io
import os
import random
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from scyan_exp.errors import InputError
from scyan_exp.results.annotation import load_model
from scyan_exp.training.archive import load_checkpoint


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harmed",)


def saved(state: object) -> bytes:
    content = io.BytesIO()
    torch.save(state, content)
    return content.getvalue()


def compressed(content: bytes) -> bytes:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    return out.getvalue()


SIZES = {"n_layers": 2, "hidden_size": 3}
STATE = {"state_dict": {}, "hyper_parameters": SIZES}
HOSTILE = {
    "empty": (b"", "not a checkpoint"),
    "text": (b"weights", "not a checkpoint"),
    "code": (saved({**STATE, "state_dict": Harmful()}), "not a checkpoint"),
    "bomb": (compressed(saved({"x": torch.zeros(10**6), **STATE})), "compressed"),
    "list": (saved([1, 2]), "not a checkpoint of a Scyan run"),
    "no sizes": (saved({**STATE, "hyper_parameters": {}}), "no n_layers"),
    "absurd": (saved({**STATE, "hyper_parameters": {**SIZES, "hidden_size": 10**9}}), "larger"),
    "no table": (saved(STATE), "not a checkpoint of a Scyan run"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_checkpoint_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content, words = HOSTILE[name]
    path = tmp_path / "best.ckpt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as refusal:
        load_model(path)
    assert str(path) in str(refusal.value)
    assert not Path("harmed").exists()


def test_a_damaged_file_is_read_or_refused(tmp_path):
    whole = bytearray(saved({**STATE, "state_dict": {"x": torch.zeros(50)}}))
    path, draw = tmp_path / "last.ckpt", random.Random(0)
    for _ in range(200):
        content = bytearray(whole[: draw.choice([len(whole), draw.randrange(len(whole))])])
        for _ in range(draw.randrange(4)):
            if content:
                content[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(content)
        with suppress(InputError):
            load_checkpoint(path)
