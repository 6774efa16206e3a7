"""The public data sets of the reference: downloaded once, verified and kept."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from scyan_exp.data.download import TIMEOUT, download
from scyan_exp.data.table import KnowledgeTable, load_table
from scyan_exp.errors import InputError, near_matches

#: Where the authors of Scyan publish them.
BASE_URL = "https://github.com/MICS-Lab/scyan_data/raw/main/data"

#: Git blob ids (sha1) of the files, or the sha256 of the one that is too large for git.
FILES: dict[str, str] = {
    "aml/default.h5ad": "3f8d51ce62a978aef86ab3919101efab5bd51124",
    "aml/short.h5ad": "1f4cb356b1dbe2243f4a9cd579ad97a262b6767e",
    "aml/default.csv": "a1e99e3c23396eca01881712cc9f35863c6ff89e",
    "bmmc/default.h5ad": "d7be61300152087dd30ae343ce2f3b44a429598f",
    "bmmc/default.csv": "d3d3e7de025c31f911a6f7edfc2f46ac84164c79",
    "debarcoding/default.h5ad": "f4393448d00ba0a753a9ca7bd009462babf59ef9",
    "debarcoding/default.csv": "b6b07b27df0ce5db5e69813c86fb6b94c7dd4391",
    "poised/default.h5ad": "0f347a3aedbb286555c3c34266a6684ea7d43b12b51f14a7208ad6e34a490ff8",
    "poised/default.csv": "e7da35522e876adb7359729d9cc3300668a80811",
    "poised/full.csv": "0131708a990a73b4d13bdc8c11b1e060fd2f2372",
    "poised/short.csv": "a889fbeb13a357159d48ee5212cbfab24893e235",
}
#: Sizes in bytes, where they are known; a git blob id covers the size as well.
SIZES: dict[str, int] = {"aml/short.h5ad": 144_840, "aml/default.csv": 744}


def load_public_table(name: str, version: str = "default") -> KnowledgeTable:
    """The knowledge table of a public data set."""
    return load_table(fetch(f"{name}/{version}.csv"))


def fetch(
    file: str,
    base_url: str = BASE_URL,
    files: Mapping[str, str] = FILES,
    sizes: Mapping[str, int] = SIZES,
    timeout: float = TIMEOUT,
) -> Path:
    """The local copy of a public file, downloaded if it is not there yet.

    Args:
        file: such as ``aml/default.h5ad``.
        base_url: where the files are.
        files: the known files and their digests.
        sizes: sizes of some of them, in bytes.
        timeout: seconds without a byte after which a connection is given up.

    Raises:
        InputError: there is no such file, it cannot be downloaded, or its content is not the
            expected one.
    """
    if file not in files:
        raise InputError(f"no public file {file!r}.{near_matches(file, files)}")
    path, expected = cache_folder() / file, files[file]
    if not (path.is_file() and _digest(path, expected) == expected):
        download(
            f"{base_url}/{file}",
            path,
            lambda found: _digest(found, expected) == expected,
            sizes.get(file),
            timeout,
        )
    return path


def cache_folder() -> Path:
    """Where public files are kept: ``$SCYAN_EXP_CACHE``, else the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scyan_exp"
    return Path(os.environ.get("SCYAN_EXP_CACHE") or default)


def _digest(path: Path, expected: str) -> str:
    """Sha256 or git blob id of a file, whichever has the length of the expected digest."""
    if len(expected) == 64:
        digest = hashlib.sha256()
    else:
        digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
