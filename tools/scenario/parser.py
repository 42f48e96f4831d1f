"""Read a scenario's file, and check the form of every step before the first is played.

`validation.py` checks that its commands, fields, rules and roles exist.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from services.system.registry import COLLECTIONS
from services.trade.vocabulary import MessageTemplate, Role
from tools.scenario.naming import DETAILS, EVENT, NAME, OFFICER, references_in
from tools.scenario.story import CheckStep, CommandStep, Expected, MarkStep, Officer, Result, Scenario, Step, Target
from tools.scenario.yaml_text import BadFile, read_yaml

STREAM: Final = re.compile(rf"{NAME}(\+{NAME})?")
EXPECTED: Final = ", ".join(
    (
        *("accepted", "forbidden", "conflict", "invalid", "repeated"),
        *("{accepted: [Event, …]}", "{refused: [RULE, …]}", "{needs_rationale: [RULE, …]}"),
    )
)


class _Wrong(Exception):
    """What is wrong with a step, and what to do."""


def read_scenario(path: Path) -> Scenario:
    """Read the scenario of a file; raises `BadFile` naming file, step, what is wrong and what to do."""
    content = read_yaml(path)
    where = "the file"
    try:
        scenario = _mapping(content, "a scenario")
        _no_other(scenario, "id title rules people steps")
        scenario_id = _text(scenario, "id", "shoplifting-ycc")
        title = _text(scenario, "title", "A boy of 15 …")
        people = {
            alias: _mapping(details, f"people.{alias}")
            for alias, details in _mapping(scenario.get("people") or {}, "people").items()
        }
        rules = _texts(scenario.get("rules") or [], "rules")
        raw_steps = scenario.get("steps")
        if not isinstance(raw_steps, list) or not raw_steps:
            raise _Wrong("steps: a list of steps is expected: write at least one")
        sofar = _SoFar(frozenset(people))
        steps = []
        for number, raw in enumerate(raw_steps, start=1):
            where = f"step {number}"
            steps.append(_step(number, _mapping(raw, "a step"), sofar))
    except _Wrong as error:
        raise BadFile(f"{path}: {where}: {error}.") from None
    return Scenario(scenario_id, title, rules, people, tuple(steps))


class _SoFar:
    """What earlier steps have named."""

    def __init__(self, people: frozenset[str]) -> None:
        self.people = people
        self.streams: set[str] = set()
        self.marks: set[str] = set()
        self.keys: set[tuple[str, str]] = set()
        self.at: datetime | None = None


def _step(number: int, raw: Mapping[str, Any], sofar: _SoFar) -> Step:
    kinds = [kind for kind in ("do", "check", "mark") if kind in raw]
    if len(kinds) != 1:
        raise _Wrong("a step has exactly one of do (send a command), check (look) and mark (note the time)")
    if kinds == ["mark"]:
        _no_other(raw, "mark")
        name = _text(raw, "mark", "before_correction")
        sofar.marks.add(name)
        return MarkStep(number, name)
    return _ask(number, raw, sofar) if kinds == ["do"] else _check(number, raw, sofar)


def _ask(number: int, raw: Mapping[str, Any], sofar: _SoFar) -> CommandStep:
    _no_other(raw, "at by do to with expect key expected_version late")
    service, dot, command = _text(raw, "do", "referral.ReceiveReferral").partition(".")
    if not dot or service not in COLLECTIONS or not command.isidentifier():
        raise _Wrong(f"do: {raw['do']!r} is no SERVICE.Command; the services are {', '.join(COLLECTIONS)}")
    to = _stream(_text(raw, "to", "r1"), "to")
    expected = _expected(raw.get("expect", "accepted"))
    at = _moment(raw.get("at"), "at")
    late = _flag(raw, "late")
    if not late:
        if sofar.at is not None and at < sofar.at:
            raise _Wrong(
                f"at: {raw['at']} is before the step above: mark the step `late: true` if that is meant, else reorder"
            )
        sofar.at = at
    fields = _mapping(raw.get("with") or {}, "with")
    _mapping(fields.get("rationale") or {}, "with.rationale")
    # Malformed on purpose, a step may say otherwise what it says itself.
    clash = fields.keys() & {"type", "occurred_at", "expected_version"}
    if clash and expected.word is not Result.INVALID:
        raise _Wrong(f"with: {min(clash)} is set by the step itself (do, at, expected_version): remove it here")
    _check_names(fields, sofar)
    key = _text(raw, "key", "receive-r1") if "key" in raw else None
    if expected.word is Result.REPEATED and (service, key or "") not in sofar.keys:
        raise _Wrong("expect: repeated needs the `key:` of an earlier step that was accepted by the same service")
    if key is not None and expected.word is Result.ACCEPTED:
        sofar.keys.add((service, key))
    version = raw.get("expected_version")
    if version is not None and (not isinstance(version, int) or isinstance(version, bool) or version < 0):
        raise _Wrong(f"expected_version: {version!r} is no version: write a whole number, the first event's is 1")
    sofar.streams.add(to)
    return CommandStep(
        number,
        str(raw["at"]),
        officer(_text(raw, "by", "SUPERVISOR")),
        service,
        command,
        to,
        fields,
        expected,
        key,
        version,
        late,
    )


def officer(text: str) -> Officer:
    """Read `SUPERVISOR`, `SUPERVISOR/2` or `SCHOOL AGENCY`; raises the sentence of a `BadFile` if there is no such role."""
    role, slash, number = text.partition("/")
    if not {*Role}.issuperset(role.split(" ")):
        raise _Wrong(f"{text!r} names no role; the roles are {', '.join(Role)}")
    if slash and not (number.isascii() and number.isdecimal() and 1 <= int(number) <= 99):
        raise _Wrong(f"{text!r}: the second person in a role is written {role}/2")
    return Officer(role, int(number) if slash else 1)


def _expected(raw: Any) -> Expected:
    if isinstance(raw, str) and raw in {"accepted", "forbidden", "conflict", "invalid", "repeated"}:
        return Expected(Result(raw))
    if isinstance(raw, dict) and len(raw) == 1:
        ((word, listed),) = raw.items()
        if word == "accepted":
            return Expected(Result.ACCEPTED, events=_texts(listed, "expect.accepted"))
        if word in {"refused", "needs_rationale"}:
            rules = _texts(listed, f"expect.{word}")
            if not rules:
                raise _Wrong(f"expect.{word}: name at least one rule")
            return Expected(Result(word), rules=frozenset(rules))
    raise _Wrong(f"expect: {raw!r} is unknown; it is one of {EXPECTED}")


def _check(number: int, raw: Mapping[str, Any], sofar: _SoFar) -> CheckStep:
    what = _text(raw, "check", "disposal/d1")
    place, *rest = what.split("/")
    if place == "measures":
        return _measure(number, raw, what, rest, sofar)
    if place == "messages":
        return _messages(number, raw, what, rest, sofar)
    if place not in COLLECTIONS or not 1 <= len(rest) <= 2 or rest[1:] not in ([], ["duties"], ["history"]):
        raise _Wrong(
            f"check: {what!r} is none of SERVICE/STREAM, SERVICE/STREAM/duties, SERVICE/STREAM/history, measures/NAME and"
            f" messages/PERSON; the services are {', '.join(COLLECTIONS)}"
        )
    stream = _stream(rest[0], "check")
    if stream not in sofar.streams and stream.split("+")[0] not in sofar.streams:
        raise _Wrong(f"check: nothing was done on {stream!r} before: check the name, or move the step")
    sofar.streams.add(stream)
    look = CheckStep(number, what, Target.STATE, place, stream, _as_of(raw), _known_at(raw, sofar))
    match rest[1:]:
        case ["duties"]:
            _no_other(raw, "check as_of known_at has lacks")
            has, lacks = _duties(raw, "has"), _duties(raw, "lacks")
            if not has and not lacks:
                raise _Wrong("a check of duties needs has or lacks")
            return replace(look, place=Target.DUTIES, has=has, lacks=lacks)
        case ["history"]:
            _no_other(raw, "check as_of known_at types")
            if "types" not in raw:
                raise _Wrong("a check of a history needs types: the event types in order, complete")
            return replace(look, place=Target.HISTORY, types=_texts(raw["types"], "types"))
        case _:
            _no_other(raw, "check as_of known_at is")
            state = _mapping(raw.get("is"), "is")
            if not state:
                raise _Wrong("a check of a state needs is, with at least one field")
            return replace(look, state=state)


def _as_of(raw: Mapping[str, Any]) -> str | None:
    as_of: str | None = raw.get("as_of")
    if as_of is None or _is(date.fromisoformat, as_of):
        return as_of
    if not _is(datetime.fromisoformat, as_of):
        raise _Wrong(f"as_of: {as_of!r} is neither a date nor a time with its zone")
    _moment(as_of, "as_of")
    return as_of


def _known_at(raw: Mapping[str, Any], sofar: _SoFar) -> str | None:
    known_at: str | None = raw.get("known_at")
    if known_at is not None and known_at not in sofar.marks:
        raise _Wrong(f"known_at: no `mark: {known_at}` stands before this step")
    return known_at


def _measure(number: int, raw: Mapping[str, Any], what: str, rest: list[str], sofar: _SoFar) -> CheckStep:
    _no_other(raw, "check as_of known_at with adds")
    if len(rest) != 1 or not re.fullmatch(NAME, rest[0]):
        raise _Wrong(f"check: {what!r} is no measures/NAME")
    params = {name: str(value) for name, value in _mapping(raw.get("with") or {}, "with").items()}
    for name in ("from", "to"):
        if name in params and not _is(date.fromisoformat, params[name]):
            raise _Wrong(f"with.{name}: {params[name]!r} is not a date")
    adds = _mapping(raw.get("adds"), "adds")
    if not adds:
        raise _Wrong("a check of a measure needs adds, with at least one key")
    for key, value in adds.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _Wrong(f"adds.{key}: {value!r} is not a number")
    look = CheckStep(number, what, Target.MEASURE, as_of=_as_of(raw), known_at=_known_at(raw, sofar))
    return replace(look, measure=rest[0], params=params, adds=adds)


def _messages(number: int, raw: Mapping[str, Any], what: str, rest: list[str], sofar: _SoFar) -> CheckStep:
    _no_other(raw, "check as_of are")
    if len(rest) != 1 or rest[0] not in sofar.people:
        raise _Wrong(f"check: {what!r} is no messages/PERSON of somebody under people")
    listed = raw.get("are")
    if not isinstance(listed, list):
        raise _Wrong("a check of messages needs are: what the person was told, in order, complete")
    messages = tuple(_mapping(item, "are") for item in listed)
    for message in messages:
        _no_other(message, "template at record", "are: ")
        if message.get("template") not in MessageTemplate.__members__:
            raise _Wrong(f"are: {message.get('template')!r} is no template: {', '.join(MessageTemplate)}")
        if "at" in message:
            _moment(message["at"], "are.at")
    look = CheckStep(number, what, Target.MESSAGES, as_of=_as_of(raw))
    return replace(look, stream=rest[0], messages=messages)


def _duties(raw: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], ...]:
    listed = raw.get(name, [])
    if not isinstance(listed, list):
        raise _Wrong(f"{name}: a list of duties is expected")
    duties = tuple(_mapping(item, name) for item in listed)
    for duty in duties:
        _no_other(duty, "duty item due met_on lapsed_on overdue late", f"{name}: ")
        if not duty:
            raise _Wrong(f"{name}: say which duty")
        for key in ("due", "met_on", "lapsed_on"):
            if duty.get(key) is not None and not _is(date.fromisoformat, duty[key]):
                raise _Wrong(f"{name}: {key} {duty[key]!r} is not a date")
    return duties


def _check_names(value: Any, sofar: _SoFar) -> None:
    """Check every `$name` that needs something to exist: a person's details, a role, a stream of an earlier step."""
    for name in references_in(value):
        if match := DETAILS.fullmatch(name):
            if match[1] not in sofar.people:
                raise _Wrong(f"with: there is no person {match[1]!r} under people: add them, or check the name")
        elif match := OFFICER.fullmatch(name):
            officer(match[1])
        elif match := EVENT.fullmatch(name):
            if match[1] not in sofar.streams:
                raise _Wrong(f"with: {name}: nothing was done on {match[1]!r} before: check the name")
        else:
            raise _Wrong(
                f"with: {name!r} is no name: write $name, $person.details, $officer.ROLE, $officer.ROLE/2 or $stream.EventType"
            )


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _Wrong(f"{name}: fields are expected (key: value)")
    return value


def _text(raw: Mapping[str, Any], key: str, example: str) -> str:
    value = raw.get(key)
    if not isinstance(value, str) or not value.strip():
        raise _Wrong(f"{key}: a text is expected, such as {example}")
    return value


def _texts(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _Wrong(f"{name}: a list of names is expected")
    return tuple(value)


def _flag(raw: Mapping[str, Any], key: str) -> bool:
    value = raw.get(key, False)
    if not isinstance(value, bool):
        raise _Wrong(f"{key}: true or false is expected")
    return value


def _stream(text: str, key: str) -> str:
    if not STREAM.fullmatch(text):
        raise _Wrong(f"{key}: {text!r} is no name of a stream: write d1, or d1+c1 for the conference of a condition")
    return text


def _moment(value: Any, key: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _Wrong(f"{key}: {value!r} is not a time with its zone, such as 2025-09-06T15:20:00+01:00")
    return moment


def _is(parse: Callable[[Any], Any], value: Any) -> bool:
    try:
        parse(value)
    except (TypeError, ValueError):
        return False
    return True


def _no_other(raw: Mapping[str, Any], keys: str, where: str = "") -> None:
    for key in raw:
        if key not in keys.split():
            raise _Wrong(f"{where}there is no key {key!r} here; the keys are {', '.join(sorted(keys.split()))}")
