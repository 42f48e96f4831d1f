"""The one path of a command, on both event stores: what is answered, what is kept, what is never in clear."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import pytest

from shared.domain.decisions import NeedsRationale, Refused
from shared.domain.messages import Actor
from shared.domain.sealing import Forgotten, Sealed
from shared.event_store import EventStore
from shared.event_store.postgres import PostgresEventStore
from shared.handling.command_handler import (
    Accepted,
    CommandHandler,
    DryRun,
    Forbidden,
    IdempotencyKeyReused,
    Result,
    StreamNotFound,
    VersionConflict,
)
from shared.privacy.keyring import KeyDestroyed, Keyring, KeyringUnavailable, MemoryKeyring, PostgresKeyring
from shared.servers import database as connections
from shared.servers.database import as_role
from tests.integration.event_store.streams import as_application
from tests.integration.event_store.tallies import (
    KEEPER,
    SERVICE,
    CloseTally,
    Count,
    OpenTally,
    TallyOpened,
    opening,
    request_for,
    view,
)
from tests.integration.keyring.rings import KEEPER as SEALER_AND_ERASER
from tests.integration.keyring.rings import new_kek, ring_database


@pytest.fixture
async def keyring_database(postgres_url: str) -> AsyncIterator[str]:
    """Yield a keyring's database of the test's own: its address, as its owner."""
    async with ring_database(postgres_url) as owner:
        yield owner


@pytest.fixture
async def postgres_keyring(keyring_database: str) -> AsyncIterator[PostgresKeyring]:
    """Yield the real keyring, under a key-encryption key of its own."""
    pool = await connections.create_pool(as_role(keyring_database, SEALER_AND_ERASER))
    yield PostgresKeyring(pool, new_kek())
    pool.terminate()


@pytest.fixture
def keyring(request: pytest.FixtureRequest, event_store: EventStore) -> Keyring:
    """Return the keyring that goes with the event store."""
    if isinstance(event_store, PostgresEventStore):
        real: Keyring = request.getfixturevalue("postgres_keyring")
        return real
    return MemoryKeyring()


@pytest.fixture
def handler(event_store: EventStore, keyring: Keyring) -> CommandHandler:
    """Return the small service on an event store and a keyring."""
    return CommandHandler(SERVICE, event_store, keyring, b"k" * 32)


@dataclass
class Tallying:
    """An open tally."""

    handler: CommandHandler
    stream: UUID
    person: UUID

    async def ask(self, command: Count | CloseTally | OpenTally, key: str | None = None) -> Result:
        return await self.handler.handle(request_for(self.handler, self.stream, command, key))


@pytest.fixture
async def tally(handler: CommandHandler) -> Tallying:
    """Return a tally of Robin Doe's, just opened."""
    tally = Tallying(handler, uuid4(), uuid4())
    result = await tally.ask(opening(person=tally.person))
    assert isinstance(result, Accepted)
    return tally


# --- answers --------------------------------------------------------------------------------------


async def test_a_command_is_answered_with_its_place(tally: Tallying) -> None:
    """Given a command that makes two events, the receipt names both, the last position and the stream's hash."""
    result = await tally.ask(Count(by=5))
    assert isinstance(result, Accepted)
    assert not result.repeated
    answer = result.receipt
    records = await tally.handler.event_store.read(1, 10)
    assert [(e.event_id, e.type, e.version, e.position, e.hash) for e in answer.events] == [
        (r.event_id, r.type, r.version, r.position, r.hash.hex()) for r in records
    ]
    assert (answer.version, answer.position, answer.position_token) == (3, 3, "tests:3")
    assert (answer.recorded_at, answer.hash) == (records[-1].recorded_at, records[-1].hash.hex())
    assert await view(tally.handler, tally.stream) == {"total": 5, "closed": False}


async def test_the_same_key_gets_the_first_answer_again(tally: Tallying) -> None:
    """Given a command sent twice under one key, nothing more is recorded and the same receipt is given."""
    first = await tally.ask(Count(by=2, note=Sealed("seen by the door")), key="k")
    await tally.ask(Count(by=1))
    again = await tally.ask(Count(by=2, note=Sealed("seen by the door")), key="k")
    assert isinstance(first, Accepted)
    assert again == replace(first, repeated=True)
    assert (await view(tally.handler, tally.stream))["total"] == 3


async def test_the_same_key_with_another_body_is_refused(tally: Tallying) -> None:
    """Given a key used before, another body under it, if only in a sealed field, or another stream, is refused."""
    await tally.ask(Count(by=2, note=Sealed("one")), key="k")
    assert await tally.ask(Count(by=3, note=Sealed("one")), key="k") == IdempotencyKeyReused()
    assert await tally.ask(Count(by=2, note=Sealed("another")), key="k") == IdempotencyKeyReused()
    other = request_for(tally.handler, uuid4(), Count(by=2, note=Sealed("one")), "k")
    assert await tally.handler.handle(other) == IdempotencyKeyReused()
    assert (await tally.handler.event_store.head()).position == 3


async def test_a_key_is_its_actor_s_own(tally: Tallying) -> None:
    """Given two actors who use the same key, they are two commands."""
    other = Actor(id=uuid4(), role="KEEPER", organisation="HOUSE")
    await tally.ask(Count(by=1), key="k")
    result = await tally.handler.handle(request_for(tally.handler, tally.stream, Count(by=7), "k", by=other))
    assert isinstance(result, Accepted)


async def test_one_command_sent_many_times_at_once_is_recorded_once(tally: Tallying) -> None:
    """Given the same command from ten callers at once, one records it and all get the same receipt."""
    one = request_for(tally.handler, tally.stream, Count(by=1), "k")
    results = await asyncio.gather(*(tally.handler.handle(one) for _ in range(10)))
    answers = {result.receipt for result in results if isinstance(result, Accepted)}
    assert len(answers) == 1
    assert sum(isinstance(result, Accepted) and not result.repeated for result in results) == 1
    assert (await tally.handler.event_store.head()).position == 2


async def test_a_refusal_is_not_kept(tally: Tallying) -> None:
    """Given a command that was refused, the same key may be used again with what it lacked."""
    refused = await tally.ask(Count(by=0), key="k")
    assert isinstance(refused, Refused)
    assert refused.ids == ("R1",)
    warned = await tally.ask(Count(by=100), key="k")
    assert isinstance(warned, NeedsRationale)
    assert warned.ids == ("R2",)
    assert isinstance(await tally.ask(Count(by=100, rationale={"R2": "a busy day"}), key="k"), Accepted)


async def test_an_unknown_stream_is_named_so(handler: CommandHandler) -> None:
    """Given no tally of this id, a command that does not open one finds nothing, and records nothing."""
    assert await handler.handle(request_for(handler, uuid4(), Count(by=1))) == StreamNotFound()
    assert (await handler.event_store.head()).position == 0


async def test_an_expected_version_that_has_passed_is_a_conflict(tally: Tallying) -> None:
    """Given a command that expects version 1 when the stream is at 2, both versions are named."""
    await tally.ask(Count(by=1, expected_version=1))
    assert await tally.ask(Count(by=1, expected_version=1)) == VersionConflict(expected=1, actual=2)


async def test_of_commands_that_expect_the_same_version_one_goes_through(tally: Tallying) -> None:
    """Given eight commands at once that expect version 1, one is recorded and seven are told of the conflict."""
    results = await asyncio.gather(*(tally.ask(Count(by=1, expected_version=1)) for _ in range(8)))
    assert sum(isinstance(result, Accepted) for result in results) == 1
    assert results.count(VersionConflict(expected=1, actual=2)) == 7


async def test_commands_at_once_are_decided_again_until_each_is_recorded(tally: Tallying) -> None:
    """Given twenty commands at once without an expected version, every one is recorded and counted."""
    results = await asyncio.gather(*(tally.ask(Count(by=1)) for _ in range(20)))
    assert sorted(r.receipt.version for r in results if isinstance(r, Accepted)) == list(range(2, 22))
    assert (await view(tally.handler, tally.stream))["total"] == 20


async def test_what_is_decided_again_may_be_refused(tally: Tallying) -> None:
    """Given two commands at once of which the first closes the tally, the other is judged on the closed one."""
    results = await asyncio.gather(tally.ask(CloseTally()), tally.ask(CloseTally()))
    assert sorted(type(result).__name__ for result in results) == ["Accepted", "Refused"]


async def test_another_area_is_out_of_bounds(handler: CommandHandler) -> None:
    """Given a tally opened in one area, an actor of another may not touch it, nor one with a conflict of interest."""
    stream = uuid4()
    here = KEEPER.model_copy(update={"labels": {"area": "HERE"}})
    await handler.handle(request_for(handler, stream, opening(), by=here))
    there = KEEPER.model_copy(update={"labels": {"area": "THERE"}})
    torn = here.model_copy(update={"conflicts": frozenset({stream})})
    for actor in (there, torn):
        assert isinstance(await handler.handle(request_for(handler, stream, Count(by=1), by=actor)), Forbidden)
    assert isinstance(await handler.handle(request_for(handler, stream, Count(by=1), by=here)), Accepted)


# --- claims ---------------------------------------------------------------------------------------


async def test_a_lost_claim_is_the_rule_s_refusal(tally: Tallying, handler: CommandHandler) -> None:
    """Given a matter that has a tally, a second one is refused with the rule's own text; closed, it is let through."""
    second = uuid4()
    refused = await handler.handle(request_for(handler, second, opening()))
    assert isinstance(refused, Refused)
    (rule,) = refused.rules
    assert (rule.id, rule.text) == ("R28", "This matter has an open tally already: count there.")
    await tally.ask(CloseTally())
    assert isinstance(await handler.handle(request_for(handler, second, opening())), Accepted)


async def test_of_many_at_once_one_gets_the_claim(handler: CommandHandler) -> None:
    """Given ten tallies of one matter opened at once, one is opened and nine are refused by the rule."""
    results = await asyncio.gather(*(handler.handle(request_for(handler, uuid4(), opening("till"))) for _ in range(10)))
    assert sum(isinstance(result, Accepted) for result in results) == 1
    assert sum(isinstance(result, Refused) and result.ids == ("R28",) for result in results) == 9


# --- dry runs -------------------------------------------------------------------------------------


async def test_a_dry_run_records_nothing_and_takes_no_claim(tally: Tallying, handler: CommandHandler) -> None:
    """Given dry runs of a command that opens and of one that counts, the store is as before and the matter is free."""
    head = await handler.event_store.head()
    stream = uuid4()
    dry = await handler.dry_run(request_for(handler, stream, opening("till"), "k"))
    assert isinstance(dry, DryRun)
    assert isinstance(dry.outcome, tuple)
    assert (len(dry.history), [fact.name for fact in dry.outcome]) == (0, ["TallyOpened"])
    dry = await handler.dry_run(request_for(handler, tally.stream, Count(by=2)))
    assert isinstance(dry, DryRun)
    assert isinstance(dry.outcome, tuple)
    assert (len(dry.history), [fact.version for fact in dry.outcome]) == (1, [2, 3])
    assert await handler.event_store.head() == head
    real = await handler.handle(request_for(handler, uuid4(), opening("till")))
    assert isinstance(real, Accepted)
    again = await handler.handle(
        request_for(handler, stream, opening("street"), "k")
    )  # no receipt was stored under the key
    assert isinstance(again, Accepted)
    assert not again.repeated


async def test_a_dry_run_makes_no_key(handler: CommandHandler) -> None:
    """Given a person without a key, a dry run leaves them without; the command itself makes it."""
    request = request_for(handler, uuid4(), opening(person=(person := uuid4())))
    await handler.dry_run(request)
    assert not await handler.keyring.existing_keys([f"person/{person}"])
    await handler.handle(request)
    assert await handler.keyring.existing_keys([f"person/{person}"])


async def test_a_dry_run_meets_a_lost_claim_a_destroyed_key_and_a_used_one(
    tally: Tallying, handler: CommandHandler
) -> None:
    """What only the append or the keyring would refuse, the dry run refuses too; a key used before gives its receipt."""
    lost = await handler.dry_run(request_for(handler, uuid4(), opening()))
    assert isinstance(lost, DryRun)
    assert isinstance(lost.outcome, Refused)
    assert lost.outcome.ids == ("R28",)
    first = await tally.ask(Count(by=1), key="k")
    assert isinstance(first, Accepted)
    assert await handler.dry_run(request_for(handler, tally.stream, Count(by=1), "k")) == replace(first, repeated=True)
    assert await handler.dry_run(request_for(handler, tally.stream, Count(by=2), "k")) == IdempotencyKeyReused()
    await handler.keyring.destroy(f"person/{tally.person}")
    with pytest.raises(KeyDestroyed):
        await handler.dry_run(request_for(handler, uuid4(), opening("till", person=tally.person)))


# --- what is personal -----------------------------------------------------------------------------

CLEAR = ("Robin Doe", "kept seeing Robin", "because Robin said so")


async def _say_much(tally: Tallying) -> None:
    assert isinstance(
        await tally.ask(Count(by=200, note=Sealed(CLEAR[1]), rationale={"R2": CLEAR[2]}), key="secret"), Accepted
    )


async def test_nothing_personal_stands_in_clear_in_an_event(tally: Tallying) -> None:
    """Given a name, a note and a rationale, none of their words, nor of the key, stands in any event's bytes."""
    await _say_much(tally)
    stored = b"".join(record.body for record in await tally.handler.event_store.read(0, 10))
    assert b"Robin" not in stored
    assert b"secret" not in stored
    for clear in CLEAR:
        assert clear.encode() not in stored
        assert base64.b64encode(clear.encode()).rstrip(b"=") not in stored
    facts = await tally.handler.open(await tally.handler.event_store.read(0, 10))
    assert isinstance(facts[0].event, TallyOpened)
    assert facts[0].event.name.value == "Robin Doe"
    assert facts[1].envelope.rationale["R2"].value == CLEAR[2]


async def test_a_forgotten_person_still_folds(tally: Tallying) -> None:
    """Given a person whose key was destroyed, the name is forgotten, the bytes stand, and the tally goes on."""
    await _say_much(tally)
    before = [record.body for record in await tally.handler.event_store.read(0, 10)]
    await tally.handler.keyring.destroy(f"person/{tally.person}")
    records = await tally.handler.event_store.read(0, 10)
    assert [record.body for record in records] == before
    opened, *counted = await tally.handler.open(records)
    assert isinstance(opened.event, TallyOpened)
    assert opened.event.name.is_forgotten
    with pytest.raises(Forgotten):
        _ = opened.event.name.value
    assert counted[0].envelope.rationale["R2"].value == CLEAR[2]  # the home's key is another
    assert isinstance(await tally.ask(Count(by=1, note=Sealed("later"))), Accepted)
    assert await view(tally.handler, tally.stream) == {"total": 201, "closed": False}


async def test_a_destroyed_key_is_never_made_again(tally: Tallying) -> None:
    """Given a forgotten person, nothing new can be sealed for them, in this stream or another; nothing is recorded."""
    await tally.handler.keyring.destroy(f"person/{tally.person}")
    head = await tally.handler.event_store.head()
    with pytest.raises(KeyDestroyed):
        await tally.handler.handle(request_for(tally.handler, uuid4(), opening("till", person=tally.person)))
    assert await tally.handler.event_store.head() == head


async def test_an_owner_s_key_is_there_before_the_event(handler: CommandHandler) -> None:
    """Given a refusal by claim after the key was made, the key does no harm and serves the next attempt."""
    person = uuid4()
    await handler.handle(request_for(handler, uuid4(), opening("till")))
    refused = await handler.handle(request_for(handler, uuid4(), opening("till", person=person)))
    assert isinstance(refused, Refused)
    key = (await handler.keyring.keys_for_sealing([f"person/{person}"]))[f"person/{person}"]
    stream = uuid4()
    assert isinstance(await handler.handle(request_for(handler, stream, opening("street", person=person))), Accepted)
    (record,) = (await handler.event_store.load(handler.service.stream_name(stream))).records
    assert f"s1:person/{person}:{key.generation}:name:" in json.loads(record.body)["data"]["name"]


@pytest.mark.slow
async def test_a_keyring_that_does_not_answer_is_an_error_and_nothing_is_forgotten(
    postgres_event_store: PostgresEventStore, keyring_database: str
) -> None:
    """Given a keyring that cannot be reached, opening and sealing fail as unavailable; nobody is called forgotten."""
    kek = new_kek()
    pool = await connections.create_pool(as_application(keyring_database))
    stream = uuid4()
    there = CommandHandler(SERVICE, postgres_event_store, PostgresKeyring(pool, kek), b"k" * 32)
    assert isinstance(await there.handle(request_for(there, stream, opening())), Accepted)
    await pool.close()
    without_keyring = CommandHandler(SERVICE, postgres_event_store, PostgresKeyring(pool, kek), b"k" * 32)
    results = await asyncio.gather(
        without_keyring.handle(request_for(without_keyring, stream, Count(by=1))),
        without_keyring.handle(request_for(without_keyring, uuid4(), opening("till"))),
        without_keyring.open(await postgres_event_store.read(0, 10)),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [KeyringUnavailable] * 3
    assert (await postgres_event_store.head()).position == 1
