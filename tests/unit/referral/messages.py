"""The usual commands about messages to people."""

from typing import Any, Final, Literal

from services.referral.domain.commands import (
    AnnounceAbsence,
    RecordMessage,
    RecordMessageDelivery,
    RecordMessageFailure,
    RecordPreferences,
    WriteToPerson,
)
from services.referral.events import WrittenByHand
from services.trade.vocabulary import Channel, Language, MessageTemplate
from shared.domain.sealing import Sealed
from tests.unit.referral.stories import LEO, named

MESSENGER: Final = "MESSENGER"
MESSAGE, BOOKING = named("message"), named("booking")
TEXT: Final = "Please be at the library on Tuesday at 4 pm."


def preferences(**other: Any) -> RecordPreferences:
    """Return that Leo would like text messages in Welsh."""
    said: dict[str, Any] = {"messages_wanted": True, "preferred_channel": Channel.SMS, "language": Language.WELSH}
    return RecordPreferences(**{"person_id": LEO} | said | other)


def written(template: WrittenByHand = MessageTemplate.PLEASE_RING, **other: Any) -> WriteToPerson:
    """Return that Leo is to be written to."""
    return WriteToPerson(**{"person_id": LEO, "template": template} | other)


def _message(other: dict[str, Any]) -> dict[str, Any]:
    """Return a text message to Leo about his place."""
    return {
        "message_id": MESSAGE,
        "person_id": LEO,
        "about": BOOKING,
        "channel": "SMS",
        "template": MessageTemplate.PLACE_BOOKED,
        "template_version": 1,
    } | other


def sent(**other: Any) -> RecordMessage:
    """Return that it was sent."""
    return RecordMessage(**_message(other), text=Sealed(TEXT))


def failed(**other: Any) -> RecordMessageFailure:
    """Return that it could not be sent."""
    return RecordMessageFailure(**_message({"why": "NO_ANSWER"} | other))


def receipt_of(outcome: Literal["DELIVERED", "NOT_DELIVERED"]) -> RecordMessageDelivery:
    """Return what its carrier says became of it."""
    return RecordMessageDelivery(message_id=MESSAGE, outcome=outcome)


def absence() -> AnnounceAbsence:
    """Return that Leo cannot come to his place."""
    return AnnounceAbsence(person_id=LEO, about=BOOKING)
