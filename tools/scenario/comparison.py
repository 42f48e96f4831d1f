"""Compares expected with actual results; each function yields the differences, in words."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from shared.domain.dates import LONDON, parse_moment
from tools.scenario.backend import Response
from tools.scenario.story import Expected, Result

MISSING: Final = "(missing)"
"""Stands for a field that is not there."""


@dataclass(frozen=True, slots=True)
class Differs:
    """One difference: its place, the expected and the actual value."""

    where: str
    expected: Any
    got: Any


def answer_differs(expected: Expected, got: Response, first: Mapping[str, Any] | None) -> Iterator[Differs]:
    """Compare an answer with the step's expectation; `first` is the receipt that its key got first."""
    own_repetition = got.attempts > 1 and {expected.word, got.word} == {Result.ACCEPTED, Result.REPEATED}
    if expected.word is not got.word and not own_repetition:
        yield Differs("answer", str(expected), str(got))
    elif expected.word in {Result.REFUSED, Result.NEEDS_RATIONALE} and expected.rules != set(got.rules):
        yield Differs("rules", ", ".join(sorted(expected.rules)), str(got))
    elif expected.word is Result.ACCEPTED and expected.events not in {None, got.events}:
        yield Differs("events", ", ".join(expected.events or ()), ", ".join(got.events))
    elif expected.word is Result.REPEATED and first is not None and first != got.receipt:
        yield Differs("receipt", dict(first), dict(got.receipt))


def state_differs(
    expected: Mapping[str, Any], got: Mapping[str, Any] | None, ids: Callable[[str], str]
) -> Iterator[Differs]:
    """Compare a state in the fields that are given; the others are free. `ids` gives the id of a name."""
    if got is None:
        yield Differs("stream", "to exist", MISSING)
        return
    for name, value in expected.items():
        actual = got.get(name, MISSING)
        if not equal(value, actual, ids):
            yield Differs(name, value, actual)


def duties_differ(
    has: Sequence[Mapping[str, Any]],
    lacks: Sequence[Mapping[str, Any]],
    got: Sequence[Mapping[str, Any]],
    ids: Callable[[str], str],
) -> Iterator[Differs]:
    """Find the duties that are missing, and those that should not be there."""

    def is_among(wanted: Mapping[str, Any]) -> bool:
        return any(all(equal(value, duty.get(key, MISSING), ids) for key, value in wanted.items()) for duty in got)

    def alike(wanted: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        same = [duty for duty in got if duty.get("duty") == wanted.get("duty")]
        return same or list(got)

    yield from (Differs("has", dict(wanted), alike(wanted)) for wanted in has if not is_among(wanted))
    yield from (Differs("lacks", f"no {dict(wanted)}", alike(wanted)) for wanted in lacks if is_among(wanted))


def messages_differ(expected: Sequence[Mapping[str, Any]], got: Sequence[Mapping[str, Any]]) -> Iterator[Differs]:
    """Compare what somebody was told, all of it and in order; of each message the fields that are given."""
    for n in range(max(len(expected), len(got))):
        wanted = dict(expected[n]) if n < len(expected) else None
        actual = got[n] if n < len(got) else None
        if wanted is not None and "at" in wanted:
            wanted["at"] = parse_moment(wanted["at"]).astimezone(LONDON).isoformat()
        if wanted is None or actual is None or any(wanted[key] != actual[key] for key in wanted):
            yield Differs(f"message {n + 1}", wanted or "the end", actual or "the end")


def types_differ(expected: tuple[str, ...], got: tuple[str, ...]) -> Iterator[Differs]:
    """Compare a history's event types, all of them and in order."""
    if expected == got:
        return
    n = next((n for n, (a, b) in enumerate(zip(expected, got, strict=False)) if a != b), min(len(expected), len(got)))
    yield Differs(
        f"event {n + 1}",
        f"{expected[n] if n < len(expected) else 'the end'} ({len(expected)} events)",
        f"{got[n] if n < len(got) else 'the end'} ({', '.join(got)})",
    )


def sums_differ(expected: Mapping[str, Any], before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Differs]:
    """Compare the increase of a measure, its value now less the value before; a missing key counts as 0."""
    for key, value in expected.items():
        added = number_at(now, key) - number_at(before, key)
        if added != Decimal(str(value)):
            yield Differs(
                key, f"{value} added", f"{added} added ({number_at(before, key)} before, {number_at(now, key)} now)"
            )


def number_at(measure: Mapping[str, Any], path: str) -> Decimal:
    """Return the number at a dotted path; 0 if there is none, or if it is withheld (a count under five is null)."""
    value: Any = measure
    rest = path
    while rest:
        if not isinstance(value, Mapping):
            return Decimal(0)
        # A key may hold a dot itself, so the longest that is there is taken.
        parts = rest.split(".")
        for n in range(len(parts), 0, -1):
            if (key := ".".join(parts[:n])) in value:
                value, rest = value[key], ".".join(parts[n:])
                break
        else:
            return Decimal(0)
    try:
        return Decimal(0) if value is None or isinstance(value, Mapping) else Decimal(str(value))
    except InvalidOperation:
        return Decimal(0)


def equal(expected: Any, got: Any, ids: Callable[[str], str]) -> bool:
    """Tell whether a value agrees: a name stands for its id, as key or value, and numbers compare as numbers."""
    if isinstance(expected, Mapping):
        if not isinstance(got, Mapping):
            return False
        keys = {key: key if key in got else ids(key) for key in expected}
        return set(keys.values()) == set(got) and all(
            equal(value, got[keys[key]], ids) for key, value in expected.items()
        )
    if isinstance(expected, list):
        return (
            isinstance(got, (list, tuple))
            and len(expected) == len(got)
            and all(equal(a, b, ids) for a, b in zip(expected, got, strict=True))
        )
    if expected is None or isinstance(expected, bool) or got is None or isinstance(got, bool):
        return expected is got
    if isinstance(expected, int | float) and isinstance(got, int | float | Decimal):
        return Decimal(str(expected)) == Decimal(str(got))
    # A code such as outcome 8 may be written without quotation marks; an item of a duty may be a name.
    return str(expected) == str(got) or (isinstance(expected, str) and expected.isidentifier() and ids(expected) == got)
