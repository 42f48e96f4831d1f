"""The kernel's events of data rights: their bytes, and what decides them."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.disposal.service import service as disposal
from services.referral.service import service as referral
from services.system.registry import deciding_services
from shared.domain.data_rights import (
    DECIDER,
    ForgetPerson,
    KeepRecords,
    LiftRestriction,
    PlaceHold,
    ReleaseHold,
    RestrictProcessing,
    data_rights_events,
    data_rights_ids,
    data_rights_service,
    is_data_right,
    is_worked_with,
    restricted_in,
)
from shared.domain.decisions import Refused
from shared.domain.envelope import Fact, type_in
from shared.domain.execution import CommandRequest
from shared.domain.messages import Actor, Command
from shared.event_store.memory import MemoryEventStore
from shared.handling.command_handler import Accepted, CommandHandler, NoChange, Result, StreamNotFound
from shared.privacy.keyring import MemoryKeyring
from tests.received_referral import received_referral

GOLDEN = Path(__file__).parent / "golden" / "data_rights.json"
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
ACTOR = Actor(id=UUID(int=7), role="DATA_PROTECTION_OFFICER", organisation="TEST", labels={"area": "*"})
PERSON = UUID(int=3)
STREAM = data_rights_ids("disposal", PERSON)[1]
HOLD = PlaceHold(person_id=PERSON, kind="APPEAL")
RELEASE = ReleaseHold(person_id=PERSON, kind="APPEAL")
RESTRICT = RestrictProcessing(person_id=PERSON, basis="PRINCIPLE_INFRINGED")
LIFT = LiftRestriction(person_id=PERSON)
KEEP = KeepRecords(person_id=PERSON, review_on=date(2032, 5, 4))
FORGET = ForgetPerson(person_id=PERSON, basis="RETENTION_ENDED", backups_until=date(2026, 7, 3))


async def send(*commands: Command) -> tuple[list[Result], list[Fact]]:
    """Send commands about one person, with fixed ids; the results, and the facts with their bytes."""
    handler = CommandHandler(data_rights_service(disposal), MemoryEventStore(), MemoryKeyring(), b"digest")
    results = [
        await handler.handle(CommandRequest(command, STREAM, UUID(int=100 + n), ACTOR, NOON, UUID(int=100 + n)))
        for n, command in enumerate(commands)
    ]
    return results, await handler.open((await handler.event_store.load(f"disposal/{STREAM}")).records)


async def test_the_bytes_of_data_rights_are_what_they_were() -> None:
    """Given the golden bytes of each event, when the same commands are sent, then the same bytes are written and read."""
    _, facts = await send(HOLD, RELEASE, RESTRICT, LIFT, KEEP, FORGET)
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert [(fact.body or b"").decode() for fact in facts] == golden
    book = data_rights_events("disposal")
    assert {type_in(body.encode()) for body in golden} == set(book.by_type)
    assert [book.read(body.encode()).event for body in golden] == [fact.event for fact in facts]


async def test_nothing_is_recorded_twice_and_nothing_after_a_person_is_forgotten() -> None:
    """Given each decision twice, and all of them again after the last, then each is recorded once."""
    once: Sequence[Command] = (HOLD, RELEASE, RESTRICT, LIFT, KEEP, FORGET)
    sequence = [command for command in once for _ in range(2)] + list(once)
    results, facts = await send(*sequence)
    assert [isinstance(one, Accepted) for one in results] == [True, False] * 6 + [False] * 6
    assert all(isinstance(one, (Accepted, NoChange)) for one in results)
    state = DECIDER.state_at(facts)
    assert state is not None
    assert state.forgotten


@pytest.mark.parametrize(
    ("before", "command", "rules"),
    [
        ((), FORGET.model_copy(update={"open_records": ("disposal/1 (OPEN)",)}), ("DR1",)),
        ((HOLD,), FORGET, ("DR2",)),
        ((PlaceHold(person_id=PERSON, kind="LEGAL"),), FORGET, ("DR2",)),
        ((PlaceHold(person_id=PERSON, kind="EVIDENCE"),), FORGET, ("DR3",)),
        (
            (HOLD, PlaceHold(person_id=PERSON, kind="EVIDENCE")),
            FORGET.model_copy(update={"open_records": ("disposal/1 (OPEN)",)}),
            ("DR1", "DR2", "DR3"),
        ),
        ((HOLD, RELEASE), FORGET, None),
        ((RESTRICT,), FORGET, None),
    ],
)
async def test_nobody_is_forgotten_while_something_stands_against_it(
    before: tuple[Command, ...], command: Command, rules: tuple[str, ...] | None
) -> None:
    """Given an open record, a hold or evidence, then forgetting is refused by each rule that stands against it."""
    results, _ = await send(*before, command)
    last = results[-1]
    if rules is None:
        assert isinstance(last, Accepted)
    else:
        assert isinstance(last, Refused)
        assert last.ids == rules


async def test_the_last_word_about_a_restriction_counts() -> None:
    """Given restrictions that were lifted or not, then those that stand are found by the types of events alone."""
    _, standing = await send(RESTRICT, HOLD)
    _, lifted = await send(RESTRICT, LIFT, HOLD)
    stream = f"disposal/{STREAM}"
    assert restricted_in((stream, fact.envelope.type) for fact in standing) == {stream}
    assert restricted_in((stream, fact.envelope.type) for fact in lifted) == frozenset()


def test_no_event_of_a_service_has_the_name_of_one_of_data_rights() -> None:
    """Given every event of every service, when its type is looked at, then none passes for one of data rights."""
    for service in deciding_services():
        assert not [name for name in service.events.by_type if is_data_right(name)]
        kernel = data_rights_events(service.name).by_type
        assert all(is_data_right(name) and not service.is_own(name) for name in kernel)


async def test_a_recorded_destruction_can_be_repeated_unless_a_record_has_begun_since() -> None:
    """Given a forgotten person, when the same is asked again, then nothing is recorded; a record that has begun since refuses."""
    opened = FORGET.model_copy(update={"open_records": ("disposal/1 (DECIDED)",)})
    (_, again, refused), facts = await send(FORGET, FORGET, opened)
    assert isinstance(again, NoChange)
    assert isinstance(refused, Refused)
    assert len(facts) == 1


async def test_what_is_opened_again_is_worked_with_once_it_holds_something_new_of_the_person() -> None:
    """Given a closed record of somebody forgotten, when it is opened again, then it bars nothing; but what is sealed by their key since does."""
    handler, stream = CommandHandler(referral, MemoryEventStore(), MemoryKeyring(), b"digest"), UUID(int=5)
    received = received_referral(UUID(int=6), "2026-03-02T15:20:00+00:00")
    linked: dict[str, Any] = {"type": "LinkPerson", "person_id": str(PERSON), "role": "HARMER", "category": "SUSPECT"}
    linked["details"] = {"name": "Robin Roe", "date_of_birth": "2011-03-14"}
    rejection = {"type": "TriageReferral", "outcome": "REJECT_OUT_OF_SCOPE", "rationale_text": "Elsewhere."}
    ended = {"type": "CloseReferral", "reason": "REJECTED"}

    async def told(*bodies: dict[str, Any], role: str = "SAFE_SCHOOLS_OFFICER") -> list[Fact]:
        actor = Actor(id=UUID(int=8), role=role, organisation="TEST", labels={"area": "DORSET"})
        for body in bodies:
            now = datetime.now(UTC)
            command = referral.parse_command(json.dumps(body).encode(), now)
            result = await handler.handle(CommandRequest(command, stream, uuid4(), actor, now, uuid4()))
            assert isinstance(result, Accepted), result
        return await handler.open((await handler.event_store.load(f"referral/{stream}")).records)

    opened = await told(received, linked, {"type": "AcknowledgeReferral"})
    closed = await told(rejection, ended)
    forgotten_at = closed[-1].recorded_at
    assert is_worked_with(referral, opened, PERSON, None)
    assert not is_worked_with(referral, closed, PERSON, None)
    assert forgotten_at is not None
    again = await told({"type": "ReopenReferral", "why": "The school has more to say."}, role="SUPERVISOR")
    assert is_worked_with(referral, again, PERSON, None)
    assert not is_worked_with(referral, again, PERSON, forgotten_at)
    assert is_worked_with(referral, again, PERSON, opened[-1].recorded_at), "it was open then"
    anew = await told({**linked, "category": "WITNESS", "role": "WITNESS"})
    assert is_worked_with(referral, anew, PERSON, forgotten_at)


async def test_a_record_under_the_id_of_data_rights_keeps_none_from_being_recorded() -> None:
    """Given a school's referral under the id that follows from a child's, then a hold is recorded and bars forgetting: its id is the kernel's alone."""
    handler = CommandHandler(referral, MemoryEventStore(), MemoryKeyring(), b"digest")
    reserved, taken = data_rights_ids("referral", PERSON)

    async def sent(to: CommandHandler, command: Command, stream: UUID, actor: Actor = ACTOR) -> Result:
        return await to.handle(CommandRequest(command, stream, uuid4(), actor, NOON, uuid4()))

    school = Actor(id=UUID(int=8), role="SCHOOL", organisation="TEST", labels={"area": "DORSET"})
    body = json.dumps(received_referral(UUID(int=6), "2026-03-02T15:20:00+00:00")).encode()
    received = referral.parse_command(body, NOON)
    assert isinstance(await sent(handler, received, reserved, school), StreamNotFound)
    assert isinstance(await sent(handler, received, taken, school), Accepted)
    rights = handler.for_service(data_rights_service(referral))
    assert isinstance(await sent(rights, HOLD, reserved), Accepted)
    assert isinstance(await sent(rights, HOLD, reserved), NoChange)
    assert isinstance(await sent(rights, FORGET, reserved), Refused)
    assert isinstance(await sent(handler, received, reserved, school), StreamNotFound)
    assert len((await handler.event_store.load(f"referral/{reserved}")).records) == 1
