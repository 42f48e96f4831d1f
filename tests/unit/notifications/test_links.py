"""A message of one appointment to come has a link to its page, which is sent and not recorded."""

from uuid import uuid4

import pytest

from services.notifications.channels.record import RecordOnly
from services.notifications.outbox import Batch
from services.notifications.rendering import ENGLISH, WELSH, render, templates
from services.notifications.sender import _envelope, _Way
from tests.reading_age import reading_age
from tests.unit.notifications.test_rendering import booked

LINK = "https://console.example.org/next/abcdefghijklmnopqrstuv"


@pytest.mark.parametrize("welsh", [False, True])
def test_the_link_stands_at_the_end_of_what_is_sent_alone(welsh: bool) -> None:
    """Given a link, then what is sent ends with it, in the person's language; the text that is recorded has none."""
    message = booked()
    text = render([message], {}, welsh=welsh)
    batch = Batch([{"id": uuid4(), "sent_as": None, "handed_over": False}])
    sent = _envelope(batch, _Way(RecordOnly(), "SMS", "07700 900321"), [message], {}, text, LINK)
    assert sent.body == f"{text.body} {templates(WELSH if welsh else ENGLISH)['words']['page']} {LINK}"
    assert "next" not in text.body
    assert _envelope(batch, _Way(RecordOnly(), "SMS", "07700 900321"), [message], {}, text).body == text.body


def test_the_words_before_the_link_are_plain() -> None:
    """The words before a link are read at nine, as those of the message are."""
    assert reading_age(f"{templates(ENGLISH)['words']['page'].rstrip(':')}.") <= 9
