"""Alerts on the page of a case: whose, what, until when, and where they are reviewed."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request

from services.console.apis import Part
from services.console.forms.choices import _of_state
from services.console.names import Who
from services.console.officers.messages import SentMessage
from services.console.records import Record
from services.console.rendering import render
from services.console.waits import Waits

IVY, UNCLE = "7b25a32c-7a6b-5cf9-bdc4-0b84d596c200", "1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11"
NEED = {
    "alert_id": "a1",
    "person_id": IVY,
    "kind": "COMMUNICATION_NEED",
    "review_on": "2026-09-01",
    "referral_id": "r1",
}
RISK = {"alert_id": "a2", "person_id": UNCLE, "kind": "RISK_TO_STAFF", "review_on": "2026-07-01", "referral_id": "r2"}


def page_of(*alerts: dict[str, Any], messages: Sequence[SentMessage] = (), writing: Sequence[str] = ()) -> str:
    """Return the page of a case with these alerts and messages."""
    case = {"area": "DORSET", "referral": None, "duties": [], "alerts": list(alerts)}
    answer = render(
        Request({"type": "http", "path": "/cases/c1", "headers": []}),
        "case.html",
        None,
        id="c1",
        case=case,
        waiting=Waits(),
        times={"as_of": None, "known_at": None},
        now=True,
        records=[],
        untold=set(),
        steps={},
        people=[Who(IVY, "HARMER", "Ivy Stone", {})],
        children=[],
        what="",
        crime_numbers=[],
        victims=[],
        standing="",
        officers=[],
        shows_officers=True,
        next=None,
        conditions=[],
        to_do=[],
        decisions=[],
        contacts=[],
        messages=messages,
        writing=writing,
        linking=writing,
        varying=[],
        reports=[],
        papers=[],
        others=[],
        earlier_disposals=[],
        works={},
        recorded=[],
        beginnings=[],
        warnings=[],
        differences=[],
        reach={IVY: []},
        earlier=None,
        later=None,
        books=False,
        bookings=lambda _record: (),
    )
    return " ".join(bytes(answer.body).decode().split())


def test_alerts_stand_before_anything_else() -> None:
    """Given alerts of this and of another referral, then each names its person as far as known, its kind and its day, and leads to its referral."""
    page = page_of(NEED, RISK)
    assert "Communication need" in page
    assert "Ivy Stone" in page
    assert "1 September 2026" in page
    assert "somebody whose name is not shown" in page
    assert f">{UNCLE[:8]}" not in page
    assert 'href="/records/referrals/r2' in page
    assert page.index("Communication need") < page.index("What is left to do")
    assert "Alerts" not in page_of()


def test_an_alert_is_chosen_by_its_kind() -> None:
    """Given an open alert, when the form of its end is drawn, then it is offered by its kind."""
    state = {"alerts": {"a1": {"person_id": IVY, "kind": "SELF_HARM", "review_on": "2026-09-01"}}}
    record = Record("referrals", "r1", Part(state), Part(), {})
    assert [(name, option.value, option.text) for name, option in _of_state(record)] == [
        ("alert", "a1", "Self-harm, to be reviewed by 1 September 2026")
    ]
