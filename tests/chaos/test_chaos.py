"""The promise under kill -9: nothing lost, duplicated or reordered in event store, topic, reaction and projection.

The whole system runs as `ooc up --workers 2` starts it, so that each kill of a worker moves its partitions to the other
one, and the restart moves some back; other tests may have worked on it before. Six writers play short stories while, at
random moments, each kind of process, the broker and PostgreSQL included, is killed. OOC_CHAOS_SECONDS says for how long
(a minute by default, which kills each of them; ten in `make chaos`), and OOC_CHAOS_SEED repeats a run's order of kills.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.whole_system import WholeSystem, caught_up, client_of, ooc, wait_until
from tools.client.http import Client

SECONDS = float(os.environ.get("OOC_CHAOS_SECONDS", "60"))
SEED = int(os.environ.get("OOC_CHAOS_SEED", str(random.randrange(10**6))))
WRITERS = 6

REFERRAL = ["ReferralReceived", "ReferralAcknowledged", "ReferralTriaged", "ReferralAllocated", "ActivityUndertaken"]
SESSION = ["SessionPlanned", "PlaceBooked", "SessionDelivered", "AttendanceRecorded"]


@dataclass
class Receipts:
    """What a writer has been promised: the receipts of a story's two streams."""

    case: UUID
    referral: UUID
    session: UUID
    receipts: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"referral": [], "education": []})


@pytest.fixture
def system(shared_system: WholeSystem) -> Path:
    """Return the directory of a system that a person started, with two workers of each service."""
    return shared_system.var


@pytest.mark.timeout(SECONDS + 840)
def test_kill_nine_loses_duplicates_and_reorders_nothing(system: Path) -> None:
    """After a minute of kill -9 at every process, each receipt is valid and each reaction happened once."""
    stop = threading.Event()
    receipts: list[Receipts] = []
    failures: list[BaseException] = []

    def write() -> None:
        try:
            with client_of(system, patience=120) as client:
                while not stop.is_set():
                    receipts.append(_story(client))
        except BaseException as error:  # noqa: BLE001 - a writer's failure is the test's
            failures.append(error)

    writers = [threading.Thread(target=write, name=f"writer-{n}") for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    killed = _kill(system, SECONDS)
    stop.set()
    for writer in writers:
        writer.join(240)
        assert not writer.is_alive(), "a writer hangs"
    assert not failures, f"seed {SEED}: {failures[0]!r}"
    assert len(receipts) > WRITERS, "the writers hardly wrote"

    wait_until(lambda: caught_up(system), 400, "the system to catch up")
    assert ooc(system, "status").returncode == 0
    with client_of(system, patience=120) as client:
        for story in receipts:
            _check_histories(client, story)
    verified = ooc(system, "verify")
    assert verified.returncode == 0, f"seed {SEED}: {verified.stdout}{verified.stderr}"
    print(f"\n{len(receipts)} stories, kills (seed {SEED}): {dict(killed)}")  # noqa: T201 - what the run was worth


def _kill(var: Path, seconds: float) -> Counter[str]:
    """Kill one process after another, each kind in turn in a random order, at random moments."""
    chance = random.Random(SEED)
    killed: Counter[str] = Counter()
    until = time.monotonic() + seconds
    names: list[str] = []
    while time.monotonic() < until:
        time.sleep(chance.uniform(0.3, 3.0))
        if not names:
            names = sorted(path.stem for path in (var / "run").glob("*.pid"))
            chance.shuffle(names)
        name = names.pop()
        with contextlib.suppress(ProcessLookupError, FileNotFoundError, ValueError):
            os.kill(int((var / "run" / f"{name}.pid").read_text()), signal.SIGKILL)
            killed[name] += 1
    return killed


def _story(client: Client) -> Receipts:
    """Return a referral that is answered with a session, whose attendance reaches the referral by itself."""
    receipts = Receipts(uuid4(), uuid4(), uuid4())
    person = uuid4()
    start = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
    officer, supervisor = "SAFE_SCHOOLS_OFFICER", "SUPERVISOR"

    def say(service: str, after: int, type_: str, role: str = officer, **fields: Any) -> None:
        stream, collection = (
            (receipts.referral, "referrals") if service == "referral" else (receipts.session, "sessions")
        )
        body = {"type": type_, "occurred_at": (start + timedelta(hours=after)).isoformat(), **fields}
        reply = client.post(service, f"/v1/{collection}/{stream}/commands", role=role, body=body, key=str(uuid4()))
        assert reply.status == 201, f"{type_}: {reply.status} {reply.body}"
        receipts.receipts[service].append(reply.body)

    say(
        "referral", 0, "ReceiveReferral",
        case_id=str(receipts.case), source="OFFICER", reported_at=start.isoformat(), incident_type="ASB", happened_at=start.isoformat(),
        setting="COMMUNITY", on_premises=False, in_school_hours=False, flags=[], narrative="Stones at a bus.", lawful_basis="law enforcement",
    )  # fmt: skip
    say("referral", 1, "AcknowledgeReferral")
    say("referral", 2, "TriageReferral", outcome="ACCEPT_INTERVENTION", rationale_text="A talk will do.")
    say("referral", 3, "AllocateReferral", role=supervisor, officer_id=str(uuid4()))
    say(
        "education", 4, "PlanSession",
        kind="ONE_TO_ONE", topic="ANTI_SOCIAL_BEHAVIOUR", starts_at=(start + timedelta(hours=5)).isoformat(), hours=1, place="School",
    )  # fmt: skip
    say(
        "education",
        4,
        "BookPlace",
        person_id=str(person),
        case_id=str(receipts.case),
        referral_id=str(receipts.referral),
    )
    say("education", 6, "DeliverSession", headcount=1)
    say("education", 6, "RecordAttendance", person_id=str(person), status="ATTENDED", hours_credited=1, complied=True)
    return receipts


def _check_histories(client: Client, receipts: Receipts) -> None:
    """Each receipt stands in the history where it says, and the histories are what was said, once and in order."""
    for service, collection, stream, expected in (
        ("referral", "referrals", receipts.referral, REFERRAL),
        ("education", "sessions", receipts.session, SESSION),
    ):
        reply = client.get(service, f"/v1/{collection}/{stream}/history", role="AUDITOR")
        assert reply.status == 200, reply.body
        events = reply.body["events"]
        assert [event["type"] for event in events] == expected, f"{service}/{stream}"
        placed = {event["position"]: (event["version"], event["hash"]) for event in events}
        for receipt in receipts.receipts[service]:
            assert placed[receipt["position"]] == (receipt["version"], receipt["hash"])
    case = client.get("reporting", f"/v1/cases/{receipts.case}", role="SUPERVISOR")
    assert case.status == 200, case.body
    assert str(receipts.referral) in str(case.body)
    assert str(receipts.session) in str(case.body)
