"""From the events of a case to who is told what, and when: nobody who must not be, and nothing that is no longer true."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from services.disposal.events import AppropriateAdultConfirmed, Condition, ConditionCompleted
from services.education.events import PlaceCancelled, RecordCorrected, SessionCancelled
from services.notifications.news import fold
from services.notifications.people import People
from services.notifications.plan import plan, plan_as_it_happened
from services.referral.events import (
    MessageRequested,
    PreferencesRecorded,
    ReferralClosed,
    ReferralReceived,
    VictimDetailsRecorded,
)
from services.rj_conference.events import (
    ConferenceDidNotProceed,
    ConferenceProposed,
    ConferenceScheduled,
    ConsentGiven,
    ConsentWithdrawn,
    NotProceedingReason,
    ParticipantAdded,
    ParticipantRole,
    Sensitivity,
)
from services.trade.vocabulary import (
    AppropriateAdultKind,
    AttendanceStatus,
    Category,
    ConditionObject,
    ConditionType,
    ConferenceCategory,
    ConferenceMode,
    IncidentType,
    MessageTemplate,
    PersonRole,
)
from shared.domain.dates import add_working_days, local_day
from shared.domain.ids import derived_uuid
from shared.domain.messages import Event
from shared.domain.sealing import Sealed
from tests.command_spec import officer
from tests.unit.notifications.case_events import (
    CASE,
    CHILD,
    CONDITION,
    HARMED,
    MOTHER,
    NOW,
    STARTS_AT,
    CaseEvents,
    attendance,
    family,
    stream_of,
)

BOTH = [CHILD, MOTHER]


def told(template: str, *people: Any) -> list[tuple[str, Any]]:
    return [(template, person) for person in sorted(people)]


def test_a_booked_place_is_confirmed_at_once_and_two_days_before() -> None:
    """Given a place booked in time, then child and mother are told now and reminded, until it begins."""
    case = family()
    case.session()
    case.booked()
    assert case.told() == [*told("PLACE_BOOKED", *BOTH), *told("PLACE_REMINDER", *BOTH)]
    confirmation, *_, reminder = case.plan()
    assert (confirmation.not_before, confirmation.not_after) == (NOW, STARTS_AT)
    assert (reminder.not_before, reminder.not_after) == (STARTS_AT - timedelta(days=2), STARTS_AT)


def test_a_place_booked_the_day_before_has_no_reminder_and_one_in_the_past_no_message() -> None:
    """Given a place booked a day ahead, then the confirmation is enough; entered after the day, nobody is told."""
    late, past = family(), family()
    for case, at in ((late, STARTS_AT - timedelta(days=1)), (past, STARTS_AT + timedelta(hours=1))):
        case.session()
        case.booked(at)
    assert late.told() == told("PLACE_BOOKED", *BOTH)
    assert past.told() == []


def test_an_appointment_of_a_century_ago_is_told_to_nobody() -> None:
    """Given a beginning before all policy, as mistyped, then nobody is told, and the case can be planned."""
    case = family()
    case.session(datetime(1926, 6, 11, 15, 30, tzinfo=UTC))
    case.booked()
    assert case.told() == []


def test_a_place_booked_at_night_is_told_of_in_the_morning() -> None:
    """Given a booking at 23 o'clock, then the message waits until 8."""
    case = family()
    case.session()
    case.booked(datetime(2026, 6, 1, 22, tzinfo=UTC))
    assert case.plan()[0].not_before == datetime(2026, 6, 2, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("event", "template"),
    [
        (PlaceCancelled(person_id=CHILD, why="WITHDRAWN"), "PLACE_CANCELLED"),
        (PlaceCancelled(person_id=CHILD, why="REBOOKED"), None),
        (SessionCancelled(by="SERVICE", why=Sealed("Snow"), bookings=()), "PLACE_CANCELLED"),
        (attendance(CHILD, CASE, AttendanceStatus.DNA_UNACCEPTABLE), "PLACE_MISSED"),
        (attendance(CHILD, CASE, AttendanceStatus.DNA_ACCEPTABLE), None),
        (attendance(CHILD, CASE, AttendanceStatus.ATTENDED), None),
    ],
)
def test_what_became_of_a_place_takes_the_rest_back(event: Event, template: str | None) -> None:
    """Given a place that is given back, called off, missed or used, then no reminder is left, and the end alone is told."""
    case = family()
    case.session()
    case.booked()
    case.add("education", event)
    assert case.told() == ([] if template is None else told(template, *BOTH))


def test_the_end_of_a_place_is_told_only_to_who_had_heard_of_it() -> None:
    """Given a cancelled place, then its message follows the one that told of the place."""
    case = family()
    case.session()
    case.booked()
    case.add("education", PlaceCancelled(person_id=CHILD, why="OTHER"))
    assert {message.follows for message in case.plan()} == {("PLACE_BOOKED", "PLACE_MOVED", "PLACE_REMINDER")}


def test_a_corrected_time_moves_the_reminder_and_is_told() -> None:
    """Given a session whose time is corrected, then its reminder has the same key and the new time, and the move is told."""
    case = family()
    planned = case.session()
    case.booked()
    before = {message.key: message for message in case.plan()}
    later = STARTS_AT + timedelta(days=7)
    case.add(
        "education",
        RecordCorrected(
            corrects=planned.event_id, field="starts_at", value=later.isoformat(), why=Sealed("Typed wrong")
        ),
    )
    after = {message.key: message for message in case.plan()}
    assert before.keys() < after.keys()
    assert {one.template for key, one in after.items() if key not in before} == {"PLACE_MOVED"}
    assert {one.not_after for one in after.values()} == {later}
    moved = next(one for one in after.values() if one.template == "PLACE_MOVED")
    assert moved.sequence > before[next(iter(before))].sequence


def test_nobody_hears_of_another_familys_appointment() -> None:
    """Given a parent in a case with a second child, then only who stood by the child as parent is told of the place."""
    case = family().link(HARMED, PersonRole.HARMED, Category.VICTIM, child=True)
    case.session()
    case.booked()
    assert {person for _, person in case.told()} == {CHILD}
    case.add(
        "disposal",
        AppropriateAdultConfirmed(
            person_id=MOTHER, kind=AppropriateAdultKind.PARENT_GUARDIAN, adult=True, police_employee=False
        ),
    )
    assert {person for _, person in case.told()} == {CHILD, MOTHER}


def test_a_record_of_another_area_reaches_nobody_of_the_case() -> None:
    """Given somebody of another area who books the child into a session of theirs, or links the family with another address, then nobody is told of that session, nor at that address."""
    session, links = CaseEvents(), family()
    session.session()
    session.booked()
    devon = [
        replace(fact, envelope=fact.envelope.model_copy(update={"labels": {"area": "DEVON"}, "stream": stream}))
        for fact in (*session.facts, *links.facts)
        for stream in (f"{fact.envelope.stream.partition('/')[0]}/{derived_uuid('devon')}",)
    ]
    case = family()
    assert not plan(CASE, fold([*case.facts, *devon[:2]]))
    case.session()
    case.booked()
    messages = plan(CASE, fold([*case.facts, *devon[2:]]))
    assert messages
    assert {one.referral_id for one in messages.values()} == {stream_of("referral")}
    assert messages.keys() == {one.key for one in case.plan()}


@pytest.mark.parametrize(("children", "hears"), [((CHILD,), True), ((HARMED,), False), ((), False)])
def test_a_parent_hears_of_the_child_whose_parent_the_link_says(children: tuple[UUID, ...], *, hears: bool) -> None:
    """Given a link that says whose parent somebody is, then they are told of that child alone, with or without another child."""
    for case in (CaseEvents(), CaseEvents().link(HARMED, PersonRole.HARMED, Category.VICTIM, child=True)):
        case.link(CHILD, PersonRole.HARMER, Category.SUSPECT, child=True)
        case.link(MOTHER, PersonRole.PARENT_CARER, Category.PARENT_CARER, parent_of=children)
        case.session()
        case.booked()
        assert {person for _, person in case.told()} == ({CHILD, MOTHER} if hears else {CHILD})


def test_an_adult_who_was_harmed_leaves_no_doubt_whose_parent_it_is() -> None:
    """Given a case in which an adult was harmed, then the parent is the child's."""
    case = family().link(HARMED, PersonRole.HARMED, Category.VICTIM, child=False)
    case.session()
    case.booked()
    assert {person for _, person in case.told()} == {CHILD, MOTHER}


SCHEDULED = ConferenceScheduled(
    mode=ConferenceMode.DIRECT_CONFERENCE, starts_at=STARTS_AT, hours=Decimal(1), place=Sealed("The Hall")
)
CONSENT = ConsentGiven(person_id=HARMED, consent_version="1", scope=(ConferenceMode.DIRECT_CONFERENCE,))
CALLED_OFF = ConferenceDidNotProceed(why=NotProceedingReason.FACILITATOR, harmer=CHILD)


def _conference(case: CaseEvents) -> CaseEvents:
    case.add(
        "rj_conference",
        ConferenceProposed(
            case_id=CASE,
            category=ConferenceCategory.SHOPLIFTING,
            sensitive=Sensitivity.NONE,
            harmer=CHILD,
            harmer_age=15,
        ),
    )
    case.add("rj_conference", ParticipantAdded(person_id=HARMED, role=ParticipantRole.HARMED, under_16=False))
    case.add("rj_conference", CONSENT)
    case.add("rj_conference", SCHEDULED)
    return case


@pytest.mark.parametrize(
    ("details", "heard"),
    [({}, True), ({"contact_is_safe": False}, False), ({"wants_updates": False}, False), (None, False)],
)
def test_a_victim_is_told_by_a_safe_contact_alone(details: dict[str, bool] | None, heard: bool) -> None:
    """Given somebody harmed, then they are invited if their contact is safe and they want updates; unsaid means no."""
    case = family().link(HARMED, PersonRole.HARMED, Category.VICTIM, child=False)
    if details is not None:
        case.victim(**details)
    invited = ("VICTIM_CONFERENCE", HARMED) in _conference(case).told()
    assert invited is heard


def test_an_earlier_consent_that_is_recorded_late_invites_nobody_who_withdrew() -> None:
    """Given a harmed person who withdrew, when an earlier consent is recorded late, then nothing is left for them."""
    case = _conference(family().link(HARMED, PersonRole.HARMED, Category.VICTIM, child=False).victim())
    assert HARMED in {person for _, person in case.told()}
    case.add("rj_conference", ConsentWithdrawn(person_id=HARMED), NOW + timedelta(hours=2))
    case.add("rj_conference", CONSENT, NOW + timedelta(hours=1))
    assert {person for _, person in case.told()} == {CHILD, MOTHER}


def test_a_meeting_that_does_not_proceed_is_called_off() -> None:
    """Given a meeting that is planned and does not proceed, then that is told, and no reminder is left."""
    case = _conference(family())
    case.add("rj_conference", CALLED_OFF)
    assert case.told() == told("CONFERENCE_CANCELLED", *BOTH)


def test_a_meeting_that_was_called_off_often_is_told_of_once() -> None:
    """Given a meeting that is planned and called off again and again, then the last time alone is told."""
    case = _conference(family())
    case.add("rj_conference", CALLED_OFF)
    case.add("rj_conference", SCHEDULED)
    case.add("rj_conference", CALLED_OFF)
    assert case.told() == told("CONFERENCE_CANCELLED", *BOTH)


def test_a_condition_is_told_of_a_week_before_it_is_due_until_it_is_done() -> None:
    """Given a condition that is to be done by a day, then the family hears a week before; of one that is done, nothing."""
    case = family()
    letter = Condition(
        condition_id=CONDITION,
        type=ConditionType.LETTER_OF_APOLOGY,
        object=ConditionObject.REPARATION,
        due=date(2026, 7, 31),
    )
    case.issued(letter, letter.model_copy(update={"condition_id": stream_of("curfew"), "type": ConditionType.CURFEW}))
    assert case.told() == told("CONDITION_DUE", *BOTH)
    assert {message.not_before.date() for message in case.plan()} == {date(2026, 7, 24)}
    case.add("disposal", ConditionCompleted(person_id=CHILD, condition_id=CONDITION, completed_on=date(2026, 7, 1)))
    assert case.told() == []


def test_whoever_says_no_is_told_nothing_until_they_say_yes() -> None:
    """Given a mother who wants no messages, then only the child is told; once she wants them, she is told again."""
    case = family()
    case.session()
    case.booked()
    for wanted, people in ((False, {CHILD}), (True, {CHILD, MOTHER})):
        case.add("referral", PreferencesRecorded(person_id=MOTHER, messages_wanted=wanted))
        assert {person for _, person in case.told()} == people


def test_what_is_recorded_late_has_nobody_told_who_said_no_since() -> None:
    """Given who wants no messages, or whose contact is not safe, when an earlier yes is recorded late, then they are told nothing."""
    case = _conference(family().link(HARMED, PersonRole.HARMED, Category.VICTIM, child=False))
    for at, yes in ((NOW, False), (NOW - timedelta(days=1), True)):
        case.add("referral", PreferencesRecorded(person_id=MOTHER, messages_wanted=yes), at)
        details = VictimDetailsRecorded(person_id=HARMED, contact_is_safe=yes, wants_updates=True, wants_support=False)
        case.add("referral", details, at)
    assert {person for _, person in case.told()} == {CHILD}


def test_a_story_of_the_past_tells_what_was_due_on_its_days() -> None:
    """Given a place that was booked, came and was used, then the story's messages are those of its days."""
    case = family()
    case.session()
    case.booked()
    case.add("education", attendance(CHILD, CASE, AttendanceStatus.ATTENDED), STARTS_AT + timedelta(hours=3))
    assert case.told() == []
    as_it_was = sorted(
        plan_as_it_happened(CASE, fold(case.facts)).values(), key=lambda one: (one.not_before, one.recipient)
    )
    assert [(one.template, one.recipient) for one in as_it_was] == [
        *told("PLACE_BOOKED", *BOTH),
        *told("PLACE_REMINDER", *BOTH),
    ]


@pytest.mark.parametrize(
    ("person", "safe", "heard"), [(CHILD, False, True), (HARMED, False, False), (HARMED, True, True)]
)
def test_whoever_is_written_to_by_hand_gets_that_text_alone(person: UUID, *, safe: bool, heard: bool) -> None:
    """Given somebody who is written to by hand, then they get the chosen text once, by a safe contact, and ring their own people."""
    case = family().link(HARMED, PersonRole.HARMED, Category.VICTIM, child=False).victim(contact_is_safe=safe)
    case.add("referral", MessageRequested(person_id=person, template=MessageTemplate.TRIED_TO_RING))
    assert case.told() == ([("TRIED_TO_RING", person)] if heard else [])
    assert all(message.harmed is (person == HARMED) for message in case.plan())


def test_whoever_alone_is_written_to_has_no_parents_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given messages by hand, then nobody goes through the people of the case for each of them to find parents."""
    case = family()
    for _ in range(3):
        case.add("referral", MessageRequested(person_id=CHILD, template=MessageTemplate.TRIED_TO_RING))
    monkeypatch.delattr(People, "parents_of")
    assert len(case.told()) == 3


def test_the_same_events_give_the_same_messages() -> None:
    """Given the same events twice, then the messages have the same keys: a repeat makes no second one."""
    first, second = family(), family()
    for case in (first, second):
        case.session()
        case.booked()
    assert [message.key for message in first.plan()] == [message.key for message in second.plan()]


@pytest.mark.parametrize(("role", "hears"), [("SCHOOL", True), ("SAFE_SCHOOLS_OFFICER", False)])
def test_a_school_hears_within_a_working_day_that_its_referral_is_there_and_moves_on(role: str, *, hears: bool) -> None:
    """Given a referral, then the school's account that sent it in hears of it and of its end; an officer's does not."""
    case = CaseEvents()
    received = ReferralReceived(
        case_id=CASE,
        source="SCHOOL",
        reported_at=NOW,
        incident_type=IncidentType.ASB,
        happened_at=NOW,
        setting="SCHOOL",
        on_premises=True,
        in_school_hours=True,
        flags=(),
        narrative=Sealed("Stones at a bus."),
        lawful_basis="public task",
    )
    case.add("referral", received, NOW, role)
    case.link(CHILD, PersonRole.HARMER, Category.SUSPECT, child=True)
    case.add("referral", ReferralClosed(reason="ADVICE_GIVEN"), NOW + timedelta(days=2))
    school = officer(role).id
    assert case.told() == ([("SCHOOL_RECEIVED", school), ("SCHOOL_NEWS", school)] if hears else [])
    if hears:
        assert local_day(case.plan()[0].not_before) <= add_working_days(local_day(NOW), 1)
        assert {message.referral_id for message in case.plan()} == {stream_of("referral")}
        # Of the child, so that nothing goes out while their data are restricted, or once they are forgotten.
        assert {message.concerns for message in case.plan()} == {CHILD}
