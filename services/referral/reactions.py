"""Reactions (process manager) of referral to events of other services. Pure: each event holds all that is needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from services.disposal.events import OutcomeAssigned
from services.education.events import AttendanceRecorded, RecordCorrected
from services.referral.domain.commands import CarryOutcome, RecordActivityUndertaken
from shared.domain.envelope import Fact
from shared.runtime.service import CommandFor, Reaction, reaction_command_id


def activity_undertaken(fact: Fact) -> Iterator[CommandFor]:
    """Record an activity (O22) in a place that was booked for a referral."""
    event = fact.event
    assert isinstance(event, AttendanceRecorded)
    if event.activity and event.booking.referral_id is not None:
        command = RecordActivityUndertaken(
            occurred_at=fact.occurred_at, session_id=fact.stream_id, person_id=event.person_id
        )
        yield CommandFor(event.booking.referral_id, command)


def activity_put_right(fact: Fact) -> Iterator[CommandFor]:
    """Record an activity in a place whose booking was corrected to serve this referral."""
    event = fact.event
    assert isinstance(event, RecordCorrected)
    place = event.place
    if place is None or place.before.referral_id == place.after.referral_id:
        return
    if place.attendance is None or not place.attendance.activity or place.after.referral_id is None:
        return
    command = RecordActivityUndertaken(
        occurred_at=place.attendance.occurred_at, session_id=fact.stream_id, person_id=place.after.person_id
    )
    superseded: tuple[UUID, ...] = ()
    if place.before.referral_id is not None:
        superseded = tuple(
            reaction_command_id(event_id, name, place.before.referral_id)
            for event_id in place.told_by
            for name in ("activity_undertaken", "activity_put_right")
        )
    yield CommandFor(place.after.referral_id, command, supersedes=superseded)


def outcome_carried(fact: Fact) -> Iterator[CommandFor]:
    """Carry the outcome of a disposal that came from a referral."""
    event = fact.event
    assert isinstance(event, OutcomeAssigned)
    if event.referral_id is not None:
        command = CarryOutcome(
            occurred_at=fact.occurred_at, code=event.code, disposal_id=fact.stream_id, person_id=event.person_id
        )
        yield CommandFor(event.referral_id, command)


REACTIONS: Final[tuple[Reaction, ...]] = (
    Reaction("activity_undertaken", "education", AttendanceRecorded, activity_undertaken),
    Reaction("activity_put_right", "education", RecordCorrected, activity_put_right),
    Reaction("outcome_carried", "disposal", OutcomeAssigned, outcome_carried),
)
"""Every reaction of referral. A name is part of the contract and never changes."""
