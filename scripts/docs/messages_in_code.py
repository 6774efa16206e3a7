"""The texts of errors as they stand in the source, with ``{}`` where values go.

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
from functools import cached_property
from pathlib import Path

#: Where texts of errors go in, and which arguments they are.
SINKS = {
    "InputError": (0,),
    "OutputError": (0,),
    "FolderInUse": (0,),
    "JobFailed": (0,),
    "SlurmError": (0,),
    "TrainingDiverged": (0,),
    "Problem": (0, 1),
    "Mismatch": (0,),
    "refuse": (0,),
}
#: What is logged of a run that failed.
LOGGED = {"log.error", "log.exception"}
#: Exceptions that end no command: of servers, of searches that prune, of Python's own protocols.
NO_MESSAGES = {"Refused", "RunPruned", "RepeatsDecided", "AttributeError", "SystemExit"}
#: Functions that give back what they are given, as far as words go.
PASSING = {"list", "sorted", "tuple", "set", "str", "repr", "chain", "first_lines", "iter", "join"}
#: Methods that give back their own value, as far as words go.
KEEPING = {"format", "values", "items", "copy", "splitlines", "get", "pop"}
KEEPING |= {"strip", "removeprefix", "removesuffix"}
#: What other programs, and caught errors, say.
OF_OTHERS = {"problems", "text", "msg", "stderr", "strerror"}
#: Names of hints such as "Did you mean 'CD8a'?", which a template leaves out.
HINTS = {"near_matches", "hint", "hints", "close", "likely"}
#: Functions that only write their argument down.
WRITTEN = {"listed", "str", "repr", "sorted", "list", "quoted", "shown", "without_password"}

#: Of so many sentences that can stand in another one, each is told; of more, none.
MOST_PARTS = 4

Functions = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Place:
    """Where a text stands.

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
        templates: each text with ``{name}`` for values, and where errors are made with it.
        passed_on: errors whose words are those of another error, or of another program.
        unread: places whose text the rule does not reach.
    """

    templates: dict[str, list[Place]] = field(default_factory=lambda: defaultdict(list))
    passed_on: list[Place] = field(default_factory=list)
    unread: dict[Place, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Texts:
    """What an expression can say.

    Attributes:
        words: the texts.
        passed_on: it may be the words of a caught error.
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


NOTHING = Texts()
PASSED_ON = Texts(passed_on=True)


def unread(node: ast.AST, module: Module) -> Texts:
    """What cannot be followed."""
    return Texts(unread=frozenset([f"{module.path}: {ast.unparse(node)}"]))


@dataclass(eq=False)
class Module:
    """A file of source, with the functions and constants at its top."""

    path: str
    tree: ast.Module

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """The node around each node."""
        return {
            child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)
        }

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node."""
        return list(ast.walk(self.tree))

    @functools.cache  # noqa: B019  (a module lives as long as the program)
    def function_of(self, node: ast.AST) -> Functions | None:
        """The function that a node stands in."""
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, Functions):
                return node
        return None

    @functools.cache  # noqa: B019
    def within(self, function: Functions) -> list[ast.AST]:
        """The nodes of a function, without those of functions inside it."""
        return [node for node in ast.walk(function) if self.function_of(node) is function]

    def given_to(self, name: ast.Name, function: Functions) -> list[ast.expr]:
        """All that a name can be where it is used, and what is put into it.

        Of values that it is given one after the other in the block of its use, the last counts.
        """
        given = self._given(function).get(name.id, [])
        block = self._before(name)
        last = max((i for i, (_, by) in enumerate(given) if by in block), default=None)
        if last is not None:
            given = [one for one in given[last:] if one[1].lineno <= name.lineno]
        return [value for value, _ in given if value is not name]

    def filled(self, name: str, function: Functions) -> list[ast.expr]:
        """What is put into a list."""
        given = self._given(function).get(name, [])
        return [value for value, by in given if isinstance(by, ast.Call | ast.AugAssign)]

    @functools.cache  # noqa: B019
    def _given(self, function: Functions) -> dict[str, list[tuple[ast.expr, ast.AST]]]:
        found: dict[str, list[tuple[ast.expr, ast.AST]]] = defaultdict(list)
        nodes = [node for node in ast.walk(function) if not isinstance(node, ast.expr_context)]
        for node in sorted(nodes, key=lambda node: getattr(node, "lineno", 0)):
            for name, value in _assigned(node):
                found[name].append((value, node))
        return found

    def _before(self, node: ast.AST) -> list[ast.stmt]:
        """Plain assignments before a node, in the block that it stands in."""
        while not isinstance(node, ast.stmt):
            node = self.parents[node]
        around = self.parents[node]
        for block in (getattr(around, part, []) for part in ("body", "orelse", "finalbody")):
            if node in block:
                before = block[: block.index(node)]
                return [one for one in before if isinstance(one, ast.Assign | ast.AnnAssign)]
        return []


class Source:
    """All files of a package."""

    def __init__(self, root: Path, package: str = "scyan_exp") -> None:
        self.modules = [
            Module(path.relative_to(root).as_posix(), ast.parse(path.read_text("utf-8")))
            for path in sorted((root / package).rglob("*.py"))
        ]
        self.functions: dict[str, list[tuple[Module, Functions]]] = defaultdict(list)
        self.calls: dict[str, list[tuple[Module, ast.Call]]] = defaultdict(list)
        self.constants: dict[str, list[tuple[Module, ast.expr]]] = defaultdict(list)
        self._read: dict[ast.expr, Texts] = {}
        for module in self.modules:
            self._index(module)

    def _index(self, module: Module) -> None:
        for node in module.nodes:
            if isinstance(node, Functions):
                self.functions[node.name].append((module, node))
            elif isinstance(node, ast.Call):
                self.calls[name_of(node.func)].append((module, node))
        for node in [*module.tree.body, *_of_classes(module.tree)]:
            for name, value in _assigned(node):
                self.constants[name].append((module, value))

    def messages(self) -> Found:
        """The texts of all errors."""
        found = Found()
        for module in self.modules:
            for node, texts in self._sinks(module):
                place = Place(module.path, node.lineno)
                for text in filter(is_sentence, map(tidy, texts.words)):
                    found.templates[text].append(place)
                if texts.passed_on and not texts.words:
                    found.passed_on.append(place)
                elif texts.unread and not texts.words:
                    found.unread[place] = texts.unread
        return found

    def _sinks(self, module: Module) -> Iterator[tuple[ast.expr, Texts]]:
        for node in module.nodes:
            if isinstance(node, ast.Call) and ast.unparse(node.func) in LOGGED:
                yield node, _logged(self.texts(node.args[0], module))
            elif isinstance(node, ast.Call) and name_of(node.func) in SINKS:
                name = name_of(node.func)
                given = node.args[: len(SINKS[name])]
                if name == "Problem":
                    yield node, self._problem(node, module)
                elif given and not _inside(node, module, name):
                    yield node, self.texts(given[0], module)
            elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                name = name_of(node.exc.func)
                if name in SINKS or name in NO_MESSAGES or not name[:1].isupper():
                    continue
                if node.exc.args:
                    yield node.exc, self.texts(node.exc.args[-1], module)

    def _problem(self, node: ast.Call, module: Module) -> Texts:
        if len(node.args) < 2 or isinstance(node.args[0], ast.Starred):
            return unread(node, module)
        key = _as_part(node.args[0], self, module)
        texts = self.texts(node.args[1], module)
        words = frozenset(f"{key}: {text}" for text in texts.words)
        return Texts(words, texts.passed_on, texts.unread)

    def texts(self, node: ast.expr, module: Module) -> Texts:
        """What an expression can say."""
        if node not in self._read:
            self._read[node] = NOTHING  # of a function that calls itself
            self._read[node] = self._texts(node, module)
        return self._read[node]

    def _texts(self, node: ast.expr, module: Module) -> Texts:
        match node:
            case ast.Constant(value=str(text)):
                return Texts(frozenset([text]))
            case ast.Constant():
                return NOTHING
            case ast.JoinedStr():
                return self._joined(node, module)
            case ast.BinOp(op=ast.Add()):
                return self._sum(node, module)
            case ast.IfExp():
                return self._any([node.body, node.orelse], module)
            case ast.BoolOp():
                return self._any(node.values, module)
            case ast.List() | ast.Tuple() | ast.Set():
                return self._any(node.elts, module)
            case ast.Dict():
                return self._any(node.values, module)
            case ast.Subscript(value=ast.Call() as call, slice=ast.Constant(value=int(i))):
                return self._call(call, module, i)
            case ast.Starred() | ast.Subscript() | ast.YieldFrom() | ast.NamedExpr():
                return self.texts(node.value, module)
            case ast.ListComp() | ast.GeneratorExp() | ast.SetComp():
                return self.texts(node.elt, module)
            case ast.DictComp():
                return self.texts(node.value, module)
            case ast.Call():
                return self._call(node, module)
            case ast.Name():
                return self._name(node, module)
            case ast.Attribute(attr=name) if name in OF_OTHERS:
                return PASSED_ON
            case ast.Attribute():
                return self._attribute(node, module)
        return unread(node, module)

    def _any(self, nodes: Iterable[ast.expr], module: Module) -> Texts:
        texts = NOTHING
        for node in nodes:
            texts |= self.texts(node, module)
        return texts

    def _joined(self, node: ast.JoinedStr, module: Module) -> Texts:
        whole = "".join(_as_part(value, self, module) for value in node.values)
        if is_sentence(tidy(whole)):
            return Texts(frozenset(self._with_parts(node, module)))
        values = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
        found = [self.texts(value, module) for value in values]
        said = [texts for texts in found if any(map(n_words, texts.words))]
        if said:
            return functools.reduce(operator.or_, said)
        if n_words(whole):
            return Texts(frozenset([whole]))
        return PASSED_ON if any(texts.passed_on for texts in found) else unread(node, module)

    def _with_parts(self, node: ast.JoinedStr, module: Module) -> list[str]:
        """A text with every sentence that a name in it can be."""
        parts: list[list[str]] = []
        for value in node.values:
            part = [_as_part(value, self, module)]
            if isinstance(value, ast.FormattedValue) and isinstance(value.value, ast.Name | ast.Call):
                texts = self.texts(value.value, module)
                are_all = not texts.passed_on and not texts.unread
                if are_all and 0 < len(texts.words) <= MOST_PARTS:
                    are_sentences = all(is_sentence(tidy(text)) for text in texts.words)
                    part = sorted(texts.words) if are_sentences else part
            parts.append(part)
        return ["".join(words) for words in itertools.product(*parts)]

    def _sum(self, node: ast.BinOp, module: Module) -> Texts:
        if not any(isinstance(side, ast.Constant | ast.JoinedStr) for side in (node.left, node.right)):
            if name_of(getattr(node.right, "func", node.right)) in HINTS:
                return self.texts(node.left, module)
            return self._any([node.left, node.right], module)
        text = _as_part(node.left, self, module) + _as_part(node.right, self, module)
        return Texts(frozenset([text])) if n_words(text) else self.texts(node.left, module)

    def _call(self, node: ast.Call, module: Module, item: int | None = None) -> Texts:
        name, function = name_of(node.func), node.func
        if name == "Problem":
            return self._problem(node, module)
        if name in HINTS or name == "listed":
            return Texts(frozenset([""]))
        if name == "absent":
            return self._absent(node, module)
        if name in SINKS or name in PASSING:
            return self._any(node.args[:1], module)
        if name in {"map", "fromkeys", "cast"}:
            return self.texts(node.args[-1], module)
        if isinstance(function, ast.Attribute) and name in KEEPING:
            return self.texts(function.value, module)
        places = self.functions.get(name, ())
        own = [place for place in places if place[0] is module] or places
        texts = NOTHING if own else unread(node, module)
        for there, one in own:
            texts |= self._returned(one, there, item)
        return texts

    def _absent(self, node: ast.Call, module: Module) -> Texts:
        they = _as_part(node.args[3], self, module)
        said = self.texts(node.args[2], module)
        words = frozenset(f"{text} {they}: {{names}}" for text in said.words)
        return Texts(words, said.passed_on, said.unread)

    def _returned(
        self, function: Functions, module: Module, item: int | None = None
    ) -> Texts:
        values = [
            node.value
            for node in module.within(function)
            if isinstance(node, ast.Return | ast.Yield | ast.YieldFrom) and node.value is not None
        ]
        if item is not None:
            values = [
                value.elts[item] if isinstance(value, ast.Tuple) else value for value in values
            ]
        return self._any(values, module)

    def _name(self, node: ast.Name, module: Module) -> Texts:
        function = module.function_of(node)
        while function is not None:
            if _is_caught(node.id, function):
                return PASSED_ON
            if values := module.given_to(node, function):
                texts = self._any(values, module)
                for there, value in self._filled(node.id, function, module):
                    texts |= self.texts(value, there)
                return texts
            if node.id in _parameters(function):
                return self._of_callers(node.id, function, module)
            function = module.function_of(function)
        return self._constant(node.id, module)

    def _filled(
        self, name: str, function: Functions, module: Module
    ) -> Iterator[tuple[Module, ast.expr]]:
        """What other functions put into a list that they are handed."""
        for call in module.within(function):
            if not isinstance(call, ast.Call):
                continue
            for i, argument in enumerate(call.args):
                if not (isinstance(argument, ast.Name) and argument.id == name):
                    continue
                places = self.functions.get(name_of(call.func), ())
                for there, callee in [one for one in places if one[0] is module] or places:
                    names = _parameters(callee)
                    if i < len(names) and callee is not function:
                        for value in there.filled(names[i], callee):
                            yield there, value
                        yield from self._filled(names[i], callee, there)

    def _of_callers(self, name: str, function: Functions, module: Module) -> Texts:
        names = _parameters(function)
        called = function.name if function.name != "__init__" else _class_of(function, module)
        position = names.index(name) - (names[:1] in (["self"], ["cls"]))
        texts, n_calls = NOTHING, 0
        for there, call in self.calls.get(called, ()):
            n_calls += 1
            by_name = [word.value for word in call.keywords if word.arg == name]
            if by_name:
                texts |= self.texts(by_name[0], there)
            elif position < len(call.args):
                texts |= self.texts(call.args[position], there)
        return texts if n_calls else unread(function, module)

    def _attribute(self, node: ast.Attribute, module: Module) -> Texts:
        if isinstance(node.value, ast.Name):
            function = module.function_of(node)
            if function is not None and (
                _is_caught(node.value.id, function) or _is_error(node.value.id, function)
            ):
                return PASSED_ON
        places = self.functions.get(node.attr)  # a property
        if places:
            texts = NOTHING
            for there, function in places:
                texts |= self._returned(function, there)
            return texts
        return self._constant(node.attr, module)

    def _constant(self, name: str, module: Module) -> Texts:
        places = self.constants.get(name, ())
        own = [place for place in places if place[0] is module] or places
        if not own:
            return Texts(unread=frozenset([f"{module.path}: {name}"]))
        texts = NOTHING
        for there, value in own:
            texts |= self.texts(value, there)
        return texts

    def constant_text(self, name: str, module: Module) -> str | None:
        """The text of a constant that is one string."""
        places = self.constants.get(name, ())
        own = [place for place in places if place[0] is module] or places
        match own:
            case [(_, ast.Constant(value=str(text)))]:
                return text
        return None


def _logged(texts: Texts) -> Texts:
    """Texts of the log, whose values stand at ``%s``."""
    words = {re.sub(r"%[sdg]", "{value}", text) for text in texts.words}
    return Texts(frozenset(words), texts.passed_on or "{value}" in words, texts.unread)


def name_of(node: ast.AST) -> str:
    """The last name of ``a.b.c``."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def n_words(text: str) -> int:
    """How many words a template has besides its values."""
    return len(re.findall(r"[^\W\d_]{2,}", re.sub(r"\{[^{}]*\}", "", text)))


def is_sentence(text: str) -> bool:
    """Whether a text is more than a name; short ones say something of a value."""
    n = n_words(text)
    of_value = "{" in text and (n > 1 or ": {" in text or text.endswith("."))
    return " " in text and (n > 2 or (n > 0 and of_value))


def tidy(text: str) -> str:
    """A template in one line; the usages of commands are one template."""
    text = " ".join(text.split())
    return "usage: {command}" if text.lower().startswith("usage:") else text


def _as_part(node: ast.expr, source: Source, module: Module) -> str:
    """A part of a text: its words, or ``{name}``."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr():
            return "".join(_as_part(value, source, module) for value in node.values)
        case ast.FormattedValue():
            return _as_part(node.value, source, module)
        case ast.BinOp(op=ast.Add()):
            return _as_part(node.left, source, module) + _as_part(node.right, source, module)
        case ast.Name() | ast.Attribute():
            name = name_of(node)
            text = source.constant_text(name, module) if name.strip("_").isupper() else None
            is_part = text is not None and not text.lower().startswith("usage:")
            return text if text is not None and is_part else _placeholder(name)
        case ast.Call():
            name = name_of(node.func)
            if name in WRITTEN and node.args:
                return _as_part(node.args[0], source, module)
            if name == "join" and node.args:
                return _as_part(node.args[0], source, module)
            return _placeholder("n" if name == "len" else name)
        case ast.Subscript(value=value) | ast.BoolOp(values=[value, *_]) | ast.BinOp(left=value):
            return _as_part(value, source, module)
    return "{...}"


def _placeholder(name: str) -> str:
    return "" if name.strip("_") in HINTS else "{" + name.strip("_").lower() + "}"


def _inside(node: ast.AST, module: Module, name: str) -> bool:
    """Whether an error is only handed to ``refuse``, which is read itself."""
    return name == "refuse" and isinstance(getattr(node, "args", [None])[0], ast.Call) and (
        name_of(node.args[0].func) in SINKS  # type: ignore[attr-defined]
    )


def _of_classes(tree: ast.Module) -> list[ast.stmt]:
    return [each for node in tree.body if isinstance(node, ast.ClassDef) for each in node.body]


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Names and what they become, or what is put into them, by one node."""
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _to_target(target, value)
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            yield name, value
        case ast.AugAssign(target=ast.Name(id=name), value=value):
            yield name, value
        case ast.NamedExpr(target=ast.Name(id=name), value=value):
            yield name, value
        case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
            for one in ast.walk(target):
                if isinstance(one, ast.Name):
                    yield one.id, value
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id=name), attr="append" | "extend" | "insert" | "add"),
            args=[*_, value],
        ):
            yield name, value


def _to_target(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    match target:
        case ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name)):
            yield name, value
        case ast.Tuple(elts=several):
            starred = any(isinstance(one, ast.Starred) for one in several)
            for i, one in enumerate(several):
                name = one.value if isinstance(one, ast.Starred) else one
                if isinstance(name, ast.Name):
                    yield name.id, value if starred else _item(value, i)


def _item(value: ast.expr, i: int) -> ast.expr:
    if isinstance(value, ast.Tuple):
        return value.elts[i]
    return ast.Subscript(value, ast.Constant(i), ast.Load())


def _is_caught(name: str, function: Functions) -> bool:
    return any(
        isinstance(node, ast.ExceptHandler) and node.name == name for node in ast.walk(function)
    )


def _is_error(name: str, function: Functions) -> bool:
    """Whether a parameter is an exception, by its type."""
    given = function.args
    return any(
        one.arg == name
        and one.annotation is not None
        and ast.unparse(one.annotation).endswith(("Error", "Exception"))
        for one in [*given.posonlyargs, *given.args, *given.kwonlyargs]
    )


def _parameters(function: Functions) -> list[str]:
    given = function.args
    return [one.arg for one in [*given.posonlyargs, *given.args, *given.kwonlyargs]]


def _class_of(function: Functions, module: Module) -> str:
    node = module.parents.get(function)
    return node.name if isinstance(node, ast.ClassDef) else function.name
