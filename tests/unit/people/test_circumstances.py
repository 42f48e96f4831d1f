"""How a child lives: what is sent unchanged is not recorded again, and counts are found under the id that is kept."""

import pytest

from services.people.summary import summary
from shared.domain.messages import Command
from shared.domain.persons import Known
from shared.domain.sealing import Sealed
from tests.unit.people.stories import LEO, START, PersonStory, circumstance, merging

PLAN = circumstance("plan", kind="SEND", description=Sealed("An education plan."))


@pytest.mark.parametrize("said", [circumstance(), PLAN])
def test_what_is_sent_unchanged_is_not_recorded_again(said: Command) -> None:
    """Given a circumstance, in clear or sealed, when it is sent again unchanged, then no event is recorded."""
    story = PersonStory()
    for _ in range(2):
        story.ask(said, by="YJS_CASE_MANAGER", at=START)
    assert [fact.name for fact in story.facts] == ["CircumstanceRecorded"]


def test_a_summary_has_what_is_counted_under_the_id_that_is_kept() -> None:
    """Given a home and a need of an id that is given up, then its summary has the home alone, of the person who is kept."""
    story = PersonStory()
    for said in (circumstance(suitable=None, kind="ACCOMMODATION", accommodation="OTHER"), PLAN):
        story.ask(said, by="YJS_CASE_MANAGER", at=START)
    story.ask(merging(), by="SUPERVISOR", at=START)
    story.known = Known(story.facts)
    counted = summary(story.state, story.facts[0])
    assert counted.subject == LEO
    assert [(one.accommodation, one.suitable) for one in counted.circumstances] == [("OTHER", False)]
