"""What other services' events ask of a referral, decided from the event alone."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar
from uuid import UUID, uuid5

import pytest

from services.disposal.events import OutcomeAssigned
from services.education.events import AttendanceRecorded, Booking
from services.referral.domain.commands import CarryOutcome, RecordActivityUndertaken
from services.referral.reactions import activity_undertaken, conference_undertaken, outcome_carried
from services.referral.service import service
from services.rj_conference.events import ConferenceHeld
from services.trade.vocabulary import (
    AttendanceStatus,
    ConferenceCategory,
    ConferenceMode,
    OutcomeCode,
    Role,
    SessionKind,
    Topic,
)
from shared.domain.envelope import Envelope, Fact, Origin, PolicyStamp
from shared.domain.messages import Actor, Event
from shared.domain.sealing import Sealed
from shared.domain.service import CommandFor
from tests.unit.referral.stories import CASE, DISPOSAL, LEO, NAMES, SESSION

E = TypeVar("E", bound=Event)

THEN = datetime(2026, 3, 10, 10, 36, tzinfo=UTC)
REFERRAL = uuid5(NAMES, "referral")


def fact(event: E, stream: str) -> Fact[E]:
    """Return an event as it arrives from another service."""
    envelope = Envelope(
        event_id=uuid5(NAMES, "event"),
        type="",
        stream=stream,
        version=4,
        home=CASE,
        command_id=CASE,
        occurred_at=THEN,
        actor=Actor(id=LEO, role=Role.SAFE_SCHOOLS_OFFICER, organisation="TEST"),
        correlation_id=CASE,
        causation_id=None,
        traceparent=None,
        policy=PolicyStamp(edition="2020-01-01", day=THEN.date()),
        rules=(),
        rationale={},
        labels={},
        origin=Origin(),
    )
    return Fact(envelope, event)


def attended(*, activity: bool = True, booked: bool = True) -> Fact[AttendanceRecorded]:
    """Return a line of a register, with its evidence closed."""
    event = AttendanceRecorded(
        person_id=LEO,
        status=AttendanceStatus.ATTENDED,
        hours_credited=Decimal(1),
        complied=activity,
        evidence=Sealed.of_token("s1:person/x:1:evidence:AAAA:AAAA"),
        booking=Booking(person_id=LEO, referral_id=REFERRAL if booked else None, disposal_id=DISPOSAL),
        kind=SessionKind.ONE_TO_ONE,
        topic=Topic.ONLINE_SAFETY,
        hours_scheduled=Decimal(1),
        activity=activity,
    )
    return fact(event, f"education/{SESSION}")


def assigned(*, referred: bool = True) -> Fact[OutcomeAssigned]:
    """Return the outcome of a disposal."""
    event = OutcomeAssigned(
        person_id=LEO, case_id=CASE, referral_id=REFERRAL if referred else None, code=OutcomeCode.C2, age_at_offence=15
    )
    return fact(event, f"disposal/{DISPOSAL}")


def test_an_activity_reaches_its_referral() -> None:
    """Given an activity in a place booked for a referral, the referral records it at the time of the attendance."""
    command = RecordActivityUndertaken(occurred_at=THEN, session_id=SESSION, person_id=LEO)
    assert list(activity_undertaken(attended())) == [CommandFor(REFERRAL, command)]


@pytest.mark.parametrize(("activity", "booked"), [(False, True), (True, False)])
def test_what_is_no_activity_or_no_referrals_asks_nothing(*, activity: bool, booked: bool) -> None:
    """Given an attendance that does not count, or a place that serves no referral, nothing is asked."""
    assert list(activity_undertaken(attended(activity=activity, booked=booked))) == []


def test_a_conference_reaches_its_referral_alone() -> None:
    """Given a conference held for a referral, then the referral records an activity; one for a disposal counts there."""

    def held(referral_id: UUID | None = None, disposal_id: UUID | None = None) -> list[CommandFor]:
        event = ConferenceHeld(
            present=(),
            facilitator_attended=True,
            harmer=LEO,
            hours=Decimal(1),
            category=ConferenceCategory.OTHER,
            mode=ConferenceMode.DIRECT_CONFERENCE,
            harmed_took_part=1,
            follow_up_due=THEN.date(),
            referral_id=referral_id,
            disposal_id=disposal_id,
        )
        return list(conference_undertaken(fact(event, f"rj_conference/{SESSION}")))

    command = RecordActivityUndertaken(occurred_at=THEN, session_id=SESSION, person_id=LEO)
    assert held(referral_id=REFERRAL) == [CommandFor(REFERRAL, command, about={"case_id": CASE})]
    assert held(referral_id=REFERRAL, disposal_id=DISPOSAL) == held() == []


def test_a_disposals_outcome_reaches_its_referral() -> None:
    """Given an outcome of a case with a referral, the referral carries it, with the disposal and the child."""
    command = CarryOutcome(occurred_at=THEN, code=OutcomeCode.C2, disposal_id=DISPOSAL, person_id=LEO)
    assert list(outcome_carried(assigned())) == [CommandFor(REFERRAL, command, about={"case_id": CASE})]


def test_an_outcome_without_a_referral_asks_nothing() -> None:
    """Given a case that came from no referral, nothing is carried."""
    assert list(outcome_carried(assigned(referred=False))) == []


def test_a_repeat_has_the_same_command() -> None:
    """Given the same event twice, the derived command id is the same, so that the repeat does nothing."""
    reaction = service.reactions[0]
    (effect,) = activity_undertaken(attended())
    assert reaction.command_id(attended(), effect) == reaction.command_id(attended(), effect)
