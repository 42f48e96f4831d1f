"""A second version of an event: an upcaster reads the bytes of the first, for everything that people see.

The bytes are those of `GravityScored` as the release before recorded them (tests/release_before.py).
"""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from starlette.requests import Request

from services.console.officers.sitting import facts_for_the_panel
from services.console.rendering import render
from services.disposal.domain.state import DisposalState
from services.disposal.events import EVENTS, GravityScored
from services.disposal.service import service as today
from services.disposal.summary import DisposalSummary
from services.reporting.projection import read_models
from services.reporting.projection.fold import fold
from services.system.registry import COLLECTIONS, deciding_services
from shared.api.history_view import history_view
from shared.domain.documents import DocumentData
from shared.domain.envelope import Fact, has_event
from shared.domain.sealing import key_ids_in
from shared.privacy.disclosure import undisclosed
from tests.release_before import FIRST_VERSION, SERVICES
from tests.unit.disposal.stories import SUPERVISOR, CaseStory
from tools.reference.asyncapi import of_topics
from tools.reference.contract import contract_of_code
from tools.reference.pages import of_service
from tools.scenario.in_memory import Memory
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Run

STORY: Final = Path(__file__).parents[2] / "scenarios" / "08-turned-eighteen.yaml"


@pytest.fixture(name="history", scope="module")
def history_of_old_bytes() -> Sequence[Fact]:
    """Return the history of a disposal in today's reading of the bytes that the release before recorded."""
    memory = Memory(SERVICES)
    Run(read_scenario(STORY), memory).play()
    recorded = next(facts for name, facts in memory.histories if name == "disposal")
    keys = asyncio.run(memory.keyring.open({key for fact in recorded for key in key_ids_in(fact.body or b"")}))
    return [
        EVENTS.read(fact.body, keys=keys, position=fact.position, recorded_at=fact.recorded_at, hash=fact.hash)
        for fact in recorded
        if fact.body is not None
    ]


def score_in(history: Sequence[Fact]) -> Fact[GravityScored]:
    return next(fact for fact in history if has_event(fact, GravityScored))


def test_old_bytes_are_those_of_the_first_release(history: Sequence[Fact]) -> None:
    """Given the bytes of the release before, then they have the members of the golden sample, and are read as today's event."""
    golden = json.loads((Path(__file__).parent / "golden" / "disposal.json").read_text(encoding="utf-8"))
    score = score_in(history)
    assert score.envelope.type == FIRST_VERSION
    assert list(json.loads(score.body or b"")["data"]) == list(json.loads(golden[FIRST_VERSION]["body"])["data"])
    assert (type(score.event), score.event.line, score.event.factors) == (GravityScored, None, None)


def test_old_bytes_fold_to_a_state_of_today(history: Sequence[Fact]) -> None:
    """Given bytes of the first version, when they are folded, then the state has their scores."""
    state = today.decider.fold(history)
    assert isinstance(state, DisposalState)
    scores = score_in(history).event
    assert (state.gravity, state.yjb_seriousness) == (scores.final_score, scores.yjb_seriousness_score)


def test_old_bytes_fill_the_columns_of_reporting(history: Sequence[Fact]) -> None:
    """Given bytes of the first version, when reporting folds them, then the summary has their score; both are subscribed to."""
    folded = fold(history)
    assert folded is not None
    assert isinstance(folded.summary, DisposalSummary)
    assert folded.summary.yjb_score == score_in(history).event.yjb_seriousness_score
    types = read_models.published_types([EVENTS], lambda event: event is GravityScored)
    assert types == [FIRST_VERSION, FIRST_VERSION.replace("v1", "v2")]


def test_old_bytes_are_told_on_pages_and_papers(history: Sequence[Fact]) -> None:
    """Given bytes of the first version, then timeline, page before the panel and pack show the score without a line."""
    lines = history_view(EVENTS, undisclosed(EVENTS, history))
    case = str(history[0].envelope.home)
    events = [{**line, "service": "disposal", "stream": str(history[0].stream_id)} for line in lines]
    page = render(
        Request({"type": "http", "path": f"/cases/{case}/timeline", "headers": []}),
        "timeline.html",
        None,
        child="",
        id=case,
        times={},
        now=True,
        corrections={event["stream"]: None for event in events},
        answer={"total": len(events), "withheld": []},
        events=events,
        places={event["event_id"]: event for event in events},
        collections=COLLECTIONS,
        officers={},
        page=1,
        pages=1,
    )
    scores = score_in(history).event
    assert f"Gravity scored {scores.final_score} (offence {scores.offence_score}), matrix" in bytes(page.body).decode()
    view = today.read_model.view_of(history)
    assert view is not None
    gravity: Any = facts_for_the_panel(view, lines)["gravity"]
    assert (gravity["line"], gravity["ticked"]) == (None, {"UP": [], "DOWN": []})
    assert gravity["final_score"] == scores.final_score


def test_an_old_event_is_printed_and_corrected(history: Sequence[Fact]) -> None:
    """Given a score of the first version, then the pack prints it, and its fields can be corrected, the new ones too."""
    case = CaseStory(history[0].stream_id)
    case.facts = list(history)
    paper = today.documents["panel-pack"].fill(case.state, case.facts)
    assert isinstance(paper, DocumentData)
    assert (paper.values["gravity"]["line"], paper.values["gravity"]["aggravating"]) == (
        None,
        ["in company", "at night"],
    )
    for field, value in (("final_score", 3), ("line", "TH68010")):
        case.ask(case.corrects("GravityScored", field, value), by=SUPERVISOR)
    assert case.state.gravity == 3


def test_the_reference_describes_both_versions() -> None:
    """Given an event of two versions, then both are published, the first deprecated."""
    contract = contract_of_code(deciding_services())
    schemas = contract["disposal/events.schema.json"]["$defs"]
    assert schemas[FIRST_VERSION]["deprecated"]
    assert {"line", "factors"} <= set(schemas["GravityScored.v2"]["properties"])
    assert "line" not in schemas["GravityScored.v1"]["properties"]
    assert FIRST_VERSION in contract["asyncapi.json"]["components"]["messages"]
    assert "`data`" in of_topics(deciding_services())["topics.md"]
    assert any("GravityScored" in text for text in of_service(today).values())
