"""What waits on a whole system of two workers a service: seen at both ends, settled by a correction, or closed."""

import json
import os
import signal
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocol

from services.system.addresses import SERVICES, written
from services.system.registry import COLLECTIONS, DECIDING
from shared.servers.kafka import PARTITIONS, PROVISIONER, KafkaLogin, client_options
from tests.integration.local.waiting import eventually
from tests.whole_system import WholeSystem, client_of, ooc
from tools.client.http import Client
from tools.local.supervisor import running

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "ooc-reporting": tuple(entry.service().topic for entry in DECIDING),
    **{f"ooc-{entry.name}-reactor": topics for entry in DECIDING if (topics := entry.service().consumed_topics)},
}
"""Each consumer group of the system, with the topics that it reads."""

STEPS: Final[Mapping[str, tuple[str, ...]]] = {
    "disposal": ("append", "relay", "reaction", "reacted"),
    "education": ("append", "relay"),
    "reporting": ("fetch", "projection", "visible"),
}
"""The steps of an event's way, by the service that measures them."""

OFFENCE = {
    "code": "14920",
    "title": "Criminal damage to property",
    "date": "2026-04-01",
    "trial_mode": "EITHER_WAY",
    "recordable": True,
    "category": "DAMAGE",
}


class Story:
    """A child's case that is open, and a session with places booked for a condition that the case has not."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.person, self.case, self.disposal = uuid4(), uuid4(), uuid4()

    def send(self, service: str, stream: UUID, role: str, command: str, at: str, **fields: Any) -> None:
        body = {"type": command, "occurred_at": f"2026-05-{at}:00+01:00", **fields}
        path = f"/v1/{COLLECTIONS[service]}/{stream}/commands"
        reply = self.client.post(service, path, role=role, body=body, key=str(uuid4()))
        assert reply.status == 201, reply.body

    def open_case(self) -> None:
        self.send(
            *("disposal", self.disposal, "YJS_CASE_MANAGER", "OpenDisposalCase", "01T09:00"),
            case_id=str(self.case),
            person_id=str(self.person),
            details={"name": "Finn Loder", "date_of_birth": "2010-12-01"},
            crime_number="5526007301",
            offence=OFFENCE,
            reported_at="2026-04-01T18:00:00+01:00",
            victims=[],
            prior={"yc": 0, "ycc": 0, "convictions": 0, "yrd": 0},
        )

    def attend(self) -> UUID:
        """Book a place for a condition that is not there, and record the attendance."""
        session, role = uuid4(), "SAFE_SCHOOLS_OFFICER"
        plan = {"kind": "WORKSHOP", "topic": "RETAIL", "starts_at": "2026-05-04T10:00:00+01:00", "hours": "2"}
        place = {"case_id": str(self.case), "disposal_id": str(self.disposal), "condition_id": str(uuid4())}
        self.send("education", session, role, "PlanSession", "01T10:00", **plan, place="The library")
        self.send("education", session, role, "BookPlace", "02T10:00", person_id=str(self.person), **place)
        self.send("education", session, role, "DeliverSession", "04T12:00", headcount=1)
        attendance = {"status": "ATTENDED", "hours_credited": "2", "complied": True}
        self.send("education", session, role, "RecordAttendance", "04T12:10", person_id=str(self.person), **attendance)
        return session

    def waiting(self, session: UUID) -> tuple[set[str], ...]:
        """Return the sentences that wait of a session: for itself, in the state of the disposal, for the case, and for all."""
        answers = [
            self._read("disposal", f"/v1/waits?home={session}")["waits"],
            self._read("disposal", f"/v1/disposals/{self.disposal}")["waiting"],
            self._read("disposal", f"/v1/waits?home={self.case}")["waits"],
            self._read("disposal", "/v1/waits")["waits"],
        ]
        source = f"education/{session}"
        return tuple({one["sentence"] for one in answer if one["source_stream"] == source} for answer in answers)

    def _read(self, service: str, path: str) -> dict[str, Any]:
        reply = self.client.get(service, path, role="SUPERVISOR")
        return reply.body if reply.status == 200 else {"waiting": [], "waits": []}


@pytest.fixture
def system(shared_system: WholeSystem) -> Path:
    """Return the directory of a running system, with two workers of each service."""
    return shared_system.var


async def partitions_of_members(var: Path, group: str) -> list[set[tuple[str, int]]]:
    """Ask Kafka which partitions each member of a consumer group has."""
    noted = written(var)
    assert noted is not None
    password = (Path(noted["kafka_passwords"]) / PROVISIONER).read_text(encoding="ascii").strip()
    admin = AIOKafkaAdminClient(**client_options(KafkaLogin(noted["kafka"], PROVISIONER, password)))
    await admin.start()
    try:
        (response,) = await admin.describe_consumer_groups([group])
    finally:
        await admin.close()
    ((_error, _name, _state, _type, _protocol, members, *_),) = response.groups
    assigned = [ConsumerProtocol.ASSIGNMENT.decode(member[-1]).assignment for member in members]
    return [{(topic, number) for topic, numbers in each for number in numbers} for each in assigned]


async def share_partitions(var: Path) -> bool:
    """Whether two members of each group have all partitions of its topics, each some of them and none twice."""
    for group, topics in GROUPS.items():
        members = await partitions_of_members(var, group)
        every = {(topic, number) for topic in topics for number in range(PARTITIONS)}
        if len(members) != 2 or not all(members) or set().union(*members) != every or members[0] & members[1]:
            return False
    return True


def every_step_is_measured(client: Client) -> bool:
    """Whether each service exports the latency of every step that it takes part in."""
    return all(
        {f'ooc_latency_seconds_count{{service="{service}",step="{step}"}}' for step in steps}
        <= {line.rpartition(" ")[0] for line in str(client.open(service, "/metrics").body).splitlines()}
        for service, steps in STEPS.items()
    )


def waits_once_each(story: Story, session: UUID) -> bool:
    """Whether the place and the attendance of a session wait at each end, in the case and in the whole list."""
    return [len(waits) for waits in story.waiting(session)] == [2, 2, 2, 2]


@pytest.fixture
def story(system: Path) -> Iterator[Story]:
    with client_of(system) as client:
        yield Story(client)


async def test_what_waits_is_seen_everywhere_until_it_is_corrected_or_closed(
    system: Path, story: Story, tmp_path: Path
) -> None:
    """Parked attendances are shown everywhere, also after a kill, until one is corrected and the other closed.

    Two reactors and two projectors share the partitions, before the kill and after it, and every state is whole.
    """
    await eventually(lambda: share_partitions(system), 120)
    status = json.loads(ooc(system, "status", "--json").stdout)
    shown = {row["process"]: row["pid"] for row in status["processes"]}
    assert shown == shown | {name: str(pid) for name, pid in running(system).items() if "worker" in name}
    assert {f"{service}-worker{n}" for service in SERVICES for n in ("", "-2")} <= shown.keys()
    story.open_case()
    first = story.attend()
    os.kill(running(system)["disposal-worker"], signal.SIGKILL)
    second = story.attend()
    for session in (first, second):
        await eventually(partial(waits_once_each, story, session))
    waits = story.waiting(first)
    assert waits[0] == waits[1] == waits[2] == waits[3]
    assert any(one.startswith("the attendance of 4 May 2026 has not reached the condition: ") for one in waits[0])
    listing = ooc(system, "case", str(story.case), "--as", "SUPERVISOR")
    assert "What waits" in listing.stdout, listing.stderr

    history = story.client.get("education", f"/v1/sessions/{first}/history", role="SUPERVISOR").body["events"]
    booked = next(event["event_id"] for event in history if event["type"] == "PlaceBooked")
    right = {"corrects": booked, "field": "disposal_id", "value": None, "why": "It serves no disposal."}
    story.send("education", first, "SUPERVISOR", "CorrectRecord", "05T09:00", **right)
    await eventually(lambda: not any(story.waiting(first)))
    assert all(story.waiting(second))

    listed = story.client.get("disposal", "/v1/reactions", role="SUPERVISOR").body
    words = tmp_path / "why.txt"
    words.write_text("The place was booked for another child.", encoding="utf-8")
    for one in listed:
        close = ("reactions", "close", "disposal", one["command_id"], "--reason", "INC_1", "--why", str(words))
        assert "will lack it" in ooc(system, *close, "--dry-run").stdout
        closed = ooc(system, *close, "--yes")
        assert (closed.returncode, "It is closed" in closed.stdout) == (0, True), closed.stderr
    await eventually(lambda: not any(story.waiting(second)))
    assert "none" in ooc(system, "reactions", "list").stdout
    await eventually(lambda: share_partitions(system), 120)
    await eventually(lambda: every_step_is_measured(story.client))
    verified = ooc(system, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "left:" not in verified.stderr, "progress is shown at a terminal only"
