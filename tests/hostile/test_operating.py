"""An operator at a real system: each attack is an alarm with its page, and the page's commands end it."""

import asyncio
import json
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from shared.messaging.relay import key_and_partition
from shared.servers.database import database_dsn
from shared.servers.kafka import PROVISIONER, Kafka, client_options
from shared.servers.settings import Settings
from tests.integration.api.test_service_api import PLAN
from tests.integration.local.waiting import eventually
from tests.whole_system import WholeSystem, client_of, ooc, status_reasons
from tools.local import postgres
from tools.local.ports import Ports
from tools.local.supervisor import running

ROOT = Path(__file__).parents[2]
STORY = ROOT / "ooc/stories/01-shoplifting-ycc.yaml"
ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


@dataclass
class Place:
    """A system that `ooc up` runs, and an operator's terminal beside it."""

    system: WholeSystem

    @property
    def var(self) -> Path:
        return self.system.var

    def read_output(self) -> str:
        """Return what `ooc up` has said."""
        return self.system.log.read_text(encoding="utf-8")

    async def ooc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(ooc, self.var, *arguments)

    async def succeeds(self, *arguments: str) -> str:
        done = await self.ooc(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    async def ok(self) -> bool:
        assert await asyncio.to_thread(status_reasons, self.var) == []
        return bool(await self.succeeds("status"))

    async def waits_for_a_person(self) -> bool:
        """Whether every consumer has come as far as it comes by itself."""
        reasons = await asyncio.to_thread(status_reasons, self.var)
        return all("quarantine" in reason or reason.startswith("ALARM") for reason in reasons)

    async def status_says(self, *texts: str) -> bool:
        reasons = "\n".join(await asyncio.to_thread(status_reasons, self.var))
        assert all(text in reasons for text in texts), reasons
        done = await self.ooc("status")
        assert done.returncode == 1, done.stdout
        for text in texts:
            assert text in done.stderr, done.stderr
        return True

    def owner(self, database: str) -> Any:
        """Return a connection of the owner, who may do what no service may."""
        return asyncpg.connect(database_dsn(postgres.dsn(Ports(self.system.port_base).postgres), database))

    def send(self, session: UUID, command: dict[str, Any]) -> None:
        """Record something of a session."""
        path = f"/v1/sessions/{session}/commands"
        with client_of(self.var) as client:
            reply = client.post("education", path, role="SAFE_SCHOOLS_OFFICER", body=command, key=str(uuid4()))
        assert reply.status == 201, reply.body

    @property
    def kafka(self) -> Kafka:
        """Kafka as the operator finds it, who may write where no service and no partner may."""
        told = json.loads((self.var / "system.json").read_text(encoding="utf-8"))
        return Settings(kafka=told["kafka"], kafka_passwords=told["kafka_passwords"]).kafka_as(PROVISIONER)


@pytest.fixture
def place(shared_system: WholeSystem) -> Place:
    """Return a system with a child's case in it."""
    assert ooc(shared_system.var, "scenario", "run", "--quiet", str(STORY)).returncode == 0
    return Place(shared_system)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_alarms_are_told_shown_and_ended_by_the_commands_of_their_pages(place: Place) -> None:
    """Given a gap, a partial restore, a killed supervisor and a forged record, when the runbook is followed, then each alarm ends."""
    await a_gap_is_released(place)
    await a_partial_restore_is_said_and_mended(place)
    await a_killed_supervisor_is_started_again(place)
    await place.succeeds("verify")
    await a_foreign_record_is_released(place)
    decisions = await place.succeeds("quarantine", "decisions")
    assert {"skip", "skip_missing"} <= set(re.findall(r"\bskip(?:_missing)?\b", decisions))
    assert "INC_4711" in decisions


async def a_foreign_record_is_released(place: Place) -> None:
    session = uuid4()
    place.send(session, PLAN)
    async with AIOKafkaProducer(**client_options(place.kafka)) as producer:
        await producer.send_and_wait("ooc.education.events", b"not an event", partition=key_and_partition(session)[1])
    # It is told from the relay's own when the next event of its partition comes.
    place.send(session, {"type": "BookPlace", "person_id": str(uuid4())})
    page = "docs/how-to/runbook/foreign_record.md"
    await eventually(lambda: place.status_says("reporting", "ooc.education.events", page, "ooc quarantine list"))
    await eventually(place.waits_for_a_person)
    for service, id_ in await listed_ids(place, "quarantine"):
        answer = await place.succeeds("quarantine", "show", service, id_)
        assert "12 bytes, SHA-256" in answer
        assert "not an event" not in answer
        release = ("quarantine", "release", service, id_, "--all", "--reason", "INC_4711")
        rehearsed = await place.succeeds(*release, "--dry-run")
        assert "1 records will never be applied" in rehearsed
        unsure = await place.ooc(*release)
        assert "add --yes" in unsure.stderr
        await place.succeeds(*release, "--yes")
    # Notifications follows the same topic without an API.
    for held in json.loads(await place.succeeds("messages", "held", "--json")):
        skip = ("messages", "skip", held["id"], "--reason", "INC_4711")
        assert "it would be" in await place.succeeds(*skip, "--dry-run")
        await place.succeeds(*skip, "--yes")
    await eventually(place.ok)


async def listed_ids(place: Place, what: str) -> list[tuple[str, str]]:
    """Return the services and ids that a list shows."""
    lines = (await place.succeeds(what, "list")).splitlines()
    found = [(line.split()[1], match[0]) for line in lines if (match := ID.search(line))]
    assert found, lines
    return found


async def a_gap_is_released(place: Place) -> None:
    """As if reporting had never taken a session's first event, and the second one came."""
    session = uuid4()
    place.send(session, PLAN)
    await eventually(place.ok)
    owner = await place.owner("ooc_reporting")
    await owner.execute("delete from seen where stream = $1", f"education/{session}")
    await owner.close()
    place.send(session, {"type": "BookPlace", "person_id": str(uuid4())})
    await eventually(lambda: place.status_says("docs/how-to/runbook/gap.md", "ooc gaps list"))
    ((service, id_),) = await listed_ids(place, "gaps")
    assert service == "reporting"
    retried = await place.succeeds("gaps", "retry", service, id_, "--reason", "INC_4711")
    assert "version 1 is missing" in retried
    release = ("gaps", "release", service, id_, "--reason", "INC_4711")
    assert f"will do without version 1 of education/{session}" in await place.succeeds(*release, "--dry-run")
    assert "none is held any more" in await place.succeeds(*release, "--yes")
    await eventually(place.ok)


async def a_partial_restore_is_said_and_mended(place: Place) -> None:
    """As if the event store of education had been restored from a backup that lacks its last event."""
    owner = await place.owner("ooc_education")
    worker = running(place.var)["education-worker"]
    await owner.execute(
        "alter table event disable trigger all; create table newer as"
        " select * from event where position = (select position from head);"
        " delete from event where position = (select position from head); update head set position = position - 1"
    )
    os.kill(worker, signal.SIGKILL)
    page = "docs/how-to/runbook/topic_ahead_of_event_store.md"
    await eventually(lambda: place.status_says("education", "topic_ahead_of_event_store", page))
    await eventually(lambda: f"What to do: {page}" in place.read_output())
    await owner.execute(
        "insert into event select * from newer; update head set position = position + 1;"
        " drop table newer; alter table event enable trigger all"
    )
    await owner.close()
    await eventually(place.ok)
    await eventually(lambda: "Cleared: ALARM topic_ahead_of_event_store" in place.read_output())


async def a_killed_supervisor_is_started_again(place: Place) -> None:
    assert place.system.up is not None
    place.system.up.kill()
    place.system.up.wait(300)
    await eventually(lambda: running(place.var) == {})
    status = await place.ooc("status")
    assert status.returncode == 1
    assert status.stdout == ""
    assert len(status.stderr.splitlines()) == 1
    assert "ooc up" in status.stderr
    await asyncio.to_thread(place.system.start)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_told_to_end_it_leaves_nothing_behind(place: Place) -> None:
    """Given the running system, when it is told to end, then every process is gone and its addresses with them."""
    pids = running(place.var)
    assert place.system.stop(signal.SIGTERM) == 0
    assert not list((place.var / "run").glob("*.pid"))
    assert not (place.var / "system.json").exists()
    for pid in pids.values():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert "ooc up" in (await place.ooc("status")).stderr
