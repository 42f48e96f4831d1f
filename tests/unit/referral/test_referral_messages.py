"""Messages to people: what was sent, what failed and arrived, who wants none, and whom somebody rings instead."""

import json
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from services.referral.domain.commands import RecordPreferences
from services.referral.events import EVENTS
from services.trade.vocabulary import Category, Channel, Personal, PersonDetails, PersonRole, Role
from shared.domain.duties import Duty
from shared.domain.duties_by_day import duties_on
from shared.domain.sealing import sealed_fields
from tests.unit.referral.messages import (
    BOOKING,
    MESSAGE,
    MESSENGER,
    TEXT,
    absence,
    failed,
    preferences,
    receipt_of,
    sent,
    written,
)
from tests.unit.referral.stories import (
    LATER,
    LATEST,
    LEO,
    MIA,
    NEXT_DAY,
    NOON,
    SOON,
    ReferralStory,
    contact,
    link,
    victim_details,
)

TODAY = date(2026, 2, 24)


def duty(story: ReferralStory, name: str, as_of: date = date(2026, 3, 12)) -> Duty:
    """Return the one duty of a name."""
    (found,) = (one for one in duties_on(story.service.read_model, story.facts, as_of) if one.duty == name)
    return found


def show_message(story: ReferralStory) -> dict[str, Any]:
    """Return the message as the referral shows it."""
    message: dict[str, Any] = story.view["messages"][str(MESSAGE)]
    return message


def test_what_is_recorded_late_brings_back_no_contact(referral: ReferralStory) -> None:
    """Given who wants no message, and whose contact is not safe, when an earlier yes is recorded late, then it is still no."""
    referral.received().linked(MIA, category=Category.VICTIM, role=PersonRole.HARMED)
    for at, yes in ((NOON, False), (SOON, True)):
        referral.does(preferences(person_id=MIA, messages_wanted=yes), at)
        referral.does(victim_details(MIA, contact_is_safe=yes), at, "VICTIM_WORKER")
    assert referral.state.preferences[MIA].messages_wanted is False
    assert referral.state.victim_details[MIA].contact_is_safe is False


def test_a_message_that_was_sent_arrives_once(referral: ReferralStory) -> None:
    """Given a message, then it is shown as sent and then as delivered, each once; its receipt does not come before it."""
    referral.received().linked()
    assert referral.problems(receipt_of("DELIVERED"), NOON, MESSENGER) == {"S1"}
    assert referral.does(sent(), NOON, MESSENGER) == ["MessageSent"]
    assert (show_message(referral)["status"], show_message(referral)["about"]) == ("SENT", str(BOOKING))
    assert referral.problems(sent(), NOON, MESSENGER) == {"S1"}
    for other in (UUID(int=1), UUID(int=2**128 - 1)):
        assert referral.problems(failed(person_id=other), NEXT_DAY, MESSENGER) == {"S1"}
    assert referral.problems(receipt_of("DELIVERED"), SOON, MESSENGER) == {"T1"}
    assert referral.does(receipt_of("DELIVERED"), NEXT_DAY, MESSENGER) == ["MessageDelivered"]
    assert show_message(referral)["status"] == "DELIVERED"
    for again in (sent(), failed(), receipt_of("NOT_DELIVERED")):
        assert referral.problems(again, LATER, MESSENGER) == {"S1"}


def test_the_text_is_the_persons_own(referral: ReferralStory) -> None:
    """A text is sealed under the person's key; that to somebody harmed is of the class that victim workers read."""
    referral.received().linked()
    referral.linked(MIA, role=PersonRole.HARMED, category=Category.VICTIM)
    for person, class_ in ((LEO, Personal.NARRATIVE), (MIA, Personal.VICTIM_VIEW)):
        referral.does(sent(message_id=person, person_id=person), NOON, MESSENGER)
        fact = referral.facts[-1]
        ((path, subject, sealed),) = sealed_fields(fact.event, fact.envelope.home)
        assert (path, subject, sealed.value) == ("text", f"person/{person}", TEXT)
        assert EVENTS.class_of(fact.event, "text") is class_


def test_somebody_rings_whom_a_message_has_not_reached(referral: ReferralStory) -> None:
    """Given a failure, then somebody is to ring by the next working day, though the referral is closed; a contact meets it."""
    referral.acknowledged().linked().does(contact(), SOON)
    assert referral.does(failed(), NOON, MESSENGER) == ["MessageFailed"]
    assert (show_message(referral)["status"], show_message(referral)["why"]) == ("FAILED", "NO_ANSWER")
    assert referral.problems(failed(), NOON, MESSENGER) == {"S1"}
    referral.closed()
    rings = duty(referral, "RING_INSTEAD")
    assert (rings.opened_on, rings.due, rings.met_on, rings.item) == (TODAY, date(2026, 2, 25), None, str(MESSAGE))
    assert rings.overdue(date(2026, 3, 12))
    referral.does(contact(), LATEST)
    assert duty(referral, "RING_INSTEAD").met_on == date(2026, 3, 12)


def test_a_message_that_is_sent_after_all_needs_no_call(referral: ReferralStory) -> None:
    """Given a failure, when it is sent again to the same person, then nobody rings; to another it is not sent."""
    referral.received().linked().does(failed(), NOON, MESSENGER)
    assert referral.problems(sent(person_id=MIA), NEXT_DAY, MESSENGER) == {"S1"}
    referral.does(sent(), NEXT_DAY, MESSENGER)
    assert [one.duty for one in duties_on(referral.service.read_model, referral.facts, date(2026, 2, 25))].count(
        "RING_INSTEAD"
    ) == 0
    assert referral.does(receipt_of("NOT_DELIVERED"), LATER, MESSENGER) == ["MessageFailed"]
    assert (show_message(referral)["why"], duty(referral, "RING_INSTEAD").opened_on) == (
        "NOT_DELIVERED",
        date(2026, 3, 10),
    )


def test_somebody_answers_who_cannot_come(referral: ReferralStory) -> None:
    """Given somebody who cannot come, then somebody rings them by the next working day; they say so once."""
    referral.received().linked()
    assert referral.does(absence(), NOON, "INVITED") == ["AbsenceAnnounced"]
    assert referral.problems(absence(), NEXT_DAY, "INVITED") == {"S1"}
    assert duty(referral, "ANSWER_ABSENCE").due == date(2026, 2, 25)
    referral.does(contact(), NEXT_DAY)
    assert duty(referral, "ANSWER_ABSENCE").met_on == date(2026, 2, 25)


def test_who_may_not_be_written_to_is_not(referral: ReferralStory) -> None:
    """Given a child, somebody harmed and a stranger, then each is written to by hand only if they may be told."""
    referral.received().linked()
    referral.linked(MIA, role=PersonRole.HARMED, category=Category.VICTIM)
    assert referral.does(written(), NOON) == ["MessageRequested"]
    assert referral.problems(written(), NOON, "VICTIM_WORKER") == {"V1"}
    assert referral.problems(written(person_id=BOOKING), NOON) == {"W1"}
    assert referral.problems(written(person_id=MIA), NOON, "VICTIM_WORKER") == {"W1"}
    referral.does(victim_details(MIA, contact_is_safe=True, wants_updates=True), NOON, "VICTIM_WORKER")
    assert referral.does(written(person_id=MIA), SOON, "VICTIM_WORKER") == ["MessageRequested"]
    referral.does(preferences(messages_wanted=False), NEXT_DAY)
    assert referral.problems(written(), LATER) == {"W1"}


def test_the_newest_preferences_count(referral: ReferralStory) -> None:
    """What was said last about messages is shown, with the channel of the details where nothing else was said."""
    referral.received()
    details = link().details.model_copy(update={"preferred_channel": Channel.LETTER})
    referral.does(link().model_copy(update={"details": details}))

    def way() -> tuple[Any, ...]:
        of_leo = referral.view["contacts"][str(LEO)]
        return of_leo["messages_wanted"], of_leo["preferred_channel"], of_leo["language"]

    assert way() == (None, "LETTER", None)
    referral.does(preferences(), NOON, "VICTIM_WORKER")
    assert way() == (True, "SMS", "WELSH")
    referral.does(preferences(messages_wanted=False, preferred_channel=None, language=None), NEXT_DAY)
    assert way() == (False, "LETTER", None)


def test_a_victim_is_shown_with_what_is_safe(referral: ReferralStory) -> None:
    """Of somebody harmed it stands there whether the contact is safe, and whether they want updates."""
    referral.received().linked(MIA, role=PersonRole.HARMED, category=Category.VICTIM)
    assert referral.view["contacts"][str(MIA)]["contact_is_safe"] is None
    referral.does(victim_details(person_id=MIA, contact_is_safe=False), NOON)
    of_mia = referral.view["contacts"][str(MIA)]
    assert (of_mia["is_harmed"], of_mia["contact_is_safe"]) == (True, False)


@pytest.mark.parametrize("command", [sent(), failed(), receipt_of("DELIVERED")])
def test_the_messenger_alone_records_messages(command: Any) -> None:
    """No person says that a message was sent; the messenger says nothing else."""
    service = ReferralStory().service
    assert service.roles_for(type(command)) == {Role.MESSENGER}
    assert Role.MESSENGER not in service.roles_for(RecordPreferences)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("telephone", "01632 960018", "ask her mother"),
        ("telephone", "+44 (0)7700 900321", "01632 960018 or 01632 960019"),
        ("email", "robin.doe@example.org", "robin at example"),
        ("email", "R.O'Doe@mail.example.org", "Robin <robin@example.org>"),
    ],
)
def test_an_address_is_one_that_can_be_written_to(name: str, good: str, bad: str) -> None:
    """A telephone number or e-mail address stands alone in its field; anything else is refused with an example."""

    details = {"name": "Leo Hart", "date_of_birth": "2011-06-30"}
    assert getattr(PersonDetails.model_validate_json(json.dumps(details | {name: good})), name).value == good
    with pytest.raises(ValidationError, match="alone, such as"):
        PersonDetails.model_validate_json(json.dumps(details | {name: bad}))
