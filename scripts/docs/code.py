"""The source of a package: its functions, calls and constants, and what a name can be."""

from __future__ import annotations

import ast
import functools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

Functions = ast.FunctionDef | ast.AsyncFunctionDef
T = TypeVar("T")
#: Methods that put something into a list.
FILLING = {"append", "extend", "insert", "add"}


@dataclass(eq=False)
class Module:
    """A file of source.

    Attributes:
        path: from the root of the repository.
        tree: what is in it.
    """

    path: str
    tree: ast.Module

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node."""
        return list(ast.walk(self.tree))

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """The node around each node."""
        return {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    @functools.cache  # noqa: B019  (a module lives as long as the program)
    def function_of(self, node: ast.AST) -> Functions | None:
        """The function that a node is in."""
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, Functions):
                return node
        return None

    @functools.cache  # noqa: B019
    def within(self, function: Functions) -> list[ast.AST]:
        """The nodes of a function, without those of functions inside it."""
        return [node for node in ast.walk(function) if self.function_of(node) is function]

    def returned(self, function: Functions, item: int | None = None) -> list[ast.expr]:
        """What a function returns or yields; or one item of the tuples that it returns."""
        values = [
            node.value
            for node in self.within(function)
            if isinstance(node, ast.Return | ast.Yield | ast.YieldFrom) and node.value is not None
        ]
        if item is None:
            return values
        return [value.elts[item] if isinstance(value, ast.Tuple) else value for value in values]

    def given_to(self, name: ast.Name, function: Functions) -> list[ast.expr]:
        """All that a name can be where it is used, and what is put into it.

        Of values that it is given one after the other in the block of its use, the last counts.
        """
        given = self._given(function).get(name.id, [])
        block = self._assigned_before(name)
        last = max((i for i, (_, by) in enumerate(given) if by in block), default=None)
        if last is not None:
            given = [one for one in given[last:] if one[1].lineno <= name.lineno]
        return [value for value, _ in given if value is not name]

    def put_into(self, name: str, function: Functions) -> list[ast.expr]:
        """What is put into a list."""
        given = self._given(function).get(name, [])
        return [value for value, by in given if isinstance(by, ast.Call | ast.AugAssign)]

    @functools.cache  # noqa: B019
    def _given(self, function: Functions) -> dict[str, list[tuple[ast.expr, ast.AST]]]:
        """What each name is given in a function, and by which node, in the order of the lines."""
        found: dict[str, list[tuple[ast.expr, ast.AST]]] = defaultdict(list)
        for node in sorted(ast.walk(function), key=lambda node: getattr(node, "lineno", 0)):
            for name, value in assigned(node):
                found[name].append((value, node))
        return found

    def _assigned_before(self, node: ast.AST) -> list[ast.stmt]:
        """Plain assignments before a node, in the block that it is in."""
        while not isinstance(node, ast.stmt):
            node = self.parents[node]
        around = self.parents[node]
        for block in (getattr(around, part, []) for part in ("body", "orelse", "finalbody")):
            if node in block:
                before = block[: block.index(node)]
                return [one for one in before if isinstance(one, ast.Assign | ast.AnnAssign)]
        return []


class Code:
    """All files of a package.

    Attributes:
        modules: one a file.
        functions: where functions and methods of each name are.
        calls: where each name is called.
        constants: what names are at the top of modules and classes.
    """

    def __init__(self, root: Path, package: str) -> None:
        self.modules = [
            Module(path.relative_to(root).as_posix(), ast.parse(path.read_text("utf-8")))
            for path in sorted((root / package).rglob("*.py"))
        ]
        self.functions: dict[str, list[tuple[Module, Functions]]] = defaultdict(list)
        self.calls: dict[str, list[tuple[Module, ast.Call]]] = defaultdict(list)
        self.constants: dict[str, list[tuple[Module, ast.expr]]] = defaultdict(list)
        for module in self.modules:
            self._index(module)

    def _index(self, module: Module) -> None:
        for node in module.nodes:
            if isinstance(node, Functions):
                self.functions[node.name].append((module, node))
            elif isinstance(node, ast.Call):
                self.calls[name_of(node.func)].append((module, node))
        classes = [node for node in module.tree.body if isinstance(node, ast.ClassDef)]
        for node in [*module.tree.body, *(one for each in classes for one in each.body)]:
            for name, value in assigned(node):
                self.constants[name].append((module, value))

    def functions_named(self, name: str, module: Module) -> list[tuple[Module, Functions]]:
        """The functions that a name can be in a module: its own, or else those of others."""
        return _own(self.functions.get(name, []), module)

    def constants_named(self, name: str, module: Module) -> list[tuple[Module, ast.expr]]:
        """The same of constants."""
        return _own(self.constants.get(name, []), module)

    def constant_text(self, name: str, module: Module) -> str | None:
        """The text of a constant that is one string."""
        match self.constants_named(name, module):
            case [(_, ast.Constant(value=str(text)))]:
                return text
        return None

    def arguments(
        self, name: str, function: Functions, module: Module
    ) -> Iterator[tuple[Module, ast.expr]]:
        """What callers give a parameter."""
        names, around = parameters(function), module.parents.get(function)
        is_init = function.name == "__init__" and isinstance(around, ast.ClassDef)
        called = around.name if is_init else function.name  # type: ignore[union-attr]
        position = names.index(name) - (names[0] in ("self", "cls"))
        for there, call in self.calls.get(called, ()):
            by_name = [word.value for word in call.keywords if word.arg == name]
            for value in by_name or call.args[position : position + 1]:
                yield there, value

    def put_by_others(
        self, name: str, function: Functions, module: Module
    ) -> Iterator[tuple[Module, ast.expr]]:
        """What other functions put into a list that they are handed."""
        for call in (node for node in module.within(function) if isinstance(node, ast.Call)):
            for i, argument in enumerate(call.args):
                if not (isinstance(argument, ast.Name) and argument.id == name):
                    continue
                for there, callee in self.functions_named(name_of(call.func), module):
                    if callee is function or i >= len(parameters(callee)):
                        continue
                    inside = parameters(callee)[i]
                    yield from ((there, value) for value in there.put_into(inside, callee))
                    yield from self.put_by_others(inside, callee, there)


def _own(places: list[tuple[Module, T]], module: Module) -> list[tuple[Module, T]]:
    return [place for place in places if place[0] is module] or places


def name_of(node: ast.AST) -> str:
    """The last name of ``a.b.c``."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def parameters(function: Functions) -> list[str]:
    """The names of a function's parameters."""
    return [one.arg for one in _arguments(function)]


def is_error(name: str, function: Functions) -> bool:
    """Whether a name is an exception: one that is caught, or a parameter of such a type."""
    types = {one.arg: one.annotation for one in _arguments(function)}
    annotation = types.get(name)
    if annotation is not None:
        return ast.unparse(annotation).endswith(("Error", "Exception"))
    handlers = (node for node in ast.walk(function) if isinstance(node, ast.ExceptHandler))
    return any(handler.name == name for handler in handlers)


def _arguments(function: Functions) -> list[ast.arg]:
    given = function.args
    return [*given.posonlyargs, *given.args, *given.kwonlyargs]


def assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
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
            yield from ((one.id, value) for one in ast.walk(target) if isinstance(one, ast.Name))
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attr), args=[*_, value]):
            if attr in FILLING:
                yield name, value


def _to_target(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    match target:
        case ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name)):
            yield name, value
        case ast.Tuple(elts=several):
            is_plain = not any(isinstance(one, ast.Starred) for one in several)
            for i, one in enumerate(several):
                name = one.value if isinstance(one, ast.Starred) else one
                if isinstance(name, ast.Name):
                    yield name.id, _item(value, i) if is_plain else value


def _item(value: ast.expr, i: int) -> ast.expr:
    if isinstance(value, ast.Tuple):
        return value.elts[i]
    return ast.Subscript(value, ast.Constant(i), ast.Load())
