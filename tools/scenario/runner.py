"""Plays a scenario, step by step, against any backend; the first difference ends it."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from shared.domain.dates import local_day, parse_moment
from tools.scenario.backend import Backend, Request, Response
from tools.scenario.comparison import (
    MISSING,
    Differs,
    answer_differs,
    duties_differ,
    messages_differ,
    state_differs,
    sums_differ,
    types_differ,
)
from tools.scenario.naming import Names
from tools.scenario.story import CheckStep, CommandStep, MarkStep, Result, Scenario, Step, Target

GLANCE: Final = 0.05
"""Seconds between two looks at something that does not agree yet."""


class Difference(Exception):
    """A step whose result differs from the expected one."""

    def __init__(self, step: Step, differences: list[Differs]) -> None:
        self.step = step
        self.differences = differences
        lines = [f"step {step.number}, {step}:"]
        for difference in differences:
            lines += [
                f"  {difference.where}",
                f"    expected: {difference.expected}",
                f"    got:      {difference.got}",
            ]
        super().__init__("\n".join(lines))


@dataclass(frozen=True, slots=True)
class Played:
    """The result of a run: its id, the number of its steps, and the number of checks that this backend cannot make."""

    scenario: Scenario
    run: str
    steps: int
    skipped: int


@dataclass
class Run:
    """One run of one scenario."""

    scenario: Scenario
    backend: Backend
    run: str = field(default_factory=lambda: str(uuid4()))
    notice: Callable[[Step, str], None] = lambda _step, _what: None
    """Called after each step, with what happened in a few words."""

    def __post_init__(self) -> None:
        self.names = Names(self.scenario.id, self.run, self.scenario.people, self.backend.officer, self._latest_event)
        self._services: dict[str, set[str]] = {}
        self._marks: dict[str, datetime] = {}
        self._reasons: dict[tuple[str, str], Mapping[str, str]] = {}
        self._first: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._before: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._moved: set[tuple[str, str]] = set()
        self._settled = False
        self._skipped = 0

    def play(self) -> Played:
        """Play every step; raises `Difference` at the first that differs, or `BackendError`."""
        self._note_measures()
        for step in self.scenario.steps:
            self.notice(step, self._take(step))
        return Played(self.scenario, self.run, len(self.scenario.steps), self._skipped)

    def _take(self, step: Step) -> str:
        match step:
            case CommandStep():
                return self._ask(step)
            case CheckStep():
                return self._check(step)
            case MarkStep():
                # What was recorded before the mark includes what follows from it by reaction.
                self._settle()
                self._marks[step.name] = self.backend.now()
                return "noted"

    # --- commands ---------------------------------------------------------------------------------

    def _ask(self, step: CommandStep) -> str:
        self._services.setdefault(step.to, set()).add(step.service)
        self._let_time_pass(step.service, step.to)
        body: dict[str, Any] = {"type": step.command, "occurred_at": step.at, **self._fields_of(step)}
        if step.expected_version is not None:
            body["expected_version"] = step.expected_version
        key = self.names.key("step", step.number) if step.key is None else self.names.key("named", step.key)
        self._settled = False
        got = self._send(Request(step.service, self.names.id(step.to), step.by, body, key))
        first = self._first.get((step.service, key))
        if differences := list(answer_differs(step.expected, got, first)):
            raise Difference(step, differences)
        if step.expected.word is Result.ACCEPTED:
            self._first[step.service, key] = got.receipt
            self._moved.add((step.service, step.to))
        return f"{got.word} {', '.join(got.rules or got.events)}".strip()

    def _send(self, request: Request) -> Response:
        """Send a command; whom another run has left under the same name is another person in this one."""
        reasons = self._reasons.get((request.service, request.key), {})
        given = {**request.body.get("rationale", {}), **reasons}
        body = {**request.body, "rationale": given} if reasons else request.body
        got = self.backend.send(replace(request, body=body))
        if not got.known or any(map(self.names.is_own, got.known)):
            return got
        self._reasons[request.service, request.key] = dict.fromkeys(got.rules, "Another run of this story.")
        return self._send(request)

    def _let_time_pass(self, service: str, stream: str) -> None:
        """Wait until what other records say has arrived before the next step: hours lie between two steps of a story."""
        if self._moved - {(service, stream)}:
            self._settle()
            self._moved.clear()

    def _settle(self) -> None:
        """Wait until everything has passed that this run has recorded, if it has sent a command since it last waited."""
        if not self._settled:
            self.backend.settle()
            self._settled = True

    def _fields_of(self, step: CommandStep) -> Mapping[str, Any]:
        try:
            fields: Mapping[str, Any] = self.names.fill_in(step.fields)
        except LookupError as error:
            raise Difference(step, [Differs("with", str(error.args[0]), MISSING)]) from None
        return fields

    def _latest_event(self, stream: str, event: str) -> UUID:
        """Return the id of a stream's latest event of a type; raises LookupError if there is none after waiting."""

        def look() -> UUID | None:
            for service in sorted(self._services.get(stream, ())):
                for line in reversed(self.backend.history(service, self.names.id(stream))):
                    if line["type"] == event:
                        return UUID(str(line["event_id"]))
            return None

        self._settle()
        deadline = time.monotonic() + self.backend.patience
        while (event_id := look()) is None:
            if time.monotonic() >= deadline:
                raise LookupError(f"an event {event} of {stream}")
            time.sleep(GLANCE)
        return event_id

    # --- checks -----------------------------------------------------------------------------------

    def _check(self, step: CheckStep) -> str:
        if step.service:
            self._services.setdefault(step.stream, set()).add(step.service)
        look = self._look(step)
        if look is None:
            self._skipped += 1
            return "not known here: skipped"
        if step.lacks or 0 in step.adds.values():
            self._settle()
        settled = self._settled
        deadline = time.monotonic() + self.backend.patience
        differences = list(look())
        if not differences and not settled:
            # It agrees before anything had time to pass: it must still agree when all has.
            self._settle()
            differences = list(look())
            settled = True
        while differences and time.monotonic() < deadline:
            time.sleep(GLANCE)
            differences = list(look())
        if differences and not settled:
            # A slow machine, or a process that is being restarted, is no difference.
            self._settle()
            differences = list(look())
        if differences:
            words = self.names.in_words
            raise Difference(step, [Differs(one.where, words(one.expected), words(one.got)) for one in differences])
        return "agrees"

    def _look(self, step: CheckStep) -> Callable[[], Iterator[Differs]] | None:
        backend, stream = self.backend, self.names.id(step.stream)
        known_at = self._marks[step.known_at] if step.known_at is not None else None
        match step.place:
            case Target.STATE:
                as_of = None if step.as_of is None else parse_moment(step.as_of)
                return lambda: state_differs(
                    self.names.fill_in(step.state),
                    backend.state(step.service, stream, as_of=as_of, known_at=known_at),
                    self._id_text,
                )
            case Target.DUTIES:
                day = None if step.as_of is None else _day_of(step.as_of)
                return lambda: duties_differ(
                    self.names.fill_in(step.has),
                    self.names.fill_in(step.lacks),
                    backend.duties(step.service, stream, as_of=day, known_at=known_at),
                    self._id_text,
                )
            case Target.HISTORY:
                return lambda: types_differ(
                    step.types or (),
                    tuple(
                        str(line["type"])
                        for line in backend.history(step.service, stream)
                        if _within(line, step.as_of, known_at)
                    ),
                )
            case Target.MESSAGES:
                return self._look_at_messages(step)
            case Target.MEASURE:
                return self._look_at_measure(step, known_at)

    def _look_at_messages(self, step: CheckStep) -> Callable[[], Iterator[Differs]] | None:
        person, until = self.names.id(step.stream), None if step.as_of is None else parse_moment(step.as_of)
        sent = self.backend.messages(person, as_of=until)
        if sent is None:
            return None
        expected = [
            {**message, "record": self._id_text(message["record"])} if "record" in message else message
            for message in step.messages
        ]
        return lambda: messages_differ(expected, sent)

    def _look_at_measure(self, step: CheckStep, known_at: datetime | None) -> Callable[[], Iterator[Differs]] | None:
        before = self._before.get(_measure_key(step))
        if before is None:
            return None
        adds = {self._path(key): value for key, value in step.adds.items()}
        params = _measure_params(step) | ({"known_at": known_at.isoformat()} if known_at else {})
        return lambda: sums_differ(adds, before, self.backend.measure(step.measure, params) or {})

    def _note_measures(self) -> None:
        """Ask for the values of all measures that are checked, before the first step."""
        wanted = {_measure_key(step): step for step in self.scenario.measures}
        if wanted:
            self._settle()
        for key, step in wanted.items():
            value = self.backend.measure(step.measure, _measure_params(step))
            if value is not None:
                self._before[key] = value

    def _path(self, key: str) -> str:
        """Put the ids in place of the names in a dotted path (`by_officer.$officer.SUPERVISOR`)."""
        head, dollar, name = key.partition("$")
        return f"{head}{self.names.fill_in('$' + name)}" if dollar else key

    def _id_text(self, name: str) -> str:
        return str(self.names.id(name))


def _measure_key(step: CheckStep) -> tuple[str, str]:
    return step.measure, str(sorted(_measure_params(step).items()))


def _measure_params(step: CheckStep) -> dict[str, str]:
    """Return the parameters of a measure's query; everything recorded before the first step is known at every mark."""
    return {**step.params, **({"as_of": parse_moment(step.as_of).isoformat()} if step.as_of else {})}


def _day_of(text: str) -> date:
    moment = datetime.fromisoformat(text)
    return date.fromisoformat(text) if moment.tzinfo is None else local_day(moment)


def _within(line: Mapping[str, Any], as_of: str | None, known_at: datetime | None) -> bool:
    def moment(name: str) -> datetime:
        value = line[name]
        return value if isinstance(value, datetime) else datetime.fromisoformat(value)

    return (as_of is None or moment("occurred_at") <= parse_moment(as_of)) and (
        known_at is None or moment("recorded_at") <= known_at
    )
