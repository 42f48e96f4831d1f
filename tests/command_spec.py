"""Send commands to one stream of a service in memory, and look at what they record.

case = CommandSpec(disposal)
case.ask(OpenDisposalCase(...), by="YJS_CASE_MANAGER", at="2025-09-10T09:00:00+01:00")
assert case.refused(IssueDisposal(), by="POLICE_DECISION_MAKER", at=…) == {"R4"}
assert case.view["state"] == "OPENED"
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

from shared.domain.decisions import NeedsRationale, Refused
from shared.domain.duties import Duty
from shared.domain.duties_by_day import duties_on
from shared.domain.envelope import Fact
from shared.domain.execution import CommandRequest, Decision, as_recorded, execute
from shared.domain.ids import derived_uuid
from shared.domain.messages import Actor, Command, CorrectionCommand, Event
from shared.domain.persons import NOBODY_ALIKE, NOTHING_KNOWN
from shared.domain.sealing import Sealed
from shared.domain.service import Service

Recorded = TypeVar("Recorded", bound=Event)
AREA = {"area": "DORSET"}


def officer(role: str, number: int = 1) -> Actor:
    """Return the person who acts in a role: the same one every time."""
    return Actor(id=derived_uuid("test-officer", role, number), role=role, organisation="TEST", labels=AREA)


class CommandSpec:
    """One stream of one service, in memory: the same rules, decide, evolve, cut and fold as the real path."""

    def __init__(self, service: Service[Any], stream: UUID | None = None) -> None:
        self.service = service
        # The same each time, so that what is printed of the same story is the same.
        self.stream = stream or derived_uuid("story", service.name)
        self.facts: list[Fact] = []
        self.linked_marks: dict[UUID, frozenset[str]] = {}
        """The marks that other services' records give a home, where the rules look at them."""

        self.kept_events: Sequence[Fact] = ()
        """The events of other services that are kept of its home."""
        self.known = NOTHING_KNOWN
        """What is known of the persons whom it names."""
        self.alike = NOBODY_ALIKE
        """Who is like a person whom a command names."""

    def answer(
        self,
        command: Command,
        *,
        by: str | Actor,
        at: str | datetime | None = None,
        received_at: datetime | None = None,
    ) -> Sequence[str] | Refused | NeedsRationale:
        """Ask a command and record what it makes happen: the names of the events, or the refusal."""
        if at is not None:
            moment = datetime.fromisoformat(at) if isinstance(at, str) else at
            command = command.model_copy(update={"occurred_at": moment})
        now = received_at or datetime.now(UTC)
        actor = officer(by) if isinstance(by, str) else by
        command_id = uuid4()
        result = execute(
            self.service,
            CommandRequest(command, self.stream, command_id, actor, now, command_id),
            self.facts,
            lambda home: self.linked_marks.get(home, frozenset()),
            self.kept_events,
            self.known,
            self.alike,
        )
        if not isinstance(result, Decision):
            return result
        for fact in result.facts:
            self.facts.append(as_recorded(fact, len(self.facts) + 1, now))
        return [fact.name for fact in result.facts]

    def last(self, kind: type[Recorded]) -> Recorded:
        """Return the latest event, which is of a class."""
        event = self.facts[-1].event
        assert isinstance(event, kind)
        return event

    def event_id(self, name: str) -> UUID:
        """Return the id of the latest event of a name."""
        return next(fact.event_id for fact in reversed(self.facts) if fact.name == name)

    def corrects(self, name: str, field: str, value: Any, of: UUID | None = None) -> CorrectionCommand:
        """Return the service's correction of a field of the latest event of a name, or of the event with an id."""
        (correction,) = (one for one in self.service.commands if issubclass(one, CorrectionCommand))
        return correction(corrects=of or self.event_id(name), field=field, value=value, why=Sealed("Misread."))

    def forget_birth(self, place: int = -1) -> None:
        """Let nobody open the birth date of an event any more."""
        fact = self.facts[place]
        hidden = Sealed[date].of_token("s1:person/x:1:details.date_of_birth:AAAA:AAAA").as_forgotten()
        details = fact.event.details.model_copy(update={"date_of_birth": hidden})  # type: ignore[attr-defined]
        self.facts[place] = replace(fact, event=fact.event.model_copy(update={"details": details}))

    def ask(self, command: Command, *, by: str | Actor, at: str | datetime | None = None) -> Sequence[str]:
        """Ask a command that must be accepted; the names of its events."""
        result = self.answer(command, by=by, at=at)
        assert not isinstance(result, (Refused, NeedsRationale)), f"{type(command).__name__}: {result}"
        return result

    def refused(self, command: Command, *, by: str | Actor, at: str | datetime | None = None) -> set[str]:
        """Ask a command that must be refused; the ids of the broken rules."""
        result = self.answer(command, by=by, at=at)
        assert isinstance(result, Refused), f"{type(command).__name__}: {result}"
        return set(result.ids)

    def warned(self, command: Command, *, by: str | Actor, at: str | datetime | None = None) -> set[str]:
        """Ask a command that must need a rationale; the ids of the warnings."""
        result = self.answer(command, by=by, at=at)
        assert isinstance(result, NeedsRationale), f"{type(command).__name__}: {result}"
        return set(result.ids)

    @property
    def state(self) -> Any:
        """The state now."""
        return self.service.decider.state_at(self.facts, known=self.known)

    @property
    def view(self) -> Mapping[str, Any]:
        """What is shown of the state now."""
        return self.service.read_model.view(self.state)

    def duties(self, as_of: date) -> dict[str, Duty]:
        """Return the duties that the sheet of a day shows, by name (the last of each name)."""
        return {duty.duty: duty for duty in duties_on(self.service.read_model, self.facts, as_of)}
