"""The letter of one message, as it was sent."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from services.referral.domain.state import Referral
from services.referral.events import MessageDelivered, MessageFailed, MessageSent, PersonLinked
from services.trade.relations import is_barred_from_any
from shared.domain.documents import DocumentData, NotAvailable, personal_value, value_if_open
from shared.domain.envelope import Fact, has_event


def letters(state: Referral) -> Iterable[UUID]:
    return (
        id_
        for id_, message in state.messages.items()
        if message.channel == "LETTER" and message.sent_version is not None
    )


def facts_of_message(facts: Sequence[Fact], message_id: UUID) -> Sequence[Fact]:
    """Return the facts without every other message; none if there is no such one."""
    of_messages = MessageSent | MessageFailed | MessageDelivered
    if not any(has_event(fact, MessageSent) and fact.event.message_id == message_id for fact in facts):
        return []
    return [fact for fact in facts if not isinstance(fact.event, of_messages) or fact.event.message_id == message_id]


def message_letter(state: Referral, facts: Sequence[Fact]) -> DocumentData | NotAvailable:
    """Fill the letter of the one message of these facts. Its address is that of the person as last linked."""
    *_, sent = (fact for fact in facts if has_event(fact, MessageSent))
    person = sent.event.person_id
    links = [fact.event for fact in facts if has_event(fact, PersonLinked) and fact.event.person_id == person]
    if not links:
        return NotAvailable("Nobody is linked to whom the letter went.")
    if is_barred_from_any(person, state.people, state.known, sent.day):
        return NotAvailable(
            "This person may have no contact with a child of this case: nothing about the child goes to them."
        )
    details = state.victim_details.get(person)
    safe = not state.is_victim(person) or (details is not None and details.contact_is_safe)
    values = {
        "name": personal_value(links[-1].details.name),
        "address": value_if_open(links[-1].details.address) if safe else None,
        "text": personal_value(sent.event.text),
    }
    return DocumentData(values, sent.occurred_at)
