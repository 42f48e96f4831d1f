"""A running system, an auditor and a data protection officer at a terminal, and a partner who reads the topics."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from ooc.evidence.keys import OWNER
from ooc.evidence.verification import stores
from ooc.system.running import PARTNER
from shared.servers.database import as_role, database_dsn
from shared.servers.kafka import client_options
from tests.integration.local.waiting import eventually
from tests.received_referral import received_referral
from tests.whole_system import OOC, WholeSystem, client_of, ooc
from tools.client.http import Client

UUID_PATTERN: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
CHECKER: Final = Path(__file__).parents[3] / "shared" / "evidence" / "verify_bundle.py"
OFFICER: Final = "SAFE_SCHOOLS_OFFICER"
WHEN: Final = "2026-03-02T15:20:00+00:00"


@pytest.fixture
def system(shared_system: WholeSystem) -> Path:
    """Return the directory of a running system."""
    return shared_system.var


def send(client: Client, stream: UUID, **body: Any) -> dict[str, Any]:
    """Send a command to a referral, which must be accepted; return its receipt."""
    reply = client.post("referral", f"/v1/referrals/{stream}/commands", role=OFFICER, body=body, key=str(uuid4()))
    assert reply.status == 201, reply.body
    receipt: dict[str, Any] = reply.body
    return receipt


def close_referral(var: Path) -> UUID:
    """Record a referral of a child, close it, and return the child's id."""
    with client_of(var) as client:
        return refer_and_close(client)


def refer_and_close(client: Client) -> UUID:
    """Do so as a client."""
    stream, child = uuid4(), uuid4()
    send(client, stream, **received_referral(uuid4(), WHEN))
    details = {"name": "Robin Roe", "date_of_birth": "2011-03-14"}
    send(client, stream, type="LinkPerson", person_id=str(child), role="HARMER", category="SUSPECT", details=details)
    send(client, stream, type="AcknowledgeReferral")
    send(client, stream, type="TriageReferral", outcome="REJECT_OUT_OF_SCOPE", rationale_text="Elsewhere.")
    send(client, stream, type="CloseReferral", reason="REJECTED")
    return child


async def forget_child(var: Path) -> UUID:
    """Record a child, have `ooc forget` forget them, and return their id."""
    child = close_referral(var)
    forgotten = ooc(var, "forget", str(child), "--basis", "PRINCIPLE_INFRINGED", "--yes")
    assert forgotten.returncode == 0, forgotten.stdout + forgotten.stderr
    return child


async def read_as_partner(var: Path, topic: str) -> list[Any]:
    """Return every committed record of a topic, as a partner's program reads it with its own login."""
    login = stores(var).kafka_as(PARTNER)
    consumer = AIOKafkaConsumer(
        **client_options(login),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(12)]
        consumer.assign(partitions)
        records: list[Any] = []
        for partition, end in (await consumer.end_offsets(partitions)).items():
            while await consumer.position(partition) < end:
                batches = await consumer.getmany(partition, timeout_ms=500)
                records += [record for batch in batches.values() for record in batch]
        return records
    finally:
        await consumer.stop()


async def owner_of(var: Path, database: str) -> asyncpg.Connection[asyncpg.Record]:
    """Connect to a database as its owner."""
    return await asyncpg.connect(database_dsn(as_role(stores(var).database_url, OWNER), database))


def checked(file: Path, keys: Path) -> subprocess.CompletedProcess[str]:
    """Check a file with the program for auditors."""
    command = [sys.executable, str(CHECKER), str(file), "--keys", str(keys)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def public_keys(var: Path, folder: Path) -> Path:
    """Write the public keys of the logs into a file."""
    file = folder / "keys.txt"
    file.write_text(ooc(var, "evidence", "keys").stdout, encoding="utf-8")
    return file


def verify_at_terminal(var: Path) -> tuple[subprocess.CompletedProcess[str], str]:
    """Verify the system with a terminal as standard error; return the outcome, and what the terminal was sent."""
    terminal, end = pty.openpty()
    environment = {**os.environ, "OOC_VAR": str(var), "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(
        [*OOC, "verify"], env=environment, stdout=subprocess.PIPE, stderr=end, text=True
    ) as verifying:
        os.close(end)
        sent = b""
        with suppress(OSError):  # a terminal that nobody has open any more
            while piece := os.read(terminal, 4_096):
                sent += piece
        stdout, _ = verifying.communicate()
    os.close(terminal)
    return subprocess.CompletedProcess(verifying.args, verifying.returncode, stdout), sent.decode()


async def test_a_report_is_kept_signed_and_an_altered_one_is_refused(system: Path, tmp_path: Path) -> None:
    """Given a verified system, then an auditor's program accepts the report and names every way to alter it."""
    file, keys = tmp_path / "report.json", public_keys(system, tmp_path)
    verified = ooc(system, "verify", "--report", str(file))
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "whole, kept and signed" in verified.stdout
    assert "referral: versions gapless" in verified.stderr
    assert "witness: what it has seen of each log is asked for (" in verified.stderr
    assert "not asked" not in verified.stderr
    whole = checked(file, keys)
    assert whole.returncode == 0, whole.stdout
    assert "everything whole" in whole.stdout
    assert "AUDITOR" in whole.stdout
    latest = ooc(system, "verify", "latest")
    bundle = json.loads(file.read_text(encoding="utf-8"))
    assert bundle["case"] in latest.stdout
    assert latest.returncode == 0
    report = json.loads(bundle["report"])
    report["ended_at"] = "2020-01-01T00:00:00+00:00"
    line = bundle["services"][0]["access"]["entries"][0]
    attacks: dict[str, dict[str, Any]] = {
        "its text is not the one": bundle | {"report": json.dumps(report)},
        "its content has been altered": bundle
        | {
            "services": [
                bundle["services"][0]
                | {"access": bundle["services"][0]["access"] | {"entries": [line | {"actor": str(uuid4())}]}}
            ]
        },
        "nothing proves it": bundle | {"services": []},
        "not about": bundle | {"case": str(uuid4())},
    }
    for said, forged in attacks.items():
        other = tmp_path / "forged.json"
        other.write_text(json.dumps(forged), encoding="utf-8")
        refused = checked(other, keys)
        assert refused.returncode == 1, said
        assert said in refused.stdout


async def test_a_return_is_exported_and_an_altered_one_is_refused(system: Path, tmp_path: Path) -> None:
    """Given a frozen return, then an auditor's program accepts its file, and names each way to alter it."""
    file, keys = tmp_path / "return.json", public_keys(system, tmp_path)
    frozen = ooc(system, "returns", "freeze", "kpi6", "--from", "2026-01-01", "--to", "2026-03-31")
    id_ = re.search(UUID_PATTERN, frozen.stdout)
    assert id_ is not None, frozen.stdout + frozen.stderr
    exported = ooc(system, "returns", "export", id_[0], "-o", str(file))
    assert exported.returncode == 0, exported.stdout + exported.stderr
    whole = checked(file, keys)
    assert whole.returncode == 0, whole.stdout
    assert "Return frozen" in whole.stdout
    bundle = json.loads(file.read_text(encoding="utf-8"))
    report = json.loads(bundle["report"])
    assert {"measure", "from", "to", "positions", "definition_version"} <= report.keys()
    attacks: dict[str, dict[str, Any]] = {
        "its text is not the one": bundle | {"report": json.dumps(report | {"to": "2026-06-30"})},
        "nothing proves it": bundle | {"services": []},
        "not about": bundle | {"case": str(uuid4())},
        "is not when": bundle | {"made_at": "2026-01-01T00:00:00+00:00"},
        "it was altered": bundle | {"format": "ooc-verification-report/2"},
    }
    for said, forged in attacks.items():
        file.write_text(json.dumps(forged), encoding="utf-8")
        refused = checked(file, keys)
        assert (refused.returncode, said in refused.stdout) == (1, True), (said, refused.stdout, refused.stderr)


async def test_a_restored_key_is_in_the_report_and_repeating_makes_it_whole(system: Path, tmp_path: Path) -> None:
    """Given old keyring rows of a forgotten child put back, then the signed report says so; repeated, all is whole."""
    child = close_referral(system)
    owner = await owner_of(system, "ooc_keyring")
    backup = await owner.fetch("select * from data_key where subject = $1", f"person/{child}")
    assert len(backup) == 1
    assert ooc(system, "forget", str(child), "--basis", "PRINCIPLE_INFRINGED", "--yes").returncode == 0
    async with owner.transaction():
        await owner.execute("set local session_replication_role = replica")
        await owner.execute("delete from tombstone where subject = $1", f"person/{child}")
        await owner.executemany(
            "insert into data_key values ($1, $2, $3, $4, $5)", [tuple(one.values()) for one in backup]
        )
    file, keys = tmp_path / "broken.json", public_keys(system, tmp_path)
    verified = ooc(system, "verify", "--json", "--report", str(file))
    assert verified.returncode == 1
    assert json.loads(verified.stdout)["whole"] is False
    assert "BROKEN, kept and signed" in verified.stderr
    told = checked(file, keys)
    assert told.returncode == 0, "the report is whole; what it reports is not"
    assert f"person/{child} is forgotten" in told.stdout
    assert ooc(system, "verify", "latest").returncode == 1
    await eventually(lambda: str(child) in ooc(system, "forget-again", "--dry-run").stdout)
    repeated = ooc(system, "forget-again", "--yes")
    assert repeated.returncode == 0, repeated.stdout + repeated.stderr
    assert await owner.fetchval("select count(*) from data_key where subject = $1", f"person/{child}") == 0
    await owner.close()
    again = ooc(system, "verify")
    assert again.returncode == 0, again.stdout + again.stderr


@asynccontextmanager
async def removed(var: Path, position: int) -> AsyncIterator[None]:
    """Take an event out of referral's event store, as somebody with every right can, and put it back afterwards."""
    owner = await owner_of(var, "ooc_referral")
    try:
        row = await owner.fetchrow("select * from event where position = $1", position)
        assert row is not None
        await owner.execute("set session_replication_role = replica")
        await owner.execute("delete from event where position = $1", position)
        try:
            yield
        finally:
            await owner.copy_records_to_table("event", records=[tuple(row.values())])
    finally:
        await owner.close()


async def test_a_receipt_proves_that_its_event_is_missing(system: Path, tmp_path: Path) -> None:
    """Given a receipt, then its event is found recorded and signed; where the event is gone or another, that is named."""
    stream = uuid4()
    with client_of(system) as client:
        send(client, stream, **received_referral(uuid4(), WHEN))
        receipt = send(client, stream, type="AcknowledgeReferral")
        send(
            client, uuid4(), **received_referral(uuid4(), WHEN)
        )  # a later event: the receipt's is not the end of the log
    line = receipt["events"][0]
    for name, lines in ("given", [line]), ("forged", [line | {"hash": "0" * 64}]):
        (tmp_path / name).write_text(json.dumps(receipt | {"events": lines}), encoding="utf-8")

    def verified(name: str) -> str:
        checked = ooc(system, "verify", "receipt", str(tmp_path / name))
        assert checked.returncode in {0, 1}, checked.stdout + checked.stderr
        return f"{checked.returncode}: {checked.stdout}"

    def is_whole() -> bool:
        answer = verified("given")
        return answer.startswith("0") and "1 of 1 events are recorded and signed" in answer

    await eventually(is_whole, 120)  # the next checkpoint covers it
    forged = verified("forged")
    assert forged.startswith("1"), forged
    assert "the receipt proves nothing" in forged
    keys = public_keys(system, tmp_path)
    assert "has signed that it recorded" in checked(tmp_path / "given", keys).stdout
    assert "proves nothing" in checked(tmp_path / "forged", keys).stdout
    async with removed(system, line["position"]):
        missing = "is missing: the receipt proves that it was recorded"
        await eventually(lambda: missing in verified("given"), 120)  # a process remembers a stream for half a minute
    await eventually(is_whole, 120)


async def test_nobody_is_forgotten_before_the_retention_ends(system: Path) -> None:
    """Given a closed referral, when its retention is said to have ended, then `ooc forget` refuses and names the day."""
    child = close_referral(system)
    year = datetime.now(UTC).year + 6

    async def refused() -> bool:
        answer = ooc(system, "forget", str(child), "--basis", "RETENTION_ENDED", "--yes")
        assert answer.returncode != 0
        return f"ends on {year}-" in answer.stdout + answer.stderr

    await eventually(refused)


async def test_a_partner_learns_from_the_topic_who_is_forgotten(system: Path) -> None:
    """Given a forgotten child, then whoever reads the topic finds one event with the opaque id, the basis and a day, and no name."""
    child = await forget_child(system)

    async def events_about_child() -> list[dict[str, Any]]:
        records = await read_as_partner(system, "ooc.referral.events")
        events = [
            json.loads(one.value) for one in records if dict(one.headers)["ce_type"].endswith(b".PersonForgotten.v1")
        ]
        return [event for event in events if event["data"]["person_id"] == str(child)]

    await eventually(events_about_child)
    (event,) = await events_about_child()
    assert set(event["data"]) == {"person_id", "basis", "backups_until"}
    assert event["data"]["basis"] == "PRINCIPLE_INFRINGED"
    assert "Robin" not in json.dumps(event)


async def test_subject_access_at_a_running_system(system: Path, tmp_path: Path) -> None:
    """Given a child in a running system, then the officer gets both files, and an unknown person's id writes none."""
    child = close_referral(system)
    asked = ooc(system, "subject-access", str(child), "--basis", "UK_GDPR_ARTICLE_15", "-o", str(tmp_path / "copy"))
    assert asked.returncode == 0, asked.stdout + asked.stderr
    assert "Robin Roe" in (tmp_path / "copy" / "subject-access.json").read_text(encoding="utf-8")
    assert (tmp_path / "copy" / "subject-access.pdf").read_bytes().startswith(b"%PDF")
    nobody = ooc(system, "subject-access", str(uuid4()), "--basis", "UK_GDPR_ARTICLE_15", "-o", str(tmp_path / "no"))
    assert nobody.returncode == 1
    assert not (tmp_path / "no").exists()


async def test_the_tables_of_reporting_are_rebuilt_while_the_system_runs(system: Path) -> None:
    """Given a running system, and a copy of an event that is lost, when its tables are rebuilt and swapped, then nothing differed, the copy is back, and what comes is projected."""
    child = close_referral(system)
    owner = await owner_of(system, "ooc_disposal")
    lose = "delete from kept_event where position(convert_to($1, 'UTF8') in body) > 0 returning true"
    await eventually(lambda: owner.fetchval(lose, str(child)))
    await owner.close()
    rebuilt = ooc(system, "rebuild", "--processes", "1", "--json")
    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
    assert "folding and copying" in rebuilt.stderr.splitlines(), "in a pipe its progress is a line for each step"
    found = json.loads(rebuilt.stdout)
    assert found["swapped"]
    assert not any(found["differences"].values()), found
    assert found["positions"]["referral"] >= 5
    close_referral(system)
    verified, shown = verify_at_terminal(system)
    assert verified.returncode == 0, verified.stdout + shown
    assert re.search(r"\d of \d+ events .*left:", shown), shown
    assert "left:" not in verified.stdout
