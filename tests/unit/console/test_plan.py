"""The plan of a deferred prosecution on the page of its record: what it asks, and how far each step is."""

from dataclasses import replace
from datetime import date
from typing import Any

from starlette.requests import Request

from services.console.apis import Part
from services.console.forms.next_steps import NextStep, Steps
from services.console.officers.deferral import Line, plan_of
from services.console.records import Record
from services.console.rendering import render

STATE: dict[str, Any] = {
    "state": "DEFERRED",
    "plan": [
        {"step_id": "s1", "kind": "THERAPY", "due": "2026-04-24"},
        {"step_id": "s2", "kind": "MENTORING", "due": "2026-06-08"},
    ],
    "steps": {"s1": "MISSED", "s2": "DONE"},
    "review_on": "2026-06-10",
    "details": {
        "people": {},
        "texts": [
            {"event": "DisposalDecided", "field": "rationale_text", "value": "A plan first."},
            {"event": "ProsecutionDeferred", "field": "plan.0.text", "value": "Talk with the nurse."},
            {"event": "ProsecutionDeferred", "field": "plan.1.text", "sealed": True},
        ],
    },
}
AFTER_THE_FIRST = date(2026, 4, 25)


def page_of(state: dict[str, Any], *steps: NextStep) -> str:
    """Return the page of a disposal in a state, for a role that may take these steps."""
    record = Record("disposals", "d1", Part(state), Part({"commands": [], "version": 9}), {})
    answer = render(
        Request({"type": "http", "path": "/records/disposals/d1", "headers": []}),
        "record.html",
        None,
        record=record,
        case_id="c1",
        conference=None,
        plan=plan_of(state, AFTER_THE_FIRST),
        steps=Steps(steps, ()),
        work=None,
        corrections={"d1": None},
        history=Part({"events": []}),
        papers=[],
        recorded=[],
    )
    return bytes(answer.body).decode()


def test_a_plan_is_told_step_by_step() -> None:
    """Given a deferral, when its plan is told, then each step has its kind, text, day and standing; what is sealed is not shown."""
    plan = plan_of(STATE, AFTER_THE_FIRST)
    assert plan is not None
    assert plan.review_on == "10 June 2026"
    assert plan.lines == [
        Line("s1", "Therapy", "Talk with the nurse.", "24 April 2026", "MISSED", overdue=True),
        Line("s2", "Mentoring", "Not shown to your role", "8 June 2026", "DONE", overdue=False),
    ]
    assert plan_of({"state": "OPENED", "plan": [], "steps": {}}, AFTER_THE_FIRST) is None
    assert plan_of({"outcome": None}, AFTER_THE_FIRST) is None


def test_the_page_leads_to_what_a_case_manager_does_next() -> None:
    """Given a missed step and a done one, when the page is shown, then only the missed one leads to its form, with the step chosen."""
    page = page_of(
        STATE, NextStep("RecordDeferralStep", "Record a step", "needs"), NextStep("SignDocument", "Sign", "can")
    )
    assert "Plan of the deferred prosecution" in page
    assert "Talk with the nurse." in page
    assert page.count("/records/disposals/d1/do/RecordDeferralStep?step_id=s1&amp;case=c1") == 1
    assert "step_id=s2" not in page
    assert "Overdue" in page
    assert "/records/disposals/d1/sign" in page
    assert "10 June 2026" in page
    assert "Plan of the deferred" not in page_of({**STATE, "plan": [], "steps": {}})


def test_a_step_is_chosen_by_what_it_is() -> None:
    """Given a plan, when a form asks for a step, then its choices are named by kind and day."""
    record = Record("disposals", "d1", Part(STATE), Part(), {})
    assert record.names == {"s1": "Therapy, due 24 April 2026", "s2": "Mentoring, due 8 June 2026"}
    assert replace(record, state=Part({})).names == {}
