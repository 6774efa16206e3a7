"""What a command is, and how one ends: exit codes, and how errors are shown.

Exit codes: 0 done; 1 a run (or a job of a sweep) failed; 2 the config or an input is wrong, and
nothing was trained; 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import os
import sys
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from scyan_exp.errors import InputError, near_matches
from scyan_exp.files import explain_unwritable
from scyan_exp.run.job import DONE, FAILED, INTERRUPTED, WRONG_INPUT, JobFailed
from scyan_exp.terminal import one_line

#: Characters in a line of help.
WIDTH = 100


@dataclass(frozen=True)
class Command:
    """A command of ``scyan-exp``: ``COMMAND`` of a file in this folder.

    Attributes:
        name: as it is typed.
        summary: what it does, for ``scyan-exp --help``; None for a command that is not shown.
        run: takes the arguments, returns the exit code. What it needs is imported when it runs.
        examples: command lines with a word on each.
        usage: how it is typed; shown by ``--help``, and with what is wrong.
        options: what each part of the usage means, by the part: ``{"out=FOLDER": "..."}``.
        has_own_help: whether it answers ``--help`` itself.
    """

    name: str
    summary: str | None
    run: Callable[[list[str]], int]
    examples: Sequence[tuple[str, str]] = ()
    usage: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    has_own_help: bool = False

    def help(self) -> str:
        """What ``scyan-exp COMMAND --help`` prints."""
        width = max(map(len, self.options), default=0) + 4
        options = [_option(*one, width) for one in self.options.items()]
        examples = [f"  scyan-exp {line}" for line, _ in self.examples]
        summary = textwrap.fill(f"{self.name}: {self.summary}", WIDTH)
        usage = textwrap.fill(self.usage, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
        parts = [usage, summary, "\n".join(options), "\n".join(["examples:", *examples])]
        return "\n\n".join(parts) + "\n"


def _option(option: str, sentence: str, width: int) -> str:
    """An option and what it means, the meaning in lines below each other."""
    first = f"  {option}".ljust(width)
    return textwrap.fill(
        sentence, WIDTH, initial_indent=first, subsequent_indent=" " * width, break_on_hyphens=False
    )


def exit_code(run: Callable[[], object]) -> int:
    """Run, and say how it ended."""
    try:
        with explain_unwritable():
            run()
    except InputError as error:
        return refuse(error)
    except JobFailed as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else DONE
    return DONE


def set_environment() -> None:
    """Defaults of the libraries' own variables; what the user has set stays."""
    # Hydra hands its errors to us, instead of printing them and exiting with 1.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    # Threads of a run wait for each other busily for 300,000 rounds by default, which starves
    # every other run on the machine; after 5,000 rounds they sleep.
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")
    # Torch warns on every DDP run that some epoch used all parameters: so it should be.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def short_warnings() -> None:
    """Show warnings of libraries in a line: what is said, not where on the disk its code lies."""
    warnings.formatwarning = _short_warning


def _short_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    return f"{category.__name__}: {one_line(str(message))}\n"


def read_options(
    arguments: Sequence[str], known: Sequence[str], usage: str
) -> tuple[list[str], dict[str, str]]:
    """The words of a command line, and its options: ``key=value`` or ``--key value``.

    Args:
        arguments: what was typed after the command.
        known: the keys.
        usage: shown with what is wrong.

    Raises:
        InputError: unknown keys, or keys without a value.
    """
    words, given, problems, rest = [], {}, [], list(arguments)
    while rest:
        word = rest.pop(0)
        key, has_value, value = word.removeprefix("--").partition("=")
        if not word.startswith("-") and not has_value:
            words.append(word)
            continue
        if not has_value and rest and key in known:
            has_value, value = "=", rest.pop(0)
        if key not in known:
            problems.append(f"unknown option {key.lstrip('-')!r}.{near_matches(key, known)}")
        elif not value:
            problems.append(f"{key}: expected a value, as in {key}=...")
        given[key] = value
    if problems:
        raise InputError([*problems[:-1], f"{problems[-1]}\n{usage}"])
    return words, given


def refuse(message: object) -> int:
    """Show what is wrong with a config or an input."""
    print(message, file=sys.stderr)
    return WRONG_INPUT
