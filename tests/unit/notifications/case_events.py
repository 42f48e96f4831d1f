"""The events of a made-up case, as they are read from the topics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from services.disposal.events import EVENTS as DISPOSAL
from services.disposal.events import Condition, ConditionProposed, DisposalCaseOpened, DisposalDecided, DisposalIssued
from services.education.events import EVENTS as EDUCATION
from services.education.events import AttendanceRecorded, Booking, PlaceBooked, SessionPlanned
from services.notifications.news import fold
from services.notifications.plan import Message, plan
from services.referral.events import EVENTS as REFERRAL
from services.referral.events import PersonLinked, ReferralReceived, VictimDetailsRecorded
from services.rj_conference.events import EVENTS as CONFERENCE
from services.trade.vocabulary import (
    AttendanceStatus,
    Category,
    Disposal,
    PersonDetails,
    PersonRole,
    Recommendation,
    SessionKind,
    Topic,
)
from shared.domain.envelope import Envelope, EventRegistry, Fact, Origin, PolicyStamp
from shared.domain.ids import derived_uuid
from shared.domain.messages import Event
from shared.domain.sealing import Sealed
from tests.command_spec import officer
from tests.unit.contract.sample import samples

CASE: Final = derived_uuid("case")
CHILD: Final = derived_uuid("child")
MOTHER: Final = derived_uuid("mother")
HARMED: Final = derived_uuid("harmed")
CONDITION: Final = derived_uuid("condition")
REGISTRIES: Final = {registry.service: registry for registry in (REFERRAL, EDUCATION, DISPOSAL, CONFERENCE)}
NOW: Final = datetime(2026, 6, 1, 10, tzinfo=UTC)
STARTS_AT: Final = datetime(2026, 6, 11, 15, 30, tzinfo=UTC)


def stream_of(service: str) -> UUID:
    """Return the id of the one record of a service."""
    return derived_uuid("stream", service)


def attendance(person: UUID, case_id: UUID, status: AttendanceStatus) -> AttendanceRecorded:
    """Return the event that says whether a person came, who had a place in a session for a case."""
    return AttendanceRecorded(
        person_id=person,
        status=status,
        hours_credited=Decimal(0),
        complied=False,
        booking=Booking(person_id=person, case_id=case_id),
        kind=SessionKind.WORKSHOP,
        topic=Topic.RETAIL,
        hours_scheduled=Decimal(2),
        activity=False,
    )


@dataclass
class CaseEvents:
    """Events in the order in which they are recorded."""

    facts: list[Fact] = field(default_factory=list)
    versions: Counter[str] = field(default_factory=Counter)

    def add(self, service: str, event: Event, at: datetime = NOW, role: str = "SAFE_SCHOOLS_OFFICER") -> Fact:
        """Record an event of a service's one record, after the one that begins it."""
        if service in OPENINGS and not self.versions[service] and not isinstance(event, OPENINGS[service]):
            self.add(service, opening(service))
        self.versions[service] += 1
        made = fact_of(REGISTRIES[service], event, self.versions[service], at, role)
        self.facts.append(made)
        return made

    def link(self, person: UUID, role: PersonRole, category: Category, **more: Any) -> CaseEvents:
        """Link a person."""
        details = PersonDetails(name=Sealed("Robin"), date_of_birth=Sealed(date(2011, 3, 14)))
        event = PersonLinked(
            person_id=person,
            role=role,
            category=category,
            details=details,
            age_at_incident=15,
            child_at_report=more.get("child"),
            parent_of=more.get("parent_of"),
        )
        self.add("referral", event)
        return self

    def victim(self, **details: Any) -> CaseEvents:
        """Say how somebody harmed may be reached: safely, and they want updates, unless `details` say otherwise."""
        said = {"contact_is_safe": True, "wants_updates": True, "wants_support": False} | details
        self.add("referral", VictimDetailsRecorded(person_id=HARMED, **said))
        return self

    def session(self, starts_at: datetime = STARTS_AT) -> Fact:
        """Plan a session."""
        planned = SessionPlanned(
            kind=SessionKind.WORKSHOP,
            topic=Topic.RETAIL,
            starts_at=starts_at,
            hours=Decimal(2),
            place=Sealed("The Hall"),
        )
        return self.add("education", planned)

    def booked(self, at: datetime = NOW) -> Fact:
        """Book the child's place."""
        return self.add("education", PlaceBooked(person_id=CHILD, case_id=CASE), at)

    def issued(self, *conditions: Condition) -> None:
        """Decide and issue a youth conditional caution."""
        decided, issued = sampled("disposal", DisposalDecided), sampled("disposal", DisposalIssued)
        decision = {"decision": Recommendation.YCC, "person_id": CHILD, "case_id": CASE}
        self.add("disposal", decided.model_copy(update=decision))
        for condition in conditions:
            self.add("disposal", ConditionProposed(condition=condition))
        terms = tuple(condition.terms for condition in conditions)
        issue = {"disposal": Disposal.YCC, "conditions": terms, "person_id": CHILD, "case_id": CASE}
        self.add("disposal", issued.model_copy(update=issue))

    def plan(self) -> list[Message]:
        """Return the messages that follow, by their times."""
        return sorted(
            plan(CASE, fold(self.facts)).values(), key=lambda one: (one.not_before, one.template, one.recipient)
        )

    def told(self) -> list[tuple[str, UUID]]:
        """Return the templates and recipients of the messages that follow."""
        return [(message.template, message.recipient) for message in self.plan()]


OPENINGS: Final[Mapping[str, type[Event]]] = {"referral": ReferralReceived, "disposal": DisposalCaseOpened}
"""The events that begin a record and say nothing that a message follows from."""


def sampled(service: str, kind: type[Event]) -> Event:
    """Return the golden sample of an event."""
    registry = REGISTRIES[service]
    return registry.read(samples(service)[registry.type_name(kind)]["body"].encode()).event


def opening(service: str) -> Event:
    """Return the event that begins a record of the case."""
    opens, own = sampled(service, OPENINGS[service]), {"case_id": CASE, "person_id": CHILD, "victims": ()}
    return opens.model_copy(update={field: value for field, value in own.items() if field in type(opens).model_fields})


def family() -> CaseEvents:
    """Return a case with a child and the child's mother."""
    events = CaseEvents().link(CHILD, PersonRole.HARMER, Category.SUSPECT, child=True)
    return events.link(MOTHER, PersonRole.PARENT_CARER, Category.PARENT_CARER)


def fact_of(
    registry: EventRegistry, event: Event, version: int, at: datetime, role: str = "SAFE_SCHOOLS_OFFICER"
) -> Fact:
    """Return an event as it is read from its topic."""
    stream = stream_of(registry.service)
    envelope = Envelope(
        event_id=derived_uuid("test", registry.service, version),
        type=registry.type_name(type(event)),
        stream=f"{registry.service}/{stream}",
        version=version,
        home=stream if registry is EDUCATION else CASE,
        command_id=derived_uuid("test", "command"),
        occurred_at=at,
        actor=officer(role),
        correlation_id=derived_uuid("test", "correlation"),
        causation_id=None,
        traceparent=None,
        policy=PolicyStamp(edition="2026-01-01", day=at.date()),
        rules=(),
        rationale={},
        labels={},
        origin=Origin(),
    )
    return Fact(envelope, event, recorded_at=at)
