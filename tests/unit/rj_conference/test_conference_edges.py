"""Where a rule of a conference turns: no conference at all, the same moment, one day more, somebody else's id."""

from datetime import date
from uuid import UUID

import pytest

from services.rj_conference.domain.commands import (
    ConvertToIndirect,
    HoldPreparation,
    InformVictim,
    RecordDidNotProceed,
    WithdrawConsent,
)
from services.rj_conference.events import IndirectMode, NotProceedingReason, ParticipantRole, Present, PresentRole
from services.trade.vocabulary import ConferenceMode
from shared.domain.messages import Command
from tests.unit.rj_conference.stories import (
    HELD_AT,
    NOAH,
    REECE,
    SCHEDULED_AT,
    ConferenceStory,
    consent,
    facilitator,
    participant,
    record_conference_held,
    schedule,
)

BY = "RJ_FACILITATOR"
WORKER = "VICTIM_WORKER"
LETTERS = ConferenceMode.LETTER_EXCHANGE
FIRST, LAST = UUID(int=1), UUID(int=2**128 - 1)
"""Ids on both sides of everybody else's: who somebody is does not depend on the order of ids."""


def test_a_meeting_counts_from_its_own_moment(conference: ConferenceStory) -> None:
    """Given a meeting recorded for after the date was fixed, then C3 refuses; fixed in the meeting's moment, it counts."""
    conference.prepared(without={"preparation of the harmed"})
    conference.ask(HoldPreparation(person_id=NOAH), by=BY, at="2025-11-28T10:00:00+00:00")
    assert conference.refused(schedule(), by=BY, at="2025-11-28T09:59:00+00:00") == {"C3"}
    conference.ask(schedule(), by=BY, at="2025-11-28T10:00:00+00:00")


def test_more_meetings_than_needed_prepare_too(conference: ConferenceStory) -> None:
    """Given a second meeting with the harmed party, when it is scheduled, then C3 has nothing against it."""
    conference.prepared().ask(HoldPreparation(person_id=NOAH), by=BY, at="2025-11-27T18:00:00+00:00")
    conference.ask(schedule(), by=BY, at=SCHEDULED_AT)


def test_a_consent_in_the_moment_of_the_withdrawal_is_not_anew(conference: ConferenceStory) -> None:
    """Given a harmer who consents in the moment in which the harmed party withdraws, then C6 asks him again."""
    conference.scheduled()
    conference.ask(WithdrawConsent(person_id=NOAH), by=WORKER, at="2025-12-03T10:00:00+00:00")
    conference.ask(consent(REECE, LETTERS), by=BY, at="2025-12-03T10:00:00+00:00")
    conference.ask(consent(NOAH, LETTERS), by=WORKER, at="2025-12-03T11:00:00+00:00")
    letters = ConvertToIndirect(mode=IndirectMode.LETTER_EXCHANGE)
    assert conference.refused(letters, by=BY, at="2025-12-03T12:00:00+00:00") == {"C6"}


def test_a_consent_may_outlast_the_conference(conference: ConferenceStory) -> None:
    """Given a consent that is valid to the end of the year, when a date in December is fixed, then C2 lets it through."""
    lasting = consent(NOAH, until=date(2025, 12, 31))
    conference.prepared(instead={"consent of the harmed": lasting}).ask(schedule(), by=BY, at=SCHEDULED_AT)


def test_a_harmer_past_16_consents_alone(conference: ConferenceStory) -> None:
    """Given a harmer of 17 whose parent was not asked, when it is scheduled, then C2 lets it through."""
    alone = consent(REECE, parent=None)
    conference.prepared(age=17, instead={"consent of the harmer": alone}).ask(schedule(), by=BY, at=SCHEDULED_AT)


@pytest.mark.parametrize("harmed", [FIRST, LAST])
def test_the_harmers_age_says_nothing_of_the_harmed(conference: ConferenceStory, harmed: UUID) -> None:
    """Given a harmer of 16 and a harmed child under 16, then that child's parent must agree (C2), whoever they are."""
    reactions: dict[str, Command] = {
        "consent of the harmer": consent(REECE, parent=None),
        "the harmed": participant(harmed, ParticipantRole.HARMED, under_16=True),
        "information": InformVictim(person_id=harmed),
        "consent of the harmed": consent(harmed, parent=None),
        "preparation of the harmed": HoldPreparation(person_id=harmed),
    }
    conference.prepared(age=16, instead=reactions)
    assert conference.refused(schedule(), by=BY, at=SCHEDULED_AT) == {"C2"}
    conference.ask(consent(harmed), by=WORKER, at="2025-11-28T08:00:00+00:00")
    conference.ask(schedule(), by=BY, at=SCHEDULED_AT)


def test_a_conference_that_did_not_proceed_is_s1_alone(conference: ConferenceStory) -> None:
    """Given a withdrawal after which it did not proceed, when it is recorded as held, then S1 speaks, not C2."""
    conference.scheduled()
    conference.ask(WithdrawConsent(person_id=NOAH), by=WORKER, at="2025-12-03T10:00:00+00:00")
    conference.ask(RecordDidNotProceed(why=NotProceedingReason.HARMED_WITHDREW), by=BY, at="2025-12-03T11:00:00+00:00")
    assert conference.refused(record_conference_held(), by=BY, at=HELD_AT) == {"S1"}


@pytest.mark.parametrize("stranger", [FIRST, LAST])
def test_nobody_else_is_the_harmer(conference: ConferenceStory, stranger: UUID) -> None:
    """Given somebody else named as the harmer, whoever they are, when it is recorded as held, then C8 refuses."""
    present = (
        Present(person_id=stranger, role=PresentRole.HARMER, attended=True),
        Present(person_id=NOAH, role=PresentRole.HARMED, attended=True),
    )
    command = record_conference_held().model_copy(update={"present": present})
    assert conference.scheduled().refused(command, by=BY, at=HELD_AT) == {"C8"}


@pytest.mark.parametrize("person", [FIRST, LAST])
def test_any_other_facilitator_is_neutral(conference: ConferenceStory, person: UUID) -> None:
    """Given a facilitator who did not decide the disposal, whoever they are, then C5W has nothing to say."""
    conference.proposed().ask(facilitator(person=person), by=BY, at="2025-11-20T16:40:00+00:00")
