"""The page of commands: what ``--help`` says of each."""

from __future__ import annotations

import inspect

from scripts.docs.words import cell, sentence
from scyan_exp.cli import command as how_it_ends
from scyan_exp.cli.command import Command
from scyan_exp.cli.commands import commands

HEAD = """\
# Command line

Every command and every option. `scyan-exp COMMAND --help` prints the same on the terminal. This
page is made from the program itself.

| exit code | what it says |
| --- | --- |
"""
SHELL = """
The tab key completes commands, groups and keys after this line; fish and zsh have it too:

```bash
eval "$(scyan-exp -sc install=bash)"
```
"""


def command_line_page() -> str:
    """The page in Markdown."""
    shown = [one for one in commands().values() if one.summary]
    shown.sort(key=lambda one: (one.name != "train", one.name))
    codes = [f"| {code} | {sentence(text)} |" for code, text in exit_codes().items()]
    return HEAD + "\n".join([*codes, SHELL, *map(_command, shown)])


def exit_codes() -> dict[str, str]:
    """What each exit code means, as the module of commands says it."""
    paragraph = " ".join((inspect.getdoc(how_it_ends) or "").split("\n\n")[1].split())
    parts = paragraph.removeprefix("Exit codes: ").rstrip(".").split("; ")
    return dict(part.split(" ", 1) for part in parts)


def _command(command: Command) -> str:
    rows = [f"| `{cell(one)}` | {cell(sentence(text))} |" for one, text in command.options.items()]
    examples = [
        f"scyan-exp {line}{f'  # {words}' if words else ''}" for line, words in command.examples
    ]
    return "\n".join(
        [
            f"## `{command.name}` {{ #{command.name} }}\n",
            f"{sentence(str(command.summary))}\n",
            f"```text\n{command.usage.removeprefix('usage: ')}\n```\n",
            *("| option | what |", "| --- | --- |", *rows, ""),
            *("```bash", *examples, "```\n"),
        ]
    )
