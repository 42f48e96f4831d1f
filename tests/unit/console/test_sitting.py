"""The page of a sitting: its state, with what the panel said of each case, in whatever order it was recorded."""

from __future__ import annotations

from services.console.officers.sitting import Sitting, sitting_of
from services.panel.domain.commands import RecordMembers
from services.trade.vocabulary import MemberKind
from shared.domain.sealing import to_json
from tests.unit.panel.stories import (
    LATER,
    LEO,
    MIA,
    NURSE,
    POLICE,
    START,
    SittingStory,
    disposal_of,
    member,
)


def page_of(story: SittingStory) -> Sitting:
    """Return what the page says of a sitting to somebody who reads all of it."""
    events = [
        {"version": fact.version, "data": to_json(fact.event, lambda sealed: sealed.value)} for fact in story.facts
    ]
    texts = [{"field": "place", "value": "The old court house"}]
    return sitting_of("s1", {**story.view, "details": {"texts": texts}}, events)


def test_each_case_has_what_the_panel_said_of_it() -> None:
    """Given a case that was considered and one that was adjourned, then each has that, and when it was said."""
    story = SittingStory().sat()
    sitting = page_of(story)
    leo, mia = (sitting.items[str(disposal_of(child))] for child in (LEO, MIA))
    assert (leo.status, leo.said["recommended"], leo.said["reasons"]) == ("CONSIDERED", "YC", "He is sorry.")
    assert (mia.status, mia.said["why"], mia.at) == ("ADJOURNED", "The assessment is late.", LATER)
    assert (sitting.place, sitting.starts_at) == ("The old court house", START)


def test_a_case_that_waits_has_nothing_said_of_it() -> None:
    """Given a case on the agenda that the panel has not dealt with, then it waits, and nothing is said of it."""
    story = SittingStory().planned().listed(LEO)
    (item,) = page_of(story).items.values()
    assert (item.status, item.said, item.at) == ("TO_CONSIDER", {}, "")


def test_members_recorded_late_are_not_the_members() -> None:
    """Given the members of a sitting, when earlier ones are recorded late, then the page has the later ones."""
    story = SittingStory().planned().listed(LEO).begun(member(POLICE, MemberKind.POLICE), at=LATER)
    story.does(RecordMembers(members=(member(NURSE, MemberKind.HEALTH),)), START)
    assert [line["kind"] for line in page_of(story).members] == ["POLICE"]
