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

from ooc.evidence.keys import OWNER
from ooc.evidence.verification import stores
from shared.servers.database import as_role, database_dsn
from tests.integration.local.waiting import eventually
from tests.received_referral import linked_person, received_referral
from tests.whole_system import OOC, WholeSystem, client_of, ooc
from tools.client.http import Client

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
    send(client, stream, **linked_person(child))
    send(client, stream, type="AcknowledgeReferral")
    send(client, stream, type="TriageReferral", outcome="REJECT_OUT_OF_SCOPE", rationale_text="Elsewhere.")
    send(client, stream, type="CloseReferral", reason="REJECTED")
    return child


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
    bundle = json.loads(file.read_text(encoding="utf-8"))
    with client_of(system) as client:
        latest = client.get("reporting", "/v1/verifications/latest", role="AUDITOR").body
    assert (latest["verification_id"], latest["whole"]) == (bundle["case"], True)
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
    """Given a frozen return, then an auditor's program accepts its file, and refuses an altered one."""
    file, keys = tmp_path / "return.json", public_keys(system, tmp_path)
    asked = {"measure": "kpi6", "from": "2026-01-01", "to": "2026-03-31"}
    with client_of(system) as client:
        frozen = client.post("reporting", "/v1/returns", role="ANALYST", body=asked, key=str(uuid4()))
    assert frozen.status == 201, frozen.body
    exported = ooc(system, "export", "return", frozen.body["return_id"], "-o", str(file))
    assert exported.returncode == 0, exported.stdout + exported.stderr
    whole = checked(file, keys)
    assert whole.returncode == 0, whole.stdout
    assert "Return frozen" in whole.stdout
    bundle = json.loads(file.read_text(encoding="utf-8"))
    report = json.loads(bundle["report"])
    assert {"measure", "from", "to", "positions", "definition_version"} <= report.keys()
    file.write_text(json.dumps(bundle | {"report": json.dumps(report | {"to": "2026-06-30"})}), encoding="utf-8")
    refused = checked(file, keys)
    assert (refused.returncode, "its text is not the one" in refused.stdout) == (1, True), refused.stdout


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
    assert re.search(r"\d of [\d,]+ events .*left:", shown), shown
    assert "left:" not in verified.stdout
