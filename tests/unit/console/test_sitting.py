"""The page of a sitting: its state, with what the panel said of each case, in whatever order it was recorded."""

from starlette.requests import Request

from services.console.apis import Part
from services.console.names import Who
from services.console.officers.sitting import Item, Sitting, sitting_of
from services.console.records import Record
from services.console.rendering import render
from shared.domain.sealing import to_json
from tests.unit.console.test_form_files import SESSION
from tests.unit.panel.stories import LATER, LEO, MIA, START, SittingStory, disposal_of


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


def test_a_case_for_the_panel_is_one_page() -> None:
    """Given a case, then its page for the panel has the account, needs, school, earlier disposals, and the victim by name with what they wish."""
    child = Who("p1", "SUSPECT", "Leo Hart", {"school_urn": "100001", "needs": ["Dyslexia"]})
    told = {"occurred_at": "2026-03-02T09:00:00+00:00", "actor": {"role": "SAFE_SCHOOLS_OFFICER"}, "notes": []}
    report = {**told, "sentence": "Referral received", "notes": [{"value": "She was pushed over."}]}
    wish = {**told, "sentence": "Preference of the harmed person recorded: restorative, given by the parent"}
    record = Record("disposals", "d1", Part({}), Part(), {})
    answer = render(
        Request({"type": "http", "path": "/", "headers": []}),
        "considered.html",
        SESSION,
        sitting=Sitting("s1", "2026-03-09T10:00:00+00:00", "", "c", (), {}),
        state={},
        item=Item("d1", "11111111-case", "p1"),
        record=record,
        child=child,
        people=[child],
        called={"v1": "Una Roe"},
        victims=[],
        alerts=[],
        reports=[report],
        wishes=[wish],
        earlier=["Youth caution, 23 April 2025"],
        facts={"victims": [{"person_id": "v1", "sought": False, "view": None, "wants_rj": None}]},
        history=Part(),
        kinds={},
        to_consider=False,
        may_adjourn=False,
    )
    page = " ".join(bytes(answer.body).decode().split())
    for words in (
        "She was pushed over.",
        "Dyslexia",
        "100001",
        "Youth caution, 23 April 2025",
        "Una Roe",
        str(wish["sentence"]),
    ):
        assert words in page
