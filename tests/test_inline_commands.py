"""Commands within sentences: each is one that exists, with options that it takes.

``test_pages.py`` runs what stands in blocks. A command in a sentence is often cut short or has a
word such as FOLDER in it, so it is not run: its name, its keys and how many words it takes are
compared with what the command itself says, and settings of a run are composed.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from benchmarks.__main__ import PARTS
from scyan_exp.cli.command import Command
from scyan_exp.cli.commands import commands
from tests.test_pages import PAGES, ROOT, install

NOTEBOOKS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))
#: What looks like a command, and why it is not looked at.
NOT_CHECKED = {
    "scyan-exp NAME": "stands for any command",
    "scyan-exp COMMAND --help": "stands for any command",
    "scyan-exp metrics": "the page itself adds it; tests/test_extend.py runs it",
    "pip install ./scyan-more": "the page itself writes it; tests/test_extend.py installs it",
    "pip install .": "needs a network; the Makefile does the same",
}
#: Commands whose settings are those of a run.
COMPOSED = {"train", "check", "wandb-sweep"}


def words_of(page: Path) -> str:
    """What a page says outside of its blocks of code."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells)
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def inline_commands(text: str) -> list[str]:
    """The pieces of code within sentences that begin as a command does."""
    pieces = (" ".join(code.split()) for code in re.findall(r"`([^`]+)`", text))
    pieces = (re.sub(r'^eval "\$\((.*)\)"$', r"\1", code.replace(r"\|", "|")) for code in pieces)
    return [code for code in pieces if re.match(r"(scyan-exp|make|pip|python)( |$)", code)]


FOUND = sorted({code for page in [*PAGES, *NOTEBOOKS] for code in inline_commands(words_of(page))})


def positions(usage: str) -> tuple[int, float]:
    """How many words a command takes that are neither ``key=value`` nor flags: least and most."""
    least, most = 0, 0.0
    for part in re.findall(r"\[[^]]*\]|\S+", usage)[3:]:  # usage: scyan-exp NAME
        if "=" in part or part.strip("[").startswith("-"):
            continue
        least += not part.startswith("[")
        most += float("inf") if "..." in part else 1
    return least, most


def keys_of(command: Command) -> set[str]:
    """The keys and flags that a command knows."""
    return {option.partition("=")[0] for option in command.options}


def check_own(words: list[str], scyan_exp) -> None:
    """A command of this program: it exists, and takes these words."""
    if not words or words[0] in ("--help", "--version"):
        return
    name, *arguments = words
    known = commands()
    assert name in known, f"there is no command {name}"
    command = known[name]
    if name == "-sc" or not arguments:  # a command named in passing
        return
    settings = [word for word in arguments if "=" in word or word.startswith("-")]
    unknown = [word for word in settings if word.partition("=")[0] not in keys_of(command)]
    if name in COMPOSED:
        code, output = scyan_exp("train", *unknown, "--cfg", "job")
        assert code == 0, output
    else:
        assert not unknown, f"{name} takes {sorted(keys_of(command))}, not {unknown}"
    least, most = positions(command.usage)
    n_words = len(arguments) - len(settings)
    assert "--help" in settings or least <= n_words <= most, command.usage


def check_make(words: list[str]) -> None:
    """A target of the Makefile, with variables that are used there."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    target, *variables = words
    assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), f"no target {target}"
    unused = [one for one in variables if f"$({one.partition('=')[0]})" not in makefile]
    assert not unused, f"the Makefile has no {unused}"


def check_inline(code: str, scyan_exp) -> None:
    """Whether a command in a sentence could be typed."""
    program, *words = shlex.split(code)
    if program == "scyan-exp":
        check_own(words, scyan_exp)
    elif program == "make":
        check_make(words)
    elif program == "pip":
        install(None, [program, *words])
    else:
        assert words[:2] == ["-m", "benchmarks"], f"no rule in {__name__} for: {code}"
        assert set(words[2:]) <= set(PARTS), f"benchmarks has no part {words[2:]}"


@pytest.mark.parametrize("code", [code for code in FOUND if code not in NOT_CHECKED])
def test_a_command_in_a_sentence_could_be_typed(code, scyan_exp):
    check_inline(code, scyan_exp)


def test_what_is_not_checked_stands_on_a_page():
    assert set(NOT_CHECKED) <= set(FOUND)
    assert len(FOUND) > 40


@pytest.mark.parametrize(
    "code",
    [
        "scyan-exp chek table.csv",
        "scyan-exp check a.csv b.h5ad c.h5ad",
        "scyan-exp check a.csv datasets.path=b.h5ad",
        "scyan-exp clean FOLDER bets=3",
        "scyan-exp clean FOLDER -y",
        "scyan-exp resume n_trials=40",
        "scyan-exp resume FOLDER n_trails=40",
        "scyan-exp train search=quik",
        "scyan-exp train model.prior_sdt=0.2",
        "make demos",
        "make crash CASES=sweep",
        "pip install 'scyan_exp[slurms]'",
        "python -m benchmarks verdicts",
        "python setup.py",
    ],
)
def test_a_command_that_cannot_be_typed_fails(code, scyan_exp):
    with pytest.raises(AssertionError):
        check_inline(code, scyan_exp)


def test_which_code_in_sentences_is_a_command():
    text = """Type `scyan-exp check a.csv` or
`scyan-exp
new b`, never `scyan_exp` or `obs["make"]`; `eval "$(scyan-exp -sc install=bash)"` helps."""
    assert inline_commands(text) == [
        "scyan-exp check a.csv",
        "scyan-exp new b",
        "scyan-exp -sc install=bash",
    ]
