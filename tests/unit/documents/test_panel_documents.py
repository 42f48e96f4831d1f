"""The minutes of a sitting, and the extract of one case."""

import io
from uuid import UUID

import pytest
from pypdf import PdfReader

from services.panel.events import CaseConsidered
from shared.domain.sealing import Sealed, map_sealed
from tests.unit.documents.paper import contains_in_order, printed, text_of, why_not
from tests.unit.panel.stories import (
    CLOSE,
    CONSIDERED,
    IVY,
    LATER,
    LEO,
    MIA,
    SittingStory,
    adjournment,
    case_of,
    consideration,
)

pytestmark = pytest.mark.slow


def reference(child: UUID) -> str:
    return f"case {str(case_of(child))[:8].upper()}"


def test_the_minutes_have_an_extract_for_each_case() -> None:
    """Given a closed sitting, then its minutes say who was there, what became of each case, and all that was said of each."""
    minutes = printed(SittingStory().sat(), "minutes")
    assert contains_in_order(minutes, "Sitting of 10 March 2026, 10:00", "Police (Dorset Council)", "Adjourned")
    assert contains_in_order(
        minutes,
        f"Extract: {reference(LEO)}",
        "Youth caution",
        "Recommended by Police, Youth justice service",
        "Abstained Health",
        "He is sorry.",
        "I am sorry.",
        "He has been grounded.",
        "The nurse would rather divert him.",
        "Ask the school.",
        "Due on 17 March 2026",
        f"Extract: {reference(MIA)}",
        "The assessment is late.",
    )
    assert contains_in_order(minutes, "Page 3 of 3")


def test_an_extract_tells_of_its_own_case_alone() -> None:
    """Given a sitting of two cases, when the extract of the first is printed, then nothing of the other stands on it."""
    extract = text_of(printed(SittingStory().sat(), "extract"))
    assert "Ask the school." in extract
    assert "The assessment is late." not in extract
    assert reference(MIA)[5:] not in extract


def test_minutes_are_those_of_a_closed_sitting() -> None:
    """Given a sitting that goes on, then there are no minutes yet, and it is said what to do."""
    assert "close it" in why_not(SittingStory().sitting(), "minutes")


def test_a_case_that_was_taken_up_again_stands_once() -> None:
    """Given a case that was adjourned and considered afterwards, then the minutes have what was recommended."""
    sitting = SittingStory().planned().listed(IVY).begun()
    sitting.does(adjournment(IVY), CONSIDERED)
    sitting.does(consideration(IVY), LATER)
    sitting.does(CLOSE, LATER)
    text = text_of(printed(sitting, "minutes"))
    assert text.count(f"Extract: {reference(IVY)}") == 1
    assert "The assessment is late." not in text


def test_a_forgotten_case_is_erased_in_the_minutes_and_the_other_stays() -> None:
    """Given minutes of two cases, when the key of one case is destroyed, then its words are erased and those of the other are printed."""
    sitting = SittingStory().sat()

    def erase(_path: str, subject: str, sealed: Sealed[object]) -> Sealed[object]:
        gone = subject == f"home/{case_of(LEO)}"
        return Sealed.of_token("s1:home/x:1:p:AAAA:AAAA").as_forgotten() if gone else sealed

    facts = [
        type(fact)(fact.envelope, map_sealed(fact.event, fact.sealing_home, erase), fact.position, fact.recorded_at)
        for fact in sitting.facts
    ]
    assert any(isinstance(fact.event, CaseConsidered) for fact in facts)
    minutes = text_of(printed(sitting, "minutes", facts=facts))
    assert "I am sorry." not in minutes
    assert "What the child says [erased]" in minutes
    assert "The assessment is late." in minutes
    assert "The old court house" in minutes


def test_the_minutes_lead_to_what_the_panel_knew() -> None:
    """Given minutes, then each extract links to its case as it was known when the panel dealt with it."""
    reader = PdfReader(io.BytesIO(printed(SittingStory().sat(), "minutes").body))
    links = [annotation.get_object()["/A"]["/URI"] for page in reader.pages for annotation in page.get("/Annots") or ()]
    assert links == [
        f"/cases/{case_of(LEO)}?known_at=2026-03-10T10:20:00Z",
        f"/cases/{case_of(MIA)}?known_at=2026-03-10T12:00:00Z",
    ]
