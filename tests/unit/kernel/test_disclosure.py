"""Sealed fields are disclosed by class: what a reader may see is decrypted, anything else stays closed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Final
from uuid import UUID

import pytest

from shared.domain.decider import history_at
from shared.domain.envelope import EventRegistry, Fact
from shared.domain.messages import Correction, Event, FreeText, ValueObject
from shared.domain.sealing import (
    FieldClass,
    OwnedBy,
    Sealed,
    TamperedToken,
    field_class,
    map_sealed,
    seal_model,
    sealed_fields,
)
from shared.privacy.disclosure import Disclosure, closed_but, disclose
from shared.privacy.keyring import MemoryKeyring
from tests.unit.kernel.lamps import HOME, OWNER, history


class Shade(FieldClass):
    """The classes of these tests."""

    WHO = "WHO"
    WHERE = "WHERE"
    GUEST = "GUEST"
    WHY = "WHY"


class Person(ValueObject):
    """A person with a name, and perhaps other names."""

    name: Annotated[Sealed[FreeText], Shade.WHO]
    street: Annotated[Sealed[FreeText] | None, Shade.WHERE] = None
    age: int = 14


class Came(Event):
    """Somebody came, as a guest or not."""

    person_id: UUID
    details: Annotated[Person, OwnedBy("person_id")]
    guest: bool = False
    others: Annotated[tuple[Person, ...], Shade.WHERE] = ()
    said: Annotated[Sealed[FreeText] | None, OwnedBy("person_id"), Shade.WHY] = None
    secret: Sealed[FreeText] | None = None


class Corrected(Correction):
    """A field was corrected."""

    owner: UUID | None = None
    sealed: Annotated[Sealed[Any] | None, OwnedBy("owner")] = None


def narrowed(event: Event, declared: FieldClass) -> FieldClass:
    """Where a guest lives is a class of its own."""
    return Shade.GUEST if declared is Shade.WHERE and isinstance(event, Came) and event.guest else declared


EVENTS: Final = EventRegistry("lamps", (Came, Corrected), reasons=Shade.WHY, narrowed=narrowed)
CAME: Final = Came(
    person_id=OWNER,
    details=Person(name=Sealed("Robin"), street=Sealed("Mill Lane")),
    said=Sealed("Hello."),
    secret=Sealed("?"),
)


async def recorded(keyring: MemoryKeyring, *events: Event) -> list[Fact]:
    """Return a history of events, sealed and then read without keys, with a rationale in the first."""
    facts = []
    for fact in history(*events):
        rationale = {"R1": Sealed("Because.")} if fact.version == 1 else {}
        envelope = fact.envelope.model_copy(update={"rationale": rationale})
        subjects = {s for model in (fact.event, envelope) for _, s, _ in sealed_fields(model, HOME)}
        keys = await keyring.keys_for_sealing(subjects)
        sealed = replace(
            fact,
            envelope=seal_model(envelope, HOME, fact.event_id, keys),
            event=seal_model(fact.event, HOME, fact.event_id, keys),
        )
        facts.append(closed(sealed))
    return facts


def closed(fact: Fact) -> Fact:
    """Return the same without the values in memory."""

    def close(_path: str, _subject: str, sealed: Sealed[Any]) -> Sealed[Any]:
        return Sealed.of_token(sealed.token)

    return replace(fact, envelope=map_sealed(fact.envelope, HOME, close), event=map_sealed(fact.event, HOME, close))


def details(disclosure: Disclosure, only: Sequence[FieldClass] | None = None) -> dict[str, Any]:
    return disclosure.details(history_at(disclosure.facts), only)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("details.name", Shade.WHO),
        ("details.street", Shade.WHERE),
        ("others.0.name", Shade.WHO),
        ("others.12.age", Shade.WHERE),
        ("said", Shade.WHY),
        ("secret", None),
        ("nothing", None),
        ("details.nothing", None),
    ],
)
def test_the_innermost_annotation_is_the_class(path: str, expected: Shade | None) -> None:
    """A field without one takes that of the group in which it stands; a number in the path is an index."""
    assert field_class(Came, path) is expected


async def test_a_class_is_opened_and_the_others_stay_closed() -> None:
    """Given one class, then its values are there, all else says that it is sealed, and only its key was needed."""
    keyring = MemoryKeyring()
    facts = await recorded(keyring, CAME)
    disclosure = await disclose(EVENTS, facts, {Shade.WHO}, keyring)
    assert disclosure.opened == {Shade.WHO}
    texts = details(disclosure)
    assert texts["people"] == {str(OWNER): {"name": "Robin", "street": {"sealed": True, "class": "WHERE"}, "age": 14}}
    assert texts["texts"] == [
        {"event": "Came", "version": 1, "field": "said", "class": "WHY", "person_id": str(OWNER), "sealed": True},
        {"event": "Came", "version": 1, "field": "secret", "class": None, "person_id": None, "sealed": True},
    ]
    assert disclosure.show(disclosure.facts[0].envelope.rationale["R1"]) == {"sealed": True, "class": "WHY"}


async def test_without_any_class_the_keyring_is_not_asked() -> None:
    """Given no class, then everything is closed though no keyring has the keys."""
    facts = await recorded(MemoryKeyring(), CAME)
    disclosure = await disclose(EVENTS, facts, set(), MemoryKeyring())
    assert disclosure.opened == set()
    assert all(sealed.is_closed for _, _, sealed in sealed_fields(disclosure.facts[0].event, HOME))


async def test_reasons_have_the_class_of_the_registry() -> None:
    """A rationale and the reason of a correction are opened with it."""
    keyring = MemoryKeyring()
    first = history(CAME)[0].event_id
    correction = Corrected(corrects=first, field="guest", value=True, why=Sealed("It was a guest."))
    disclosure = await disclose(EVENTS, await recorded(keyring, CAME, correction), {Shade.WHY}, keyring)
    assert disclosure.facts[0].envelope.rationale["R1"].value == "Because."
    assert [(text["field"], text.get("value")) for text in details(disclosure)["texts"]] == [
        ("said", "Hello."),
        ("secret", None),
        ("why", "It was a guest."),
    ]


async def test_what_was_corrected_is_shown_in_its_place_under_the_class_of_the_field() -> None:
    """Given another name in a correction, then the person has it, and the original event still has the first."""
    keyring = MemoryKeyring()
    first = history(CAME)[0].event_id
    correction = Corrected(
        corrects=first, field="details.name", sealed=Sealed("Rowan"), owner=OWNER, why=Sealed("Misheard.")
    )
    disclosure = await disclose(EVENTS, await recorded(keyring, CAME, correction), {Shade.WHO}, keyring)
    assert details(disclosure)["people"][str(OWNER)]["name"] == "Rowan"
    original, corrected = (fact.event for fact in disclosure.facts)
    assert isinstance(original, Came)
    assert original.details.name.value == "Robin"
    assert isinstance(corrected, Corrected)
    assert corrected.sealed is not None
    assert corrected.sealed.value == "Rowan"


async def test_a_corrected_event_hides_what_it_would_hide_now() -> None:
    """Given somebody who turned out to be a guest, then the street is of the guests' class, in the original too."""
    keyring = MemoryKeyring()
    first = history(CAME)[0].event_id
    correction = Corrected(corrects=first, field="guest", value=True, why=Sealed("It was a guest."))
    facts = await recorded(keyring, CAME, correction)
    hidden = await disclose(EVENTS, facts, {Shade.WHERE}, keyring)
    assert hidden.opened == set()
    assert details(hidden)["people"][str(OWNER)]["street"] == {"sealed": True, "class": "GUEST"}
    opened = await disclose(EVENTS, facts, {Shade.GUEST}, keyring)
    assert details(opened)["people"][str(OWNER)]["street"] == "Mill Lane"


@pytest.mark.parametrize(("opens", "shown"), [({Shade.WHERE}, False), ({Shade.GUEST}, False), ({*Shade}, True)])
async def test_no_correction_opens_what_was_hidden(opens: set[FieldClass], shown: bool) -> None:
    """Given a guest whom a correction makes none, then the street takes both classes; a street of its own in a correction too."""
    keyring = MemoryKeyring()
    guest = CAME.model_copy(update={"guest": True})
    first = history(guest)[0].event_id
    moved = Corrected(corrects=first, field="details.street", sealed=Sealed("Quay"), owner=OWNER, why=Sealed("Moved."))
    no_guest = Corrected(corrects=first, field="guest", value=False, why=Sealed("It was none."))
    disclosure = await disclose(EVENTS, await recorded(keyring, guest, moved, no_guest), opens, keyring)
    original, correction, _ = (fact.event for fact in disclosure.facts)
    assert isinstance(original, Came)
    assert isinstance(correction, Corrected)
    streets = (original.details.street, correction.sealed)
    assert [street is not None and not street.is_closed for street in streets] == [shown, shown]
    assert (details(disclosure)["people"][str(OWNER)]["street"] == "Quay") is shown


async def test_only_some_events_are_opened() -> None:
    """Given one of two events, then its fields have values by path, with its rationale, and the other event stays closed."""
    keyring = MemoryKeyring()
    first, second = await recorded(keyring, CAME, CAME)
    disclosure = await disclose(EVENTS, [first, second], {Shade.WHO}, keyring, {second.event_id})
    closed, opened = (disclosure.fields_of(fact) for fact in disclosure.facts)
    assert closed["details.name"] == {"sealed": True, "class": "WHO"}
    assert opened["details.name"] == {"value": "Robin", "class": "WHO"}
    assert closed["rationale.R1"] == {"sealed": True, "class": "WHY"}
    none = await disclose(EVENTS, [first, second], {Shade.WHO}, MemoryKeyring(), ())
    assert none.opened == set()


async def test_a_destroyed_key_shows_as_forgotten() -> None:
    """Given a destroyed key, then its fields are forgotten for who might see them, and nothing of them counts as opened."""
    keyring = MemoryKeyring()
    facts = await recorded(keyring, CAME)
    await keyring.destroy(f"person/{OWNER}")
    disclosure = await disclose(EVENTS, facts, {Shade.WHO, Shade.WHY}, keyring)
    assert disclosure.opened == {Shade.WHY}  # the rationale, under the key of the home
    texts = details(disclosure)
    assert texts["people"][str(OWNER)]["name"] == {"forgotten": True, "class": "WHO"}
    assert texts["texts"][0] == {
        "event": "Came",
        "version": 1,
        "field": "said",
        "class": "WHY",
        "person_id": str(OWNER),
        "forgotten": True,
    }


async def test_details_limited_to_classes_have_their_texts_alone() -> None:
    """Given a limit, then no person and no other text is even mentioned."""
    keyring = MemoryKeyring()
    disclosure = await disclose(EVENTS, await recorded(keyring, CAME), {Shade.WHY}, keyring)
    texts = details(disclosure, [Shade.WHY])
    assert texts["people"] == {}
    assert [text["value"] for text in texts["texts"]] == ["Hello."]


async def test_a_token_of_another_event_is_not_opened() -> None:
    """Given a token that was moved to another event, then it is refused as tampered with."""
    keyring = MemoryKeyring()
    first, second = await recorded(keyring, CAME, CAME)
    moved = replace(second, event=first.event)
    with pytest.raises(TamperedToken):
        await disclose(EVENTS, [first, moved], {Shade.WHO}, keyring)


async def test_what_was_read_with_its_keys_is_closed_again_but_for_some_classes() -> None:
    """Given an opened history of a guest with a correction, when all but one class is closed, then nothing else is there."""
    keyring = MemoryKeyring()
    guest = CAME.model_copy(update={"guest": True})
    moved = Corrected(
        corrects=history(guest)[0].event_id,
        field="details.street",
        why=Sealed("Moved."),
        owner=OWNER,
        sealed=Sealed("Far Lane"),
    )
    facts = await recorded(keyring, guest, moved)
    opened = (await disclose(EVENTS, facts, set(Shade), keyring)).facts
    came, corrected = closed_but(EVENTS, opened, {Shade.WHO, Shade.WHERE})
    assert isinstance(came.event, Came)
    assert isinstance(corrected.event, Corrected)
    assert came.event.details.name.value == "Robin"
    hidden = (came.event.details.street, came.event.said, came.envelope.rationale["R1"], corrected.event.sealed)
    assert all(sealed is not None and sealed.is_closed for sealed in hidden)
