"""The stages of a conference (S1), and what must have happened before (T1)."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from pydantic import ValidationError

from services.rj_conference.access import ACCESS
from services.rj_conference.domain.commands import (
    ApproveRisk,
    CloseConference,
    CompleteTerm,
    ConvertToIndirect,
    FailTerm,
    HoldPreparation,
    InformVictim,
    RecordDidNotProceed,
    RecordFollowUp,
    RecordNoAgreement,
    RecordResponsibility,
    SignAgreement,
    WithdrawConsent,
)
from services.rj_conference.events import (
    EVENTS,
    IndirectMode,
    NotProceedingReason,
    ParticipantRole,
    Present,
    PresentRole,
)
from services.rj_conference.service import service
from services.trade.vocabulary import ConferenceMode
from shared.domain.messages import Command
from shared.domain.permissions import AccessFacts, read_denial
from shared.domain.sealing import Sealed
from tests.command_spec import officer
from tests.unit.rj_conference.stories import (
    BUS,
    HELD_AT,
    HIS_MOTHER,
    MANAGER,
    NOAH,
    PREPARING,
    REECE,
    SCHEDULED_AT,
    SIGNED_AT,
    STRANGER,
    ConferenceStory,
    agreement,
    consent,
    facilitator,
    participant,
    proposal,
    record_conference_held,
    risk,
    schedule,
    term,
)

BY = "RJ_FACILITATOR"
LATER = "2026-02-01T09:00:00+00:00"
ASKED = RecordFollowUp(person_id=REECE, satisfaction=4, rationale={"C10": "He was ill."})
CLOSE = CloseConference(rationale={"C10": "They do not answer."})
SHUTTLE = ConvertToIndirect(mode=IndirectMode.SHUTTLE)

PREPARING_COMMANDS = [
    participant(MANAGER, ParticipantRole.OBSERVER),
    RecordResponsibility(accepts=True, facts_disputed=False),
    InformVictim(person_id=NOAH),
    consent(NOAH),
    facilitator(),
    risk(),
    HoldPreparation(person_id=NOAH),
]


def scheduled_for_every_mode(conference: ConferenceStory) -> None:
    """Fix a date for a direct conference, with consents to all modes."""
    people = {"consent of the harmer": REECE, "consent of the harmed": NOAH}
    consents = {name: consent(person, *ConferenceMode) for name, person in people.items()}
    conference.prepared(instead=consents).ask(schedule(), by=BY, at=SCHEDULED_AT)


def test_stage_follows_from_what_was_done(conference: ConferenceStory) -> None:
    """Given a proposal, then each kind of work moves it on, and assigning a facilitator alone engages nobody."""
    conference.proposed()
    stages = [conference.stage]
    for role, at, command in PREPARING.values():
        conference.ask(command, by=role, at=at)
        if conference.stage != stages[-1]:
            stages.append(conference.stage)
        if command == facilitator():
            assert conference.stage == "PROPOSED"
    assert stages == ["PROPOSED", "ENGAGING", "ASSESSED", "PREPARED"]


@pytest.mark.parametrize("step", ["responsibility", "consent of the harmer", "the harmed", "preparation of the harmer"])
def test_whatever_is_done_first_engages(conference: ConferenceStory, step: str) -> None:
    """Given a proposal, when any one thing is done with a person, then the conference is engaging."""
    by, at, command = PREPARING[step]
    conference.proposed().ask(command, by=by, at=at)
    assert conference.stage == "ENGAGING"


def test_risk_may_be_assessed_last(conference: ConferenceStory) -> None:
    """Given everybody prepared first, when the risk is assessed, then it is prepared at once."""
    conference.prepared(without={"risk", "approval"})
    assert conference.stage == "ENGAGING"
    conference.ask(risk(), by=BY, at="2025-11-28T08:00:00+00:00")
    assert conference.stage == "PREPARED"


def test_newcomer_must_be_prepared(conference: ConferenceStory) -> None:
    """Given a prepared conference, when an interpreter joins, then it is merely assessed until they are prepared."""
    conference.prepared().ask(participant(MANAGER, ParticipantRole.INTERPRETER), by=BY, at="2025-11-27T18:00:00+00:00")
    assert conference.stage == "ASSESSED"
    assert conference.refused(schedule(), by=BY, at=SCHEDULED_AT) == {"C3"}
    conference.ask(HoldPreparation(person_id=MANAGER), by=BY, at="2025-11-27T18:30:00+00:00")
    conference.ask(schedule(), by=BY, at=SCHEDULED_AT)


@pytest.mark.parametrize("command", PREPARING_COMMANDS, ids=lambda command: command.type)
def test_nothing_is_prepared_afterwards(conference: ConferenceStory, command: Command) -> None:
    """Given a conference that was held, when something is prepared for it, then S1 refuses."""
    assert conference.held().refused(command, by=BY, at=LATER) == {"S1"}


@pytest.mark.parametrize("command", [*PREPARING_COMMANDS, WithdrawConsent(person_id=NOAH), ASKED, CLOSE])
def test_closed_is_closed(conference: ConferenceStory, command: Command) -> None:
    """Given a closed conference, then it takes nothing more."""
    conference.kept().ask(CLOSE, by=BY, at="2026-01-20T09:00:00+00:00")
    assert conference.refused(command, by=BY, at=LATER) == {"S1"}


def test_proposed_once(conference: ConferenceStory) -> None:
    """Given a conference, when it is proposed again, then S1 refuses."""
    assert conference.proposed().refused(proposal(), by=BY, at=LATER) == {"S1"}


def test_everybody_joins_once(conference: ConferenceStory) -> None:
    """Given the people of a conference, when one of them is added again, the harmer included, then S1 refuses."""
    conference.prepared()
    for person in (NOAH, REECE):
        assert conference.refused(participant(person, ParticipantRole.OBSERVER), by=BY, at=LATER) == {"S1"}


@pytest.mark.parametrize(
    "command",
    [
        consent(STRANGER),
        HoldPreparation(person_id=STRANGER),
        InformVictim(person_id=STRANGER),
        InformVictim(person_id=HIS_MOTHER),
        WithdrawConsent(person_id=STRANGER),
        WithdrawConsent(person_id=HIS_MOTHER),
        ApproveRisk(),
    ],
)
def test_for_whom_there_is_nothing(conference: ConferenceStory, command: Command) -> None:
    """Given strangers, supporters and an approved risk, when they are asked for what is not theirs, then S1 refuses."""
    assert conference.prepared().refused(command, by=BY, at=LATER) == {"S1"}


def test_withdrawn_once_and_given_again(conference: ConferenceStory) -> None:
    """Given a withdrawal, when it is repeated, then S1 refuses; the consent may be given anew."""
    conference.scheduled().ask(WithdrawConsent(person_id=NOAH), by=BY, at="2025-12-01T09:00:00+00:00")
    assert conference.refused(WithdrawConsent(person_id=NOAH), by=BY, at="2025-12-01T10:00:00+00:00") == {"S1"}
    conference.ask(consent(NOAH), by=BY, at="2025-12-02T09:00:00+00:00")
    conference.ask(record_conference_held(), by=BY, at=HELD_AT)


def test_scheduled_once(conference: ConferenceStory) -> None:
    """Given a date, when another is fixed, then S1 refuses until the first did not proceed."""
    again = schedule(starts_at=datetime(2025, 12, 11, 16, tzinfo=UTC))
    conference.scheduled()
    assert conference.refused(again, by=BY, at="2025-12-01T09:00:00+00:00") == {"S1"}
    conference.ask(RecordDidNotProceed(why=NotProceedingReason.FACILITATOR), by=BY, at="2025-12-04T09:00:00+00:00")
    assert conference.stage == "DID_NOT_PROCEED"
    conference.ask(again, by=BY, at="2025-12-04T10:00:00+00:00")
    assert conference.stage == "SCHEDULED"
    conference.ask(record_conference_held(), by=BY, at="2025-12-11T18:00:00+00:00")
    assert conference.view["held_on"] == "2025-12-11"


def test_only_the_converted_mode_is_scheduled(conference: ConferenceStory) -> None:
    """Given a conversion to letters with consents to all modes, when shuttle is scheduled, then S1 refuses."""
    scheduled_for_every_mode(conference)
    letters = ConvertToIndirect(mode=IndirectMode.LETTER_EXCHANGE)
    conference.ask(letters, by=BY, at="2025-12-01T09:00:00+00:00")
    assert conference.refused(schedule(ConferenceMode.SHUTTLE), by=BY, at="2025-12-01T10:00:00+00:00") == {"S1"}
    assert conference.refused(schedule(), by=BY, at="2025-12-01T10:00:00+00:00") == {"S1"}
    conference.ask(schedule(ConferenceMode.LETTER_EXCHANGE), by=BY, at="2025-12-01T10:00:00+00:00")
    assert conference.view["mode"] == "LETTER_EXCHANGE"


@pytest.mark.parametrize(
    "command",
    [RecordDidNotProceed(why=NotProceedingReason.RISK), record_conference_held()],
    ids=["did not proceed", "held"],
)
def test_what_was_not_scheduled_did_not_happen(conference: ConferenceStory, command: Command) -> None:
    """Given a conference without a date, when it is recorded as held or as not, then S1 refuses."""
    assert conference.prepared().refused(command, by=BY, at=HELD_AT) == {"S1"}


def test_who_came_is_recorded_as_they_came(conference: ConferenceStory) -> None:
    """Given somebody uninvited, in another role or unprepared, when the conference was held, then the record says who was there."""
    conference.scheduled()
    stranger = Present(person_id=STRANGER, role=PresentRole.OBSERVER, attended=True)
    other_role = Present(person_id=HIS_MOTHER, role=PresentRole.INTERPRETER, attended=False)
    command = record_conference_held().model_copy(
        update={"present": (*record_conference_held().present[:2], stranger, other_role)}
    )
    assert conference.ask(command, by=BY, at=HELD_AT) == ["ConferenceHeld"]


@pytest.mark.parametrize("command", [agreement(), RecordNoAgreement()], ids=lambda command: command.type)
def test_agreed_once_and_after_it_was_held(conference: ConferenceStory, command: Command) -> None:
    """Given a conference not yet held, or one with an agreement, when an agreement is recorded, then S1 refuses."""
    conference.scheduled()
    assert conference.refused(command, by=BY, at=HELD_AT) == {"S1"}
    conference.ask(record_conference_held(), by=BY, at=HELD_AT)
    conference.ask(agreement(), by=BY, at=SIGNED_AT)
    assert conference.refused(command, by=BY, at=LATER) == {"S1"}


@pytest.mark.parametrize("make", [CompleteTerm, lambda term_id: FailTerm(term_id=term_id, why=Sealed("No."))])
def test_term_is_settled_once(conference: ConferenceStory, make: type[CompleteTerm]) -> None:
    """Given terms kept and unknown, when they are settled, then S1 refuses."""
    conference.kept()
    for term_id in (BUS, STRANGER):
        assert conference.refused(make(term_id=term_id), by=BY, at=LATER) == {"S1"}


def test_follow_up_needs_a_conference(conference: ConferenceStory) -> None:
    """Given a conference not yet held, when somebody is asked how it was, then S1 refuses; strangers are never asked."""
    conference.scheduled()
    assert conference.refused(ASKED, by=BY, at=HELD_AT) == {"S1"}
    conference.ask(record_conference_held(), by=BY, at=HELD_AT)
    stranger = RecordFollowUp(person_id=STRANGER, satisfaction=1)
    assert conference.refused(stranger, by=BY, at=SIGNED_AT) == {"S1"}


def test_conference_is_converted_before_it_is_held(conference: ConferenceStory) -> None:
    """Given consents to all modes, when a held conference is converted, then S1 refuses."""
    scheduled_for_every_mode(conference)
    conference.ask(record_conference_held(), by=BY, at=HELD_AT)
    assert conference.refused(SHUTTLE, by=BY, at=SIGNED_AT) == {"S1"}


def test_held_conference_is_agreed_before_it_is_closed(conference: ConferenceStory) -> None:
    """Given a conference just held, when it is closed, then S1 refuses until it is said what was agreed."""
    conference.held()
    assert conference.refused(CLOSE, by=BY, at=LATER) == {"S1"}
    conference.ask(RecordNoAgreement(), by=BY, at=LATER)
    conference.ask(CLOSE, by=BY, at=LATER)
    assert conference.stage == "CLOSED"


def test_reaction_closes_what_was_not_held(conference: ConferenceStory) -> None:
    """Given a condition that was dropped, when the conference has only a date, then the reaction closes it."""
    conference.scheduled().ask(CloseConference(), by="SYSTEM", at="2025-11-25T09:00:00+00:00")
    assert conference.stage == "CLOSED"


def test_reaction_leaves_alone_what_was_held(conference: ConferenceStory) -> None:
    """Given a condition that was dropped, when the conference was held, then the reaction has no effect, at any stage."""
    conference.held()
    assert conference.ask(CloseConference(), by="SYSTEM", at=LATER) == []
    assert conference.stage == "HELD"
    conference.ask(RecordNoAgreement(), by=BY, at=SIGNED_AT)
    assert conference.ask(CloseConference(), by="SYSTEM", at=LATER) == []
    assert conference.stage == "FOLLOW_UP"


def test_reaction_leaves_an_agreement_to_be_kept(conference: ConferenceStory) -> None:
    """Given an open term, when the condition is dropped, then the reaction has no effect; a facilitator is refused C12."""
    conference.agreed()
    assert conference.ask(CloseConference(), by="SYSTEM", at=LATER) == []
    assert conference.stage == "MONITORING"
    assert conference.refused(CLOSE, by=BY, at=LATER) == {"C12"}


def test_reaction_that_was_overtaken_has_no_effect(conference: ConferenceStory) -> None:
    """Given a condition dropped on a day before the conference that was recorded first, then nothing is refused."""
    conference.held()
    assert conference.ask(CloseConference(), by="SYSTEM", at="2025-12-01T09:00:00+00:00") == []
    assert conference.stage == "HELD"


@pytest.mark.parametrize("was_held", [True, False])
def test_reaction_closes_nothing_twice(conference: ConferenceStory, was_held: bool) -> None:
    """Given a conference that is closed, when the condition is dropped, then the reaction has no effect; a person is refused."""
    _ = conference.kept() if was_held else conference.scheduled()
    conference.ask(CLOSE, by=BY, at=LATER)
    assert conference.ask(CloseConference(), by="SYSTEM", at=LATER) == []
    assert conference.refused(CLOSE, by=BY, at=LATER) == {"S1"}


# --- T1 ------------------------------------------------------------------------------------------


def did_not_proceed(why: NotProceedingReason) -> RecordDidNotProceed:
    return RecordDidNotProceed(why=why)


@pytest.mark.parametrize(
    ("told", "command", "early", "in_time"),
    [
        (ConferenceStory.proposed, consent(REECE), "2025-11-20T16:19:00+00:00", "2025-11-20T16:20:00+00:00"),
        (
            lambda story: story.prepared(without={"approval"}),
            ApproveRisk(),
            "2025-11-24T09:00:00+00:00",
            "2025-11-24T10:00:00+00:00",
        ),
        (
            ConferenceStory.prepared,
            WithdrawConsent(person_id=NOAH),
            "2025-11-20T18:19:00+00:00",
            "2025-11-20T18:20:00+00:00",
        ),
        *(
            (ConferenceStory.scheduled, did_not_proceed(why), "2025-12-04T15:59:00+00:00", "2025-12-04T16:00:00+00:00")
            for why in (NotProceedingReason.HARMER_ABSENT, NotProceedingReason.HARMED_ABSENT)
        ),
        (
            ConferenceStory.scheduled,
            did_not_proceed(NotProceedingReason.HARMER_WITHDREW),
            "2025-11-28T08:59:00+00:00",
            SCHEDULED_AT,
        ),
        (ConferenceStory.held, agreement(), "2025-12-04T17:34:00+00:00", HELD_AT),
        (ConferenceStory.held, RecordNoAgreement(), "2025-12-04T17:34:00+00:00", HELD_AT),
        (ConferenceStory.agreed, CompleteTerm(term_id=BUS), "2025-12-04T17:39:00+00:00", SIGNED_AT),
        (ConferenceStory.agreed, ASKED, "2025-12-04T17:34:00+00:00", HELD_AT),
        (ConferenceStory.kept, CLOSE, "2025-12-18T15:59:00+00:00", "2025-12-18T16:00:00+00:00"),
    ],
)
def test_nothing_happened_before_what_it_follows(
    conference: ConferenceStory,
    told: Callable[[ConferenceStory], ConferenceStory],
    command: Command,
    early: str,
    in_time: str,
) -> None:
    """Given what a command follows, when it happened before that, then T1 refuses; in its moment it does not."""
    told(conference)
    assert conference.refused(command, by="SUPERVISOR", at=early) == {"T1"}
    conference.ask(command, by="SUPERVISOR", at=in_time)


@pytest.mark.parametrize("at", ["2025-11-20T16:44:00+00:00", "2025-11-24T13:59:00+00:00"])
def test_not_scheduled_before_what_it_needs(conference: ConferenceStory, at: str) -> None:
    """Given a risk approved on the 24th, when it was scheduled before that, then T1 refuses among others."""
    assert "T1" in conference.prepared().refused(schedule(), by=BY, at=at)


def test_held_after_it_was_scheduled(conference: ConferenceStory) -> None:
    """Given a date recorded after the fact, when the conference was held before the record, then T1 refuses."""
    past = schedule(starts_at=datetime(2025, 11, 27, 18, tzinfo=UTC))
    conference.prepared().ask(past, by=BY, at=SCHEDULED_AT)
    assert conference.refused(record_conference_held(), by=BY, at="2025-11-28T08:00:00+00:00") == {"T1"}
    conference.ask(record_conference_held(), by=BY, at=SCHEDULED_AT)


def test_converted_after_it_was_scheduled(conference: ConferenceStory) -> None:
    """Given a date fixed at nine, when it was converted at eight, then T1 refuses."""
    scheduled_for_every_mode(conference)
    assert conference.refused(SHUTTLE, by=BY, at="2025-11-28T08:59:00+00:00") == {"T1"}
    conference.ask(SHUTTLE, by=BY, at=SCHEDULED_AT)


# --- shapes --------------------------------------------------------------------------------------


def test_nobody_and_nothing_is_named_twice() -> None:
    """Given a person, a term or a mode named twice, then the command is malformed."""
    twice = {"person_id": str(NOAH), "role": "HARMED", "attended": True}
    direct = "DIRECT_CONFERENCE"
    same = {"term_id": str(BUS), "text": "One", "due": "2025-12-18"}
    for body in (
        {"type": "RecordConferenceHeld", "present": [twice, twice], "facilitator_attended": True},
        {"type": "SignAgreement", "terms": [same, same], "signed_by": []},
        {"type": "SignAgreement", "terms": [same], "signed_by": [str(NOAH), str(NOAH)]},
        {"type": "GiveConsent", "person_id": str(NOAH), "consent_version": "3", "scope": [direct, direct]},
        {"type": "GiveConsent", "person_id": str(NOAH), "consent_version": "3", "scope": []},
    ):
        with pytest.raises(ValidationError):
            service.command_adapter.validate_json(_json(body))


def test_what_an_agreement_lacks_is_well_formed() -> None:
    """Given an agreement without terms, words, a date or a signature, then it can be read, and C9 says what is missing."""
    for terms in ([], [{"term_id": str(BUS), "text": ""}]):
        body = {"type": "SignAgreement", "terms": terms, "signed_by": []}
        assert isinstance(service.command_adapter.validate_json(_json(body)), SignAgreement)


def _json(body: object) -> bytes:
    return json.dumps(body).encode()


# --- duties --------------------------------------------------------------------------------------


def test_duties_of_an_agreement(conference: ConferenceStory) -> None:
    """Given a conference of 4 December with a term, then term and follow-up are due, and met when they are done."""
    conference.agreed()
    sheet = conference.duties(date(2025, 12, 4))
    assert (sheet["TERM"].due, sheet["TERM"].item) == (date(2025, 12, 18), str(BUS))
    assert sheet["RJ_FOLLOW_UP"].due == date(2026, 1, 15)
    assert conference.view["follow_up_due"] == "2026-01-15"
    assert set(conference.duties(date(2025, 12, 3))) == {"ASSIGN_FACILITATOR"}
    assert conference.duties(date(2025, 12, 19))["TERM"].overdue(date(2025, 12, 19))


def test_failed_term_meets_its_duty(conference: ConferenceStory) -> None:
    """Given a term that failed two days late, then its duty is met, and late."""
    conference.agreed().ask(FailTerm(term_id=BUS, why=Sealed("No.")), by=BY, at="2025-12-20T09:00:00+00:00")
    duty = conference.duties(date(2025, 12, 20))["TERM"]
    assert duty.met_on == date(2025, 12, 20)
    assert duty.late
    assert not duty.overdue(date(2025, 12, 20))


def test_follow_up_is_met_when_all_were_asked(conference: ConferenceStory) -> None:
    """Given harmer and harmed, when the second is asked, then the follow-up is met on that day and not before."""
    conference.agreed().ask(RecordFollowUp(person_id=NOAH, satisfaction=5), by=BY, at="2026-01-10T09:00:00+00:00")
    assert conference.duties(date(2026, 1, 12))["RJ_FOLLOW_UP"].met_on is None
    conference.ask(RecordFollowUp(person_id=REECE, satisfaction=4), by=BY, at="2026-01-14T09:00:00+00:00")
    assert conference.duties(date(2026, 1, 14))["RJ_FOLLOW_UP"].met_on == date(2026, 1, 14)
    assert conference.duties(date(2026, 1, 12))["RJ_FOLLOW_UP"].met_on is None


def test_first_answer_meets_the_follow_up(conference: ConferenceStory) -> None:
    """Given somebody asked twice, then the first time counts."""
    conference.agreed()
    for person, day in ((REECE, 10), (NOAH, 11), (NOAH, 13)):
        command = RecordFollowUp(person_id=person, satisfaction=3)
        conference.ask(command, by=BY, at=datetime(2026, 1, day, 9, tzinfo=UTC))
    assert conference.duties(date(2026, 1, 14))["RJ_FOLLOW_UP"].met_on == date(2026, 1, 11)


def test_follow_up_lapses_with_the_closing(conference: ConferenceStory) -> None:
    """Given a conference closed with a reason although nobody was asked, then the duty lapses that day."""
    conference.kept().ask(CLOSE, by=BY, at="2026-01-20T09:00:00+00:00")
    assert conference.duties(date(2026, 1, 19))["RJ_FOLLOW_UP"].overdue(date(2026, 1, 19))
    follow_up = conference.duties(date(2026, 1, 20))["RJ_FOLLOW_UP"]
    assert follow_up.lapsed_on == date(2026, 1, 20)
    assert not follow_up.overdue(date(2026, 1, 20))


# --- both times ----------------------------------------------------------------------------------


def test_state_is_cut_by_both_times(conference: ConferenceStory) -> None:
    """Given a conference that was held, then its state as of the day before has a date only."""
    conference.agreed()
    read_model = service.read_model
    before = read_model.view_of(conference.facts, as_of=datetime(2025, 12, 3, tzinfo=UTC))
    assert before is not None
    assert before["state"] == "SCHEDULED"
    assert before["held_on"] is None
    unknown = conference.facts[0].recorded_at
    assert unknown is not None
    assert read_model.view_of(conference.facts, known_at=unknown - timedelta(days=1)) is None


def test_terms_stay_readable_without_keys(conference: ConferenceStory) -> None:
    """Given terms whose text was forgotten, then the view still tells which are open."""
    conference.held().ask(agreement(term(due=date(2026, 1, 2))), by=BY, at=SIGNED_AT)
    assert conference.view["terms"] == {str(BUS): "OPEN"}


def test_a_conference_that_a_disposal_asks_for_needs_a_facilitator(conference: ConferenceStory) -> None:
    """Given a reaction proposed it on Thursday, then somebody leads it within five working days; who proposes one by hand leads it."""
    conference.ask(proposal(), by="SYSTEM", at="2025-11-20T09:00:00+00:00")
    assert conference.duties(date(2025, 11, 28))["ASSIGN_FACILITATOR"].due == date(2025, 11, 27)
    assert conference.duties(date(2025, 11, 28))["ASSIGN_FACILITATOR"].overdue(date(2025, 11, 28))
    for day in ("2025-11-27", "2025-11-25"):  # recorded out of order
        conference.ask(facilitator(), by=BY, at=f"{day}T09:00:00+00:00")
    duty = conference.duties(date(2025, 11, 28))["ASSIGN_FACILITATOR"]
    assert (duty.met_on, duty.late) == (date(2025, 11, 25), False)
    by_hand = ConferenceStory()
    by_hand.ask(proposal(), by=BY, at="2025-11-20T09:00:00+00:00")
    assert "ASSIGN_FACILITATOR" not in by_hand.duties(date(2025, 11, 28))


def test_a_facilitator_may_read_what_nobody_leads_until_somebody_does(conference: ConferenceStory) -> None:
    """Given a reaction proposed it, then every facilitator may read it; once somebody leads it, that one alone."""
    permission, someone, leader = ACCESS[BY], officer(BY, 2), officer(BY, 3)

    def readers() -> list[bool]:
        facts = AccessFacts.of_history(EVENTS, conference.facts)
        return [read_denial(actor, permission, facts, ()) is None for actor in (someone, leader)]

    conference.ask(proposal(), by="SYSTEM", at="2025-11-20T09:00:00+00:00")
    assert readers() == [True, True]
    conference.ask(facilitator(person=leader.id), by="SUPERVISOR", at="2025-11-21T09:00:00+00:00")
    assert readers() == [False, True]
