"""How many presses and boxes a piece of work takes, counted in browsers as a person would do it, with a mouse or by the keyboard alone.

A press is of a link or a button; a box is a field that is filled in, chosen or ticked, the parts of a date each. What the
console fills in by itself is none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from playwright.sync_api import Browser, expect

from tests.integration.console import test_browser
from tests.integration.console.conftest import STORIES, play_until
from tests.integration.console.hands import RECORD, Hand, Keys
from tests.integration.console.test_browser import look, sign_in
from tests.whole_system import client_of
from tools.scenario.over_http import Http
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Run

pytestmark = test_browser.pytestmark
driver, chromium, firefox = test_browser.driver, test_browser.chromium, test_browser.firefox

CONDITIONS: Final = ("RETAIL_WORKSHOP", "LETTER_OF_APOLOGY", "RJ_CONFERENCE", "REPARATION_HOURS")
CAUTION: Final = (23, 33)
"""Presses and boxes of a caution with four conditions, from opening to issue, by two people who take turns twice."""
REFERRAL: Final = 12
"""Presses of a referral with two people, from my day."""
KNOWN: Final = (4, 5)
"""Presses and boxes of linking a child who is known, from the page of the case: the part, the name and the birth date."""
ATTENDANCE: Final = 2
"""Presses of an attendance, from my day."""
PEOPLE: Final = (
    ("Robin Roe", "HARMER", "SUSPECT", date(2012, 3, 14)),
    ("Ann Roe", "PARENT_CARER", "PARENT_CARER", date(1982, 10, 10)),
)
ATTENDED: Final = """
id: an-attendance
title: A child has a place in a session of today
rules: []
people:
  robin: {{name: Robin Roe, date_of_birth: 2012-03-14}}
steps:
  - at: {before}
    by: SAFE_SCHOOLS_OFFICER
    do: education.PlanSession
    to: s1
    with: {{topic: RETAIL, kind: WORKSHOP, starts_at: {starts}, hours: 1, place: The library}}
  - {{at: {before}, by: SAFE_SCHOOLS_OFFICER, do: education.BookPlace, to: s1, with: {{person_id: $robin}}}}
"""
GO_ON: Final = "text=/Record (this|them), and go on to the next step/"
ANOTHER: Final = "text=Record this, and add another"


@contextmanager
def at(browser: Browser, system: dict[str, Any], person: str, address: str, hand: type[Hand] = Hand) -> Iterator[Hand]:
    """Yield somebody who has signed in and opened a page."""
    context = browser.new_context(base_url=system["console"], viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    sign_in(tab, person)
    tab.goto(address)
    yield hand(tab)
    context.close()


def referred(system: dict[str, Any]) -> UUID:
    """Play a story until its disposal case is to be opened; returns the case."""
    return play_until(system, STORIES[0], lambda step: step.command == "OpenDisposalCase").names.id("case")


def test_a_caution_with_four_conditions(chromium: Browser, system: dict[str, Any]) -> None:
    """Given a referred child, when a caution with four conditions is opened, decided, prepared and given, then it takes so much and no more."""
    case = f"/cases/{referred(system)}"
    with at(chromium, system, "YJS_CASE_MANAGER-1", case) as manager:
        manager.press("summary:has-text('Begin something new in this case')")
        manager.press("text=Open disposal case")
        manager.answer(offence__code="theft person")
        manager.record(GO_ON)
        manager.answer(appropriate_adult_present="yes", facts_accepted="yes")
        manager.answer(taken_by="CONSTABLE", interview="VOLUNTARY", legal_advice="TAKEN")
        manager.go_on()
        manager.answer(tool="PDAT")
        manager.go_on()
        manager.answer(programme_plan="yes")
        manager.go_on()
        manager.answer(recommended="YCC", attendees="POLICE")
        manager.answer(attendees="YJS")
        manager.record()
    with at(chromium, system, "POLICE_DECISION_MAKER-1", case) as police:
        police.press(".console-next a")
        police.answer(sufficient="yes", standard="CHARGE")
        police.go_on()
        police.answer(yjb_seriousness_score="2")
        police.tick("factors")
        police.go_on()
        police.answer(
            decision="YCC", rationale_text="The panel agrees.", public_interest="It serves better than court."
        )
        police.record()
    with at(chromium, system, "YJS_CASE_MANAGER-1", case) as again:
        again.press(".console-next a")
        for row, type_ in enumerate(CONDITIONS):
            again.answer(**{f"condition.{row}.type": type_})
        look(again.tab, "conditions")
        again.go_on()
        again.answer(kind="PARENT_GUARDIAN", adult="yes", police_employee="no")
        again.answer(involved_in_case="no", received_admission="no")
        again.check()
        look(again.tab, "check-of-a-turn")
        again.press(RECORD)
    with at(chromium, system, "POLICE_DECISION_MAKER-1", case) as giver:
        giver.press(".console-next a")
        giver.answer(to_child="yes", to_appropriate_adult="yes", ordinary_language="yes", warned_of_prosecution="yes")
        giver.go_on()
        giver.answer(consent="yes", signed_by_child="yes")
        giver.go_on()
        giver.record()
        expect(giver.tab.locator("main")).to_contain_text("Youth conditional caution given")
    hands = (manager, police, again, giver)
    assert (sum(hand.presses for hand in hands), sum(hand.boxes for hand in hands)) == CAUTION


@pytest.mark.parametrize(("hand", "later"), [(Hand, timedelta()), (Keys, timedelta(days=40))])
def test_a_referral_with_two_people(
    chromium: Browser, system: dict[str, Any], hand: type[Hand], later: timedelta
) -> None:
    """Given a report, when it is recorded with the child and a parent, then it takes no more than twelve presses."""
    with at(chromium, system, "SAFE_SCHOOLS_OFFICER-1", "/", hand) as officer:
        officer.press("nav >> text=Begin")
        officer.press("text=Receive referral")
        officer.answer(source="SCHOOL", incident_type="BULLYING_LOW_LEVEL_ASSAULT", setting="SCHOOL", on_premises="yes")
        officer.answer(in_school_hours="yes", narrative="She was pushed over.", lawful_basis="law enforcement")
        for name in ("reported_at", "happened_at"):
            officer.answer_day(name, date(2026, 11, 20))
            officer.answer(**{f"{name}__clock": "12:30"})
        officer.record()
        officer.press("summary:has-text('Something else happened') >> nth=0")
        officer.press("text=Link person")
        for name, role, category, born in PEOPLE:
            officer.answer(role=role, details__name=name)
            officer.answer_day("details.date_of_birth", born + later)  # whoever is known already is offered
            officer.check()
            officer.answer(category=category)
            officer.record(ANOTHER if name == PEOPLE[0][0] else RECORD)
        expect(officer.tab.locator("main")).to_contain_text("Robin Roe")
    assert officer.presses <= REFERRAL


def test_a_child_who_is_known_is_linked_without_typing(chromium: Browser, system: dict[str, Any]) -> None:
    """Given a child of an earlier case whose name is now spelled otherwise, when they are linked, then they are offered, and no detail is typed."""
    run = play_until(system, STORIES[0], lambda step: step.command == "LinkPerson")
    with at(chromium, system, "SAFE_SCHOOLS_OFFICER-1", f"/cases/{run.names.id('case')}") as officer:
        officer.press("text=Add a person")
        look(officer.tab, "looking-for-a-person")
        officer.answer(role="HARMER", details__name="Hartnel Leonard")
        officer.answer_day("details.date_of_birth", date(2010, 3, 14))
        officer.check()
        expect(officer.tab.locator("main")).to_contain_text("Is it one of these?")
        officer.choose(officer.tab.locator("main label:has-text('Leo Hartnell')").first)
        look(officer.tab, "is-it-one-of-these")
        officer.record()
        expect(officer.tab.locator("main")).to_contain_text("4 Quarry Lane")
        expect(officer.tab.locator("main")).to_contain_text("Other cases of the same child")
    assert (officer.presses, officer.boxes) == KNOWN


@pytest.mark.parametrize(("name", "hand"), [("chromium", Hand), ("chromium", Keys), ("firefox", Hand)])
def test_an_attendance(
    request: pytest.FixtureRequest, system: dict[str, Any], tmp_path: Path, name: str, hand: type[Hand]
) -> None:
    """Given a session of today with a child, when the officer takes its register from my day, then two presses record it."""
    starts = datetime.now(UTC).replace(second=0, microsecond=0)  # the register has minutes
    story = tmp_path / "attendance.yaml"
    story.write_text(
        ATTENDED.format(before=(starts - timedelta(minutes=2)).isoformat(), starts=starts.isoformat()), encoding="utf-8"
    )
    with client_of(system["var"]) as client:
        run = Run(read_scenario(story), Http(client))
        run.play()
    session = run.names.id("s1")
    with at(request.getfixturevalue(name), system, "SAFE_SCHOOLS_OFFICER-1", "/", hand) as officer:
        officer.press(f"a[href^='/records/sessions/{session}/register']")
        officer.choose(officer.tab.locator("main input[type=radio][value=ATTENDED]"))
        officer.choose(officer.tab.locator("main input[type=radio][value=yes]"))
        officer.press("text=Record the register")
        expect(officer.tab.locator("main")).to_contain_text("1 line")
    assert officer.presses <= ATTENDANCE
