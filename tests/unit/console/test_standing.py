"""What a case is about and where it stands, in words, and what is next in it."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from services.console import words
from services.console.apis import Part
from services.console.forms.next_steps import Work, work_of
from services.console.names import Who
from services.console.officers.standing import (
    conditions_of,
    fits,
    next_of,
    reach_of,
    served_in,
    standing_of,
    to_do,
    what_happened,
    with_bookings,
)
from services.console.records import Record, own_words
from services.console.words import TURNS, day_of, duty_in_words, today
from services.system.registry import deciding_services
from services.trade.words import texts_of
from shared.domain.declared import read_beside
from shared.domain.sealing import Sealed, sealed_fields
from tests.unit.console.test_next_steps import command, task
from tests.unit.disposal.stories import (
    AFTER,
    LETTER,
    SUPERVISOR,
    WORK,
    CaseStory,
    adding,
    condition,
    letter,
    modifying,
    variation,
)

GIVEN: dict[str, Any] = {
    "state": "ACTIVE",
    "offence": {"title": "Theft from a shop", "code": "TH68010", "on": "2025-09-06"},
    "disposal": "YCC",
    "decided": {"what": "YCC", "on": "2025-09-30"},
    "issued_on": "2025-10-02",
    "ends_on": "2025-11-27",
    "completed_on": None,
    "review_on": None,
    "outcome": None,
    "conditions": {"c1": "ACTIVE", "c2": "COMPLETED", "c3": "OMITTED", "c4": "ACTIVE"},
    "condition_terms": {},
}


HELD_HERE = {"area": "south", "kind": None, "since": "2026-05-01", "review_on": None, "until": None}
HELD_THERE = {"area": "NORTH", "kind": "CARETAKING", "since": "2026-05-04", "review_on": "2026-07-01", "until": None}


def record(collection: str, state: dict[str, Any], id_: str = "x1") -> Record:
    return Record(collection, id_, Part(state), Part(), {})


def work(*tasks: dict[str, Any], next_: dict[str, Any] | None = None) -> Work:
    guidance = {"commands": [command("Book", "available")], "next": next_, "journeys": [{"title": "F", "tasks": tasks}]}
    return work_of(guidance, "/records/disposals/d1", "k1", {}, {})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "Youth conditional caution given on 2 October 2025; 1 of 3 conditions completed; ends 27 November 2025."),
        (
            {"state": "DECIDED", "issued_on": None},
            "Youth conditional caution decided on 30 September 2025; not given yet.",
        ),
        (
            {"state": "COMPLETED", "completed_on": "2025-11-20", "outcome": "2", "conditions": {}},
            "Youth conditional caution given on 2 October 2025; completed on 20 November 2025; outcome 2 of the crime.",
        ),
        (
            {"state": "BREACH_REVIEW", "conditions": {}},
            "Youth conditional caution given on 2 October 2025; breach review.",
        ),
        ({"state": "ASSESSED", "issued_on": None, "decided": None}, "Assessed."),
        (
            {"state": "ASSESSED", "issued_on": None, "decided": None, "areas": [HELD_HERE, HELD_THERE]},
            "Assessed; North takes care of it since 4 May 2026, to be reviewed on 1 July 2026.",
        ),
    ],
)
def test_a_sentence_says_where_a_case_stands(changes: dict[str, Any], sentence: str) -> None:
    """Given a disposal at a stage, then one sentence says what was given, how far it is, and what ended it."""
    assert standing_of([record("disposals", GIVEN | changes)]) == sentence


def test_a_case_without_a_disposal_stands_where_its_referral_does() -> None:
    """Given a referral alone, then the incident and the referral's state tell the case; an offence comes before both."""
    referral = record(
        "referrals", {"state": "WITH_MASH", "incident_type": "DRUGS", "happened_on": "2026-03-02", "setting": "SCHOOL"}
    )
    assert standing_of([referral]) == "Referral: with MASH."
    assert what_happened([referral]) == "Drugs, at school, 2 March 2026"
    assert what_happened([referral, record("disposals", GIVEN)]) == "Theft from a shop, 6 September 2025"
    assert (standing_of([record("referrals", {})]), what_happened([])) == ("", "")


def test_a_condition_is_a_line_with_what_can_be_done() -> None:
    """Given conditions, when they are drawn as lines, then the soonest due comes first, and booking, register, conference and form stand there."""
    terms = {"hours": 2, "hours_credited": 0, "sessions": [], "last_attendance": None, "by_session": True}
    booked = {"session_id": "s1", "starts_at": "2025-10-18T09:00:00+00:00", "recorded": False}
    state = GIVEN | {
        "condition_terms": {
            "c4": terms | {"type": "RJ_CONFERENCE", "due": "2025-11-27", "hours": None},
            "c1": terms | {"type": "RETAIL_WORKSHOP", "due": "2025-10-30", "sessions": [booked]},
            "c2": terms | {"type": "LETTER_OF_APOLOGY", "due": "2025-10-31", "hours": None},
            "c5": terms | {"type": "DRUGS_WORKSHOP", "due": "2025-11-09"},
        },
        "conditions": GIVEN["conditions"] | {"c5": "ACTIVE"},
    }
    conference = record(
        "conferences", {"state": "SCHEDULED", "condition_id": "c4", "starts_at": "2025-11-13T16:00:00+00:00"}, "k9"
    )
    book = task("Book a session", "not_started", "Book", about={"condition_id": "c1"}, items=["c1"])
    place = {"starts_at": "2025-11-08T09:00:00+00:00", "register": {"leo": "BOOKED"}, "serves": {"leo": "c5"}}
    place["details"] = {"texts": [{"field": "place", "value": "The library"}]}
    served = served_in([conference, record("sessions", place, "s9")])
    lines = conditions_of(record("disposals", state), work(book), served, {"c2": ["To Boots"]}, "2025-11-01", "k1")
    assert [line.due for line in lines] == ["30 October 2025", "31 October 2025", "9 November 2025", "27 November 2025"]
    workshop, letter, placed, meeting = lines
    assert (placed.booked, placed.standing, placed.page, placed.move) == (
        "8 November 2025 at 09:00, The library",
        "Booked",
        "/records/sessions/s9",
        "/records/disposals/x1/book?case=k1&condition_id=c5",
    )
    later = conditions_of(record("disposals", state), work(book), served, {}, "2025-11-08", "k1")[2]
    assert (later.standing, later.page, later.move) == ("Register to be taken", "/records/sessions/s9/register", "")
    assert (workshop.booked, workshop.hours, workshop.standing, workshop.overdue) == (
        "18 October 2025 at 10:00",
        "0 of 2",
        "Register to be taken",
        True,
    )
    assert workshop.action is not None
    assert workshop.action.address.endswith("condition_id=c1")
    assert (letter.details, letter.standing, letter.overdue, letter.action) == (["To Boots"], "Completed", False, None)
    assert (meeting.booked, meeting.standing, meeting.page) == (
        "13 November 2025 at 16:00",
        "Scheduled",
        "/records/conferences/k9",
    )


def test_a_booked_place_is_not_booked_again() -> None:
    """Given a place in education for a condition, then its booking is done, and what is next is something else."""
    book = task("Book a session", "not_started", "BookConditionSession", "Book", items=["c1"], duty="CONDITION")
    letter = task("Complete the condition", "not_started", "Book", items=["c2"])
    known = with_bookings(work(book, letter, next_=book), {"c1"})
    assert next((one.status, one.address) for one in known.tasks) == ("Completed", "")
    assert known.next is not None
    assert known.next.title == "Complete the condition"
    lines = to_do([duty("CONDITION", "c1", "2026-02-01")], {"d1": known}, {})
    assert [line.address != "" for line in lines] == [False, True]


def duty(code: str, item: str | None, due: str, **more: Any) -> dict[str, Any]:
    line = {"duty": code, "item": item, "due": due, "met_on": None, "lapsed_on": None, "overdue": False}
    return {**line, "service": "disposal", "stream": "d1", **more}


def test_what_is_left_to_do_is_said_once() -> None:
    """Given tasks and duties, then a task that meets a duty stands for it, due when that is; a duty without a task stands by itself."""
    book = task("Book", "not_started", "Book", duty="CONDITION", about={"condition_id": "c1"}, items=["c1"])
    done = task("Sign", "completed", "Sign")
    duties = [
        duty("CONDITION", "c1", "2026-02-01", overdue=True),
        duty("CONDITION", "c2", "2026-01-01"),
        duty("ASSESSMENT", None, "2026-01-01", met_on="2025-12-01"),
    ]
    lines = to_do(duties, {"d1": work(book, done), "d2": None}, {"c1": "Workshop", "c2": "Letter"})
    assert [(line.title, line.about, line.due, line.overdue, line.address) for line in lines] == [
        (duty_in_words("CONDITION"), "Letter", "2026-01-01", False, ""),
        ("Book", "", "2026-02-01", True, "/records/disposals/d1/do/Book?case=k1&condition_id=c1"),
    ]
    assert lines[0].whose == ["Safe schools officer", "YJS case manager"]


def test_every_duty_says_whose_turn_it_is() -> None:
    """Given any duty of any service, then somebody's turn it is: as a step of a journey says, or as turns.toml does, never both."""
    assert set(texts_of("duties")) <= {duty for turns in TURNS.values() for duty in turns}
    for service in deciding_services():
        steps = {step.duty for journey in service.journeys for step in journey.steps}
        assert steps.isdisjoint(read_beside(words.__file__, "turns.toml").get(service.name, {}))


def test_a_victim_is_told_once_of_what_several_records_decided() -> None:
    """Given a duty to tell a victim in two records, in one of them for two decisions, then one line asks for it, due with the first."""
    tell = {"duty": "VICTIM_TOLD", "about": {"person_id": "v"}}
    here = [task("Tell them", "not_started", "TellVictim", **tell, items=["v", item]) for item in ("v", "v 2")]
    there = task("Tell the victim", "not_started", "TellVictim", **tell, items=["v", "v"])
    duties = [
        duty("VICTIM_TOLD", "v", "2026-02-02"),
        duty("VICTIM_TOLD", "v 2", "2026-02-09"),
        duty("VICTIM_TOLD", "v", "2026-02-01", stream="r1"),
        duty("VICTIM_TOLD", "w", "2026-02-03"),
        duty("VICTIM_TOLD", "w 2", "2026-02-04"),
    ]
    lines = to_do(duties, {"d1": work(*here), "r1": work(there)}, {"w": "Wu Dale"})
    assert [(line.title, line.about, line.due) for line in lines] == [
        ("Tell the victim", "", "2026-02-01"),
        (duty_in_words("VICTIM_TOLD"), "Wu Dale", "2026-02-03"),
    ]


def test_the_next_step_is_ones_own_and_the_soonest() -> None:
    """Given next steps of several records, then that of the person's turn which is due first is the case's; without one, another's."""
    theirs = work(next_=task("Give it", "not_started", "Give", due="2026-01-01"))
    later = work(next_=task("Later", "not_started", "Book", due="2026-03-01"))
    soon = work(next_=task("Soon", "not_started", "Book", due="2026-02-01"))
    assert [next_of(works, []).title for works in ([theirs, later, soon], [theirs, None])] == ["Soon", "Give it"]  # type: ignore[union-attr]
    assert next_of([None, work()], []) is None


def test_a_paper_of_another_disposal_is_not_offered() -> None:
    """Given what was decided, then its own papers are offered, and those that every case may have."""
    papers = ("ycc", "ycc-notice", "yc", "yrd", "deferral-plan", "panel-pack", "warning-letter")
    assert [name for name in papers if fits(name, GIVEN)] == ["ycc", "ycc-notice", "panel-pack", "warning-letter"]


@pytest.mark.parametrize(
    ("victim", "said"),
    [
        ({"contact_is_safe": True, "wants_updates": True}, "May be called"),
        ({"contact_is_safe": False, "wants_updates": True}, "Do not call: contact is not safe"),
        ({"contact_is_safe": True, "wants_updates": False}, "Do not call: wants no updates"),
        ({"contact_is_safe": None, "wants_updates": None}, "Ask the victim worker before you call"),
    ],
)
def test_people_stand_with_how_they_are_reached(victim: dict[str, Any], said: str) -> None:
    """Given what is known of somebody, then numbers come first, and of a victim whether they may be called."""
    who = Who(
        "una", "VICTIM", "Una", {"address": "1 Mill Lane", "telephone": "01632 960123", "email": {"sealed": True}}
    )
    records = [record("referrals", {"victims": {"una": victim}}), record("disposals", {"victims": ["una"]})]
    assert reach_of(who, records) == ["01632 960123", "1 Mill Lane", said]
    assert reach_of(replace(who, id="ann"), records) == ["01632 960123", "1 Mill Lane"]


@pytest.mark.parametrize(
    ("wish", "lines"),
    [
        ({}, ["Would like: letter"]),
        ({"preferred_channel": "SMS", "language": "WELSH"}, ["Would like: text message, in Welsh"]),
        ({"preferred_channel": "SMS", "messages_wanted": False}, ["Wants no messages"]),
    ],
)
def test_people_stand_with_what_they_wish(wish: dict[str, Any], lines: list[str]) -> None:
    """What somebody said last about messages stands there; before that, the way that their details name."""
    contact = {"messages_wanted": None, "preferred_channel": None, "language": None} | wish
    who = Who("una", "SUSPECT", "Una", {"preferred_channel": "LETTER"})
    assert reach_of(who, [record("referrals", {"contacts": {"una": contact}})]) == lines


def test_a_condition_that_was_varied_has_its_new_words() -> None:
    """Given a condition whose terms were modified, and one that was added, then each has the words of its terms now."""
    story = CaseStory().issued("YCC", letter(detail=Sealed("To Boots.")))
    added = condition(detail=Sealed("Four hours in the garden."))
    story.ask(
        variation(modifying(letter(detail=Sealed("To Boots and the guard."))), adding(added)), by=SUPERVISOR, at=AFTER
    )
    texts = [
        {"version": fact.version, "field": path, "value": sealed.value}
        for fact in story.facts
        for path, _, sealed in sealed_fields(fact.event, fact.sealing_home)
    ]
    assert own_words(record("disposals", {**story.view, "details": {"texts": texts}})) == {
        str(LETTER): ["To Boots and the guard."],
        str(WORK): ["Four hours in the garden."],
    }


def test_a_past_state_is_judged_by_its_own_day() -> None:
    """Given a day or a moment, then what is due is judged by that day in London; without one, by today."""
    assert day_of("2025-10-05") == date(2025, 10, 5)
    assert day_of("2025-10-05T23:30:00Z") == date(2025, 10, 6)
    assert day_of(None) == day_of("") == today()
