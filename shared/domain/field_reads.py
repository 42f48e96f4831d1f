"""The fields of a command that a check reads, found in the source of the check and of the functions that it passes it to.

Nothing is listed by hand. An expression that this analysis does not understand counts as reading every field, so the
answer may name too many fields and never too few. A test compares it with the fields that checks read when they run.
"""

from __future__ import annotations

import ast
import inspect
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from types import CodeType, FunctionType, MethodType
from typing import Any, Final

from shared.domain.messages import COMMAND_FIELDS, Command

_HARMLESS: Final = frozenset({"isinstance", "type"})
"""Built-in functions that read no field of their argument."""

_Function = ast.FunctionDef | ast.Lambda


class _EveryField(Exception):
    """An expression whose reads cannot be determined."""


@cache
def fields_of(command: type[Command]) -> tuple[str, ...]:
    """Return the names of the fields of a command that its sender fills, apart from those of every command."""
    return tuple(name for name in command.model_fields if name not in COMMAND_FIELDS)


@cache
def fields_read(check: Callable[..., bool], command: type[Command]) -> tuple[str, ...]:
    """Return the fields of a command that a check may read, in the order of their declaration."""
    try:
        read = _reads_of(command).of_function(check, 0)
    except _EveryField:
        return fields_of(command)
    return tuple(name for name in fields_of(command) if name in read)


@dataclass(frozen=True)
class _Reads:
    """The search for the reads of one command, through all functions that receive it."""

    command: type[Command]
    field_cache: dict[tuple[Any, int], set[str] | None] = field(default_factory=dict)
    """The reads of each function by the index of the argument that is the command. None: every field."""

    def of_function(self, function: Any, index: int) -> set[str]:
        """Return the fields that a function reads of its argument at an index. Raises `_EveryField`."""
        function = inspect.unwrap(function)
        key = (function, index)
        if key not in self.field_cache:
            self.field_cache[key] = set()  # a recursive call adds nothing
            try:
                self.field_cache[key] = self._search(function, index)
            except _EveryField:
                self.field_cache[key] = None
        if (read := self.field_cache[key]) is None:
            raise _EveryField
        return read

    def _search(self, function: Any, index: int) -> set[str]:
        receiver: Any = None
        if isinstance(function, MethodType):
            receiver, function, index = function.__self__, function.__func__, index + 1
        if not isinstance(function, FunctionType):
            raise _EveryField
        read: set[str] = set()
        for node in _definitions(function.__code__):
            names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
            if index >= len(names):
                raise _EveryField
            own = {} if receiver is None else {names[0]: receiver}
            objects = ChainMap(own, _closure(function), function.__globals__)
            read |= set(_Body(self, node, names[index], objects).read())
        return read


@cache
def _reads_of(command: type[Command]) -> _Reads:
    return _Reads(command)


@dataclass(frozen=True)
class _Body:
    """The body of one function that receives the command."""

    reads: _Reads
    node: _Function
    argument: str
    objects: Mapping[str, Any]
    """The objects that names outside the function stand for."""

    def read(self) -> Iterator[str]:
        """Yield the fields that the body reads. Raises `_EveryField`."""
        return self._read(self.node.body if isinstance(self.node.body, list) else [self.node.body])

    def _read(self, nodes: list[Any]) -> Iterator[str]:
        for node in nodes:
            match node:
                case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in self.names:
                    yield from self._attribute(attribute)
                case ast.Call():
                    yield from self._call(node)
                case ast.Match(subject=ast.Name(id=name), cases=cases) if name in self.names:
                    yield from self._match(cases)
                case ast.Compare(left=ast.Name(id=name), ops=[ast.Is() | ast.IsNot()]) if name in self.names:
                    continue
                case ast.Name(id=name, ctx=ast.Load()) if name in self.names:
                    raise _EveryField  # stored, returned or compared
                case _:
                    yield from self._read(list(ast.iter_child_nodes(node)))

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the command in the body: the argument, and what a case of a match calls it."""
        cases = (case for node in ast.walk(self.node) if isinstance(node, ast.Match) for case in node.cases)
        patterns = (case.pattern for case in cases)
        captured = (
            pattern.name for pattern in patterns if isinstance(pattern, ast.MatchAs) and pattern.name is not None
        )
        return frozenset({self.argument, *captured})

    def _attribute(self, name: str) -> Iterator[str]:
        """Yield the reads of `command.name`: the field itself, or what a property or method of the class reads."""
        if name in self.reads.command.model_fields:
            yield name
            return
        value = inspect.getattr_static(self.reads.command, name, None)
        if isinstance(value, property):
            value = value.fget
        if isinstance(value, FunctionType):
            yield from self.reads.of_function(value, 0)
        elif name.startswith("model_"):
            raise _EveryField

    def _call(self, call: ast.Call) -> Iterator[str]:
        """Yield the reads of a call, and of the function that it passes the command to."""
        yield from self._read([call.func])
        for index, argument in enumerate(call.args):
            if isinstance(argument, ast.Name) and argument.id in self.names:
                yield from self._passed(call, index)
            else:
                yield from self._read([argument])
        for keyword in call.keywords:
            yield from self._read([keyword.value])

    def _passed(self, call: ast.Call, index: int) -> Iterator[str]:
        if isinstance(call.func, ast.Name) and call.func.id in _HARMLESS:
            return
        if any(isinstance(argument, ast.Starred) for argument in call.args):
            raise _EveryField
        yield from self.reads.of_function(self._object(call.func), index)

    def _object(self, node: ast.expr) -> Any:
        """Return the object that an expression outside the command stands for. Raises `_EveryField`."""
        match node:
            case ast.Name(id=name) if name in self.objects:
                return self.objects[name]
            case ast.Attribute(value=value, attr=name):
                try:
                    return getattr(self._object(value), name)
                except AttributeError:
                    raise _EveryField from None
            case _:
                raise _EveryField

    def _match(self, cases: list[ast.match_case]) -> Iterator[str]:
        for case in cases:
            for pattern in ast.walk(case.pattern):
                if isinstance(pattern, ast.MatchClass) and self._fits(pattern):
                    yield from (name for name in pattern.kwd_attrs if name in self.reads.command.model_fields)
            yield from self._read([node for node in (case.guard, *case.body) if node is not None])

    def _fits(self, pattern: ast.MatchClass) -> bool:
        """Tell whether the command may be of the class of a pattern."""
        cls = self._object(pattern.cls)
        return isinstance(cls, type) and (issubclass(self.reads.command, cls) or issubclass(cls, self.reads.command))


def _closure(function: FunctionType) -> dict[str, Any]:
    """Return the objects that a function has from the functions around it."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {name: cell.cell_contents for name, cell in cells}


def _definitions(code: CodeType) -> list[_Function]:
    """Return the definition of a function in its source; several where a line has more than one. Raises `_EveryField`."""
    found = _functions_by_line(code.co_filename).get(code.co_firstlineno)
    if not found:
        raise _EveryField
    return found


@cache
def _functions_by_line(path: str) -> dict[int, list[_Function]]:
    """Parse a module once. Returns nothing where its source is not there."""
    found: dict[int, list[_Function]] = {}
    try:
        tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    except OSError:
        return found
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            found.setdefault(_first_line(node), []).append(node)
    return found


def _first_line(node: _Function) -> int:
    """Return the line at which the compiler says that a function begins: that of its first decorator."""
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])
