"""What a dry run of an import appends is judged by what is recorded, and stays in memory."""

from shared.api.imports import _DryRunKeyring, _DryRunStore
from shared.event_store import Appended, KeyTaken, WrongExpectedVersion
from shared.event_store.memory import MemoryEventStore
from shared.privacy.keyring import MemoryKeyring
from tests.integration.event_store.streams import Stream


async def test_events_follow_those_that_are_recorded() -> None:
    """Given a recorded stream, then an append goes on from it, and the recorded stream stays as it was."""
    recorded, stream = MemoryEventStore(), Stream()
    await stream.write(recorded, b"first")
    before = await recorded.load(stream.name)
    dry = _DryRunStore(recorded)
    assert await dry.load(stream.name) == before
    append = stream.asks(b"second")
    assert isinstance(await dry.append(append), Appended)
    assert await dry.append(stream.asks(b"other")) == WrongExpectedVersion(2)
    assert [record.body for record in (await dry.load(stream.name)).records] == [
        before.records[0].body,
        append.events[0].body,
    ]
    assert await recorded.load(stream.name) == before


async def test_a_claim_of_another_record_is_taken() -> None:
    """Given a claim of a recorded stream, then another one loses it; a claim of the dry run itself is held in memory."""
    recorded, holder, other = MemoryEventStore(), Stream(), Stream()
    await holder.write(recorded, takes=["child/1"])
    dry = _DryRunStore(recorded)
    assert await dry.append(other.asks(takes=["child/1"])) == KeyTaken("child/1")
    assert isinstance(await dry.append(other.asks(takes=["child/2"])), Appended)
    assert await dry.append(Stream().asks(takes=["child/2"])) == KeyTaken("child/2")
    assert await recorded.holders(["child/1", "child/2"]) == {"child/1": holder.name}


async def test_new_keys_stay_in_memory() -> None:
    """Given a stored key and a new one, then both open what they sealed, and the keyring has no new one."""
    stored = MemoryKeyring()
    known = (await stored.keys_for_sealing(["person/1"]))["person/1"]
    dry = _DryRunKeyring(stored)
    keys = await dry.keys_for_sealing(["person/1", "person/2"])
    assert keys["person/1"] == known
    assert await dry.open([("person/1", 1), ("person/2", 1)]) == {
        ("person/1", 1): known,
        ("person/2", 1): keys["person/2"],
    }
    assert await dry.existing_keys(["person/2", "person/3"]) == {"person/2": keys["person/2"]}
    assert await stored.existing_keys(["person/2"]) == {}
