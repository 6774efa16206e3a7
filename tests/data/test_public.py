"""Public files: downloaded once, verified, and clear words when that fails."""

from __future__ import annotations

import hashlib

import pytest

from scyan_exp.data.public import FILES, SIZES, cache_folder, fetch, load_public_table
from scyan_exp.errors import InputError
from tests.data.file_server import FileServer, serving

TABLE = b"Populations,CD3\nT cells,1\nB cells,-1\n"


@pytest.fixture
def server():
    """A real HTTP server on loopback with one file."""
    with serving(FileServer({"/mine/default.csv": TABLE})) as served:
        yield served


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("SCYAN_EXP_CACHE", str(folder))
    return folder


def digests() -> tuple[str, str]:
    blob = hashlib.sha1(b"blob %d\0" % len(TABLE) + TABLE, usedforsecurity=False)
    return blob.hexdigest(), hashlib.sha256(TABLE).hexdigest()


@pytest.mark.parametrize("digest", digests(), ids=["git blob", "sha256"])
def test_a_file_is_downloaded_once_and_kept(server, cache, digest):
    for _ in range(2):
        path = fetch("mine/default.csv", server.url, {"mine/default.csv": digest})
        assert path == cache / "mine" / "default.csv"
        assert path.read_bytes() == TABLE
    assert server.requests == [("/mine/default.csv", None)]


def test_a_file_that_was_changed_is_refused_and_not_kept(server, cache):
    with pytest.raises(InputError, match="not the expected one"):
        fetch("mine/default.csv", server.url, {"mine/default.csv": "0" * 40})
    assert not (cache / "mine" / "default.csv").exists()
    assert list(cache.rglob("*.csv")) == []


def test_a_damaged_copy_is_downloaded_again(server, cache):
    (cache / "mine").mkdir(parents=True)
    (cache / "mine" / "default.csv").write_bytes(TABLE[:10])
    path = fetch("mine/default.csv", server.url, {"mine/default.csv": digests()[0]})
    assert path.read_bytes() == TABLE
    assert len(server.requests) == 1


@pytest.mark.parametrize("where", ["/nothing/here", None])
def test_without_an_answer_the_message_says_what_to_do(server, cache, where):
    url = server.url + where if where else "http://127.0.0.1:9"
    message = r"cannot be downloaded .*Without network access, fetch it elsewhere and put it at"
    with pytest.raises(InputError, match=message):
        fetch("mine/default.csv", url, {"mine/default.csv": "0" * 40})
    assert list(cache.rglob("*.csv")) == []


def test_a_size_that_is_known_is_checked(server, cache):
    name = "mine/default.csv"
    with pytest.raises(InputError, match=f"the file has {len(TABLE)} bytes, expected 44"):
        fetch(name, server.url, {name: digests()[0]}, {name: 44})
    assert list(cache.rglob("*.csv")) == []


def test_unknown_versions_are_named():
    with pytest.raises(InputError, match=r"no public file 'aml/shrt\.csv'\. Did you mean"):
        load_public_table("aml", "shrt")


def test_the_digests_are_those_of_the_published_files(real_data, cache):
    (cache / "aml").mkdir(parents=True)
    for name, source in (("short.h5ad", "short.h5ad"), ("default.csv", "table.csv")):
        (cache / "aml" / name).write_bytes((real_data / "aml" / source).read_bytes())
        assert fetch(f"aml/{name}", "http://127.0.0.1:9") == cache / "aml" / name
    assert len(load_public_table("aml").populations) == 14


def test_the_sizes_are_those_of_the_published_files(real_data):
    folder = real_data / "aml"
    assert (folder / "short.h5ad").stat().st_size == SIZES["aml/short.h5ad"]
    assert (folder / "table.csv").stat().st_size == SIZES["aml/default.csv"]
    assert set(SIZES) <= set(FILES)


def test_every_data_set_has_cells_and_a_table():
    for name in ("aml", "bmmc", "debarcoding", "poised"):
        assert {f"{name}/default.h5ad", f"{name}/default.csv"} <= set(FILES)


def test_the_cache_follows_the_users_folders(monkeypatch, tmp_path):
    monkeypatch.delenv("SCYAN_EXP_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "scyan_exp"
