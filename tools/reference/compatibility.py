"""The gate of the contract: which changes would break a program that was written from the committed one.

Events are read for ever, so a change of one must hold for the readers of today and for the bytes of yesterday. Of an API
the reader of a response and the sender of a request are looked at, each in their direction. The promise is
docs/explanation/compatibility.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any, Final

from shared.api.boundary import SUNSET
from tools.reference.event_schemas import is_message
from tools.reference.openapi import operations

Json = dict[str, Any]
Contract = Mapping[str, Json]
"""The documents of the contract, by path below docs/reference."""


class Direction(Enum):
    """Who reads or sends a document: a reader of stored events, a reader of responses, or a sender of requests."""

    STORED = "stored"
    RESPONSE = "response"
    REQUEST = "request"


ADVICE: Final[Mapping[Direction, str]] = {
    Direction.STORED: "keep it, and give the new shape the next version of the event with an upcaster (CONTRIBUTING.md)",
    Direction.RESPONSE: "keep it, and add a field or a route for what is new",
    Direction.REQUEST: "go on accepting what was accepted, and make what is new optional",
}

_BOUNDS: Final = (
    ("minimum", 1),
    ("minLength", 1),
    ("minItems", 1),
    ("maximum", -1),
    ("maxLength", -1),
    ("maxItems", -1),
)
"""The bounds of a schema, and the direction in which each becomes narrower."""


@dataclass(frozen=True, slots=True)
class Break:
    """An incompatible change: its place, the readers that it breaks, and what to do instead."""

    place: str
    why: str
    advice: str

    def __str__(self) -> str:
        return f"{self.place}: {self.why}; {self.advice}"


def incompatible_changes(before: Contract, after: Contract) -> list[Break]:
    """List the incompatible changes from one contract to another, each once, by place."""
    breaks: dict[Break, None] = {}
    for path, old in sorted(before.items()):
        new = after.get(path)
        if new is None:
            breaks[Break(path, "the document is gone", "keep it")] = None
        elif path.endswith("openapi.json"):
            breaks |= dict.fromkeys(_api(path.partition("/")[0], old, new))
        elif path.endswith("schema.json"):
            breaks |= dict.fromkeys(_events(old, new))
        else:
            breaks |= dict.fromkeys(_topics(old, new))
    return list(breaks)


def _events(old: Json, new: Json) -> Iterator[Break]:
    for name in filter(is_message, old["$defs"]):
        if name not in new["$defs"]:
            why = "the event is gone, though it stands in topics and event stores for ever"
            yield Break(name, why, ADVICE[Direction.STORED])
        else:
            yield from _Comparison(old, new, Direction.STORED).schema(name, old["$defs"][name], new["$defs"][name])


def _topics(old: Json, new: Json) -> Iterator[Break]:
    for name, channel in old["channels"].items():
        after = new["channels"].get(name)
        if after is None or after["address"] != channel["address"]:
            yield Break(channel["address"], "the topic is gone", "keep it, and publish to both")
            continue
        if after["bindings"]["kafka"]["partitions"] != channel["bindings"]["kafka"]["partitions"]:
            yield Break(channel["address"], "keys would move between partitions", "keep their number")
        for message in channel["messages"].keys() - after["messages"].keys():
            yield Break(channel["address"], f"{message} is gone", ADVICE[Direction.STORED])
    for name in old["components"]["schemas"]:
        comparison = _Comparison(old, new, Direction.STORED)
        schemas = (document["components"]["schemas"].get(name, {}) for document in (old, new))
        yield from comparison.schema(name, *schemas)


def _api(service: str, old: Json, new: Json) -> Iterator[Break]:
    after = {(method, path): operation for method, path, operation in operations(new)}
    for method, path, operation in operations(old):
        place = f"{service}: {method} {path}"
        other = after.get((method, path))
        if other is None:
            if not _has_ended(operation):
                yield Break(place, "the route is gone", ADVICE[Direction.RESPONSE])
            continue
        if other.get("security") and not operation.get("security"):
            yield Break(place, "it needs a token now", "keep it open, or add a route")
        yield from _parameters(place, operation, other, old, new)
        if "requestBody" in other:
            was = operation.get("requestBody", {})
            if other["requestBody"].get("required") and not was.get("required"):
                yield Break(place, "it needs a body now", ADVICE[Direction.REQUEST])
            comparison = _Comparison(old, new, Direction.REQUEST)
            yield from _media(comparison, f"{place} body", was.get("content", {}), other["requestBody"]["content"])
        for status, response in operation["responses"].items():
            if not status.startswith("2"):
                continue
            if status not in other["responses"]:
                yield Break(place, f"it no longer answers {status}", ADVICE[Direction.RESPONSE])
                continue
            comparison = _Comparison(old, new, Direction.RESPONSE)
            contents = (body.get("content", {}) for body in (response, other["responses"][status]))
            yield from _media(comparison, f"{place} {status}", *contents)


def _has_ended(part: Json) -> bool:
    """Tell whether a deprecated route or member has reached the day of its sunset."""
    return SUNSET in part and date.fromisoformat(part[SUNSET]) <= datetime.now(UTC).date()


def _parameters(place: str, old: Json, new: Json, before: Json, after: Json) -> Iterator[Break]:
    was, now = (
        {(item["in"], item["name"]): item for item in operation.get("parameters", ())} for operation in (old, new)
    )
    for key, item in now.items():
        where = f"{place} {key[0]} {key[1]}"
        if key not in was:
            if item.get("required"):
                yield Break(where, "the parameter is needed now", ADVICE[Direction.REQUEST])
            continue
        if item.get("required") and not was[key].get("required"):
            yield Break(where, "the parameter is needed now", ADVICE[Direction.REQUEST])
        yield from _Comparison(before, after, Direction.REQUEST).schema(where, was[key]["schema"], item["schema"])
    for key in was.keys() - now.keys():
        yield Break(f"{place} {key[0]} {key[1]}", "the parameter is gone", ADVICE[Direction.REQUEST])


def _media(comparison: _Comparison, place: str, old: Json, new: Json) -> Iterator[Break]:
    for kind, media in old.items():
        if kind not in new:
            yield Break(place, f"{kind} is gone", ADVICE[comparison.direction])
        else:
            yield from comparison.schema(place, media.get("schema", {}), new[kind].get("schema", {}))


@dataclass(slots=True)
class _Comparison:
    """A comparison of two schemas, each with the document in which its references stand."""

    before: Json
    after: Json
    direction: Direction
    seen: set[tuple[str, str]] = field(default_factory=set)

    def schema(self, place: str, old: Json, new: Json) -> Iterator[Break]:
        pair = (str(old.get("$ref", "")), str(new.get("$ref", "")))
        if all(pair):
            if pair in self.seen:
                return
            self.seen.add(pair)
        was, now = _alternatives(old, self.before), _alternatives(new, self.after)
        if len(was) == len(now) == 1:
            ((old_kind, old_part),), ((new_kind, new_part),) = was.items(), now.items()
            if old_kind[0] != new_kind[0]:
                yield self._break(place, f"{_describe_kind(old_kind)} became {_describe_kind(new_kind)}")
                return
            yield from self._compare_kind(place, old_part, new_part)
            return
        narrowed, widened = was.keys() - now.keys(), now.keys() - was.keys()
        # A text of any format is also one of each; but of several objects the one without a name is the last that is left.
        covered = {kind for kind in narrowed if kind[0] != "object" and (kind[0], "") in now}
        narrowed -= covered
        if narrowed and self.direction is not Direction.RESPONSE:
            yield self._break(place, f"it is never {' or '.join(map(_describe_kind, sorted(narrowed)))} now")
        if widened and self.direction is not Direction.REQUEST:
            yield self._break(place, f"it may be {' or '.join(map(_describe_kind, sorted(widened)))} now")
        for kind in (was.keys() & now.keys()) | covered:
            yield from self._compare_kind(place, was[kind], now.get(kind) or now[kind[0], ""])

    def _break(self, place: str, why: str) -> Break:
        return Break(place, why, ADVICE[self.direction])

    def _compare_kind(self, place: str, old: Json, new: Json) -> Iterator[Break]:
        yield from self._values(place, old, new)
        yield from self._properties(place, old, new)
        for key, name in (("items", "[]"), ("additionalProperties", "*")):
            if isinstance(old.get(key), dict) and isinstance(new.get(key), dict):
                yield from self.schema(f"{place}{name}", old[key], new[key])

    def _values(self, place: str, old: Json, new: Json) -> Iterator[Break]:
        """Compare which values of its type a schema allows."""
        removed = [value for value in old.get("enum", ()) if value not in new.get("enum", ())] if "enum" in new else []
        if removed and self.direction is not Direction.RESPONSE:
            yield self._break(place, f"the codes {', '.join(map(str, removed))} are gone")
        if "enum" in new and "enum" not in old and self.direction is not Direction.RESPONSE:
            yield self._break(place, "only some codes are allowed now")
        if "const" in new and new["const"] != old.get("const"):
            yield self._break(place, f"it is always {new['const']} now")
        if self.direction is Direction.RESPONSE:
            return
        before: str = old.get("pattern", "")
        after: str = new.get("pattern", before)
        if after != before and not adds_alternatives(before, after):
            yield self._break(place, f"its pattern became `{after}`")
        for bound, sign in _BOUNDS:
            if bound in new and (bound not in old or (new[bound] - old[bound]) * sign > 0):
                yield self._break(place, f"its {bound} became {new[bound]}, which is narrower")

    def _properties(self, place: str, old: Json, new: Json) -> Iterator[Break]:
        was, now = old.get("properties", {}), new.get("properties", {})
        needed_before, needed = set(old.get("required", ())), set(new.get("required", ()))
        for name in was:
            where = f"{place}.{name}"
            if name not in now:
                if self.direction is not Direction.RESPONSE or not _has_ended(was[name]):
                    yield self._break(where, "the field is gone")
                continue
            if name in needed_before - needed and self.direction is not Direction.REQUEST:
                yield self._break(where, "the field may be absent now")
            if name in needed - needed_before and self.direction is not Direction.RESPONSE:
                yield self._break(where, "the field is required now")
            yield from self.schema(where, was[name], now[name])
        for name in needed - was.keys():
            if self.direction is not Direction.RESPONSE:
                why = "it is new and required, and what was written before does not have it: declare it `Added`"
                problem = "it is new and required, and those who send do not know it"
                yield self._break(f"{place}.{name}", why if self.direction is Direction.STORED else problem)


_TOKEN: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^]\\])*\]|\(\?.|[()|]|[^\\[()|]+", re.DOTALL)


def adds_alternatives(before: str, after: str) -> bool:
    """Tell whether a pattern differs only by further alternatives of its groups, such as the name of a new service.

    Then it accepts all that it accepted. Any other difference counts as a narrower pattern.
    """
    return _as_wide(*(_alternatives_of(iter(_TOKEN.findall(pattern))) for pattern in (before, after)))


def _alternatives_of(tokens: Iterator[str]) -> list[list[Any]]:
    """Read a group to its end: of each alternative its tokens, and its groups as pairs of how they open and what they hold."""
    read: list[list[Any]] = [[]]
    for part in tokens:
        if part == ")":
            break
        if part == "|":
            read.append([])
        else:
            read[-1].append((part, _alternatives_of(tokens)) if part.startswith("(") else part)
    return read


def _as_wide(before: Sequence[Any], after: Sequence[Any]) -> bool:
    """Tell whether each alternative is still there, and each group in it holds at least what it held."""
    return all(any(len(one) == len(other) and all(map(_item_as_wide, one, other)) for other in after) for one in before)


def _item_as_wide(before: Any, after: Any) -> bool:
    if before == after or isinstance(before, str) or isinstance(after, str):
        return bool(before == after)
    # What a group that looks ahead or back forbids or demands stays as it is.
    return before[0] == after[0] in {"(", "(?:"} and _as_wide(before[1], after[1])


Kind = tuple[str, str]
"""The type and format of an alternative; of one object among several, its name."""


def _alternatives(schema: Json, document: Json) -> dict[Kind, Json]:
    """Return what a schema allows, by kind: itself, or the branches of its `anyOf` or `oneOf`, with references resolved."""
    parts = dict(_branches(schema, document))
    objects = [kind for kind in parts if kind[0] == "object"]
    return {("object", "") if objects == [kind] else kind: part for kind, part in parts.items()}


def _branches(schema: Json, document: Json) -> Iterator[tuple[Kind, Json]]:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    schema = _resolved(schema, document)
    branches = schema.get("anyOf") or [branch for branch in schema.get("oneOf", ()) if "const" not in branch]
    shared: Json = {key: schema[key] for key in ("type", "pattern") if key in schema}
    for branch in branches:
        yield from _branches({**shared, **branch}, document)
    if not branches:
        kinds = schema.get("type", "anything")
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            yield (kind, name if kind == "object" else str(schema.get("format", ""))), schema


def _resolved(schema: Json, document: Json) -> Json:
    """Follow a reference, and join what `allOf` puts together."""
    if "$ref" in schema:
        target: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return _resolved({**target, **{key: value for key, value in schema.items() if key != "$ref"}}, document)
    if "allOf" in schema:
        joined: Json = {"properties": {}, "required": []}
        for part in (*schema["allOf"], {key: value for key, value in schema.items() if key != "allOf"}):
            resolved = _resolved(part, document)
            properties = {**joined["properties"], **resolved.get("properties", {})}
            required = [*joined["required"], *resolved.get("required", ())]
            joined = {**joined, **resolved, "properties": properties, "required": required}
        return joined
    return schema


def _describe_kind(kind: Kind) -> str:
    return " ".join(part for part in kind if part)
