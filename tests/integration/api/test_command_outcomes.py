"""Following a receipt: what a command recorded, and the state of what follows from it, as the service itself knows it."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from fastapi import FastAPI

from services.education.service import service
from shared.domain.execution import CommandRequest
from shared.domain.waiting import CloseWaiting, waiting_service
from shared.messaging.parking import PostgresParkedReactions, ReactionToPark, Rejection
from shared.messaging.waits import standing_waits
from shared.servers.settings import Settings
from tests.integration.api.conftest import Client
from tests.integration.api.test_dry_run_api import logged
from tests.integration.api.test_service_api import PLAN


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


async def test_a_receipt_is_followed_into_another_service(api: Client, stream: UUID, settings: Settings) -> None:
    """The receipt comes again, with the command that follows, for whose id its service answers."""
    receipt = await booked(api, stream)
    path = f"/v1/commands/{receipt['command_id']}"
    answer = (await api.read(path)).json()
    assert (answer["state"], answer["receipt"]) == ("recorded", receipt)
    (following,) = answer["follows"]
    assert (following["service"], following["type"]) == ("disposal", "OfferSession")
    assert ("READ_STATE", "GIVEN", []) in await logged(settings, f"{stream}/commands/{receipt['command_id']}")


async def test_a_command_that_waits_here_says_why_until_it_is_closed(
    api: Client, stream: UUID, settings: Settings, education_app: FastAPI
) -> None:
    """The service where a reaction's command waits, or was closed, answers for it, without a receipt; so does the record."""
    await api.send(stream, PLAN)
    (record,) = (await education_app.state.deps.event_store.load(f"education/{stream}")).records
    fact, id_ = service.events.read(record.body), uuid4()
    owner = await asyncpg.connect(settings.database("education", "postgres"))
    parked = ReactionToPark(id_, "education-reactor", "a-reaction", fact, f"education/{stream}")
    await PostgresParkedReactions(owner, "education").park(parked, Rejection(("E7",), "There is no such condition."), 1)
    sentence = "what a-reaction carries has not arrived: there is no such condition."
    answer = (await api.read(f"/v1/commands/{id_}")).json()
    assert (answer["state"], answer["receipt"], answer["sentence"]) == ("waiting", None, sentence)
    (wait,) = (await api.read(f"/v1/sessions/{stream}")).json()["waiting"]
    assert (wait["id"], wait["sentence"]) == (str(id_), sentence)
    long_ago = (await api.read(f"/v1/sessions/{stream}?known_at=2040-01-01")).json()
    assert long_ago.get("waiting") is None

    (standing,) = await standing_waits(owner, service)
    waits = education_app.state.deps.handler.for_service(waiting_service(service))
    command = CloseWaiting(home=standing.home, wait=standing.wait, reason="INC_1")
    await waits.handle(CommandRequest(command, id_, uuid4(), fact.actor, datetime.now(UTC), uuid4()))
    await owner.execute("delete from parked")
    answer = (await api.read(f"/v1/commands/{id_}")).json()
    assert (answer["state"], answer["receipt"], answer["sentence"]) == ("closed", None, sentence)
    await owner.close()


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
