"""Every server is destroyed under load, and the system comes back by docs/how-to/back-up.md, with every receipt it has given."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from ooc.backup.follow import RECEIVING, WAL
from ooc.evidence.keys import OWNER
from services.console.database import DATABASE
from services.notifications.database import DATABASE as NOTIFICATIONS
from services.reporting.database import DATABASE as REPORTING
from services.system.addresses import SERVICES, NoSystem
from shared.runtime import provision
from shared.runtime.provision import KEYRING_DATABASE
from shared.servers.database import as_role, database_dsn
from tests.acknowledged import Writers, check_histories, tell_story
from tests.whole_system import OOC, WholeSystem, caught_up, client_of, ooc, wait_until
from tools.client.http import NoAnswer

KEYRING = KEYRING_DATABASE[0]
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "back-up.md"


def commands_of(page: str, places: dict[str, Path]) -> dict[str, list[str]]:
    """Return the commands of a page by their first two words, with the places of this test."""
    lines = [line for block in page.split("```sh\n")[1:] for line in block.partition("```")[0].splitlines()]
    commands = [line.split()[1:] for line in lines if line.startswith("ooc ")]
    return {" ".join(one[:2]): one[:2] + [str(places.get(word, word)) for word in one[2:]] for one in commands}


@contextlib.contextmanager
def following(system: WholeSystem, command: list[str], recipient: str, log: Path) -> Iterator[None]:
    """Back a system up as long as the body runs."""
    environment = {**os.environ, "OOC_VAR": str(system.var), "OOC_BACKUP_RECIPIENT": recipient}
    with log.open("wb") as output:
        follower = subprocess.Popen([*OOC, *command], env=environment, stdout=output, stderr=output)
    try:
        yield
    finally:
        follower.terminate()
        follower.wait(300)


def destroy(system: WholeSystem) -> None:
    """End every process at once by kill -9, and lose PostgreSQL's disk."""
    assert system.up is not None
    pids = [int(path.read_text()) for path in (system.var / "run").glob("*.pid")]
    for pid in (system.up.pid, *pids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    system.up.wait(300)
    shutil.rmtree(system.var / "postgres")


def owner_address(system: WholeSystem) -> str:
    """Return the address of a system's databases, for their owner."""
    noted = json.loads((system.var / "system.json").read_text(encoding="utf-8"))
    return as_role(noted["postgres"], OWNER)


def in_console(system: WholeSystem, statement: str, database: str = DATABASE[0]) -> list[asyncpg.Record]:
    """Run a statement in the console's database, or in another one, as its owner."""

    async def run() -> list[asyncpg.Record]:
        console = await asyncpg.connect(database_dsn(owner_address(system), database))
        try:
            return list(await console.fetch(statement))
        finally:
            await console.close()

    return asyncio.run(run())


@pytest.mark.timeout(3600)
def test_a_destroyed_system_is_restored_from_its_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Given writers, when all is destroyed, then restored to before a migration, each receipt and access line is there, and roots fit."""
    tmp_path.chmod(0o711)  # PostgreSQL may run as another user
    system = WholeSystem(tmp_path)
    request.addfinalizer(system.stop)
    system.start()
    monkeypatch.setenv("OOC_PORT_BASE", str(system.port_base))
    places = {
        "/backup": "backup",
        "identity": "identity",
        "var/postgres/data": "var/postgres/data",
        "secrets": "secrets",
    }
    page = commands_of(HOW_TO.read_text(encoding="utf-8"), {word: tmp_path / name for word, name in places.items()})
    made = ooc(system.var, *page["backup identity"])
    assert made.returncode == 0, made.stderr
    with following(system, page["backup follow"], made.stdout.strip(), tmp_path / "follow.log"):
        wait_until(lambda: bool(list(tmp_path.glob("backup/*/manifest.note"))), 300, "a base backup")
        in_console(system, "alter system set synchronous_standby_names = 'pg_receivewal'")
        in_console(system, "select pg_reload_conf()")
        synchronous = "select from pg_stat_replication where sync_state = 'sync'"
        wait_until(
            lambda: len(in_console(system, synchronous)) == 1, 300, "each commit to be received before it is answered"
        )
        in_console(system, "insert into link select sha256('1'), sha256('2'), '', now() + interval '1 day'")
        webhook = "insert into webhook values (gen_random_uuid(), 'WESSEX_TRUST', 'https://left.example', 1)"
        in_console(system, webhook, NOTIFICATIONS[0])
        writers = Writers(system.var, 3, patience=900)
        in_console(system, "delete from schema_migrations where version = '20261202070100'", REPORTING[0])
        dropped = "create function refuse_strange_tile() returns trigger language plpgsql as 'begin return new; end'"
        in_console(system, dropped, REPORTING[0])
        moment = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
        wait_until(lambda: datetime.now(UTC) > moment, 300, "a moment to which it is restored")
        before = len(writers.answered)
        wait_until(lambda: len(writers.answered) > before + 20, 300, "commands after that")
        _lose_keyring(system, page["restore database"], writers)
        in_console(system, "delete from webhook", NOTIFICATIONS[0])
        asyncio.run(provision.databases(owner_address(system), [REPORTING]))  # the release that drops the function
        asked = {"measure": "kpi6", "from": "2026-01-01", "to": "2026-03-31"}
        with client_of(system.var) as client:
            frozen = client.post("reporting", "/v1/returns", role="ANALYST", body=asked, key=str(uuid4()))
        assert frozen.status == 201, frozen.body
        destroy(system)
    for file in (system.var / "receiving").iterdir():  # by it the last commits were answered
        assert (tmp_path / "backup" / WAL / RECEIVING / file.name).read_bytes() == file.read_bytes()
    restored = ooc(system.var, *page["restore system"], "--to", f"{moment:%Y-%m-%dT%H:%M:%S}", "--json")
    assert restored.returncode == 0, restored.stdout + restored.stderr
    said = json.loads(restored.stdout)
    assert datetime.fromisoformat(said["last_transaction"]) <= moment
    assert sum(log["lost"] for log in said["logs"]) == 0
    assert (tmp_path / "secrets" / "signing").read_bytes() == (system.var / "keys" / "signing").read_bytes()
    system.launch()
    writers.end()  # each ends its story, so the system has come back
    assert in_console(system, "select * from link") == [], "a link that its owner may have ended since opens again"
    assert in_console(system, "select * from webhook", NOTIFICATIONS[0]) == [], (
        "an address that was removed gets events again"
    )
    wait_until(lambda: caught_up(system.var), 300, "the system to catch up")
    gone = "select from pg_proc where proname = 'refuse_strange_tile'"
    assert in_console(system, gone, REPORTING[0]) == [], "what was restored has not been migrated"
    with client_of(system.var, patience=300) as client:
        for story in writers.stories:
            check_histories(client, story)
        tell_story(client, lambda *_: None)  # a case whose keys no backup has
    wait_until(lambda: caught_up(system.var), 300, "that story to be read")
    verified = ooc(system.var, *page["verify"])
    assert verified.returncode == 0, verified.stdout + verified.stderr
    with client_of(system.var) as client:
        kept = client.get("reporting", "/v1/returns", role="ANALYST").body["returns"]
    assert kept, "a return is lost"
    drilled = ooc(system.var, *page["restore drill"], "--json")
    assert drilled.returncode == 1, drilled.stdout + drilled.stderr
    late = json.loads(drilled.stdout)
    assert not late["problems"]
    for log in late["logs"]:
        kind = "from_topic" if log["origin"].endswith("/events") else "lost"
        assert (log["from_topic"], log["lost"]) == ((log[kind], 0) if kind == "from_topic" else (0, log[kind]))
    assert sum(log["from_topic"] for log in late["logs"]) > 0, "nothing was recorded since the last backup"
    assert sum(log["lost"] for log in late["logs"]) > 0, "no access line was written since the last backup"
    assert late["keys_lost"] > 0
    _lose_topics_too(system, page, tmp_path)
    print(f"\n{len(writers.answered)} commands; restored in {said['seconds']:.1f} s")  # noqa: T201 - what the run was worth


def _lose_keyring(system: WholeSystem, command: list[str], writers: Writers) -> None:
    """Drop the keyring under load: restored alone it has each key, and the writers go on."""
    counted = "select count(*) from data_key"
    refused = ooc(system.var, *command)
    assert "stands" in refused.stderr, refused.stdout + refused.stderr
    ((keys,),) = in_console(system, counted, KEYRING)
    in_console(system, f"drop database {KEYRING} with (force)", "postgres")
    restored = ooc(system.var, *command)
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert in_console(system, counted, KEYRING)[0][0] >= keys
    before = len(writers.answered)
    wait_until(lambda: len(writers.answered) > before + 20, 300, "commands that need the keyring")


def _lose_topics_too(system: WholeSystem, page: dict[str, list[str]], folder: Path) -> None:
    """Destroy Kafka too: what no backup holds is lost for good, operator and witness state it, and the system goes on."""
    destroy(system)
    shutil.rmtree(system.var / "kafka")
    restored = ooc(system.var, *page["restore system"], "--topics-lost", "--json")
    assert restored.returncode == 1, restored.stdout + restored.stderr
    lost = [log["origin"].split("/")[1:] for log in json.loads(restored.stdout)["logs"] if log["lost"]]
    assert {kind for _, kind in lost} == {"events", "access"}
    system.launch()
    wait_until(lambda: _raised(system, "log_behind_witness") == {service for service, _ in lost}, 300, "the alarms")
    for service, log in lost:
        note, cosigned = folder / f"{service}-{log}.note", folder / f"{service}-{log}-cosigned.note"
        named = ooc(system.var, "restore", "loss", service, "--log", log, "-o", str(note))
        assert (named.returncode, note.exists()) == (1, True), named.stdout + named.stderr
        state = ["--state", str(system.var / "witness"), "--logs", str(system.var / "witness" / "logs")]
        witness = [sys.executable, "-m", "tools.witness.fork", *state, str(note)]
        cosigned.write_bytes(subprocess.run(witness, check=True, capture_output=True, timeout=60).stdout)
        note.with_suffix(".json").rename(cosigned.with_suffix(".json"))
        kept = ooc(system.var, "restore", "loss", service, "--log", log, "--cosigned", str(cosigned))
        assert kept.returncode == 0, kept.stdout + kept.stderr
    wait_until(lambda: caught_up(system.var), 300, "the system to go on")
    with client_of(system.var, patience=300) as client:
        tell_story(client, lambda *_: None)
    wait_until(lambda: caught_up(system.var), 300, "that story to be read")
    verified = ooc(system.var, *page["verify"])
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert verified.stdout.count("given up by a statement") == len(lost), verified.stdout


def _raised(system: WholeSystem, alarm: str) -> set[str]:
    """Return the services in which an alarm stands."""
    found = set()
    with contextlib.suppress(NoAnswer, NoSystem), client_of(system.var, patience=0) as client:
        for service in SERVICES:
            status = client.open(service, "/status").body or {}
            if any(one["name"] == alarm for one in status.get("alarms") or ()):
                found.add(service)
    return found
