"""What restorative justice asks: C1 to C12, C5W and C10, each refusing and letting through."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

import pytest

from services.rj_conference.domain.commands import (
    ApproveRisk,
    CloseConference,
    CompleteTerm,
    ConvertToIndirect,
    CorrectRecord,
    FailTerm,
    HoldPreparation,
    InformVictim,
    RecordDidNotProceed,
    RecordFollowUp,
    RecordNoAgreement,
    RecordResponsibility,
    WithdrawConsent,
)
from services.rj_conference.events import (
    ConferenceHeld,
    IndirectMode,
    NotProceedingReason,
    ParticipantRole,
    RiskLevel,
    Sensitivity,
)
from services.trade.vocabulary import ConferenceMode
from shared.domain.messages import Command
from shared.domain.sealing import Sealed
from tests.command_spec import officer
from tests.unit.rj_conference.stories import (
    BUS,
    DECIDER,
    HELD_AT,
    HIS_MOTHER,
    MANAGER,
    NOAH,
    REECE,
    SCHEDULED_AT,
    SIGNED_AT,
    STRANGER,
    ConferenceStory,
    agreement,
    consent,
    facilitator,
    participant,
    record_conference_held,
    risk,
    schedule,
    term,
)

BY = "RJ_FACILITATOR"
LETTERS = ConferenceMode.LETTER_EXCHANGE
SHUTTLE = ConferenceMode.SHUTTLE


def test_prepared_conference_is_scheduled(conference: ConferenceStory) -> None:
    """Given everything that a date needs, when it is scheduled, then it has a date and a mode."""
    assert conference.prepared().ask(schedule(), by=BY, at=SCHEDULED_AT) == ["ConferenceScheduled"]
    assert conference.view["state"] == "SCHEDULED"
    assert conference.view["mode"] == "DIRECT_CONFERENCE"


HARMER, HARMED = "consent of the harmer", "consent of the harmed"
OTHER_SIDE = {"the harmed", "information", HARMED, "preparation of the harmed"}


@pytest.mark.parametrize(
    ("prepared", "rules"),
    [
        ({"without": {"responsibility"}}, {"C1"}),
        ({"without": {HARMER}}, {"C2"}),
        ({"without": {HARMED}}, {"C2"}),
        ({"without": {"information"}}, {"C2"}),
        ({"without": OTHER_SIDE}, {"C2"}),
        ({"without": {"preparation of the harmer"}}, {"C3"}),
        ({"without": {"preparation of the harmed"}}, {"C3"}),
        ({"without": {"preparation of the supporter"}}, {"C3"}),
        ({"without": {"approval"}}, {"C4"}),
        ({"without": {"facilitator"}}, {"C5"}),
        *(
            ({"instead": {"responsibility": RecordResponsibility(accepts=accepts, facts_disputed=disputed)}}, {"C1"})
            for accepts, disputed in ((False, False), (True, True), (False, True))
        ),
        *(
            ({"instead": {whose: consent(person, parent=parent)}}, {"C2"})
            for whose, person in ((HARMER, REECE), (HARMED, NOAH))
            for parent in (None, False)
        ),
        ({"age": 15, "instead": {HARMER: consent(REECE, parent=None)}}, {"C2"}),
        ({"age": 16, "instead": {HARMER: consent(REECE, parent=None)}}, None),
        ({"instead": {HARMED: consent(NOAH, until=date(2025, 12, 3))}}, {"C2"}),
        ({"instead": {HARMED: consent(NOAH, until=date(2025, 12, 4))}}, None),
    ],
)
def test_what_a_date_needs(conference: ConferenceStory, prepared: dict[str, Any], rules: set[str] | None) -> None:
    """Given all but one thing, or one that is not as it should be, when it is scheduled, then its rule refuses and no other."""
    conference.prepared(**prepared)
    if rules is None:
        conference.ask(schedule(), by=BY, at=SCHEDULED_AT)
    else:
        assert conference.refused(schedule(), by=BY, at=SCHEDULED_AT) == rules


def test_everything_is_missing(conference: ConferenceStory) -> None:
    """Given a mere proposal, when it is scheduled, then all five rules are named at once."""
    assert conference.proposed().refused(schedule(), by=BY, at=SCHEDULED_AT) == {"C1", "C2", "C3", "C4", "C5"}


def test_nobody_takes_a_conference_from_its_facilitator(conference: ConferenceStory) -> None:
    """Given a facilitator, when another names themselves, whose records they would read, then C5 refuses, and S1 a correction; the first may, or a supervisor."""
    conference.prepared()
    another = officer(BY, 7)
    takes = facilitator(person=another.id)
    assert conference.refused(takes, by=another, at=SCHEDULED_AT) == {"C5"}
    assigned = next(fact.event_id for fact in conference.facts if fact.name == "FacilitatorAssigned")
    corrects = CorrectRecord(corrects=assigned, field="facilitator_id", value=str(another.id), why=Sealed("It is I."))
    assert conference.refused(corrects, by=another, at=SCHEDULED_AT) == {"S1"}
    conference.ask(takes, by="SUPERVISOR", at=SCHEDULED_AT)
    conference.ask(facilitator(), by=another, at=SCHEDULED_AT)


def test_later_word_of_the_harmer_counts(conference: ConferenceStory) -> None:
    """Given a harmer who disputed and later accepts, even recorded the wrong way round, then the later word counts."""
    conference.prepared()
    disputes = RecordResponsibility(accepts=False, facts_disputed=True)
    conference.ask(disputes, by=BY, at="2025-11-20T16:30:00+00:00")
    conference.ask(schedule(), by=BY, at=SCHEDULED_AT)


def test_mode_must_be_in_scope(conference: ConferenceStory) -> None:
    """Given consents to a direct conference, when letters are scheduled, then C2 refuses."""
    assert conference.prepared().refused(schedule(LETTERS), by=BY, at=SCHEDULED_AT) == {"C2"}


def test_newer_consent_replaces_the_older(conference: ConferenceStory) -> None:
    """Given a later consent to letters only, when a direct conference is scheduled, then C2 refuses."""
    conference.prepared().ask(consent(NOAH, LETTERS), by=BY, at="2025-11-27T18:00:00+00:00")
    assert conference.refused(schedule(), by=BY, at=SCHEDULED_AT) == {"C2"}


def test_consent_recorded_late_does_not_replace_a_newer_one(conference: ConferenceStory) -> None:
    """Given an older consent that is recorded after the newer, then the newer still counts."""
    conference.prepared().ask(consent(NOAH, LETTERS), by=BY, at="2025-11-20T18:10:00+00:00")
    conference.ask(schedule(), by=BY, at=SCHEDULED_AT)


def test_information_comes_before_consent(conference: ConferenceStory) -> None:
    """Given a harmed party told only after consenting, then that consent was not informed and C2 refuses."""
    conference.prepared(without={"information"})
    conference.ask(InformVictim(person_id=NOAH), by="VICTIM_WORKER", at="2025-11-21T09:00:00+00:00")
    assert conference.refused(schedule(), by=BY, at=SCHEDULED_AT) == {"C2"}
    conference.ask(consent(NOAH), by="VICTIM_WORKER", at="2025-11-21T09:30:00+00:00")
    conference.ask(schedule(), by=BY, at=SCHEDULED_AT)


def test_every_harmed_party_consents(conference: ConferenceStory) -> None:
    """Given a second harmed party who has not consented, when it is scheduled, then C2 refuses."""
    conference.prepared().ask(participant(MANAGER, ParticipantRole.HARMED), by=BY, at="2025-11-27T18:00:00+00:00")
    conference.ask(HoldPreparation(person_id=MANAGER), by=BY, at="2025-11-27T18:30:00+00:00")
    assert conference.refused(schedule(), by=BY, at=SCHEDULED_AT) == {"C2"}


def test_representative_may_stand_for_the_harmed(conference: ConferenceStory) -> None:
    """Given a store's manager as representative, prepared, then the harmer's consent is enough."""
    scope = consent(REECE, ConferenceMode.REPRESENTATIVE)
    conference.prepared(without=OTHER_SIDE, instead={"consent of the harmer": scope})
    conference.ask(participant(MANAGER, ParticipantRole.REPRESENTATIVE), by=BY, at="2025-11-27T18:00:00+00:00")
    conference.ask(HoldPreparation(person_id=MANAGER), by=BY, at="2025-11-27T18:30:00+00:00")
    conference.ask(schedule(ConferenceMode.REPRESENTATIVE), by=BY, at=SCHEDULED_AT)


@pytest.mark.parametrize(("day", "refused"), [("2025-12-22", False), ("2025-12-23", True)])
def test_risk_is_at_most_28_days_old(conference: ConferenceStory, day: str, refused: bool) -> None:
    """Given an approval of 24 November, then 22 December is the last day on which they may meet."""
    wanted = schedule(starts_at=datetime.fromisoformat(f"{day}T16:00:00+00:00"))
    conference.prepared()
    if refused:
        assert conference.refused(wanted, by=BY, at=SCHEDULED_AT) == {"C4"}
    else:
        conference.ask(wanted, by=BY, at=SCHEDULED_AT)


def test_new_assessment_needs_a_new_approval(conference: ConferenceStory) -> None:
    """Given an approved risk that is assessed again, when it is scheduled, then C4 refuses until it is approved."""
    conference.prepared().ask(risk(RiskLevel.MEDIUM), by=BY, at="2025-11-27T18:00:00+00:00")
    assert conference.refused(schedule(), by=BY, at=SCHEDULED_AT) == {"C4"}
    conference.ask(ApproveRisk(), by=BY, at="2025-11-27T18:30:00+00:00")
    conference.ask(schedule(), by=BY, at=SCHEDULED_AT)


def test_high_risk_needs_a_supervisor(conference: ConferenceStory) -> None:
    """Given a high risk, when a facilitator approves it, be it another's, then C4 refuses; a supervisor may."""
    conference.prepared(without={"approval"}, instead={"risk": risk(RiskLevel.HIGH)})
    for who in (BY, officer(BY, 7)):
        assert conference.refused(ApproveRisk(), by=who, at="2025-11-28T08:00:00+00:00") == {"C4"}
    conference.ask(ApproveRisk(), by="SUPERVISOR", at="2025-11-28T08:10:00+00:00")


def test_nobody_approves_their_own_high_risk(conference: ConferenceStory) -> None:
    """Given a risk that a supervisor assessed, when they approve it themselves, then C4 refuses a high one alone."""
    conference.prepared(without={"approval"})
    conference.ask(risk(RiskLevel.HIGH), by="SUPERVISOR", at="2025-11-28T08:00:00+00:00")
    assert conference.refused(ApproveRisk(), by="SUPERVISOR", at="2025-11-28T08:10:00+00:00") == {"C4"}
    conference.ask(risk(RiskLevel.MEDIUM), by="SUPERVISOR", at="2025-11-28T08:20:00+00:00")
    conference.ask(ApproveRisk(), by="SUPERVISOR", at="2025-11-28T08:30:00+00:00")


@pytest.mark.parametrize(
    ("sensitive", "trained", "accredited", "refused"),
    [
        (Sensitivity.NONE, False, False, True),
        (Sensitivity.NONE, False, True, True),
        (Sensitivity.NONE, True, False, False),
        (Sensitivity.SEXUAL, True, False, True),
        (Sensitivity.DOMESTIC, True, False, True),
        (Sensitivity.SEXUAL, True, True, False),
    ],
)
def test_facilitator_must_be_trained(
    conference: ConferenceStory, sensitive: Sensitivity, trained: bool, accredited: bool, refused: bool
) -> None:
    """Given a matter, then its facilitator is trained, and accredited where the matter is sensitive (C5)."""
    conference.proposed(sensitive)
    wanted = facilitator(trained=trained, accredited=accredited)
    if refused:
        assert conference.refused(wanted, by=BY, at="2025-11-20T16:40:00+00:00") == {"C5"}
    else:
        conference.ask(wanted, by=BY, at="2025-11-20T16:40:00+00:00")


def test_deciding_officer_as_facilitator_warns(conference: ConferenceStory) -> None:
    """Given the officer who decided the disposal, when assigned as facilitator, then C5W wants a reason."""
    wanted = facilitator(person=DECIDER)
    conference.proposed()
    assert conference.warned(wanted, by=BY, at="2025-11-20T16:40:00+00:00") == {"C5W"}
    reasoned = wanted.model_copy(update={"rationale": {"C5W": "Nobody else is trained this month."}})
    conference.ask(reasoned, by=BY, at="2025-11-20T16:40:00+00:00")


def _withdrawn(conference: ConferenceStory) -> ConferenceStory:
    """Noah withdraws the day before."""
    conference.scheduled()
    conference.ask(WithdrawConsent(person_id=NOAH), by="VICTIM_WORKER", at="2025-12-03T10:00:00+00:00")
    return conference


def test_withdrawal_stops_the_conference(conference: ConferenceStory) -> None:
    """Given a harmed party who withdrew, when it is recorded as held all the same, then C2 refuses."""
    assert _withdrawn(conference).refused(record_conference_held(), by=BY, at=HELD_AT) == {"C2"}
    assert conference.view["consents"] == {str(REECE): True, str(NOAH): False}


def test_withdrawal_after_the_conference_does_not_undo_it(conference: ConferenceStory) -> None:
    """Given a withdrawal on the evening after, when the conference is recorded late, then the consent stood."""
    conference.scheduled()
    conference.ask(WithdrawConsent(person_id=NOAH), by="VICTIM_WORKER", at="2025-12-04T20:00:00+00:00")
    conference.ask(record_conference_held(), by=BY, at=HELD_AT)


def test_conversion_needs_fresh_consents(conference: ConferenceStory) -> None:
    """Given a withdrawal, when it is converted, then C6 refuses until each party consents anew to the new mode."""
    letters = ConvertToIndirect(mode=IndirectMode.LETTER_EXCHANGE)
    _withdrawn(conference)
    assert conference.refused(letters, by=BY, at="2025-12-03T10:30:00+00:00") == {"C6"}
    conference.ask(consent(NOAH, LETTERS), by="VICTIM_WORKER", at="2025-12-03T11:00:00+00:00")
    assert conference.refused(letters, by=BY, at="2025-12-03T11:30:00+00:00") == {"C6"}
    conference.ask(consent(REECE, SHUTTLE), by=BY, at="2025-12-03T12:00:00+00:00")
    assert conference.refused(letters, by=BY, at="2025-12-03T12:30:00+00:00") == {"C6"}
    conference.ask(consent(REECE, LETTERS, SHUTTLE), by=BY, at="2025-12-03T13:00:00+00:00")
    conference.ask(letters, by=BY, at="2025-12-03T13:30:00+00:00")
    assert conference.view["state"] == "PREPARED"
    assert conference.view["mode"] == "LETTER_EXCHANGE"


def test_old_consent_does_not_serve_a_conversion(conference: ConferenceStory) -> None:
    """Given a harmer who named letters before the withdrawal, when it is converted, then C6 wants his consent anew."""
    conference.prepared(
        instead={"consent of the harmer": consent(REECE, LETTERS, *(ConferenceMode.DIRECT_CONFERENCE,))}
    )
    conference.ask(schedule(), by=BY, at=SCHEDULED_AT)
    conference.ask(WithdrawConsent(person_id=NOAH), by="VICTIM_WORKER", at="2025-12-03T10:00:00+00:00")
    conference.ask(consent(NOAH, LETTERS), by="VICTIM_WORKER", at="2025-12-03T11:00:00+00:00")
    letters = ConvertToIndirect(mode=IndirectMode.LETTER_EXCHANGE)
    assert conference.refused(letters, by=BY, at="2025-12-03T11:30:00+00:00") == {"C6"}


def test_held_needs_both_sides(conference: ConferenceStory) -> None:
    """Given somebody who stayed away, when it is recorded as held, then C8 refuses; a supporter may stay away."""
    conference.scheduled()
    assert conference.refused(record_conference_held(without={REECE}), by=BY, at=HELD_AT) == {"C8"}
    assert conference.refused(record_conference_held(without={NOAH}), by=BY, at=HELD_AT) == {"C8"}
    assert conference.refused(record_conference_held(facilitator=False), by=BY, at=HELD_AT) == {"C8"}
    assert conference.ask(record_conference_held(without={HIS_MOTHER}), by=BY, at=HELD_AT) == ["ConferenceHeld"]


def test_nothing_is_recorded_before_the_start(conference: ConferenceStory) -> None:
    """Given a conference at four, when it is recorded as held at five to, then E1 refuses; at four it does not."""
    conference.scheduled()
    assert conference.refused(record_conference_held(), by=BY, at="2025-12-04T15:55:00+00:00") == {"E1"}
    conference.ask(record_conference_held(), by=BY, at="2025-12-04T16:00:00+00:00")


@pytest.mark.parametrize(
    "wanted",
    [
        agreement(by=(REECE,)),
        agreement(by=(NOAH,)),
        agreement(by=()),
        agreement(by=(REECE, HIS_MOTHER)),
        agreement(term(due=None)),
        agreement(term(text="  ")),
        agreement(term(text="")),
        agreement().model_copy(update={"terms": ()}),
    ],
    ids=["harmer alone", "harmed alone", "nobody", "a supporter", "no date", "blank text", "no text", "no term"],
)
def test_agreement_is_specific_and_signed(conference: ConferenceStory, wanted: Command) -> None:
    """Given a conference that was held, when a faulty agreement is recorded, then C9 refuses."""
    assert conference.held().refused(wanted, by=BY, at=SIGNED_AT) == {"C9"}


def test_agreement_is_monitored(conference: ConferenceStory) -> None:
    """Given a signed agreement, then its terms are open and monitored."""
    conference.agreed()
    assert conference.view["state"] == "MONITORING"
    assert conference.view["terms"] == {str(BUS): "OPEN"}


def test_no_agreement_is_a_valid_end(conference: ConferenceStory) -> None:
    """Given a conference without agreement, then the follow-up begins."""
    conference.held().ask(RecordNoAgreement(), by=BY, at=SIGNED_AT)
    assert conference.view["state"] == "FOLLOW_UP"


def test_open_term_bars_the_closing(conference: ConferenceStory) -> None:
    """Given an open term, when the conference is closed, then C12 refuses; once it is settled it does not."""
    conference.agreed()
    close = CloseConference(rationale={"C10": "Both moved away."})
    assert conference.refused(close, by=BY, at="2025-12-19T09:00:00+00:00") == {"C12"}
    conference.ask(FailTerm(term_id=BUS, why=Sealed("He moved away.")), by=BY, at="2025-12-19T09:10:00+00:00")
    conference.ask(close, by=BY, at="2025-12-19T09:20:00+00:00")
    assert conference.view["terms"] == {str(BUS): "NOT_COMPLETED"}


def _follow_up(person: UUID, **more: object) -> RecordFollowUp:
    return RecordFollowUp(person_id=person, satisfaction=4).model_copy(update=more)


def test_closing_without_follow_up_warns(conference: ConferenceStory) -> None:
    """Given a harmed party who was not asked, when it is closed, then C10 wants a reason; a supporter need not be asked."""
    conference.kept()
    conference.ask(_follow_up(REECE), by=BY, at="2026-01-10T09:00:00+00:00")
    assert conference.warned(CloseConference(), by=BY, at="2026-01-15T09:00:00+00:00") == {"C10"}
    conference.ask(_follow_up(NOAH), by=BY, at="2026-01-12T09:00:00+00:00")
    conference.ask(CloseConference(), by=BY, at="2026-01-15T09:00:00+00:00")


def test_harmer_is_asked_too(conference: ConferenceStory) -> None:
    """Given a harmer who was not asked, when it is closed, then C10 wants a reason."""
    conference.kept().ask(_follow_up(NOAH), by=BY, at="2026-01-10T09:00:00+00:00")
    assert conference.warned(CloseConference(), by=BY, at="2026-01-15T09:00:00+00:00") == {"C10"}


def test_late_follow_up_warns(conference: ConferenceStory) -> None:
    """Given six weeks that ended on 15 January, when somebody is asked the day after, then C10 wants a reason."""
    conference.kept()
    conference.ask(_follow_up(NOAH), by=BY, at="2026-01-15T17:00:00+00:00")
    assert conference.warned(_follow_up(REECE), by=BY, at="2026-01-16T09:00:00+00:00") == {"C10"}
    conference.ask(_follow_up(REECE, rationale={"C10": "He was ill."}), by=BY, at="2026-01-16T09:00:00+00:00")


def test_conference_never_held_closes_without_either(conference: ConferenceStory) -> None:
    """Given a conference that did not proceed, when it is closed, then neither C10 nor C12 speaks."""
    conference.scheduled()
    conference.ask(RecordDidNotProceed(why=NotProceedingReason.FACILITATOR), by=BY, at="2025-12-04T09:00:00+00:00")
    conference.ask(CloseConference(), by=BY, at="2025-12-05T09:00:00+00:00")


def test_what_was_said_has_no_place() -> None:
    """A conference's talk is not recorded (C11): the event that says it was held has no text at all."""
    kinds = {name: str(field.annotation) for name, field in ConferenceHeld.model_fields.items()}
    assert not [name for name, kind in kinds.items() if "str" in kind or "Sealed" in kind]


def test_term_kept_then_followed_up(conference: ConferenceStory) -> None:
    """Given two terms, when one is kept, then it is monitored still; when both are settled, the follow-up begins."""
    second = term(STRANGER, "Writes what he will do next time")
    conference.held().ask(agreement(term(), second), by=BY, at=SIGNED_AT)
    conference.ask(CompleteTerm(term_id=BUS), by=BY, at="2025-12-10T09:00:00+00:00")
    assert conference.stage == "MONITORING"
    conference.ask(CompleteTerm(term_id=STRANGER), by=BY, at="2025-12-11T09:00:00+00:00")
    assert conference.stage == "FOLLOW_UP"


def test_told_twice_is_told_the_first_time(conference: ConferenceStory) -> None:
    """Given a harmed party told again after consenting, then they had been told before, and the consent counts."""
    conference.prepared()
    conference.ask(InformVictim(person_id=NOAH), by="VICTIM_WORKER", at="2025-11-27T18:00:00+00:00")
    conference.ask(schedule(), by=BY, at=SCHEDULED_AT)


def test_told_and_consenting_in_one_visit(conference: ConferenceStory) -> None:
    """Given information and consent recorded for one moment, then the consent was informed."""
    conference.prepared(without={"consent of the harmed"})
    conference.ask(consent(NOAH), by="VICTIM_WORKER", at="2025-11-20T18:00:00+00:00")
    conference.ask(schedule(), by=BY, at=SCHEDULED_AT)


def test_scheduled_in_the_moment_of_the_approval(conference: ConferenceStory) -> None:
    """Given a risk approved last, when it is scheduled in that moment, then it is not too early."""
    conference.prepared(without={"approval"})
    conference.ask(ApproveRisk(), by="SUPERVISOR", at=SCHEDULED_AT)
    conference.ask(schedule(), by=BY, at=SCHEDULED_AT)
