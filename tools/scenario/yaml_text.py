"""YAML as plain data: dates stay text, and a value that JSON cannot hold is an error.

A mapping may not hold a key twice (YAML 1.2.2, section 3.2.1.3); `<<` may be overridden, which is what it is for.
libyaml parses: PyYAML's own parser takes thirty times as long, and libyaml refuses half a character (a lone surrogate).
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

LARGEST: Final = 1_000_000
"""Bytes that a file may have."""

MOST: Final = 50_000
"""Values that a file may hold once its anchors are written out."""

DEEPEST: Final = 40
"""How deep values may be nested."""


class BadFile(Exception):
    """A file that cannot be read as a scenario; the message says which, where, what is wrong and what to do."""


class _Loader(yaml.CSafeLoader):
    """YAML without timestamps, and without a key that stands twice."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def _mapping(loader: _Loader, node: yaml.MappingNode) -> Iterator[dict[Any, Any]]:
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key.start_mark)
        if key.value in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key.value!r} stands twice: remove one", key.start_mark
            )
        seen.add(key.value)
    yield from yaml.CSafeLoader.construct_yaml_map(loader, node)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def read_yaml(path: Path) -> Any:
    """Read a file's content as dicts, lists, text, numbers, booleans and None; raises `BadFile`."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadFile(
            f"{path}: it cannot be read ({error.strerror or error}): check the name and your rights."
        ) from None
    if len(raw) > LARGEST:
        raise BadFile(f"{path}: it has {len(raw):,} bytes; a scenario has at most {LARGEST:,}: split it.")
    try:
        text = raw.decode("utf-8")
        _refuse_depth(text)
        content = yaml.load(text, Loader=_Loader)  # noqa: S506  a SafeLoader
    except UnicodeDecodeError:
        raise BadFile(f"{path}: it is not UTF-8 text: save it as UTF-8.") from None
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}" if error.problem_mark else "the end"
        raise BadFile(f"{path}: {where}: this is not YAML as it should be: {error.problem or error.context}.") from None
    except (yaml.YAMLError, ValueError) as error:
        reason = str(error).split("\n")[0]
        raise BadFile(f"{path}: this is not YAML as it should be: {reason}.") from None
    try:
        _plain(content, DEEPEST, [MOST])
    except ValueError as error:
        raise BadFile(f"{path}: {error}.") from None
    return content


def _refuse_depth(text: str) -> None:
    """Raise ValueError for text that is nested too deeply, before values are made of it.

    libyaml makes events without recursion, but values with it: deep text would end the whole process.
    """
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError("it is nested too deeply: write it out more simply")


def _plain(value: Any, depth: int, left: list[int]) -> None:
    """Raise ValueError unless a value is plain data, small enough and not within itself."""
    left[0] -= 1
    if depth < 0 or left[0] < 0:
        raise ValueError("it is too large, nested too deeply, or refers to itself: write it out more simply")
    match value:
        case dict():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise ValueError(f"the key {key!r} must be text: put it in quotation marks")  # noqa: TRY004  bad input
                _plain(item, depth - 1, left)
        case list():
            for item in value:
                _plain(item, depth - 1, left)
        case float() if not math.isfinite(value):
            raise ValueError("a number is not finite: write a number")
        case None | bool() | int() | float() | str():
            pass
        case _:
            raise ValueError(f"a value of type {type(value).__name__} has no place in a scenario: write it as text")
