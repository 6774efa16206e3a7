"""The texts of errors as they are in the source, with ``{name}`` where values go.

From each place where an error is made (``InputError(...)``, ``Problem(...)``, ``refuse(...)``, any
``raise``) its text is followed back: through names, lists that grow, functions that return or
yield problems, and arguments of the callers. What cannot be followed is counted, never guessed.
"""

from __future__ import annotations

import ast
import functools
import itertools
import operator
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from scripts.docs.code import Code, Functions, Module, is_error, name_of, parameters
from scripts.docs.templates import HINTS, is_sentence, is_usage, n_words, placeholder, tidy

#: What takes the text of an error as its first argument; ``Problem`` takes a key and a text.
SINKS = {
    *("InputError", "OutputError", "FolderInUse", "JobFailed", "SlurmError", "TrainingDiverged"),
    *("Problem", "Mismatch", "refuse"),
}
#: What is logged of a run that failed.
LOGGED = {"log.error", "log.exception"}
#: Exceptions that end no command: of servers, of searches that prune, of Python's own protocols.
NO_MESSAGES = {"Refused", "RunPruned", "RepeatsDecided", "AttributeError", "SystemExit"}
#: Functions that give back their first argument, as far as words go; and their last one.
FIRST = {"list", "sorted", "tuple", "set", "str", "repr", "chain", "first_lines", "iter", "join"}
LAST = {"map", "fromkeys", "cast"}
#: Methods that give back their own value, as far as words go.
KEEPING = {
    *("format", "values", "items", "copy", "splitlines", "get", "pop"),
    *("strip", "removeprefix", "removesuffix"),
}
#: Attributes with words of other programs, and of errors that were made elsewhere.
OF_OTHERS = {"problems", "text", "msg", "stderr", "strerror"}
#: Functions that only write their argument down.
WRITTEN = {"listed", "str", "repr", "sorted", "list", "quoted", "shown", "join", "without_password"}
#: Of so many sentences that a part of a text can be, each is told; of more, none.
MOST_PARTS = 4


@dataclass(frozen=True)
class Place:
    """Where an error is made.

    Attributes:
        path: of the file, from the root of the repository.
        line: its number.
    """

    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass
class Found:
    """What the source says.

    Attributes:
        templates: each text, and where errors are made with it.
        passed_on: errors whose words are all those of another error, or of another program.
        unread: errors whose words could not be followed, with what stopped that.
    """

    templates: dict[str, list[Place]] = field(default_factory=lambda: defaultdict(list))
    passed_on: list[Place] = field(default_factory=list)
    unread: dict[Place, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Texts:
    """What an expression can say.

    Attributes:
        words: the texts.
        passed_on: it may be the words of another error or program.
        unread: the expressions that could not be followed.
    """

    words: frozenset[str] = frozenset()
    passed_on: bool = False
    unread: frozenset[str] = frozenset()

    def __or__(self, other: Texts) -> Texts:
        return Texts(
            self.words | other.words,
            self.passed_on or other.passed_on,
            self.unread | other.unread,
        )

    @property
    def says_something(self) -> bool:
        """Whether there are words."""
        return any(map(n_words, self.words))


NOTHING = Texts()
PASSED_ON = Texts(passed_on=True)


def messages_of(root: Path, package: str = "scyan_exp") -> Found:
    """The texts of all errors of a package.

    Args:
        root: the folder that the package is in.
        package: its name.
    """
    code, found = Code(root, package), Found()
    follower = Follower(code)
    for module in code.modules:
        for node, texts in follower.errors(module):
            place = Place(module.path, node.lineno)
            for text in filter(is_sentence, map(tidy, texts.words)):
                found.templates[text].append(place)
            if not texts.says_something and texts.passed_on:
                found.passed_on.append(place)
            elif not texts.says_something and texts.unread:
                found.unread[place] = texts.unread
    return found


class Follower:
    """Follows the words of errors back through the code."""

    def __init__(self, code: Code) -> None:
        self._code = code
        self._read: dict[ast.expr, Texts] = {}

    def errors(self, module: Module) -> Iterator[tuple[ast.expr, Texts]]:
        """Each place where an error is made, and what it can say."""
        for node in module.nodes:
            match node:
                case ast.Call(func=func, args=[text, *_]) if ast.unparse(func) in LOGGED:
                    yield node, _logged(self.texts(text, module))
                case ast.Call(func=func) if name_of(func) == "Problem":
                    yield node, self._problem(node, module)
                case ast.Call(func=func, args=[text, *_]) if name_of(func) in SINKS:
                    yield node, self.texts(text, module)
                case ast.Raise(exc=ast.Call(func=func, args=[*_, text]) as error):
                    name = name_of(func)
                    if name[:1].isupper() and name not in {*SINKS, *NO_MESSAGES}:
                        yield error, self.texts(text, module)

    def texts(self, node: ast.expr, module: Module) -> Texts:
        """What an expression can say."""
        if node not in self._read:
            self._read[node] = NOTHING  # of a function that calls itself
            self._read[node] = self._texts(node, module)
        return self._read[node]

    def _texts(self, node: ast.expr, module: Module) -> Texts:
        match node:
            case ast.Constant(value=value):
                return Texts(frozenset([value])) if isinstance(value, str) else NOTHING
            case ast.JoinedStr():
                return self._joined(node, module)
            case ast.BinOp(op=ast.Add()):
                return self._sum(node, module)
            case ast.IfExp(body=one, orelse=other):
                return self._any([one, other], module)
            case ast.BoolOp(values=several) | ast.Dict(values=several):
                return self._any(several, module)
            case ast.List(elts=several) | ast.Tuple(elts=several) | ast.Set(elts=several):
                return self._any(several, module)
            case ast.ListComp(elt=one) | ast.GeneratorExp(elt=one) | ast.SetComp(elt=one):
                return self.texts(one, module)
            case ast.Subscript(value=ast.Call() as call, slice=ast.Constant(value=int(i))):
                return self._call(call, module, i)
            case ast.Starred(value=value) | ast.Subscript(value=value) | ast.DictComp(value=value):
                return self.texts(value, module)
            case ast.NamedExpr(value=value) | ast.YieldFrom(value=value):
                return self.texts(value, module)
            case ast.Call():
                return self._call(node, module)
            case ast.Name():
                return self._name(node, module)
            case ast.Attribute():
                return self._attribute(node, module)
        return _unread(node, module)

    def _any(self, nodes: Iterable[ast.expr], module: Module) -> Texts:
        return self._any_there((module, node) for node in nodes)

    def _any_there(self, places: Iterable[tuple[Module, ast.expr]]) -> Texts:
        found = (self.texts(node, module) for module, node in places)
        return functools.reduce(operator.or_, found, NOTHING)

    def _problem(self, node: ast.Call, module: Module) -> Texts:
        """A key and what is wrong with it."""
        match node.args:
            case [ast.expr() as key, text] if not isinstance(key, ast.Starred):
                texts, part = self.texts(text, module), self._part(key, module)
                words = frozenset(f"{part}: {text}" for text in texts.words)
                return Texts(words, texts.passed_on, texts.unread)
        return _unread(node, module)

    def _joined(self, node: ast.JoinedStr, module: Module) -> Texts:
        """A text with values in it; if it has no words of its own, it says what they say."""
        whole = self._part(node, module)
        if is_sentence(tidy(whole)):
            return Texts(frozenset(self._with_parts(node, module)))
        values = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
        found = [self.texts(value, module) for value in values]
        said = [texts for texts in found if texts.says_something]
        if said:
            return functools.reduce(operator.or_, said)
        if n_words(whole):
            return Texts(frozenset([whole]))
        return PASSED_ON if any(texts.passed_on for texts in found) else _unread(node, module)

    def _with_parts(self, node: ast.JoinedStr, module: Module) -> list[str]:
        """A text with each sentence that a value in it can be."""
        parts = []
        for value in node.values:
            part = [self._part(value, module)]
            if isinstance(value, ast.FormattedValue) and isinstance(
                value.value, ast.Name | ast.Call
            ):
                texts = self.texts(value.value, module)
                are_all = not texts.passed_on and not texts.unread
                if are_all and len(texts.words) <= MOST_PARTS:
                    words = sorted(texts.words)
                    part = words if words and all(map(is_sentence, map(tidy, words))) else part
            parts.append(part)
        return ["".join(words) for words in itertools.product(*parts)]

    def _sum(self, node: ast.BinOp, module: Module) -> Texts:
        """Two texts, of which the second may be a hint; or two lists."""
        if any(isinstance(side, ast.Constant | ast.JoinedStr) for side in (node.left, node.right)):
            return Texts(frozenset([self._part(node, module)]))
        if name_of(getattr(node.right, "func", node.right)) in HINTS:
            return self.texts(node.left, module)
        return self._any([node.left, node.right], module)

    def _call(self, node: ast.Call, module: Module, item: int | None = None) -> Texts:
        name = name_of(node.func)
        if name == "Problem":
            return self._problem(node, module)
        if name == "absent":
            return self._absent(node, module)
        if name in HINTS or name == "listed":
            return Texts(frozenset([""]))
        if name in SINKS or name in FIRST:
            return self._any(node.args[:1], module)
        if name in LAST:
            return self._any(node.args[-1:], module)
        if isinstance(node.func, ast.Attribute) and name in KEEPING:
            return self.texts(node.func.value, module)
        return self._returned(name, module, item) or _unread(node, module)

    def _returned(self, name: str, module: Module, item: int | None = None) -> Texts | None:
        """What functions of a name say; None if there are none."""
        functions = self._code.functions_named(name, module)
        values = [(there, value) for there, one in functions for value in there.returned(one, item)]
        return self._any_there(values) if functions else None

    def _absent(self, node: ast.Call, module: Module) -> Texts:
        """What :func:`scyan_exp.errors.absent` says of names that are not there."""
        said, they = self.texts(node.args[2], module), self._part(node.args[3], module)
        words = frozenset(f"{text} {they}: {{names}}" for text in said.words)
        return Texts(words, said.passed_on, said.unread)

    def _name(self, node: ast.Name, module: Module) -> Texts:
        function = module.function_of(node)
        while function is not None:
            if is_error(node.id, function):
                return PASSED_ON
            if values := module.given_to(node, function):
                others = self._code.put_by_others(node.id, function, module)
                return self._any(values, module) | self._any_there(others)
            if node.id in parameters(function):
                return self._argument(node.id, function, module)
            function = module.function_of(function)
        return self._constant(node.id, module)

    def _argument(self, name: str, function: Functions, module: Module) -> Texts:
        given = list(self._code.arguments(name, function, module))
        return self._any_there(given) if given else _unread(function, module)

    def _attribute(self, node: ast.Attribute, module: Module) -> Texts:
        if name_of(node.value) == "Outcome":  # a word, with a sentence on it for another page
            return NOTHING
        function = module.function_of(node)
        of_error = function is not None and is_error(name_of(node.value), function)
        if of_error or node.attr in OF_OTHERS:
            return PASSED_ON
        of_property = self._returned(node.attr, module)
        return self._constant(node.attr, module) if of_property is None else of_property

    def _constant(self, name: str, module: Module) -> Texts:
        places = self._code.constants_named(name, module)
        return self._any_there(places) if places else _unread(ast.Name(name), module)

    def _part(self, node: ast.expr, module: Module) -> str:
        """A part of a text: its words, or ``{name}``."""
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.JoinedStr(values=parts):
                return "".join(self._part(part, module) for part in parts)
            case ast.BinOp(op=ast.Add(), left=left, right=right):
                return self._part(left, module) + self._part(right, module)
            case ast.Name() | ast.Attribute():
                name = name_of(node)
                text = self._code.constant_text(name, module) if name.isupper() else None
                return placeholder(name) if text is None or is_usage(text) else text
            case ast.Call(func=func, args=[first, *_]) if name_of(func) in WRITTEN:
                return self._part(first, module)
            case ast.Call(func=func):
                return placeholder("n" if name_of(func) == "len" else name_of(func))
            case ast.FormattedValue(value=value) | ast.Subscript(value=value):
                return self._part(value, module)
            case ast.BoolOp(values=[value, *_]) | ast.BinOp(left=value):
                return self._part(value, module)
        return "{...}"


def _unread(node: ast.AST, module: Module) -> Texts:
    return Texts(unread=frozenset([f"{module.path}: {ast.unparse(node)}"]))


def _logged(texts: Texts) -> Texts:
    """Texts of the log, whose values are at ``%s``; ``"%s"`` alone passes an error on."""
    words = frozenset(re.sub(r"%[sdg]", "{value}", text) for text in texts.words)
    return Texts(words, texts.passed_on or "{value}" in words, texts.unread)
