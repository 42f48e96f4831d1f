"""Reactions (process manager) of referral to events of other services. Pure: each event holds all that is needed."""

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from services.disposal import events as disposal
from services.disposal.events import OutcomeAssigned
from services.education.events import AttendanceRecorded, RecordCorrected
from services.referral.domain.commands import (
    CarryOutcome,
    CorrectCarriedOutcome,
    RecordActivityUndertaken,
    WithdrawOutcome,
)
from services.rj_conference.events import ConferenceHeld
from shared.domain.envelope import Fact
from shared.domain.service import CommandFor, ReactionsTo, reaction_command_id

to_education = ReactionsTo("education")
to_conference = ReactionsTo("rj_conference")
to_disposal = ReactionsTo("disposal")


def _about(case: UUID | None) -> dict[str, UUID]:
    """Name the case, if it is known: a referral need not name the child."""
    return {} if case is None else {"case_id": case}


@to_education(AttendanceRecorded, "activity_undertaken", "the activity of {day} has not reached the referral")
def activity_undertaken(fact: Fact[AttendanceRecorded]) -> Iterator[CommandFor]:
    """Record an activity (O22) in a place that was booked for a referral."""
    event = fact.event
    if event.activity and event.booking.referral_id is not None:
        command = RecordActivityUndertaken(
            occurred_at=fact.occurred_at, session_id=fact.stream_id, person_id=event.person_id
        )
        yield CommandFor(event.booking.referral_id, command, about=_about(event.booking.case_id))


@to_education(
    RecordCorrected, "activity_put_right", "the correction of {day} in the register has not reached the referral"
)
def activity_put_right(fact: Fact[RecordCorrected]) -> Iterator[CommandFor]:
    """Record an activity in a place whose booking was corrected to serve this referral, or whose attendance to be one."""
    event = fact.event
    place = event.place
    if place is None or (place.before.referral_id == place.after.referral_id and not event.becomes_activity):
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
    about = _about(place.after.case_id)
    yield CommandFor(place.after.referral_id, command, supersedes=superseded, about=about)


@to_conference(ConferenceHeld, "conference_undertaken", "the conference held on {day} has not reached the referral")
def conference_undertaken(fact: Fact[ConferenceHeld]) -> Iterator[CommandFor]:
    """Record a conference (O22) that serves a referral alone; one of a disposal counts there."""
    event = fact.event
    if event.referral_id is not None and event.disposal_id is None:
        command = RecordActivityUndertaken(
            occurred_at=fact.occurred_at, session_id=fact.stream_id, person_id=event.harmer
        )
        yield CommandFor(event.referral_id, command, about=_about(fact.envelope.home))


@to_disposal(OutcomeAssigned, "outcome_carried", "the outcome of {day} has not reached the referral")
def outcome_carried(fact: Fact[OutcomeAssigned]) -> Iterator[CommandFor]:
    """Carry the outcome of a disposal that came from a referral."""
    event = fact.event
    if event.referral_id is not None:
        command = CarryOutcome(
            occurred_at=fact.occurred_at, code=event.code, disposal_id=fact.stream_id, person_id=event.person_id
        )
        yield CommandFor(event.referral_id, command, about=_about(fact.envelope.home))


@to_disposal(disposal.DisposalAnnulled, "outcome_withdrawn", "the annulment of {day} has not reached the referral")
def outcome_withdrawn(fact: Fact[disposal.DisposalAnnulled]) -> Iterator[CommandFor]:
    """Withdraw the outcome of a disposal that was annulled from the referral to which it was carried."""
    event = fact.event
    if event.referral_id is not None and event.withdrawn is not None:
        command = WithdrawOutcome(occurred_at=fact.occurred_at, disposal_id=fact.stream_id, person_id=event.person_id)
        yield CommandFor(event.referral_id, command, about=_about(fact.envelope.home))


@to_disposal(
    disposal.RecordCorrected, "carried_outcome_put_right", "the corrected outcome of {day} has not reached the referral"
)
def carried_outcome_put_right(fact: Fact[disposal.RecordCorrected]) -> Iterator[CommandFor]:
    """Correct an outcome whose code was corrected in the disposal that had assigned it."""
    outcome = fact.event.outcome
    if outcome is None:
        return
    command = CorrectCarriedOutcome(
        occurred_at=fact.occurred_at,
        code=outcome.after,
        was=outcome.before,
        disposal_id=fact.stream_id,
        person_id=outcome.person_id,
        assigned_at=outcome.occurred_at,
    )
    superseded = tuple(
        reaction_command_id(event_id, name, outcome.referral_id)
        for event_id in outcome.told_by
        for name in ("outcome_carried", "carried_outcome_put_right")
    )
    about = _about(fact.envelope.home)
    yield CommandFor(outcome.referral_id, command, supersedes=superseded, about=about)


REACTIONS: Final = (*to_education.reactions, *to_conference.reactions, *to_disposal.reactions)
"""Every reaction of referral. A name is part of the contract and never changes."""
