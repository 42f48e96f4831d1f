"""What is due when: the daily sheet of a case."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from uuid import uuid4

import pytest

from services.disposal.domain.commands import (
    AssignOutcome,
    CompleteAssessment,
    CompleteCondition,
    DecideAbsence,
    DecideBreach,
    ExcuseCondition,
    InformVictimOfRestorativeJustice,
    InstituteProceedings,
    IssueDisposal,
    RecordActivityUndertaken,
    RecordContact,
    ReferToYot,
    RequestAssessment,
)
from services.disposal.domain.duties import duties
from services.disposal.domain.state import Attendance, Contact
from services.disposal.events import AssessmentTool, ConditionSessionBooked, ContactMeans, PriorRecord
from services.disposal.service import service
from services.trade.vocabulary import AttendanceStatus, BreachDecision, OutcomeCode, TrialMode
from shared.domain.duties import Duty
from shared.domain.duties_by_day import duties_on
from shared.domain.sealing import Sealed
from tests.counted import Counted
from tests.unit.disposal.stories import (
    ADULT,
    AFTER,
    EXPLAINED,
    FIRST,
    ISSUED_AT,
    LEO,
    LETTER,
    MANAGER,
    MOTHER,
    POLICE,
    SIGNED,
    SUPERVISOR,
    VICTIM_WORKER,
    WORK,
    YJS,
    CaseStory,
    absence,
    adding,
    attendance,
    booking,
    breach,
    condition,
    decision,
    letter,
    modifying,
    offence,
    omitting,
    opening,
    proposed,
    variation,
)

SUMMARY = opening(offence=offence(TrialMode.SUMMARY))
ENHANCED = InformVictimOfRestorativeJustice(person_id=MANAGER, enhanced_rights=True)
INFORMED = InformVictimOfRestorativeJustice(person_id=MANAGER, enhanced_rights=False)
PDAT = RequestAssessment(tool=AssessmentTool.PDAT)
SEEN = "2026-03-18T18:00:00+00:00"


def named(story: CaseStory, name: str, day: date) -> list[Duty]:
    """Return the duties of one name on the sheet of a day."""
    return [duty for duty in duties_on(story.service.read_model, story.facts, day) if duty.duty == name]


@pytest.mark.parametrize(("opened", "owed"), [("2013-12-09", 0), ("2013-12-10", 1), ("2019-03-04", 1)])
def test_victims_are_informed_since_the_code_of_2013(opened: str, owed: int) -> None:
    """Given a case of an earlier year, then its victim is owed information only from the day of the first Code that says so."""
    reported = datetime.fromisoformat(f"{opened}T08:00:00+00:00")
    command = opening(date(2002, 1, 1), reported_at=reported, offence=offence(date=reported.date()))
    story = CaseStory()
    story.ask(command, by=YJS, at=f"{opened}T09:00:00+00:00")
    assert len(named(story, "VICTIM_RJ_INFORMATION", reported.date())) == owed


def test_victims_are_told_in_five_working_days() -> None:
    """Given a report on a Monday, then each victim is told by the next Monday, one with enhanced rights by Tuesday."""
    command = opening(victims=(MANAGER, MOTHER), victims_with_enhanced_rights=(MOTHER,))
    duties = named(CaseStory().opened(command), "VICTIM_RJ_INFORMATION", date(2026, 3, 4))
    assert {duty.item: duty.due for duty in duties} == {str(MOTHER): date(2026, 3, 3), str(MANAGER): date(2026, 3, 9)}
    assert {duty.item: duty.overdue(date(2026, 3, 4)) for duty in duties} == {str(MOTHER): True, str(MANAGER): False}


def test_enhanced_rights_found_later_bring_the_date_forward() -> None:
    """Given a victim told on Wednesday, when enhanced rights are found then, then it was due on Tuesday and is late."""
    story = CaseStory().opened()
    story.ask(ENHANCED, by=VICTIM_WORKER, at="2026-03-04T10:00:00+00:00")
    (duty,) = named(story, "VICTIM_RJ_INFORMATION", date(2026, 3, 4))
    assert (duty.due, duty.met_on, duty.late) == (date(2026, 3, 3), date(2026, 3, 4), True)
    (before,) = named(story, "VICTIM_RJ_INFORMATION", date(2026, 3, 3))
    assert (before.due, before.met_on) == (date(2026, 3, 9), None)


def test_no_victim_no_duty() -> None:
    """Given nobody harmed, when somebody is told all the same, then there is no duty."""
    story = CaseStory().opened(opening(victims=None))
    story.ask(INFORMED, by="SUPERVISOR", at="2026-03-04T10:00:00+00:00")
    assert not named(story, "VICTIM_RJ_INFORMATION", date(2026, 3, 4))


def test_an_assessment_is_due_ten_working_days_after_its_request() -> None:
    """Given a request on 4 March, then it is due on the 18th, and met by the assessment."""
    story = CaseStory().opened()
    story.ask(PDAT, by=YJS, at="2026-03-04T10:00:00+00:00")
    (duty,) = named(story, "ASSESSMENT", date(2026, 3, 19))
    assert (duty.due, duty.overdue(date(2026, 3, 19))) == (date(2026, 3, 18), True)
    story.ask(
        CompleteAssessment(tool=AssessmentTool.PDAT, programme_plan=False), by=YJS, at="2026-03-20T10:00:00+00:00"
    )
    (met,) = named(story, "ASSESSMENT", date(2026, 3, 20))
    assert (met.met_on, met.late) == (date(2026, 3, 20), True)


def test_an_assessment_asked_for_is_no_assessment() -> None:
    """Given an assessment asked for and not made, when a YCC is given, then R13 opens a duty beside the older one."""
    story = CaseStory()
    story.ready("YCC", without=["assessment"])
    story.ask(PDAT, by=YJS, at="2026-03-10T10:00:00+00:00")
    story.ask(decision("YCC", rationale={"A1": "Urgent."}), by=POLICE, at="2026-03-10T12:00:00+00:00")
    story.ask(proposed(), by=YJS, at="2026-03-11T12:00:00+00:00")
    for step in (ADULT, EXPLAINED, SIGNED):
        story.ask(step, by=YJS, at="2026-03-12T16:00:00+00:00")
    story.ask(IssueDisposal(), by=POLICE, at=ISSUED_AT)
    found = named(story, "ASSESSMENT", date(2026, 3, 12))
    assert [duty.due for duty in found] == [date(2026, 3, 24), date(2026, 3, 26)]


@pytest.mark.parametrize(
    ("what", "prior", "due"),
    [
        ("YCC", None, True),
        ("YC", PriorRecord(yc=1, ycc=0, convictions=0, yrd=0), True),
        ("YC", PriorRecord(yc=0, ycc=1, convictions=0, yrd=0), True),
        ("YC", PriorRecord(yc=0, ycc=0, convictions=1, yrd=1), False),
        ("YC", None, False),
        ("YRD", PriorRecord(yc=1, ycc=0, convictions=0, yrd=0), False),
    ],
)
def test_a_conditional_or_second_caution_must_be_assessed(what: str, prior: PriorRecord | None, *, due: bool) -> None:
    """Given no assessment, when a YCC or a second caution is given, then R13 opens the duty, which a programme meets."""
    story = CaseStory()
    command = opening(prior=prior)
    story.ready(what, without=["assessment"], command=command)
    reasons = {"A1": "Urgent.", "R10": "Long ago."}
    story.ask(decision(what, rationale=reasons), by=POLICE, at="2026-03-10T12:00:00+00:00")
    if what != "YC":
        story.ask(proposed(), by=YJS, at="2026-03-11T12:00:00+00:00")
        story.ask(SIGNED, by=YJS, at="2026-03-12T16:00:00+00:00")
    for step in (ADULT, EXPLAINED):
        story.ask(step, by=YJS, at="2026-03-12T16:00:00+00:00")
    story.ask(IssueDisposal(), by=POLICE, at=ISSUED_AT)
    found = named(story, "ASSESSMENT", date(2026, 3, 12))
    assert [duty.due for duty in found] == ([date(2026, 3, 26)] if due else [])
    if due:
        bare = CompleteAssessment(tool=AssessmentTool.PDAT, programme_plan=False)
        story.ask(bare, by=YJS, at="2026-03-16T10:00:00+00:00")
        assert named(story, "ASSESSMENT", date(2026, 3, 16))[0].met_on is None
        reason = bare.model_copy(update={"programme_inappropriate_reason": Sealed("He has one.")})
        story.ask(reason, by=YJS, at="2026-03-17T10:00:00+00:00")
        assert named(story, "ASSESSMENT", date(2026, 3, 17))[0].met_on == date(2026, 3, 17)


def test_a_caution_is_referred_to_the_yot_in_a_working_day() -> None:
    """Given a caution on a Thursday, then the referral is due on Friday, and stays due until then or the end of the case."""
    story = CaseStory().issued("YC")
    (duty,) = named(story, "YOT_REFERRAL", date(2026, 3, 16))
    assert (duty.due, duty.overdue(date(2026, 3, 16))) == (date(2026, 3, 13), True)
    story.ask(ReferToYot(rationale={"R12": "Forgotten."}), by=YJS, at="2026-03-16T10:00:00+00:00")
    assert named(story, "YOT_REFERRAL", date(2026, 3, 16))[0].late


def test_a_session_is_recorded_in_a_working_day() -> None:
    """Given a session on 18 March, then its record is due on the 19th and met by it."""
    story = CaseStory().issued()
    story.ask(booking(), by=YJS, at=AFTER)
    assert not named(story, "ATTENDANCE_RECORDED", date(2026, 3, 17))
    (duty,) = named(story, "ATTENDANCE_RECORDED", date(2026, 3, 20))
    assert (duty.due, duty.overdue(date(2026, 3, 20))) == (date(2026, 3, 19), True)
    story.ask(attendance(), by=YJS, at=SEEN)
    assert named(story, "ATTENDANCE_RECORDED", date(2026, 3, 20))[0].met_on == date(2026, 3, 18)


@pytest.mark.parametrize(
    ("status", "opened"),
    [
        (AttendanceStatus.DNA_PENDING, {"MISSED_CONTACT", "ABSENCE_REASON"}),
        (AttendanceStatus.DNA_UNACCEPTABLE, {"MISSED_CONTACT"}),
        (AttendanceStatus.DNA_ACCEPTABLE, set()),
        (AttendanceStatus.CANCELLED_BY_SERVICE, set()),
    ],
)
def test_an_absence_opens_its_duties(status: AttendanceStatus, opened: set[str]) -> None:
    """Given an absence, then contact is due in one working day and a pending reason in five."""
    story = CaseStory().issued()
    story.ask(absence(status), by=YJS, at=SEEN)
    due = {duty.duty: duty.due for duty in duties_on(story.service.read_model, story.facts, date(2026, 3, 18))}
    assert {"MISSED_CONTACT", "ABSENCE_REASON"} & due.keys() == opened
    assert due.get("MISSED_CONTACT", date(2026, 3, 19)) == date(2026, 3, 19)
    assert due.get("ABSENCE_REASON", date(2026, 3, 25)) == date(2026, 3, 25)


def test_contact_and_decision_meet_the_duties() -> None:
    """Given a pending absence, when the child is called without being reached and the reason decided, then both are met."""
    story = CaseStory().issued()
    call = RecordContact(person_id=LEO, means=ContactMeans.PHONE, reached=False)
    story.ask(call, by=YJS, at="2026-03-16T10:00:00+00:00")
    story.ask(absence(AttendanceStatus.DNA_PENDING), by=YJS, at=SEEN)
    assert named(story, "MISSED_CONTACT", date(2026, 3, 18))[0].met_on is None
    story.ask(call, by=YJS, at="2026-03-20T10:00:00+00:00")
    story.ask(DecideAbsence(session_id=FIRST, acceptable=True), by=YJS, at="2026-03-19T10:00:00+00:00")
    (contact,) = named(story, "MISSED_CONTACT", date(2026, 3, 20))
    (reason,) = named(story, "ABSENCE_REASON", date(2026, 3, 20))
    assert (contact.met_on, contact.late) == (date(2026, 3, 20), True)
    assert (reason.met_on, reason.late) == (date(2026, 3, 19), False)


def test_contact_with_a_victim_is_no_contact_with_the_child() -> None:
    """Given an absence, when a victim is phoned, then the contact is still due; when the child's mother is, it is met."""
    story = CaseStory().issued()
    story.ask(absence(), by=YJS, at=SEEN)
    for person, met_on in ((MANAGER, None), (MOTHER, date(2026, 3, 20))):
        call = RecordContact(person_id=person, means=ContactMeans.PHONE, reached=True)
        story.ask(call, by=YJS, at="2026-03-20T10:00:00+00:00")
        assert named(story, "MISSED_CONTACT", date(2026, 3, 20))[0].met_on == met_on


def test_a_condition_is_due_on_its_own_date() -> None:
    """Given conditions, then each is due on its date, moves with a variation, and is met, excused or omitted."""
    story = CaseStory().issued("YCC", condition(), letter(due=date(2026, 4, 16)))
    assert [duty.due for duty in named(story, "CONDITION", date(2026, 3, 12))] == [date(2026, 4, 16), date(2026, 5, 28)]
    story.ask(variation(modifying(condition(due=date(2026, 6, 1)))), by=SUPERVISOR, at=AFTER)
    assert named(story, "CONDITION", date(2026, 3, 13))[-1].due == date(2026, 6, 1)
    story.ask(CompleteCondition(condition_id=LETTER, quality_checked=True), by=YJS, at="2026-04-17T10:00:00+01:00")
    (done, open_one) = named(story, "CONDITION", date(2026, 4, 17))
    assert (done.item, done.late, open_one.item) == (str(LETTER), True, str(WORK))
    story.ask(ExcuseCondition(condition_id=WORK, why=Sealed("Ill.")), by=SUPERVISOR, at="2026-04-20T10:00:00+01:00")
    assert [duty.item for duty in named(story, "CONDITION", date(2026, 4, 20))] == [str(LETTER)]


def test_an_omitted_condition_is_no_longer_due() -> None:
    """Given a condition replaced, then the old one leaves the sheet and the new one is on it."""
    story = CaseStory().issued()
    story.ask(variation(omitting(), adding(letter())), by=SUPERVISOR, at=AFTER)
    assert [duty.item for duty in named(story, "CONDITION", date(2026, 3, 13))] == [str(LETTER)]


def test_a_summary_offence_has_its_last_day() -> None:
    """Given a summary offence, then the last day is on the sheet until proceedings meet it."""
    story = CaseStory().issued(command=SUMMARY)
    (duty,) = named(story, "PROSECUTION_TIME_LIMIT", date(2026, 3, 12))
    assert (duty.due, duty.met_on) == (date(2026, 9, 2), None)
    story.ask(breach(), by=YJS, at="2026-05-29T09:00:00+01:00")
    decided = DecideBreach(
        reasonable_excuse=False, decision=BreachDecision.PROSECUTE, rationale_text=Sealed("No excuse.")
    )
    story.ask(decided, by=POLICE, at="2026-06-01T09:00:00+01:00")
    story.ask(InstituteProceedings(reference="55/1"), by=POLICE, at="2026-06-02T09:00:00+01:00")
    assert named(story, "PROSECUTION_TIME_LIMIT", date(2026, 6, 2))[0].met_on == date(2026, 6, 2)


@pytest.mark.parametrize(
    ("what", "met_on", "lapsed_on"),
    [
        ("CHARGE", date(2026, 3, 10), None),
        ("OUTCOME_22", None, date(2026, 3, 10)),
        ("NO_FURTHER_ACTION", None, date(2026, 3, 10)),
    ],
)
def test_the_last_day_lapses_with_another_end(what: str, met_on: date | None, lapsed_on: date | None) -> None:
    """Given a charge, then the limit is met; diverted or closed, it lapses that day."""
    story = CaseStory().decided(what, command=SUMMARY)
    (limit,) = named(story, "PROSECUTION_TIME_LIMIT", date(2026, 3, 10))
    assert (limit.met_on, limit.lapsed_on) == (met_on, lapsed_on)
    assert named(story, "PROSECUTION_TIME_LIMIT", date(2026, 3, 9))[0].is_open(date(2026, 3, 9))


def test_a_given_caution_ends_the_prosecution_limit() -> None:
    """Given a youth caution for a summary offence, then nobody is prosecuted, and the limit lapses that day."""
    story = CaseStory().issued("YC", command=SUMMARY)
    assert named(story, "PROSECUTION_TIME_LIMIT", date(2026, 3, 12))[0].lapsed_on == date(2026, 3, 12)


def test_an_either_way_offence_has_no_last_day() -> None:
    """Given an either-way offence, then no time limit is on the sheet."""
    assert not named(CaseStory().opened(), "PROSECUTION_TIME_LIMIT", date(2026, 3, 4))


def test_duties_of_monitoring_end_with_the_disposal() -> None:
    """Given work that nobody did, when the disposal ends, then each of its duties lapses that day; the victim is still to be told."""
    story = CaseStory().issued()
    story.ask(absence(AttendanceStatus.DNA_PENDING), by=YJS, at=SEEN)
    story.ask(ExcuseCondition(condition_id=WORK, why=Sealed("Ill.")), by=SUPERVISOR, at="2026-03-20T10:00:00+00:00")
    day = date(2026, 3, 20)
    lapsed = {duty.duty: duty.lapsed_on for duty in duties_on(story.service.read_model, story.facts, day)}
    unmet, going_on = ("ABSENCE_REASON", "MISSED_CONTACT", "YOT_REFERRAL"), ("VICTIM_RJ_INFORMATION", "VICTIM_TOLD")
    assert lapsed == dict.fromkeys(unmet, day) | dict.fromkeys(("ATTENDANCE_RECORDED", *going_on))


def test_a_youth_caution_ends_all_but_what_follows_it() -> None:
    """Given a youth caution, then the referral to the YOT stays open, and the victim is still to be informed."""
    story = CaseStory().issued("YC", command=opening(victims=(MANAGER,)))
    day = date(2026, 3, 12)
    assert named(story, "YOT_REFERRAL", day)[0].is_open(day)
    assert named(story, "VICTIM_RJ_INFORMATION", day)[0].is_open(day)


def test_a_diversion_ends_with_its_outcome() -> None:
    """Given a diversion, then its victim is still to be told, also when outcome 22 is assigned."""
    story = CaseStory().decided("OUTCOME_22", command=opening(victims=(MANAGER,)))
    assert named(story, "VICTIM_RJ_INFORMATION", date(2026, 3, 11))[0].is_open(date(2026, 3, 11))
    story.ask(RecordActivityUndertaken(session_id=MOTHER), by="SYSTEM", at="2026-03-11T10:00:00+00:00")
    story.ask(AssignOutcome(code=OutcomeCode.C22), by=POLICE, at="2026-03-12T10:00:00+00:00")
    assert named(story, "VICTIM_RJ_INFORMATION", date(2026, 3, 12))[0].is_open(date(2026, 3, 12))


def test_what_is_due_costs_no_more_reads_for_more_sessions() -> None:
    """Given a case with a hundred sessions, absences and contacts, then its duties, view and next steps read these as often as of a few."""

    def reads(many: int) -> int:
        case = CaseStory().issued()
        sessions = [uuid4() for _ in range(many)]
        at = datetime.fromisoformat(AFTER)
        booked = {
            session: ConditionSessionBooked(condition_id=WORK, session_id=session, starts_at=at, hours=Decimal(1))
            for session in sessions
        }
        missed = Attendance(
            WORK,
            sessions[0],
            AttendanceStatus.DNA_PENDING,
            Decimal(0),
            complied=False,
            because=None,
            at=at,
            by_reaction=False,
        )
        attendances = Counted(replace(missed, session_id=session) for session in sessions)
        contacts = Counted(Contact(LEO, at) for _ in sessions)
        state = replace(case.state, bookings=booked, attendances=attendances, contacts=contacts)
        before = Counted.read
        opened = duties(state, service.policy.on)
        assert len([duty for duty in opened if duty.duty == "MISSED_CONTACT"]) == many
        assert len(service.read_model.view(state)["condition_terms"][str(WORK)]["sessions"]) == many
        shown = [journey for journey in service.journeys if journey.is_shown(state)]
        assert (
            len(
                [
                    task
                    for journey in shown
                    for step in journey.steps
                    for task in step.tasks_on(state, at.date(), opened)
                ]
            )
            > many
        )
        return Counted.read - before

    assert reads(100) == reads(3)
