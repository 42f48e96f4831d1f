"""Another agency's service, written from the contract alone, follows the whole system: killed, flooded, and writing back."""

import ast
import contextlib
import hashlib
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from ooc.evidence.verification import stores
from ooc.system.running import PARTNER
from services.system.addresses import SERVICES, find_addresses
from services.system.registry import COLLECTIONS
from shared.servers.kafka import PROVISIONER
from shared.servers.settings import Settings
from tests import loopback
from tests.confluent import confluent_options
from tests.doors.calls import calls_of
from tests.whole_system import ooc, running_system, wait_until
from tools.client.http import Client
from tools.client.tokens import Tokens
from tools.local.jars import kafka_jars

HERE = Path(__file__).parent
STORY = HERE / "absences.yaml"
EXAMPLE = HERE.parents[2] / "examples" / "early_help_alert"
TUTORIAL = HERE.parents[2] / "docs" / "how-to" / "react-from-outside.md"
DOORS = HERE.parents[1] / "doors"
PYTHON = [HERE.parents[2] / ".venv-clients/bin/python", DOORS / "every_operation.py"]
TYPESCRIPT = [Path(shutil.which("node") or "node"), DOORS / "every_operation.mjs", DOORS / "made/operations.js"]
GO = [DOORS / "made/every_operation"]
JAVA = [Path(shutil.which("java") or "java"), "-jar", DOORS / "made/java/every_operation.jar"]
SCHOOLS = ("--school", "113940", "--school", "113941")
TOPICS = ("ooc.referral.events", "ooc.education.events")
FACTS = ("school", "stream", "event", "alert")
"""The tables and views that are the same however the records came; places differ where records were repeated."""

IN_THE_MIDDLE = 0.002
"""Seconds between two looks at a service that is to be killed before it is done."""

STARTED: list[subprocess.Popen[str]] = []
"""The processes that a test has started and that end with it."""


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    """End what a test leaves running."""
    yield
    while STARTED:
        with STARTED.pop() as process:  # closes its pipes
            process.kill()


def password_file(kafka: Settings) -> Path:
    """Return the file with the password of the example's login."""
    assert kafka.kafka_passwords is not None
    return kafka.kafka_passwords / PARTNER


class Service:
    """The example with a database of its own."""

    def __init__(self, kafka: Settings, database: Path, *more: str) -> None:
        self.database = database
        self._command = [
            sys.executable,
            str(EXAMPLE / "alerts.py"),
            "--kafka",
            kafka.kafka,
            "--database",
            str(database),
        ]
        self._command += ["--password", str(password_file(kafka))]
        self._command += [*SCHOOLS, *more]

    def start(self, *more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*self._command, *more], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        STARTED.append(process)
        return process

    def catch_up(self) -> None:
        done = subprocess.run(
            [*self._command, "--until-caught-up"], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database. No rows where it has not made its tables yet."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=30)) as database:
            if not database.execute("select 1 from sqlite_master where name = 'alert_with_referral'").fetchone():
                return []
            return sorted(database.execute(query).fetchall(), key=str)

    def facts(self) -> dict[str, list[tuple[Any, ...]]]:
        return {table: self.rows(f"select * from {table}") for table in FACTS}

    def events_taken(self) -> int:
        return sum(version for (version,) in self.rows("select version from stream"))


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield the directory of the system that a person starts, with the children of the story in it."""
    with running_system(tmp_path_factory.mktemp("system")) as running:
        play(running.var, STORY)
        yield running.var


@pytest.fixture(scope="module")
def kafka(system: Path) -> Settings:
    """Return where the system's Kafka is, and where its passwords are."""
    return stores(system)


def play(system: Path, *stories: Path) -> None:
    done = ooc(system, "scenario", "run", *map(str, stories))
    assert done.returncode == 0, done.stdout + done.stderr


def caught_up_service(kafka: Settings, folder: Path) -> Service:
    """Catch up a service that has never seen anything."""
    made = Service(kafka, folder / f"{uuid4()}.sqlite")
    made.catch_up()
    return made


def test_the_example_is_written_from_the_contract_alone() -> None:
    """It imports the standard library, a Kafka client and itself, and nothing of the partnership's."""
    for file in EXAMPLE.glob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        foreign = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names)
        assert foreign <= {"confluent_kafka", "partner"}


def test_a_first_start_starts_each_process_once(system: Path) -> None:
    """Each login is let in when it is first used: no process of a new system was refused, or ended and was started again."""
    logs = [file.read_text(encoding="utf-8") for file in (system / "log").glob("*.log")]
    assert len(logs) > 10
    lines = [line for log in logs for line in log.splitlines()]
    assert not [line for line in lines if "is started again" in line or "Authentication failed" in line]


def test_killed_in_the_middle_it_ends_as_a_fresh_one(kafka: Settings, tmp_path: Path) -> None:
    """After each kill -9 it goes on from where its database stands: nothing is lost, nothing is counted twice."""
    wait_until(lambda: caught_up_service(kafka, tmp_path).events_taken() >= 30, 300, "thirty events")
    complete = caught_up_service(kafka, tmp_path)
    killed = Service(kafka, tmp_path / "killed.sqlite", "--batch", "1")
    cut_short = 0
    for share in (0.1, 0.4, 0.7):
        process = killed.start()
        enough = share * complete.events_taken()
        wait_until(lambda enough=enough: killed.events_taken() >= enough, 300, "a share of the events", IN_THE_MIDDLE)  # type: ignore[misc]
        process.kill()
        process.communicate()
        cut_short += killed.events_taken() < complete.events_taken()
    assert cut_short >= 1
    killed.catch_up()
    assert killed.facts() == complete.facts()
    # Kai's first absence was corrected, Zoe's excused, and Ren goes to another school: of the four, only Mia has missed two
    # sessions, each time that the story is played.
    assert {kind for (kind,) in killed.rows("select kind from alert")} == {"MISSED_SESSIONS", "REFERRED_TO_EARLY_HELP"}
    missed = killed.rows("select person_id from alert where kind = 'MISSED_SESSIONS'")
    children = killed.rows(
        "select distinct data ->> 'person_id' from event where type = 'ooc.education.AttendanceRecorded.v1'"
    )
    assert len(children) == 4 * len(missed)


def is_vouched_for(position: dict[str, Any], record: Any) -> bool:
    """Whether the position record reaches the record, and does not call it foreign."""
    partition = str(record.partition())
    if record.offset() >= position["offsets"].get(partition, 0):
        return False
    ranges = position.get("foreign", {}).get(partition, ())
    return not any(first <= record.offset() < after for first, after in ranges)


def records_of(kafka: Settings, topic: str, partitions: int = 12) -> list[Any]:
    """Every record of a topic, as anybody may read it: to the end that each partition has now."""
    consumer = Consumer(
        confluent_options(kafka.kafka_as(PARTNER))
        | {"group.id": "wessex_trust", "isolation.level": "read_committed", "enable.partition.eof": True}
    )
    consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
    records, ended = [], set[int]()
    while len(ended) < partitions:
        message = consumer.poll(1)
        if message is None:
            continue
        if (error := message.error()) is None:
            records.append(message)
        elif error.code() == KafkaError._PARTITION_EOF:
            ended.add(message.partition() or 0)
        else:
            raise KafkaException(error)
    consumer.close()
    return records


def end_of(kafka: Settings, topic: str) -> int:
    """Return how many offsets of a topic are taken, in all of its partitions."""
    consumer = Consumer(confluent_options(kafka.kafka_as(PARTNER)) | {"group.id": "wessex_trust"})
    ends = [consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=30)[1] for number in range(12)]
    consumer.close()
    return sum(ends)


def test_what_the_tutorial_says_of_records_is_so(kafka: Settings) -> None:
    """Key, order, versions, headers, hashes, holes and the position record are as docs/how-to/react-from-outside.md has them."""
    first_look = re.findall(r"```python\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)[0]
    printed = subprocess.run(
        [
            sys.executable,
            "-c",
            first_look.replace("127.0.0.1:8121", kafka.kafka).replace(
                "var/kafka/passwords", str(kafka.kafka_passwords)
            ),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "ooc.referral.ReferralReceived.v1" in printed.stdout
    for topic in TOPICS:
        position = json.loads(records_of(kafka, topic.replace(".events", ".position"), partitions=1)[-1].value())
        committed = records_of(kafka, topic)
        records = [record for record in committed if is_vouched_for(position, record)]
        events = [json.loads(record.value()) for record in records]
        headers = [{name: value.decode() for name, value in record.headers()} for record in records]
        for record, event, header in zip(records, events, headers, strict=True):
            assert record.key().decode() == event["home"]
            assert header["ce_id"] == event["event_id"]
            assert header["ce_type"] == event["type"]
            assert header["ce_subject"] == event["stream"]
            assert header["ce_time"] == event["occurred_at"]
            assert header["ooc_version"] == str(event["version"])
            assert not {"position", "recorded_at", "hash"} & event.keys()
        streams: dict[str, tuple[int, bytes]] = {}
        for record, event, header in zip(records, events, headers, strict=True):
            version, previous = streams.get(event["stream"], (0, bytes(32)))
            assert event["version"] == version + 1
            found = hashlib.sha256(previous + record.value()).digest()
            assert found.hex() == header["ooc_hash"]
            streams[event["stream"]] = (event["version"], found)
        assert len({(record.key(), record.partition()) for record in records}) == len(
            {record.key() for record in records}
        )
        for number in range(12):
            own = [
                (record, header)
                for record, header in zip(records, headers, strict=True)
                if record.partition() == number
            ]
            assert [int(header["ooc_position"]) for _, header in own] == sorted(int(h["ooc_position"]) for _, h in own)
            assert position["offsets"].get(str(number), 0) == max((record.offset() + 1 for record, _ in own), default=0)
        # Markers of transactions take offsets: there are more offsets than records.
        assert end_of(kafka, topic) > len(committed)
        assert sorted(int(header["ooc_position"]) for header in headers) == list(range(1, position["position"] + 1))
        if topic == "ooc.education.events":
            assert all(
                event["stream"] == f"education/{event['home']}" for event in events if "Waiting" not in event["type"]
            )
        else:
            assert any(event["stream"] != f"referral/{event['home']}" for event in events)


def test_a_flood_of_repeats_and_a_forgery_change_nothing(system: Path, kafka: Settings, tmp_path: Path) -> None:
    """What is sent again, by whomever and in whatever order, is known by its version; what only pretends, by the position record."""
    flooded = caught_up_service(kafka, tmp_path)
    before = flooded.facts()
    # The partnership never sends again; a consumer that lost its place reads again.
    with sqlite3.connect(flooded.database) as database:
        database.execute("update place set offset = 0")
    flooded.catch_up()
    assert flooded.facts() == before

    # Nobody but the partnership's relay may write there (tests/hostile/test_kafka_access.py), and so it is the operator who forges.
    producer = Producer(confluent_options(kafka.kafka_as(PROVISIONER)) | {"partitioner": "murmur2_random"})
    for topic in TOPICS:
        records = records_of(kafka, topic)
        for message in [*reversed(records), *records]:
            producer.produce(topic, message.value(), message.key(), message.partition(), headers=message.headers())
        last = max(records, key=lambda message: int(dict(message.headers())["ooc_version"]))
        forged = dict(last.headers()) | {"ooc_version": str(int(dict(last.headers())["ooc_version"]) + 1).encode()}
        producer.produce(topic, last.value(), last.key(), last.partition(), headers=list(forged.items()))
        producer.poll(0)
    producer.flush(30)
    play(system, STORY)
    flooded.catch_up()
    assert flooded.events_taken() > sum(row[1] for row in before["stream"])
    assert flooded.facts() == caught_up_service(kafka, tmp_path).facts()


@pytest.mark.skipif(
    shutil.which("javac") is None, reason="no Java compiler: the Java example is run where a JDK is installed"
)
def test_the_same_consumer_in_java_finds_the_same_alerts(kafka: Settings, tmp_path: Path) -> None:
    """Killed in the middle, and on the topics that were flooded, the Java service prints what the Python service prints."""
    jars = ":".join(map(str, kafka_jars()))
    source = EXAMPLE / "java" / "Alerts.java"
    subprocess.run(["javac", "-Xlint:all", "-Werror", "-cp", jars, "-d", str(tmp_path), str(source)], check=True)
    state = tmp_path / "alerts.json"
    java = [
        "java",
        "-cp",
        f"{tmp_path}:{jars}",
        "Alerts",
        "--kafka",
        kafka.kafka,
        "--password",
        str(password_file(kafka)),
        "--state",
        str(state),
        *SCHOOLS,
    ]

    def stream_count() -> int:
        return len(json.loads(state.read_bytes())["streams"]) if state.exists() else 0

    process = subprocess.Popen([*java, "--batch", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: stream_count() > 0, 300, "the first stream", IN_THE_MIDDLE)
    process.kill()
    process.communicate()
    python = caught_up_service(kafka, tmp_path)
    assert stream_count() < len(python.rows("select 1 from stream"))

    done = subprocess.run([*java, "--batch", "3"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    alerts = {tuple(json.loads(line).values()) for line in done.stdout.splitlines()}
    assert alerts == set(python.rows("select kind, person_id, school_urn, because, since from alert"))
    assert {alert[0] for alert in alerts} == {"MISSED_SESSIONS", "REFERRED_TO_EARLY_HELP"}


def test_an_event_that_was_altered_or_is_missing_stops_it(kafka: Settings, tmp_path: Path) -> None:
    """Where its own last hash does not lead to the next event, it stops and says where, and takes nothing."""
    stopped = caught_up_service(kafka, tmp_path)
    with sqlite3.connect(stopped.database) as database:
        database.execute("update place set offset = 0")
        database.execute("update stream set version = version - 1")
    process = stopped.start("--until-caught-up")
    _, error_output = process.communicate(timeout=300)
    assert process.returncode == 3
    assert "is not what was recorded: its hash is another" in error_output
    with sqlite3.connect(stopped.database) as database:
        database.execute("update stream set version = version - 1 where version > 1")
    process = stopped.start("--until-caught-up")
    assert process.wait(300) == 3


def test_a_partner_refers_a_child_back_once_and_follows_the_receipt(
    system: Path, kafka: Settings, tmp_path: Path
) -> None:
    """Killed while it sends, and even with its database lost, it sends the same key: one referral, whose triage it sees."""
    addresses = find_addresses((), {}, system)
    credentials = tmp_path / "credentials.json"
    form = {"sub": str(uuid4()), "role": "SCHOOL", "organisation": "WESSEX_TRUST", "area": "DORSET"}
    credentials.write_text(
        json.dumps({"issuer": addresses.issuer, "referral": addresses.services["referral"], "form": form})
    )
    partner = Service(kafka, tmp_path / "partner.sqlite", "--credentials", str(credentials))
    process = partner.start()
    wait_until(lambda: bool(partner.rows("select 1 from sent")), 300, "the first referral", IN_THE_MIDDLE)
    process.kill()
    process.communicate()

    process = partner.start()
    wait_until(lambda: bool(partner.rows("select 1 from alert_with_referral where received")), 300, "its receipt")
    receipts = partner.rows("select referral_id, answer, receipt from sent")
    assert {answer for _, answer, _ in receipts} == {"RECORDED"}

    lost = Service(kafka, tmp_path / "lost.sqlite", "--credentials", str(credentials))
    again = lost.start()
    recorded = "select 1 from sent where answer = 'RECORDED'"
    wait_until(lambda: len(lost.rows(recorded)) == len(receipts), 300, "the same receipts")
    assert lost.rows("select referral_id, answer, receipt from sent") == receipts
    again.send_signal(signal.SIGTERM)
    assert again.wait(300) == 0

    referral = receipts[0][0]
    with loopback.blocking_client(timeout=30) as http:
        tokens = Tokens(addresses.issuer, http, {})
        command_id = json.loads(receipts[0][2])["command_id"]
        answer = http.post(f"{addresses.issuer}/token", data={"grant_type": "client_credentials", **form})
        own = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        followed = http.get(f"{addresses.services['referral']}/v1/commands/{command_id}", headers=own)
        assert followed.json()["state"] == "recorded"
        commands = (
            {"type": "AcknowledgeReferral"},
            {"type": "TriageReferral", "outcome": "REFER_EARLY_HELP", "rationale_text": "The family needs help."},
        )
        for command in commands:
            sent = http.post(
                f"{addresses.services['referral']}/v1/referrals/{referral}/commands",
                json=command,
                headers={
                    "Authorization": f"Bearer {tokens.token('SAFE_SCHOOLS_OFFICER').text}",
                    "Idempotency-Key": str(uuid4()),
                },
            )
            assert sent.status_code == 201, sent.text
    outcome = f"select outcome from alert_with_referral where referral_id = '{referral}'"
    wait_until(lambda: partner.rows(outcome) == [("REFER_EARLY_HELP",)], 300, "the outcome of its triage")
    process.send_signal(signal.SIGTERM)
    assert process.wait(300) == 0


@pytest.mark.parametrize("program", [PYTHON, TYPESCRIPT, GO, JAVA], ids=["python", "typescript", "go", "java"])
def test_a_generated_client_calls_every_operation(system: Path, program: list[Path | str]) -> None:
    """Each operation answers as its document says, and the client reads it as that; Python's also records a repeated command once."""
    if not all(part.exists() for part in program if isinstance(part, Path)):
        pytest.skip("it is compiled by `make doors`, with npm, Go and Maven")
    addresses = find_addresses((), {}, system)
    listed = Client(addresses).get("reporting", "/v1/cases", role="SUPERVISOR").body["cases"][0]["case_id"]
    case = json.loads(ooc(system, "case", listed, "--json").stdout)["case"]
    ids = {service: (case[plural] or [{"id": listed}])[0]["id"] for service, plural in COLLECTIONS.items()}
    ids["reporting"] = listed
    roles = ("SUPERVISOR", "AUDITOR", "DATA_PROTECTION_OFFICER", "ANALYST")
    with loopback.blocking_client(timeout=30) as http:
        tokens = [Tokens(addresses.issuer, http, {}).token(role).text for role in roles]
    calls = {service: list(calls_of(service, ids[service])) for service in SERVICES}
    plain = {service: [asdict(call) for call in called] for service, called in calls.items()}
    asked = {
        "urls": {name: addresses.services[name] for name in SERVICES},
        "tokens": tokens,
        "ids": ids,
        "calls": plain,
    }
    done = subprocess.run(program, input=json.dumps(asked), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said.get("sent", True)
    answers = {(service, operation): (status, kind) for service, operation, status, kind in said["answers"]}
    known = {(service, call.operation): call for service, called in calls.items() for call in called}
    assert answers.keys() == known.keys()
    # 2xx has what the document says; any other answer is a problem that the document declares for it.
    wrong = {
        name: (status, kind)
        for name, (status, kind) in answers.items()
        if status not in known[name].statuses or (status >= 400) != (kind == "Problem") or kind in {"", "NoneType"}
    }
    assert not wrong
    # What needs a record, an alarm or a return of its own is not there; every list, state and history is.
    assert sum(status < 300 for status, _ in answers.values()) > len(answers) / 3


@pytest.mark.skipif(not TYPESCRIPT[2].exists(), reason="the TypeScript library is built by `make doors`, with npm")
def test_the_typescript_library_is_led_nowhere() -> None:
    """Given a server that leads elsewhere, when a command is sent, then nothing of it reaches another server."""
    done = subprocess.run(["node", str(DOORS / "redirected.mjs")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"status": 307, "reached": []}


@pytest.mark.skipif(not TYPESCRIPT[2].exists(), reason="the TypeScript library is built by `make doors`, with npm")
def test_the_typescript_library_records_once(system: Path) -> None:
    """A command that is sent again has the same receipt, a token is renewed, and a mistake is refused with its problem."""
    addresses = find_addresses((), {}, system)
    with loopback.blocking_client(timeout=30) as http:
        token = Tokens(addresses.issuer, http, {}).token("SUPERVISOR").text
    command = ["node", str(DOORS / "send_twice.mjs"), addresses.services["education"], token]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"same": True, "refused": 422, "state": "PLANNED"}
