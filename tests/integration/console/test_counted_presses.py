"""How many presses and boxes a piece of work takes, counted in a browser as a person would do it.

A press is of a link or a button; a box is a field that is filled in, chosen or ticked, the parts of a date each. What the
console fills in by itself is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from playwright.sync_api import Browser, Page

from tests.integration.console import test_browser
from tests.integration.console.conftest import STORIES, play_until
from tests.integration.console.test_browser import sign_in
from tests.whole_system import client_of
from tools.scenario.over_http import Http
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Run

pytestmark = test_browser.pytestmark
chromium = test_browser.chromium

CONDITIONS: Final = (
    ("RETAIL_WORKSHOP", "REHABILITATION"),
    ("LETTER_OF_APOLOGY", "REPARATION"),
    ("RJ_CONFERENCE", "REPARATION"),
    ("REPARATION_HOURS", "REPARATION"),
)
CAUTION: Final = (38, 43)
"""Presses and boxes of a caution with four conditions, from opening to issue, by two people who take turns twice."""
REFERRAL: Final = 12
"""Presses of a referral with two people, from my day."""
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
GO_ON: Final = "text=Record this, and go on to the next step"
ANOTHER: Final = "text=Record this, and add another"


@dataclass
class Hand:
    """Somebody at a page, whose presses and boxes are counted."""

    tab: Page
    presses: int = 0
    boxes: int = 0

    def press(self, selector: str) -> None:
        """Press a link or a button."""
        self.tab.click(selector)
        self.presses += 1

    def answer(self, **answers: str) -> None:
        """Fill in, choose or tick a field for each answer; a double underscore stands for the dot of a name."""
        for name, value in answers.items():
            field = name.replace("__", ".")
            control = self.tab.locator(f"main [name='{field}']")
            if control.first.get_attribute("type") in {"radio", "checkbox"}:
                self.tab.check(f"main [name='{field}'][value='{value}']")
            elif control.first.evaluate("one => one.tagName") == "SELECT":
                control.select_option(value)
            else:
                control.fill(value)
            self.boxes += 1

    def tick(self, name: str) -> None:
        """Tick the first box of a field."""
        self.tab.check(f"main [name='{name}'] >> nth=0")
        self.boxes += 1

    def answer_day(self, name: str, on: date) -> None:
        """Fill in the three boxes of a day."""
        self.answer(**{f"{name}.{part}": str(getattr(on, part)) for part in ("day", "month", "year")})

    def record(self, button: str = GO_ON) -> None:
        """Check what was answered, and record it."""
        self.press("main button:has-text('Continue') >> visible=true")
        self.press(button)
        assert self.tab.locator(".govuk-error-summary").count() == 0, self.tab.inner_text("main")


@contextmanager
def at(chromium: Browser, system: dict[str, Any], person: str, address: str) -> Iterator[Hand]:
    """Yield somebody who has signed in and opened a page."""
    context = chromium.new_context(base_url=system["console"], viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    sign_in(tab, person)
    tab.goto(address)
    yield Hand(tab)
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
        manager.answer(offence__code="theft person", offence__category="THEFT")
        manager.answer_day("reported_at", date(2025, 9, 6))
        manager.answer(reported_at__clock="15:20")
        manager.record()
        manager.answer(appropriate_adult_present="yes", facts_accepted="yes")
        manager.record()
        manager.answer(tool="PDAT")
        manager.record()
        manager.answer(tool="PDAT", programme_plan="yes")
        manager.record()
        manager.answer(recommended="YCC", attendees="POLICE")
        manager.answer(attendees="YJS")
        manager.record("text=Record this >> nth=0")
    with at(chromium, system, "POLICE_DECISION_MAKER-1", case) as police:
        police.press(".console-next a")
        police.answer(sufficient="yes", standard="CHARGE")
        police.record()
        police.answer(line="TH68006", yjb_seriousness_score="2")
        police.press("main button:has-text('Continue') >> visible=true")
        police.tick("factors")
        police.answer(final_score="4")
        police.record()
        police.answer(
            decision="YCC", rationale_text="The panel agrees.", public_interest="It serves better than court."
        )
        police.record("text=Record this >> nth=0")
    with at(chromium, system, "YJS_CASE_MANAGER-1", case) as again:
        again.press(".console-next a")
        for n, (type_, object_) in enumerate(CONDITIONS):
            again.answer(condition__type=type_, condition__object=object_)
            again.record(ANOTHER if n + 1 < len(CONDITIONS) else GO_ON)
        again.answer(kind="PARENT_GUARDIAN", adult="yes", police_employee="no")
        again.answer(involved_in_case="no", received_admission="no", others_unavailable="yes")
        again.record("text=Record this >> nth=0")
    with at(chromium, system, "POLICE_DECISION_MAKER-1", case) as giver:
        giver.press(".console-next a")
        giver.answer(to_child="yes", to_appropriate_adult="yes", ordinary_language="yes", warned_of_prosecution="yes")
        giver.record()
        giver.answer(consent="yes", signed_by_child="yes")
        giver.record()
        giver.record("text=Record this >> nth=0")
        assert "Youth conditional caution given" in giver.tab.inner_text("main")
    hands = (manager, police, again, giver)
    assert sum(hand.presses for hand in hands) <= CAUTION[0]
    assert sum(hand.boxes for hand in hands) <= CAUTION[1]


def test_a_referral_with_two_people(chromium: Browser, system: dict[str, Any]) -> None:
    """Given a report, when it is recorded with the child and a parent, then it takes no more than twelve presses."""
    with at(chromium, system, "SAFE_SCHOOLS_OFFICER-1", "/") as officer:
        officer.press("nav >> text=Begin")
        officer.press("text=Receive referral")
        officer.answer(source="SCHOOL", incident_type="BULLYING_LOW_LEVEL_ASSAULT", setting="SCHOOL", on_premises="yes")
        officer.answer(in_school_hours="yes", narrative="She was pushed over.", lawful_basis="law enforcement")
        for name in ("reported_at", "happened_at"):
            officer.answer_day(name, date(2026, 11, 20))
            officer.answer(**{f"{name}__clock": "12:30"})
        officer.record("text=Record this >> nth=0")
        officer.press("summary:has-text('Something else happened') >> nth=0")
        officer.press("text=Link person")
        for name, role, category, born in PEOPLE:
            officer.answer(role=role, category=category, details__name=name)
            officer.answer_day("details.date_of_birth", born)
            officer.record(ANOTHER if name == PEOPLE[0][0] else "text=Record this >> nth=0")
        assert "Robin Roe" in officer.tab.inner_text("main")
    assert officer.presses <= REFERRAL


def test_an_attendance(chromium: Browser, system: dict[str, Any], tmp_path: Path) -> None:
    """Given a session of today with a child, when the officer takes its register from my day, then two presses record it."""
    starts = datetime.now(UTC).replace(second=0, microsecond=0)  # the register has minutes
    story = tmp_path / "attendance.yaml"
    story.write_text(
        ATTENDED.format(before=(starts - timedelta(minutes=2)).isoformat(), starts=starts.isoformat()),
        encoding="utf-8",
    )
    with client_of(system["var"]) as client:
        run = Run(read_scenario(story), Http(client))
        run.play()
    session = run.names.id("s1")
    with at(chromium, system, "SAFE_SCHOOLS_OFFICER-1", "/") as officer:
        officer.press(f"a[href^='/records/sessions/{session}/register']")
        officer.tab.check("main input[type=radio][value=ATTENDED]")
        officer.tab.check("main input[type=radio][value=yes]")
        officer.press("text=Record the register")
        assert "1 line" in officer.tab.inner_text("main"), officer.tab.inner_text("main")
    assert officer.presses <= ATTENDANCE
