"""A second version of an event: an upcaster reads the bytes of the first, for everything that people see.

No event of the product has one yet. This one is of the tests alone: a triage that always says whether a supervisor
reviewed it, and has no outcome SIGNPOST any more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pytest
from starlette.requests import Request

from services.console.rendering import render
from services.referral import events as referral
from services.referral.domain.state import Referral
from services.referral.service import service as today
from services.registry import COLLECTIONS, deciding_services
from services.reporting.projection import read_models
from services.reporting.projection.fold import fold
from services.reporting.summaries.referral import ReferralSummary
from services.vocabulary import TriageOutcome
from shared.api.history_view import history_view
from shared.domain.envelope import Fact
from shared.privacy.disclosure import undisclosed
from tests.in_memory_reporting import PlayedStories
from tools.reference.asyncapi import of_topics
from tools.reference.compatibility import incompatible_changes
from tools.reference.contract import contract_of_code
from tools.reference.pages import of_service

OLD = "ooc.referral.ReferralTriaged.v1"
NEW = "ooc.referral.ReferralTriaged.v2"


class ReferralTriaged(referral.ReferralTriaged):
    """An officer decided what happens with the referral, and a supervisor reviewed it or did not."""

    version: ClassVar[int] = 2
    sentence = "Triage decided: {outcome}, {supervisor_reviewed?reviewed by a supervisor|not reviewed by a supervisor}"

    supervisor_reviewed: bool


def upcast_triage(data: dict[str, Any]) -> dict[str, Any]:
    """Return the data of a triage of the first version in the shape of the second."""
    outcome = "ADVICE_ONLY" if data["outcome"] == "SIGNPOST" else data["outcome"]
    return {**data, "outcome": outcome, "supervisor_reviewed": data["supervisor_reviewed"] or False}


EVENTS = replace(
    today.events,
    events=tuple(ReferralTriaged if cls is referral.ReferralTriaged else cls for cls in today.events.events),
    upcasters={**today.events.upcasters, OLD: upcast_triage},
)
READ_MODEL = replace(today.read_model, events=EVENTS)
LATER = replace(today, read_model=READ_MODEL)


@pytest.fixture(name="history", scope="module")
def history_of_old_bytes() -> list[Fact]:
    """Return the history of a referral that was signposted, from the bytes of the first version."""
    histories = PlayedStories("39-concern-after-triage.yaml").histories.values()
    recorded = next(facts for facts in histories if any(fact.name == "ReferralTriaged" for fact in facts))
    triaged = next(fact for fact in recorded if fact.name == "ReferralTriaged")
    assert b'"SIGNPOST"' in (triaged.body or b"")
    return [
        EVENTS.read(fact.body, position=fact.position, recorded_at=fact.recorded_at, hash=fact.hash)
        for fact in recorded[: triaged.version]
        if fact.body is not None
    ]


def test_old_bytes_fold_to_a_state_of_today(history: list[Fact]) -> None:
    """Given bytes of the first version, when they are read and folded, then the state has the values of the second."""
    triage = next(fact for fact in history if fact.name == "ReferralTriaged")
    assert (triage.envelope.type, type(triage.event)) == (OLD, ReferralTriaged)
    assert (triage.body or b"").count(b"SIGNPOST") == 1
    state = READ_MODEL.decider.fold(history)
    assert isinstance(state, Referral)
    assert state.triages[0].outcome is TriageOutcome.ADVICE_ONLY


def test_old_bytes_fill_the_columns_of_reporting(history: list[Fact], monkeypatch: pytest.MonkeyPatch) -> None:
    """Given bytes of the first version, when reporting folds them, then state and summary are those of the second."""
    monkeypatch.setitem(read_models.READ_MODELS, "referral", READ_MODEL)
    folded = fold(history)
    assert folded is not None
    assert folded.view["triage_outcome"] == "ADVICE_ONLY"
    assert isinstance(folded.summary, ReferralSummary)
    assert folded.summary.triage_outcome is TriageOutcome.ADVICE_ONLY
    types = read_models.published_types([EVENTS], lambda event: event is ReferralTriaged)
    assert types == [OLD, NEW]


def test_old_bytes_are_told_on_the_page_of_a_case(history: list[Fact]) -> None:
    """Given bytes of the first version, when the console shows the timeline, then the sentence is that of the second."""
    lines = history_view(EVENTS, undisclosed(EVENTS, history))
    case = str(history[0].envelope.home)
    events = [{**line, "service": "referral", "stream": str(history[0].stream_id)} for line in lines]
    page = render(
        Request({"type": "http", "path": f"/cases/{case}/timeline", "headers": []}),
        "timeline.html",
        None,
        id=case,
        times={},
        now=True,
        corrections={event["stream"]: None for event in events},
        answer={"total": len(events), "withheld": []},
        events=events,
        places={event["event_id"]: event for event in events},
        collections=COLLECTIONS,
        page=1,
        pages=1,
    )
    assert "Triage decided: advice only, not reviewed by a supervisor" in bytes(page.body).decode()


def test_the_reference_describes_both_versions() -> None:
    """Given a service with an upcaster, when its reference is made, then both versions are published, the old one deprecated."""
    before = contract_of_code(deciding_services())
    services = [LATER if service.name == "referral" else service for service in deciding_services()]
    contract = contract_of_code(services)
    schemas = contract["referral/events.schema.json"]["$defs"]
    assert schemas[OLD]["deprecated"]
    assert "supervisor_reviewed" in schemas["ReferralTriaged.v2"]["required"]
    assert {OLD, NEW} <= contract["asyncapi.json"]["components"]["messages"].keys()
    assert incompatible_changes(before, contract) == []
    assert "`data`" in of_topics(services)["topics.md"]
    assert any("ReferralTriaged" in text for text in of_service(LATER).values())
