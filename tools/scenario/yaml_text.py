"""YAML as plain data: dates stay text, and a value that JSON cannot hold is an error.

A mapping may not hold a key twice (YAML 1.2.2, section 3.2.1.3); `<<` may be overridden, which is what it is for.
libyaml parses: PyYAML's own parser takes thirty times as long, and libyaml refuses half a character (a lone surrogate).
"""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import yaml

MOST: Final = 200_000
"""Parts of JSON that a file may hold once its anchors are written out."""


class BadFile(Exception):
    """A file that cannot be read as a scenario; the message says which, where, what is wrong and what to do."""


_TEXT: Final = "tag:yaml.org,2002:str"
_MERGE: Final = "tag:yaml.org,2002:merge"


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
        if key.tag not in {_TEXT, _MERGE}:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key.value!r} must be text: put it in quotation marks", key.start_mark
            )
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
    try:
        text = raw.decode("utf-8")
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
        if any(islice(json.JSONEncoder(allow_nan=False).iterencode(content), MOST, None)):
            raise ValueError("it is too large once its anchors are written out")
    except (ValueError, TypeError, RecursionError) as error:
        raise BadFile(
            f"{path}: a value has no place in a scenario ({error}): write it as text, or write it out."
        ) from None
    return content
