"""An event counts as what its bytes say: a record that came under another place or type is no event."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import pytest

from services.reporting.projection.projector import read
from shared.domain.data_rights import RestrictionLifted, data_rights_events
from shared.domain.envelope import Envelope, Origin, PolicyStamp, UnknownEvent, encode_event
from shared.domain.messages import Actor
from shared.event_store import RecordedEvent

NOW: Final = datetime(2026, 5, 4, 9, tzinfo=UTC)
PERSON: Final = uuid4()
OTHERWISE: Final[dict[str, Any]] = {
    "stream": f"referral/{uuid4()}",
    "version": 2,
    "event_id": uuid4(),
    "type": "ooc.referral.PersonForgotten.v1",
}


def lifted() -> RecordedEvent:
    """Return a restriction that referral lifts, as its relay publishes it."""
    stream, event_id, home = f"referral/{uuid4()}", uuid4(), uuid4()
    event = RestrictionLifted(person_id=PERSON)
    type_ = data_rights_events("referral").type_name(RestrictionLifted)
    envelope = Envelope(
        event_id=event_id,
        type=type_,
        stream=stream,
        version=1,
        home=home,
        command_id=uuid4(),
        occurred_at=NOW,
        actor=Actor(id=uuid4(), role="DATA_PROTECTION_OFFICER", organisation="Dorset Police"),
        correlation_id=uuid4(),
        causation_id=None,
        traceparent=None,
        policy=PolicyStamp(edition="1", day=NOW.date()),
        rules=(),
        rationale={},
        labels={},
        origin=Origin(),
    )
    body = encode_event(envelope, event)
    return RecordedEvent(7, NOW, stream, 1, event_id, type_, home, bytes(32), body)


def test_an_event_is_read_under_its_own_place() -> None:
    """Given an event whose bytes and place agree, then it is read as what it is."""
    assert read(lifted()).event == RestrictionLifted(person_id=PERSON)


@pytest.mark.parametrize("name", OTHERWISE)
def test_an_event_that_came_under_another_name_is_none(name: str) -> None:
    """Given an event that came under another stream, version, id or type than its bytes say, then it is no event."""
    with pytest.raises(UnknownEvent, match=name):
        read(replace(lifted(), **{name: OTHERWISE[name]}))


def test_no_service_speaks_for_the_record_of_another() -> None:
    """Given an event in referral's topic whose bytes name a stream of disposal, then it is no event of either."""
    record = lifted()
    with pytest.raises(UnknownEvent):
        read(replace(record, body=record.body.replace(b"referral/", b"disposal/")))
