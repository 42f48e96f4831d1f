"""The page of a conference: what it gathers from a history."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from services.console.apis import Part
from services.console.forms.next_steps import Steps
from services.console.forms.present import rows_of
from services.console.officers.conference import FACTS, conference_of
from services.console.records import Record
from services.console.rendering import render

HARMER, HARMED, TERM = "7b25a32c-7a6b-5cf9-bdc4-0b84d596c200", "1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11", "t1"
NAMES = {HARMER: "Robin Doe"}


def event(type_: str, **data: Any) -> dict[str, Any]:
    """Return a line of a history."""
    return {
        "type": type_,
        "sentence": f"{type_} was recorded",
        "corrected_sentence": None,
        "occurred_at": "2026-06-09T09:15:00+00:00",
        "data": data,
    }


def test_each_participant_has_what_is_recorded_of_them() -> None:
    """Given consent given and withdrawn, a meeting and presence, when they are gathered, then each line has the latest."""
    found = conference_of(
        [
            event("ConferenceProposed", harmer=HARMER),
            event("ParticipantAdded", person_id=HARMED, role="HARMED"),
            event("VictimInformed", person_id=HARMED),
            event("ConsentGiven", person_id=HARMED, scope=["SHUTTLE"], valid_until="2026-08-01"),
            event("ConsentGiven", person_id=HARMER, scope=["SHUTTLE"]),
            event("ConsentWithdrawn", person_id=HARMER),
            event("PreparationHeld", person_id=HARMED),
            event("ConferenceHeld", present=[{"person_id": HARMED, "role": "HARMED", "attended": True}]),
        ],
        NAMES,
    )
    harmer, harmed = found.participants.values()
    assert (harmer.name, harmer.part, harmer.consent) == ("Robin Doe", "Harmer", "Withdrawn on 9 June 2026")
    assert (harmed.name, harmed.informed, harmed.prepared) == (
        "Harmed, name not shown",
        "9 June 2026",
        "9 June 2026",
    )
    assert harmed.consent == "Given on 9 June 2026: shuttle, until 1 August 2026"
    assert harmed.present == "Took part"
    assert not harmer.is_concerned_by("informed"), "a victim alone is informed"
    assert harmer.is_concerned_by("consent")
    assert harmed.is_concerned_by("informed")
    assert found.facts["Outcome"] == "ConferenceHeld was recorded, on 9 June 2026"


@pytest.mark.parametrize(("names", "heading"), [(NAMES, "conference of Robin Doe: "), ({}, "conference: ")])
def test_the_page_is_headed_by_a_name_alone(names: dict[str, str], heading: str) -> None:
    """Given a reader who may not know the child's name, then the heading has no other words in its place."""
    page = render(
        Request({"type": "http", "path": "/records/conferences/c1", "headers": []}),
        "record.html",
        None,
        record=Record("conferences", "c1", Part({"state": "PROPOSED"}), Part({"commands": [], "version": 1}), {}),
        case_id="",
        conference=conference_of([event("ConferenceProposed", harmer=HARMER)], names),
        facts=FACTS,
        columns={},
        plan=None,
        steps=Steps((), ()),
        work=None,
        corrections={"c1": None},
        history=Part({"events": []}),
        papers=[],
        recorded=[],
    )
    assert f'<h1 class="govuk-heading-l">Restorative {heading}' in bytes(page.body).decode()


def test_what_is_not_recorded_yet_is_said_to_be_so() -> None:
    """Given a conference that was only proposed, when it is gathered, then each heading says that nothing is there yet."""
    found = conference_of([event("ConferenceProposed", harmer=HARMER)], NAMES)
    assert found.facts == {
        **{heading: words for heading, (words, _) in FACTS.items()},
        "Proposed": "ConferenceProposed was recorded, on 9 June 2026",
        "Consent": "Lacks that of Robin Doe",
    }


def test_an_approval_counts_for_the_latest_assessment() -> None:
    """Given an approved assessment and a newer one, when they are gathered, then the newer one is not approved."""
    events = [event("ConferenceProposed", harmer=HARMER), event("RiskAssessed", level="LOW"), event("RiskApproved")]
    assert conference_of(events, NAMES).facts["Risk"].endswith("; approved on 9 June 2026")
    newer = conference_of([*events, event("RiskAssessed", level="HIGH")], NAMES)
    assert "approved" not in newer.facts["Risk"]


def test_a_term_of_which_the_text_may_not_be_shown_stands_without_it() -> None:
    """Given an agreement with sealed terms, when one is kept, then its line says so, and shows no text."""
    signed = event("AgreementSigned", terms=[{"term_id": TERM, "text": {"sealed": True}, "due": "2026-07-01"}])
    found = conference_of(
        [event("ConferenceProposed", harmer=HARMER), signed, event("TermCompleted", term_id=TERM)], NAMES
    )
    (term,) = found.terms.values()
    assert (term.text, term.due, term.standing) == ("Not shown to your role", "1 July 2026", "COMPLETED")


def test_whoever_was_invited_is_filled_in_and_attendance_is_asked() -> None:
    """Given a proposal and an invited person, when it is asked who took part, then each has a row with the role, and no answer yet."""
    events = [
        {"type": "ConferenceProposed", "data": {"harmer": "h"}},
        {"type": "ParticipantAdded", "data": {"person_id": "v", "role": "HARMED"}},
        {"type": "PreparationHeld", "data": {"person_id": "v"}},
    ]
    assert rows_of(events) == {
        "rows.present": ["2"],
        "present.0.person_id": ["h"],
        "present.0.role": ["HARMER"],
        "present.1.person_id": ["v"],
        "present.1.role": ["HARMED"],
    }
    assert rows_of([]) == {}
