"""The messages of a case on its page."""

from typing import Any

from services.console.apis import Part
from services.console.forms.next_steps import NextStep, Steps
from services.console.officers.messages import SentMessage, messages_of, open_in
from services.console.records import Record
from tests.unit.console.test_alerts import page_of


def message(**other: Any) -> dict[str, Any]:
    """Return a text message that arrived, as a referral shows it."""
    arrived = {
        "person_id": "una",
        "channel": "SMS",
        "template": "PLACE_BOOKED",
        "status": "DELIVERED",
        "at": "2026-05-05T07:01:00+00:00",
        "sent_version": 5,
        "why": None,
    }
    return arrived | other


def lines_of(texts: list[dict[str, Any]], **messages: dict[str, Any]) -> list[SentMessage]:
    """Return the lines of a referral with some messages and texts."""
    state = {"messages": messages, "details": {"texts": texts}}
    return messages_of(
        [Record("referrals", "r1", Part(state), Part(), {}), Record("disposals", "d1", Part(), Part(), {})],
        {"una": "Una Birch"},
    )


def test_messages_stand_in_words_the_latest_first() -> None:
    """A message says when, to whom, how, what, and what became of it; whom the reader may not know has no name."""
    failed = message(
        status="FAILED", why="NO_ADDRESS", at="2026-05-06T08:00:00+00:00", sent_version=None, person_id="x"
    )
    first, second = lines_of([{"version": 5, "value": "Come on Monday."}], a=message(), b=failed)
    assert (first.who, first.standing, first.why, first.text) == (
        "Name not shown",
        "Failed",
        "There is no address for it",
        "",
    )
    assert second == SentMessage(
        at="5 May 2026 at 08:01",
        who="Una Birch",
        what="A place is booked",
        channel="Text message",
        standing="Delivered",
        why="",
        text="Come on Monday.",
    )
    page = page_of(messages=[first, second])
    assert "Letter (PDF)" not in page
    (letter,) = lines_of([{"version": 5, "value": "Come on Monday."}], m1=message(channel="LETTER"))
    assert letter.letter == "/records/referrals/r1/documents/message-letter?item=m1"
    assert letter.letter in page_of(messages=[letter])
    assert page.index("Name not shown") < page.index("Come on Monday.")
    assert "Sent messages" not in page_of()


def test_somebody_can_be_written_to_from_the_case_page() -> None:
    """Where the referral's guidance lets the reader write, the page leads to the form; elsewhere it does not."""
    can, cannot = (Steps([NextStep("WriteToPerson", "Write to a person", kind)], []) for kind in ("needs", "never"))
    writing = open_in({"r1": can, "r2": cannot, "d1": Steps([], [])}, "WriteToPerson")
    assert writing == ["r1"]
    assert "/records/referrals/r1/do/WriteToPerson" in page_of(writing=writing)
    assert "/records/referrals/r1/do/LinkPerson" in page_of(writing=writing)
    assert "WriteToPerson" not in page_of()


def test_a_text_that_is_not_shown_says_why() -> None:
    """A text that is sealed for the reader, or forgotten, is not there, and the line says which."""
    (sealed,) = lines_of([{"version": 5, "sealed": True, "class": "VICTIM_VIEW"}], a=message())
    (forgotten,) = lines_of([{"version": 5, "forgotten": True, "class": "NARRATIVE"}], a=message())
    assert (sealed.text, forgotten.text) == ("Not shown to your role", "Forgotten")
