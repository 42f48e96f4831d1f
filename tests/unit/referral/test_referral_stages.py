"""Stories of referrals: their stages, their times, and what is due."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.referral.domain.commands import (
    AcknowledgeReferral,
    AllocateReferral,
    CloseReferral,
    ConfirmSchoolLedOutcome,
    OverrideSafeguardingHold,
    RecordCrime,
    RecordMashDecision,
    ReferToYjs,
    ReopenReferral,
)
from services.referral.events import ReferralTriaged
from services.trade.vocabulary import Flag, IncidentType, TriageOutcome
from shared.domain.duties_by_day import duties_on
from shared.domain.messages import Command
from shared.domain.sealing import Sealed
from tests.unit.referral.stories import (
    CASE,
    HAPPENED,
    LATER,
    LATEST,
    LEO,
    NEXT_DAY,
    NOON,
    RECEIVED,
    REPORTED,
    SOON,
    SUPERVISOR,
    SYSTEM,
    ReferralStory,
    activity,
    advice,
    concern,
    contact,
    document,
    link,
    mash,
    named,
    outcome,
    receipt,
    screening,
    triage,
    wish,
)

ALLOCATE = AllocateReferral(officer_id=named("officer"))
REOPEN = ReopenReferral(why=Sealed("The school has more to say."))
OVERRIDE = OverrideSafeguardingHold(reason=Sealed("Her social worker knows."))
CONFIRM = ConfirmSchoolLedOutcome(action=Sealed("A day in the reset room."))
CLOSE = CloseReferral(reason="REFERRED_ON")
REPORT_DAY = date(2026, 2, 24)


@pytest.mark.parametrize(("role", "own"), [("SCHOOL", "SCHOOL"), ("AGENCY", "OTHER_AGENCY")])
def test_who_reports_from_outside_names_no_other_source(referral: ReferralStory, role: str, own: str) -> None:
    """Given a school or an agency, when it says that the police or an officer took the report, then it is refused."""
    for source in {"SCHOOL", "POLICE_101", "POLICE_ONLINE", "OFFICER", "OTHER_AGENCY"} - {own}:
        assert referral.problems(receipt(source=source), RECEIVED, role) == {"S1"}
    referral.does(receipt(source=own), RECEIVED, role)


@pytest.mark.parametrize(
    ("triage_outcome", "leads_to"),
    [
        (TriageOutcome.ACCEPT_INTERVENTION, "TRIAGED"),
        (TriageOutcome.ADVICE_ONLY, "TRIAGED"),
        (TriageOutcome.REFER_EARLY_HELP, "TRIAGED"),
        (TriageOutcome.SIGNPOST, "TRIAGED"),
        (TriageOutcome.SCHOOL_LED, "SCHOOL_LED"),
        (TriageOutcome.REFER_DISPOSAL_PANEL, "WITH_PANEL"),
        (TriageOutcome.REFER_MASH, "WITH_MASH"),
        (TriageOutcome.REFER_INVESTIGATION, "WITH_INVESTIGATION"),
        (TriageOutcome.REJECT_OUT_OF_SCOPE, "REJECTED"),
        (TriageOutcome.DUPLICATE, "REJECTED"),
    ],
)
def test_where_triage_leads(referral: ReferralStory, triage_outcome: TriageOutcome, leads_to: str) -> None:
    """Given an acknowledged referral, each outcome of triage leads to its stage and is shown."""
    referral.acknowledged().does(wish())
    referral.triaged(triage_outcome)
    assert (referral.stage, referral.view["triage_outcome"]) == (leads_to, triage_outcome.value)


def test_triage_carries_what_others_count_by(referral: ReferralStory) -> None:
    """Given flags, the triage names them with incident type and setting."""
    referral.acknowledged(Flag.REPEAT).triaged()
    event = referral.last(ReferralTriaged)
    assert (event.incident_type, event.setting, event.flags) == (IncidentType.ONLINE_SAFETY, "ONLINE", (Flag.REPEAT,))


@pytest.mark.parametrize("moved_by", [advice(), activity()])
def test_work_begins_with_advice_or_an_activity(referral: ReferralStory, moved_by: Command) -> None:
    """Given an allocated referral, advice or an activity takes it in progress; another officer may take it over."""
    referral.acknowledged().allocated()
    assert referral.stage == "ALLOCATED"
    referral.does(moved_by, NEXT_DAY, SYSTEM)
    assert referral.stage == "IN_PROGRESS"
    referral.does(AllocateReferral(officer_id=LEO), NEXT_DAY, SUPERVISOR)
    assert referral.stage == "IN_PROGRESS"


def test_a_hold_asks_for_triage_again(referral: ReferralStory) -> None:
    """Given a triaged referral, a concern holds it and forgets its triage; lifted, it is acknowledged."""
    referral.acknowledged().allocated().does(concern(), NEXT_DAY)
    assert (referral.stage, referral.view["triage_outcome"]) == ("SAFEGUARDING_HOLD", None)
    referral.does(OVERRIDE, NEXT_DAY, SUPERVISOR)
    assert referral.stage == "ACKNOWLEDGED"
    assert referral.does(triage(TriageOutcome.REFER_MASH), NEXT_DAY) == ["ReferralTriaged"]


def test_a_hold_before_the_acknowledgement(referral: ReferralStory) -> None:
    """Given a concern at once, acknowledging does not lift it, and is still possible after it was lifted."""
    referral.received().does(concern())
    referral.does(mash())
    assert referral.does(AcknowledgeReferral()) == ["ReferralAcknowledged"]
    assert referral.stage == "ACKNOWLEDGED"
    assert referral.problems(AcknowledgeReferral()) == {"S1"}


def test_acknowledging_does_not_lift_a_hold(referral: ReferralStory) -> None:
    """Given a hold, the referral is acknowledged and stays held."""
    referral.received().does(concern())
    referral.does(AcknowledgeReferral())
    assert referral.stage == "SAFEGUARDING_HOLD"


def test_telling_mash_without_a_hold_moves_nothing(referral: ReferralStory) -> None:
    """Given no concern, MASH may be told all the same; there is no hold to override."""
    referral.received().does(mash())
    assert referral.stage == "RECEIVED"
    assert referral.problems(OVERRIDE, by=SUPERVISOR) == {"S1"}


def test_what_is_closed_is_opened_by_a_supervisor(referral: ReferralStory) -> None:
    """Given a closed referral, it is opened again as triaged, and may be triaged anew once."""
    referral.acknowledged().closed()
    assert referral.stage == "CLOSED"
    referral.does(REOPEN, LATEST, SUPERVISOR)
    assert referral.stage == "TRIAGED"
    referral.does(triage(TriageOutcome.REFER_MASH), LATEST)
    assert referral.stage == "WITH_MASH"


def test_the_school_says_once_what_it_did(referral: ReferralStory) -> None:
    """Given an incident left to the school, the school confirms once, and not for any other referral."""
    referral.acknowledged().does(wish())
    assert referral.problems(CONFIRM, by="SCHOOL") == {"S1"}
    referral.triaged(TriageOutcome.SCHOOL_LED).does(CONFIRM, NEXT_DAY, "SCHOOL")
    assert referral.problems(CONFIRM, NEXT_DAY, "SCHOOL") == {"S1"}
    assert referral.does(CLOSE, NEXT_DAY) == ["ReferralClosed"]


@pytest.mark.parametrize("command", [triage(TriageOutcome.SIGNPOST), ALLOCATE, CLOSE, REOPEN, CONFIRM, receipt()])
def test_what_a_received_referral_does_not_allow(referral: ReferralStory, command: Command) -> None:
    """Given a referral only just received, none of the later steps is possible, nor receiving it again."""
    assert referral.received().problems(command) == {"S1"}


def test_what_a_triaged_referral_does_not_allow(referral: ReferralStory) -> None:
    """Given a triaged referral, it is not triaged or acknowledged again, nor opened again."""
    referral.acknowledged().triaged()
    for command in (triage(TriageOutcome.SIGNPOST), AcknowledgeReferral(), REOPEN):
        assert referral.problems(command, NEXT_DAY) == {"S1"}


def test_what_is_with_others_is_not_allocated(referral: ReferralStory) -> None:
    """Given a referral with the panel, no officer is given it; advice may still be given."""
    referral.acknowledged().triaged(TriageOutcome.REFER_DISPOSAL_PANEL)
    assert referral.problems(ALLOCATE, NEXT_DAY, SUPERVISOR) == {"S1"}
    referral.does(advice(), NEXT_DAY)
    assert (referral.stage, referral.view["advice_given"]) == ("WITH_PANEL", 1)


def test_whoever_is_rejected_may_be_told_where_to_turn(referral: ReferralStory) -> None:
    """Given a rejected referral, advice moves it nowhere, and it can be closed."""
    referral.acknowledged().triaged(TriageOutcome.REJECT_OUT_OF_SCOPE)
    referral.does(advice(), NEXT_DAY)
    assert (referral.stage, referral.view["advice_given"]) == ("REJECTED", 1)
    assert referral.does(CloseReferral(reason="REJECTED"), NEXT_DAY) == ["ReferralClosed"]


def test_what_a_closed_referral_does_not_allow(referral: ReferralStory) -> None:
    """Given a closed referral, nothing is added but what other services tell, contacts and corrections."""
    referral.acknowledged(Flag.REPEAT).closed()
    for command in (link(), concern(), mash(), RecordCrime(crime_number="1"), wish(), document(), advice(), CLOSE):
        assert referral.problems(command, LATEST) == {"S1"}, command
    assert referral.does(activity(), LATEST, SYSTEM) == ["ActivityUndertaken"]
    assert referral.does(contact(), LATEST) == ["ContactRecorded"]
    assert referral.stage == "CLOSED"


def test_one_number_for_one_crime(referral: ReferralStory) -> None:
    """Given a crime number, another is not recorded."""
    assert referral.received().recorded().problems(RecordCrime(crime_number="2")) == {"S1"}


def test_who_screens_says_that_there_is_a_nude_image(referral: ReferralStory) -> None:
    """Given a report that told of no image, the screening does: nothing is attached, and a Yes bars education."""
    referral.acknowledged().does(screening(coercion=True))
    assert referral.problems(document()) == {"B5"}
    assert referral.problems(triage(TriageOutcome.ACCEPT_INTERVENTION), NEXT_DAY) == {"B4"}
    assert referral.does(triage(TriageOutcome.REFER_MASH), NEXT_DAY) == ["ReferralTriaged"]


def test_nobody_is_born_after_the_incident(referral: ReferralStory) -> None:
    """Given a birth date after the incident, the person is not linked."""
    assert "S1" in referral.received().problems(link(born="2026-02-22", category=link().category.CHILD_UNDER_10))


def test_a_report_without_known_bank_holidays_is_refused(referral: ReferralStory) -> None:
    """Given a report of the last century, it is refused, since no due date could be counted."""
    then = datetime(1999, 1, 1, tzinfo=UTC)
    assert referral.problems(receipt(reported_at=then, happened_at=then), RECEIVED) == {"S1"}


# --- times --------------------------------------------------------------------------------------


def test_it_happens_is_reported_and_is_received_in_that_order(referral: ReferralStory) -> None:
    """Given times out of order, the referral is not received; given equal ones, it is."""
    assert referral.problems(receipt(happened_at=REPORTED + timedelta(minutes=1)), RECEIVED) == {"T1"}
    assert referral.problems(receipt(), (REPORTED - timedelta(minutes=1)).isoformat()) == {"T1"}
    assert referral.does(receipt(happened_at=REPORTED), REPORTED.isoformat()) == ["ReferralReceived"]


@pytest.mark.parametrize("command", [AcknowledgeReferral(), link(), contact(), concern(), mash(), wish(), advice()])
def test_nothing_before_the_receipt(referral: ReferralStory, command: Command) -> None:
    """Given a referral received at twenty to ten, nothing was done about it a minute before; then it was."""
    referral.received()
    assert referral.problems(command, "2026-02-24T09:39:00+00:00") == {"T1"}
    assert referral.does(command, RECEIVED)


def test_each_step_follows_the_one_before(referral: ReferralStory) -> None:
    """Given steps in order, each is refused before the one that it follows, and taken at the same moment."""
    referral.acknowledged()
    assert referral.problems(triage(TriageOutcome.ADVICE_ONLY), RECEIVED) == {"T1"}
    referral.triaged(TriageOutcome.ADVICE_ONLY, SOON)
    assert referral.problems(ALLOCATE, RECEIVED, SUPERVISOR) == {"T1"}
    assert referral.problems(CLOSE, RECEIVED) == {"T1"}
    referral.does(CLOSE, SOON)
    assert referral.problems(REOPEN, RECEIVED, SUPERVISOR) == {"T1"}
    assert referral.does(REOPEN, SOON, SUPERVISOR) == ["ReferralReopened"]


def test_a_hold_is_lifted_after_it_began(referral: ReferralStory) -> None:
    """Given a concern at noon, MASH was not told of it before; a concern recorded late is answered in its own time."""
    referral.acknowledged().does(concern())
    assert referral.problems(mash(), SOON) == {"T1"}
    assert referral.problems(OVERRIDE, SOON, SUPERVISOR) == {"T1"}
    assert referral.does(mash()) == ["MashReferralMade"]


def test_a_concern_recorded_late(referral: ReferralStory) -> None:
    """Given a triage next day, a concern of the day before is recorded late and answered on its day."""
    referral.acknowledged().triaged(at=NEXT_DAY).does(concern(), NOON)
    assert referral.does(mash(), NOON) == ["MashReferralMade"]
    assert referral.problems(triage(TriageOutcome.REFER_MASH), NOON) == {"T1"}


def test_triage_follows_what_it_rests_on(referral: ReferralStory) -> None:
    """Given a preference and a screening of the next day, triage does not rest on them the day before."""
    referral.acknowledged(Flag.NUDE_IMAGERY).does(screening(), NEXT_DAY)
    referral.does(wish(), NEXT_DAY)
    assert referral.problems(triage(TriageOutcome.SCHOOL_LED)) == {"T1"}
    assert referral.problems(triage(TriageOutcome.ADVICE_ONLY)) == {"T1"}
    assert referral.does(triage(TriageOutcome.SCHOOL_LED), NEXT_DAY) == ["ReferralTriaged"]


def test_an_outcome_follows_the_crime(referral: ReferralStory) -> None:
    """Given a crime recorded next day, it had no outcome the day before."""
    referral.received().does(RecordCrime(crime_number="1"), NEXT_DAY)
    assert referral.problems(outcome("10")) == {"T1"}
    assert referral.does(outcome("10"), NEXT_DAY) == ["CrimeOutcomeAssigned"]


# --- duties -------------------------------------------------------------------------------------


def test_what_a_report_makes_due(referral: ReferralStory) -> None:
    """Given a report on Tuesday 24 February, working days run over Good Friday and Easter Monday."""
    duties = referral.received().duties(REPORT_DAY)
    assert {name: duty.due for name, duty in duties.items()} == {
        "REFERRAL_ACKNOWLEDGED": date(2026, 2, 25),
        "REFERRAL_TRIAGED": date(2026, 2, 26),
        "REFERRAL_CLOSED": date(2026, 4, 9),
    }


def test_what_triage_makes_due(referral: ReferralStory) -> None:
    """Given an intervention, contact and delivery are due from the report; advice does not meet them, contact and activity do."""
    referral.acknowledged().allocated()
    duties = referral.duties(REPORT_DAY)
    assert duties["FIRST_CONTACT"].due == date(2026, 3, 3)
    assert duties["INTERVENTION_DELIVERED"].due == date(2026, 3, 24)
    referral.does(advice(), NEXT_DAY)
    referral.does(contact(reached=False), NEXT_DAY)
    duties = referral.duties(date(2026, 2, 25))
    assert duties["FIRST_CONTACT"].met_on is duties["INTERVENTION_DELIVERED"].met_on is None
    referral.does(contact(), LATER)
    referral.does(activity(), LATER, SYSTEM)
    duties = referral.duties(date(2026, 3, 10))
    assert (duties["FIRST_CONTACT"].met_on, duties["FIRST_CONTACT"].late) == (date(2026, 3, 10), True)
    assert duties["INTERVENTION_DELIVERED"].met_on == date(2026, 3, 10)


def test_no_intervention_is_due_elsewhere(referral: ReferralStory) -> None:
    """Given triage to the panel, a first contact is due and no intervention."""
    duties = referral.acknowledged().triaged(TriageOutcome.REFER_DISPOSAL_PANEL).duties(REPORT_DAY)
    assert "FIRST_CONTACT" in duties
    assert "INTERVENTION_DELIVERED" not in duties


def test_another_triage_ends_the_intervention(referral: ReferralStory) -> None:
    """Given an accepted intervention, a concern and triage to MASH end that duty on the day of the second triage."""
    referral.acknowledged().allocated().does(concern(), NEXT_DAY)
    referral.does(mash(), NEXT_DAY)
    referral.triaged(TriageOutcome.REFER_MASH, NEXT_DAY)
    assert "INTERVENTION_DELIVERED" in referral.duties(REPORT_DAY)
    assert "INTERVENTION_DELIVERED" not in referral.duties(date(2026, 2, 25))


@pytest.mark.parametrize(("answer", "by"), [(mash(), SUPERVISOR), (OVERRIDE, SUPERVISOR)])
def test_mash_is_told_the_same_day(referral: ReferralStory, answer: Command, by: str) -> None:
    """Given a concern, MASH is due that day; a day later the answer is late."""
    referral.received().does(concern())
    assert referral.duties(REPORT_DAY)["MASH_REFERRED"].due == REPORT_DAY
    referral.does(answer, NEXT_DAY, by)
    duty = referral.duties(date(2026, 2, 25))["MASH_REFERRED"]
    assert (duty.met_on, duty.late) == (date(2026, 2, 25), True)


def test_a_second_concern_is_a_second_duty(referral: ReferralStory) -> None:
    """Given an answered concern and a new one, one duty is met and one stands."""
    referral.received().does(concern())
    referral.does(mash())
    referral.does(concern(), NEXT_DAY)
    sheet = duties_on(referral.service.read_model, referral.facts, date(2026, 2, 25))
    assert [duty.met_on for duty in sheet if duty.duty == "MASH_REFERRED"] == [REPORT_DAY, None]


def test_closing_meets_its_duty_until_it_is_opened_again(referral: ReferralStory) -> None:
    """Given a closed referral, the duty is met; opened again it stands as before, and the past is as it was."""
    referral.acknowledged().closed()
    assert referral.duties(date(2026, 3, 10))["REFERRAL_CLOSED"].met_on == date(2026, 3, 10)
    referral.does(REOPEN, LATEST, SUPERVISOR)
    assert referral.duties(date(2026, 3, 12))["REFERRAL_CLOSED"].met_on is None
    assert referral.duties(date(2026, 3, 11))["REFERRAL_CLOSED"].met_on == date(2026, 3, 10)


def test_an_unmet_duty_lapses_with_the_closing(referral: ReferralStory) -> None:
    """Given a referral closed without a contact, then that duty lapses that day, neither open nor overdue afterwards."""
    referral.acknowledged().closed()
    day = date(2026, 3, 12)
    duty = referral.duties(day)["FIRST_CONTACT"]
    assert duty.lapsed_on == referral.facts[-1].day
    assert not duty.overdue(day)
    assert not duty.is_open(day)


def test_a_lapsed_duty_comes_back_with_the_reopening(referral: ReferralStory) -> None:
    """Given a closed referral that is opened again, then its unmet duty is due again, on its old day."""
    referral.acknowledged().closed()
    due = referral.duties(date(2026, 3, 12))["FIRST_CONTACT"].due
    referral.ask(REOPEN, by=SUPERVISOR, at="2026-03-12T09:00:00+00:00")
    duty = referral.duties(date(2026, 3, 12))["FIRST_CONTACT"]
    assert (duty.due, duty.lapsed_on) == (due, None)
    assert duty.overdue(date(2026, 3, 12))
    assert referral.duties(date(2026, 3, 11))["FIRST_CONTACT"].lapsed_on is not None


def test_a_duty_met_after_the_closing_says_both(referral: ReferralStory) -> None:
    """Given a contact after the closing, then the duty has lapsed, and shows on which day it was met after all."""
    referral.acknowledged().closed()
    referral.does(contact(), "2026-03-12T09:00:00+00:00")
    duty = referral.duties(date(2026, 3, 12))["FIRST_CONTACT"]
    assert duty.met_on == date(2026, 3, 12)
    assert duty.lapsed_on is not None


def test_a_report_after_midnight_counts_from_its_own_day(referral: ReferralStory) -> None:
    """Given a report a quarter past midnight in summer, the day is London's and not UTC's."""
    then = datetime.fromisoformat("2026-06-10T00:15:00+01:00")
    referral.does(receipt(happened_at=HAPPENED, reported_at=then), "2026-06-10T00:30:00+01:00")
    assert referral.duties(date(2026, 6, 10))["REFERRAL_ACKNOWLEDGED"].due == date(2026, 6, 11)


def test_the_past_shows_what_had_happened_by_then(referral: ReferralStory) -> None:
    """Given a referral triaged at noon, at ten it was acknowledged, and before its receipt it was not there."""
    referral.acknowledged().triaged()
    view = referral.service.read_model.view_of(referral.facts, as_of=datetime.fromisoformat(SOON))
    assert view is not None
    assert view["state"] == "ACKNOWLEDGED"
    assert referral.service.read_model.view_of(referral.facts, as_of=REPORTED) is None


def test_its_home_is_the_case(referral: ReferralStory) -> None:
    """Given a case id at the receipt, everything after it has the same home."""
    referral.acknowledged()
    assert {fact.envelope.home for fact in referral.facts} == {CASE}


def test_a_knife_is_referred_to_the_youth_justice_service_within_a_day(referral: ReferralStory) -> None:
    """Given a knife, then the youth justice service is to be told one working day after the report, once; without one nothing is due."""
    assert "YJS_REFERRAL" not in ReferralStory().received().duties(REPORT_DAY)
    referral.received(Flag.KNIFE)
    duty = referral.duties(REPORT_DAY)["YJS_REFERRAL"]
    assert (duty.due, duty.met_on) == (date(2026, 2, 25), None)
    assert referral.does(ReferToYjs(), NEXT_DAY) == ["YjsReferred"]
    assert referral.duties(date(2026, 2, 25))["YJS_REFERRAL"].met_on == date(2026, 2, 25)
    assert referral.problems(ReferToYjs(), NEXT_DAY) == {"S1"}


def test_a_mark_of_exploitation_asks_for_a_concern_on_the_same_day(referral: ReferralStory) -> None:
    """Given a report that somebody marks so, then a concern is due that day, by duty and next step, until one is raised or MASH is told."""
    assert "CONCERN_RAISED" not in ReferralStory().received(Flag.SEXUAL).duties(REPORT_DAY)
    referral.received(Flag.EXPLOITATION)
    duty = referral.duties(REPORT_DAY)["CONCERN_RAISED"]
    assert (duty.due, duty.met_on) == (REPORT_DAY, None)
    assert duty.overdue(date(2026, 2, 25))
    referral.does(concern())
    assert referral.duties(REPORT_DAY)["CONCERN_RAISED"].met_on == REPORT_DAY
    told = ReferralStory().received(Flag.EXPLOITATION)
    told.does(mash())
    assert told.duties(REPORT_DAY)["CONCERN_RAISED"].met_on == REPORT_DAY


def test_any_referral_may_go_to_the_youth_justice_service_until_it_is_closed(referral: ReferralStory) -> None:
    """Given no knife, the youth justice service may be told too; of a closed referral nobody is told any more."""
    referral.acknowledged().does(ReferToYjs())
    closed = ReferralStory().acknowledged().closed()
    assert closed.problems(ReferToYjs(), LATEST) == {"S1"}


ANSWER = RecordMashDecision(decision="ASSESSMENT")


def test_the_authority_answers_mash_within_a_day(referral: ReferralStory) -> None:
    """Given a referral to MASH, then its answer is due one working day later, and recorded once; shown is the latest."""
    referral.acknowledged()
    assert referral.problems(ANSWER) == {"S1"}
    referral.does(mash())
    duty = referral.duties(REPORT_DAY)["MASH_DECISION"]
    assert (duty.due, duty.met_on) == (date(2026, 2, 25), None)
    assert ReferralStory().received().view["mash_decision"] is None
    assert referral.problems(ANSWER, SOON) == {"T1"}
    assert referral.does(ANSWER, NEXT_DAY) == ["MashDecisionRecorded"]
    assert referral.duties(date(2026, 2, 25))["MASH_DECISION"].met_on == date(2026, 2, 25)
    assert referral.view["mash_decision"] == "ASSESSMENT"
    assert referral.problems(ANSWER, NEXT_DAY) == {"S1"}


def test_a_second_referral_to_mash_has_an_answer_of_its_own(referral: ReferralStory) -> None:
    """Given an answered referral to MASH, when it is told again, then another answer is due; one answers all that wait."""
    referral.acknowledged().does(mash())
    referral.does(ANSWER, NEXT_DAY)
    referral.does(mash(), LATER)
    referral.does(mash(), LATER)
    due = {duty.item: duty for duty in duties_on(referral.service.read_model, referral.facts, date(2026, 3, 10))}
    assert [due[item].due for item in ("2", "3")] == [date(2026, 3, 11)] * 2
    referral.does(RecordMashDecision(decision="STRATEGY_DISCUSSION"), LATEST)
    met = [
        duty.met_on
        for duty in duties_on(referral.service.read_model, referral.facts, date(2026, 3, 12))
        if duty.duty == "MASH_DECISION"
    ]
    assert met == [date(2026, 2, 25), date(2026, 3, 12), date(2026, 3, 12)]
    assert referral.view["mash_decision"] == "STRATEGY_DISCUSSION"


def test_an_answer_that_comes_after_the_closing_is_still_recorded(referral: ReferralStory) -> None:
    """Given a referral closed without the answer, then the duty has lapsed, and an answer that arrives is recorded all the same."""
    referral.acknowledged().does(mash())
    referral.closed()
    assert referral.duties(date(2026, 3, 12))["MASH_DECISION"].lapsed_on == date(2026, 3, 10)
    referral.does(ANSWER, LATEST)
