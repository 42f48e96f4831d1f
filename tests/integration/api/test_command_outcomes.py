"""Following a receipt: what a command recorded, and the state of what follows from it, as the service itself knows it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from shared.domain.waiting import Wait
from shared.messaging.parking import PostgresParkedReactions
from shared.messaging.waiting import begin_wait, end_wait
from shared.servers.settings import Settings
from tests.integration.api.conftest import Client
from tests.integration.api.test_dry_run_api import PLAN, logged

SENTENCE = "the session of 23 May 2026 has not reached the condition: there is no such condition in this disposal."


@pytest.fixture
def stream() -> UUID:
    return uuid4()


async def booked(api: Client, stream: UUID) -> dict[str, Any]:
    """Return the receipt of a place that serves a condition, so that disposal is offered the session."""
    await api.send(stream, PLAN)
    ids = {name: str(uuid4()) for name in ("person_id", "case_id", "disposal_id", "condition_id")}
    answer = await api.send(stream, {"type": "BookPlace", **ids})
    assert answer.status_code == 201, answer.text
    receipt: dict[str, Any] = answer.json()
    return receipt


def wait(source: str, *targets: str, kind: Any = "REACTION", version: int = 1) -> Wait:
    return Wait(
        kind=kind,
        consumer="disposal-reactor",
        name="booking-of-condition",
        source=source,
        version=version,
        targets=targets,
        rules=("E7",),
        reason="There is no such condition.",
        sentence=SENTENCE,
        since=datetime(2026, 5, 8, 9, tzinfo=UTC),
    )


async def test_a_receipt_is_followed_into_another_service(api: Client, stream: UUID, settings: Settings) -> None:
    """The receipt comes again, with the command that follows: not waiting, then waiting in words, then closed."""
    receipt = await booked(api, stream)
    path = f"/v1/commands/{receipt['command_id']}"
    answer = (await api.read(path)).json()
    assert (answer["state"], answer["receipt"]) == ("recorded", receipt)
    (following,) = answer["follows"]
    assert (following["service"], following["type"]) == ("disposal", "OfferSession")
    assert (following["state"], following["sentence"]) == ("not_waiting", None)
    assert ("READ_STATE", "GIVEN", []) in await logged(settings, f"{stream}/commands/{receipt['command_id']}")

    owner = await asyncpg.connect(settings.database("education", "postgres"))
    id_ = UUID(following["command_id"])
    await begin_wait(owner, id_, "disposal", stream, wait(f"education/{stream}", following["stream"]))
    (waiting,) = (await api.read(path)).json()["follows"]
    assert (waiting["state"], waiting["sentence"]) == ("waiting", SENTENCE)
    await end_wait(owner, id_, datetime.now(UTC), closed=True)
    (closed,) = (await api.read(path)).json()["follows"]
    assert (closed["state"], closed["sentence"]) == ("closed", SENTENCE)
    await owner.close()


async def test_what_stands_behind_a_quarantined_stream_says_so(api: Client, stream: UUID, settings: Settings) -> None:
    """Where the other service holds this stream in quarantine, what follows from later events is quarantined with it."""
    receipt = await booked(api, stream)
    owner = await asyncpg.connect(settings.database("education", "postgres"))
    stream_wait = wait(f"education/{stream}", kind="STREAM", version=2)
    await begin_wait(owner, uuid4(), "disposal", stream, stream_wait)
    await owner.close()
    (following,) = (await api.read(f"/v1/commands/{receipt['command_id']}")).json()["follows"]
    assert (following["state"], following["sentence"]) == ("quarantined", SENTENCE)


async def test_a_command_that_waits_here_says_why(api: Client, stream: UUID, settings: Settings) -> None:
    """The service where a reaction's command waits answers for it, without a receipt."""
    await api.send(stream, PLAN)
    owner = await asyncpg.connect(settings.database("education", "postgres"))
    id_ = uuid4()
    await begin_wait(owner, id_, "education", stream, wait(f"disposal/{uuid4()}", f"education/{stream}"))
    await owner.close()
    answer = (await api.read(f"/v1/commands/{id_}")).json()
    assert (answer["state"], answer["receipt"], answer["sentence"]) == ("waiting", None, SENTENCE)


async def test_a_command_that_had_nothing_to_do_says_so(api: Client, stream: UUID, settings: Settings) -> None:
    """The service answers for a reaction's command that recorded nothing, to those who may read the record."""
    await api.send(stream, PLAN)
    owner = await asyncpg.connect(settings.database("education", "postgres"))
    here, unbegun = uuid4(), uuid4()
    async with owner.transaction():
        for id_, target in ((here, stream), (unbegun, uuid4())):
            for _ in range(2):
                await PostgresParkedReactions(owner, "education").keep_nothing_to_do(id_, f"education/{target}")
    await owner.close()
    for id_ in (here, unbegun):
        answer = (await api.read(f"/v1/commands/{id_}")).json()
        assert (answer["state"], answer["receipt"], answer["follows"]) == ("nothing_to_do", None, [])
    elsewhere = await api.token("SUPERVISOR", area="DEVON")
    assert (await api.read(f"/v1/commands/{here}", token=elsewhere)).status_code == 404


async def test_only_those_who_may_read_the_record_follow_its_commands(api: Client, stream: UUID) -> None:
    """The outcome of a command needs read permission for its record; in another area it is unknown (404)."""
    receipt = await booked(api, stream)
    path = f"/v1/commands/{receipt['command_id']}"
    elsewhere = await api.token("SUPERVISOR", area="DEVON")
    assert (await api.read(path, token=elsewhere)).status_code == 404
    assert (await api.read(path, role="VICTIM_WORKER")).status_code == 403
    assert (await api.read(f"/v1/commands/{uuid4()}")).status_code == 404
    assert (await api.read("/v1/commands/mine")).status_code == 422
