"""The events of an accepted command: one function for each command that does more than record its own fields."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from services.rj_conference.domain.closing import comes_too_late
from services.rj_conference.domain.commands import (
    CloseConference,
    ConferenceCommand,
    CorrectRecord,
    RecordConferenceHeld,
    RecordDidNotProceed,
)
from services.rj_conference.domain.corrections import decide_correction
from services.rj_conference.domain.evolve import evolve
from services.rj_conference.domain.rules import rules
from services.rj_conference.domain.state import Conference
from services.rj_conference.events import ConferenceClosed, ConferenceDidNotProceed, ConferenceHeld, PresentRole
from shared.domain.corrections import required
from shared.domain.decider import Decider
from shared.domain.decisions import NewEvents
from shared.domain.messages import event_from, event_that_it_records
from shared.domain.rules import Context


def decide(command: ConferenceCommand, state: Conference | None, context: Context) -> NewEvents:
    """Return the event of a command that no rule refuses; none where a reaction's closing comes too late."""
    if state is None:
        return [event_that_it_records(command)]
    match command:
        case RecordConferenceHeld():
            return [decide_held(command, state, context)]
        case RecordDidNotProceed():
            return [
                event_from(
                    ConferenceDidNotProceed,
                    command,
                    disposal_id=state.disposal_id,
                    condition_id=state.condition_id,
                    harmer=state.harmer,
                )
            ]
        case CorrectRecord():
            return [decide_correction(command, state)]
        case CloseConference():
            return [] if comes_too_late(state, context) else [event_from(ConferenceClosed, command)]
        case _:
            return [event_that_it_records(command)]


def decide_held(command: RecordConferenceHeld, conference: Conference, context: Context) -> ConferenceHeld:
    """Return the conference as held, with the values of its proposal and schedule that readers count by."""
    schedule = required(conference.schedule, conference, "it was never scheduled")
    harmed = tuple(
        person.person_id for person in command.present if person.attended and person.role is PresentRole.HARMED
    )
    return event_from(
        ConferenceHeld,
        command,
        referral_id=conference.referral_id,
        disposal_id=conference.disposal_id,
        condition_id=conference.condition_id,
        harmer=conference.harmer,
        hours=schedule.hours,
        category=conference.category,
        mode=schedule.mode,
        harmed_took_part=len(harmed),
        harmed_ids=harmed,
        follow_up_due=context.day + timedelta(weeks=context.policy.number("follow_up_weeks")),
    )


decider: Final[Decider[Conference]] = Decider(rules, decide, evolve)
