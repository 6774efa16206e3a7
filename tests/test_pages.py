"""The pages keep their word: every command, example, link and file name in them is tried.

The blocks of a page run in its order, in one scratch folder. Commands are shortened by the rules
below (one epoch, few cells, two jobs). A command that no rule covers fails: give it a rule, or name
it in ``NOT_RUN`` with the reason and what is checked instead. ``test_inline_commands.py`` looks at
commands within sentences.
"""

from __future__ import annotations

import re
import runpy
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from tests.conftest import TABLE, small_adata
from tests.data.fcs_files import small_fcs
from tests.look.watching import watched

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKED = [*PAGES, *sorted((ROOT / "benchmarks").glob("*.md"))]
EXAMPLE_RUN = "outputs/2026-11-22/10-15-00-000000"
EXAMPLE_SWEEP = "outputs/sweeps/2026-11-22_10-15-00-000000"

SHORT = ["trainer.max_epochs=1", "flow=shallow", "logger=none", "figures.draw=none"]
SHORT_SEARCH = ["hydra.sweeper.n_trials=2", "hydra.sweeper.n_parallel=2"]

#: What a `scyan-exp train` holds that is composed, not run, and why.
NOT_RUN = {
    "hydra/launcher=submitit_slurm": "needs a Slurm cluster",
    "hydra.launcher.engine=ray": "starts a cluster; tests/fleet/test_ray.py runs sweeps on one",
    "hydra.sweeper.storage=": "needs a database; see tests/search",
}


class Block(NamedTuple):
    """A fenced block of a page: its language, what it says, and its first line's number."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(m[1], m[2], text[: m.start()].count("\n") + 2) for m in found]


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a bash block as words, without comments."""
    for line in text.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


def in_samples(adata: AnnData) -> AnnData:
    """The cells in eight samples of two groups."""
    number = np.arange(adata.n_obs) % 8
    adata.obs["sample"] = [f"s{i}" for i in number]
    adata.obs["group"] = np.where(number % 2, "patient", "control")
    return adata


class Reader:
    """Someone who types what a page says, in a folder with cells and a table."""

    def __init__(self, folder: Path, scyan_exp, monkeypatch) -> None:
        self.folder, self.scyan_exp, self.monkeypatch = folder, scyan_exp, monkeypatch
        self.names: dict[str, object] = {}
        (folder / "table.csv").write_text(TABLE)
        in_samples(small_adata(300)).write_h5ad(folder / "cells.h5ad")
        small_adata(50, seed=1).write_h5ad(folder / "new_cells.h5ad")
        (folder / "samples").mkdir()
        for name, n_cells in (("patient1", 150), ("patient2", 200)):
            small_fcs(n_cells).write(folder / "samples" / f"{name}.fcs")
        small_fcs(100).write(folder / "sample.fcs")
        sheet = "file,patient,batch\npatient1.fcs,P1,monday\npatient2.fcs,P2,tuesday\n"
        (folder / "samples.csv").write_text(sheet)
        gates = pd.DataFrame({"gate": small_adata(100, seed=100).obs["cell_type"]})
        gates.to_csv(folder / "gates.csv", index=False)

    def read(self, block: Block) -> None:
        """Do what one block says; blocks of other languages are not to be typed."""
        if block.language == "bash":
            for words in commands(block.text):
                self.type(words)
        elif block.language == "python":
            self.python(block.text)
        elif block.language == "yaml":
            self.save(block.text)

    def type(self, words: list[str]) -> None:
        """Run a command in its short form, or check what can be checked of it."""
        while re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            self.monkeypatch.setenv(*words[0].split("=", 1))
            words = words[1:]
        rule = RULES.get(" ".join(words[:2])) or RULES.get(words[0])
        assert rule is not None, f"no rule in {__name__} for: {shlex.join(words)}"
        rule(self, words)

    def run(self, arguments: list[str]) -> str:
        code, output = self.scyan_exp(*arguments)
        assert code == 0, f"scyan-exp {shlex.join(arguments)}\n{output}"
        return output

    def train(self, words: list[str]) -> None:
        arguments = words[2:]
        if any(word.startswith(tuple(NOT_RUN)) for word in arguments):
            assert "model:" in self.run(["train", *single(arguments), "--cfg", "job"])
        else:
            self.run(["train", *shortened(arguments)])

    def resume(self, words: list[str]) -> None:
        newest = max((self.folder / "outputs" / "sweeps").iterdir(), key=lambda f: f.name)
        assert words[2] == EXAMPLE_SWEEP
        self.run(["resume", str(newest), *words[3:]])

    def consensus(self, words: list[str]) -> None:
        newest = max((self.folder / "outputs" / "sweeps").iterdir(), key=lambda f: f.name)
        assert words[2] == EXAMPLE_SWEEP
        self.run(["consensus", str(newest), *words[3:]])

    def look(self, words: list[str]) -> None:
        """What looks at folders; the sweep that a page names is the newest."""
        arguments = [self.real(word) for word in words[1:]]
        if "watch" in arguments:  # which Ctrl-C ends
            with watched(Path(arguments[1]), *arguments[2:]) as watch:
                assert watch.ask(watch.prefix)[0] == 200
        else:
            self.run(arguments)

    def real(self, word: str) -> str:
        """A word of a page with the folder that its example stands for."""
        sweeps = self.folder / "outputs" / "sweeps"
        if EXAMPLE_SWEEP not in word:
            return word
        return word.replace(EXAMPLE_SWEEP, str(max(sweeps.iterdir(), key=lambda f: f.name)))

    def report(self, words: list[str]) -> None:
        if words[2] == EXAMPLE_RUN:
            self.run([*example_run(), *SHORT])
            folder = self.folder / EXAMPLE_RUN
        else:
            assert words[2] == EXAMPLE_SWEEP
            folder = max((self.folder / "outputs" / "sweeps").iterdir(), key=lambda f: f.name)
        self.run(["report", str(folder)])
        assert (folder / "report.html").is_file()

    def annotate(self, words: list[str]) -> None:
        assert words[2] == EXAMPLE_RUN
        if not (self.folder / EXAMPLE_RUN).is_dir():
            self.run([*example_run(), *SHORT])
        self.run(words[1:])

    def biomarkers(self, words: list[str]) -> None:
        if words[2] == EXAMPLE_RUN:
            self.run([*example_run(), *SHORT])
        self.run(words[1:])

    def sample(self, words: list[str]) -> None:
        assert words[2] == EXAMPLE_RUN
        if not (self.folder / EXAMPLE_RUN).exists():
            self.run([*example_run(), *SHORT])
        self.run(words[1:])

    def dashboard(self, words: list[str]) -> None:
        newest = max((self.folder / "outputs" / "sweeps").iterdir(), key=lambda f: f.name)
        assert words[2] == EXAMPLE_SWEEP
        self.run(["dashboard", str(newest), *words[3:]])

    def sync(self, words: list[str]) -> None:
        """Nothing is uploaded: tests/run/test_wandb_sync.py does, to a server of its own."""
        newest = max((self.folder / "outputs" / "sweeps").iterdir(), key=lambda f: f.name)
        assert words[2] == EXAMPLE_SWEEP
        code, output = self.scyan_exp("sync", str(newest), *words[3:])
        assert code == 2, output
        assert "no offline runs of W&B in it: were they run with logger=wandb?" in output

    def python(self, code: str) -> None:
        if EXAMPLE_RUN in code:
            self.run([*example_run(), *SHORT])
        exec(compile(code, "page", "exec"), self.names)

    def save(self, text: str) -> None:
        """A YAML block names its file in a comment; a command of the page uses it."""
        name = re.search(r"^# (mine/\S+\.yaml)$", text, re.MULTILINE)
        assert name, f"no comment '# mine/GROUP/NAME.yaml' in:\n{text}"
        path = self.folder / name[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def shortened(arguments: list[str]) -> list[str]:
    """The same command with two jobs or trials at most, an epoch each, on few cells."""
    search = any("search=" in word or "hydra/sweeper=study" in word for word in arguments)
    search = search and "search=table_entries" not in arguments  # it has no trials
    short = arguments if search else two_jobs(arguments)
    short = [re.sub(r"^repeats=\d+$", "repeats=2", word) for word in short]
    own_cells = {"dataset=h5ad", "dataset=fcs", "experiment=blood"} & set(arguments)
    given = tuple(word.partition("=")[0] for word in arguments)
    kept = [key for key in ("flow", "figures.draw") if key in given]  # what the page is about
    extra = [word for word in SHORT if word.partition("=")[0] not in kept]
    extra += [] if own_cells else ["dataset.n_cells=400"]
    return [*short, *extra, *(SHORT_SEARCH if search else [])]


def two_jobs(arguments: list[str]) -> list[str]:
    """Two values of the first swept key, the last one of the others."""
    short, swept = [], False
    for word in arguments:
        key, _, value = word.partition("=")
        if value.startswith("range("):
            value = "0,1"
        values = value.split(",") if not value.startswith(("[", "{")) else [value]
        kept = values[-1:] if swept else values[:2]
        swept = swept or len(values) > 1
        short.append(f"{key}={','.join(kept)}" if value else word)
    return short


def single(arguments: list[str]) -> list[str]:
    """One job of a sweep, its first."""
    return [word.split(",")[0] for word in two_jobs(arguments) if word != "-m"]


def example_run() -> list[str]:
    """The run whose folder the pages name."""
    cells = "dataset=h5ad dataset.path=cells.h5ad table.path=table.csv dataset.label_key=cell_type"
    return ["train", *cells.split(), f"hydra.run.dir={EXAMPLE_RUN}"]


def draw(reader: Reader, words: list[str]) -> None:
    """A figure of the pages, into the scratch folder."""
    reader.monkeypatch.setattr("sys.argv", [words[1], str(reader.folder)])
    runpy.run_path(str(ROOT / words[1]), run_name="__main__")
    image = Path(words[1]).with_suffix(".svg").name
    assert (reader.folder / image).stat().st_size > 10_000
    assert (ROOT / "docs" / "images" / image).exists()


def make(_: Reader, words: list[str]) -> None:
    """Not run: a target builds an environment, or is this test itself."""
    assert re.search(rf"^{re.escape(words[1])}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def install(_: Reader, words: list[str]) -> None:
    """Not run: it needs a network."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = re.fullmatch(r"scyan_exp\[(\w+)\]", words[2])
    assert extra, words
    assert extra[1] in project["optional-dependencies"]


def activate(_: Reader, words: list[str]) -> None:
    """Not run: the tests have an environment of their own."""
    assert words == ["source", ".venv/bin/activate"]
    assert ".venv" in (ROOT / "Makefile").read_text()


def export(reader: Reader, words: list[str]) -> None:
    """A variable for the commands that follow."""
    reader.monkeypatch.setenv(*words[1].split("=", 1))


RULES = {
    "scyan-exp train": Reader.train,
    "scyan-exp resume": Reader.resume,
    "scyan-exp consensus": Reader.consensus,
    **{f"scyan-exp {name}": Reader.look for name in ("ls", "compare", "clean", "watch")},
    "scyan-exp report": Reader.report,
    "scyan-exp annotate": Reader.annotate,
    "scyan-exp biomarkers": Reader.biomarkers,
    "scyan-exp sample": Reader.sample,
    "scyan-exp dashboard": Reader.dashboard,
    "scyan-exp sync": Reader.sync,
    "scyan-exp wandb-sweep": lambda reader, words: reader.run(words[1:]),
    "scyan-exp check": lambda reader, words: reader.run(words[1:]),
    **{f"python scripts/figures/{name}.py": draw for name in ("model", "house")},
    "make": make,
    "pip install": install,
    "source": activate,
    "export": export,
}


@pytest.fixture
def reader(tmp_path, scyan_exp, monkeypatch) -> Reader:
    return Reader(tmp_path, scyan_exp, monkeypatch)


#: Pages whose code has tests of its own: ``test_front_door.py`` and ``test_extend.py``.
ELSEWHERE = {"python.md", "extend.md"}
#: Pages of many sweeps.
LONG = {"consensus.md", "look.md", "report.md", "search.md", "sweeps.md"}
TYPED = [
    pytest.param(page, id=page.name, marks=[pytest.mark.slow] if page.name in LONG else [])
    for page in PAGES
    if page.name not in ELSEWHERE
]


@pytest.mark.parametrize("page", TYPED)
def test_what_a_page_tells_to_type_works(page, reader):
    for block in blocks(page):
        reader.read(block)


def test_a_command_without_a_rule_fails(reader):
    with pytest.raises(AssertionError, match=r"no rule in .* for: rm -r outputs"):
        reader.type(["rm", "-r", "outputs"])


def test_a_run_leaves_behind_what_the_page_lists(reader):
    reader.run([*example_run(), "trainer.max_epochs=1", "flow=shallow"])
    page = (ROOT / "docs/results.md").read_text().partition("## The files of a run\n")[2]
    table = page.partition("These are there only if")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`([\w./]+)`", row)]
    files = [name for name in names if "." in name or name.endswith("/")]
    assert len(files) >= 10
    missing = [name for name in files if not (reader.folder / EXAMPLE_RUN / name).exists()]
    assert not missing


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_links_lead_somewhere(page):
    for path, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", page.read_text()):
        if "://" in path:
            continue
        target = page.parent / path if path else page
        assert target.exists(), f"{path} does not exist"
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}: no such heading"
