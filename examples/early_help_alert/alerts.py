"""Early help alerts: the service of a school trust, which reads what the partnership publishes about its children.

It is written from the contract alone (docs/reference/topics.md) and imports nothing of the partnership's. The way in, step
by step, is docs/how-to/react-from-outside.md. Run it with `python alerts.py --help`.

It alerts for a child of the trust's schools
- who was referred to early help, and
- who has missed two sessions without an acceptable reason. That child it refers back, if it has credentials.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import signal
import sqlite3
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from partner import Partner, refer_back  # type: ignore[import-not-found]  # it runs beside this file

SERVICES: Final = ("referral", "education")
PARTITIONS: Final = range(12)
BATCH: Final = 500
"""How many records are taken in one transaction at most."""

Kafka = Mapping[str, Any]
"""Where Kafka is and how to log in there, as confluent-kafka is told it."""

Position = Mapping[str, Any]
"""The value of a position record: `position`, `offsets` and perhaps `foreign`."""

SCHEMA: Final = Path(__file__).with_name("alerts.sql")

WANTED: Final = frozenset(
    {
        "ooc.referral.ReferralReceived.v1",
        "ooc.referral.PersonLinked.v1",
        "ooc.referral.ReferralTriaged.v1",
        "ooc.referral.ReferralClosed.v1",
        "ooc.education.AttendanceRecorded.v1",
        "ooc.education.AbsenceReasonDecided.v1",
    }
)
"""The types of event whose clear data are kept. Any other is counted in its stream and skipped."""

CORRECTIONS: Final = frozenset({"ooc.referral.ReferralCorrected.v1", "ooc.education.RecordCorrected.v1"})


class Stop(Exception):
    """What a person must look at before anything more is taken. The message says what."""


def open_store(file: Path, schools: Iterable[str]) -> sqlite3.Connection:
    """Open the database, make its tables at the first call, and name the trust's schools."""
    database = sqlite3.connect(file, isolation_level=None)
    database.executescript(SCHEMA.read_text(encoding="utf-8"))
    database.executemany("insert or ignore into school (urn) values (?)", [(urn,) for urn in schools])
    return database


def take(database: sqlite3.Connection, message: Message, *, foreign: bool) -> None:
    """Take one record: its effect and its place belong into one transaction, which the caller begins and ends."""
    topic, partition, offset = place_of(message)
    if not foreign:
        _take_event(database, message, f"{topic}, partition {partition}, offset {offset}")
    database.execute(
        "insert into place (topic, partition, offset) values (?, ?, ?)"
        " on conflict do update set offset = excluded.offset",
        (topic, partition, offset + 1),
    )


def place_of(message: Message) -> tuple[str, int, int]:
    """Return topic, partition and offset of a record."""
    return str(message.topic()), int(message.partition() or 0), int(message.offset() or 0)


def _take_event(database: sqlite3.Connection, message: Message, where: str) -> None:
    headers = {header[0]: _text(header[1]) for header in message.headers() or ()}
    body = bytes(message.value() or b"")
    stream, version, type_ = headers["ce_subject"], int(headers["ooc_version"]), headers["ce_type"]
    last, previous = database.execute("select version, hash from stream where stream = ?", (stream,)).fetchone() or (
        0,
        bytes(32).hex(),
    )
    if version <= last:
        return  # seen before: whatever sends it again, the version of the stream tells
    if version > last + 1:
        raise Stop(f"{where}: {stream} goes from version {last} to {version}, so an event is missing")
    if hashlib.sha256(bytes.fromhex(previous) + body).hexdigest() != headers["ooc_hash"]:
        raise Stop(f"{where}: version {version} of {stream} is not what was recorded: its hash is another")
    database.execute(
        "insert into stream (stream, version, hash) values (?, ?, ?)"
        " on conflict do update set version = excluded.version, hash = excluded.hash",
        (stream, version, headers["ooc_hash"]),
    )
    if type_ in WANTED:
        event = json.loads(body)
        database.execute(
            "insert into event (event_id, type, stream, version, occurred_at, command_id, data)"
            " values (:event_id, :type, :stream, :version, :occurred_at, :command_id, :data)",
            event | {"data": json.dumps(event["data"])},
        )
    elif type_ in CORRECTIONS:
        _correct(database, json.loads(body)["data"])


def _text(value: str | bytes | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""


def _correct(database: sqlite3.Connection, data: Mapping[str, Any]) -> None:
    """Correct what an earlier event of the stream said. A sealed value is none of our business."""
    corrected = [data] if data["sealed"] is None else []
    for change in (*corrected, *data["also"]):
        path = "$" + "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in change["field"].split("."))
        database.execute(
            "update event set data = json_set(data, ?, json(?)) where event_id = ?",
            (path, json.dumps(change["value"]), change["corrects"]),
        )


class PositionRecords:
    """What the position records say of the records of the events topics: how far they go, and which are foreign."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._known: dict[str, Position] = {}

    def of(self, topic: str) -> Position:
        """Return the last position record of an events topic, as it was when it was last read."""
        if topic not in self._known:
            self._known[topic] = last_position(self._kafka, topic)
        return self._known[topic]

    def is_foreign(self, topic: str, partition: int, offset: int) -> bool | None:
        """Whether a record was written by somebody else than the partnership's relay; None if that is not known yet."""
        if self._end(topic, partition) <= offset:
            self._known.pop(topic, None)
        if self._end(topic, partition) <= offset:
            return None
        ranges = self.of(topic).get("foreign", {}).get(str(partition), ())
        return any(first <= offset < after for first, after in ranges)

    def _end(self, topic: str, partition: int) -> int:
        end: int = self.of(topic)["offsets"].get(str(partition), 0)
        return end


def last_position(kafka: Kafka, events_topic: str) -> Position:
    """Read the last position record of an events topic: the position reached, and the offset after it in each partition."""
    topic = events_topic.removesuffix(".events") + ".position"
    consumer = Consumer(_settings(kafka) | {"enable.partition.eof": True})
    try:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=30)
        found: Position = {"position": 0, "offsets": {}}
        # The last record is among the last few; aborted ones and markers of transactions take offsets too.
        for start in dict.fromkeys((max(low, high - BATCH), low)):
            consumer.assign([TopicPartition(topic, 0, start)])
            ended = False
            while not ended:
                message = consumer.poll(1)  # `consume` would wait for more records than there are
                error = None if message is None else message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    raise KafkaException(error)
                ended = error is not None
                if message is not None and not ended:
                    found = json.loads(message.value() or b"")
            if found["position"]:
                break
        return found
    finally:
        consumer.close()


def follow(
    database: sqlite3.Connection, kafka: Kafka, *, until_caught_up: bool, batch: int = BATCH, partner: Any = None
) -> None:
    """Take events as they come, from where the database stands; a restart goes on from there."""
    topics = [f"ooc.{service}.events" for service in SERVICES]
    places = {(topic, partition): offset for topic, partition, offset in database.execute("select * from place")}
    consumer = Consumer(_settings(kafka))
    records = PositionRecords(kafka)
    targets = {topic: records.of(topic) for topic in topics} if until_caught_up else {}
    try:
        consumer.assign(
            [TopicPartition(topic, number, places.get((topic, number), 0)) for topic in topics for number in PARTITIONS]
        )
        while not (until_caught_up and caught_up(database, targets)):
            messages = [_checked(message) for message in consumer.consume(batch, timeout=0.2)]
            held_partitions = set[tuple[str, int]]()
            database.execute("begin immediate")
            for message in messages:
                topic, partition, offset = place_of(message)
                foreign = (
                    None if (topic, partition) in held_partitions else records.is_foreign(topic, partition, offset)
                )
                if foreign is not None:
                    take(database, message, foreign=foreign)
                elif (topic, partition) not in held_partitions:
                    # Nothing vouches for it yet, so it is read again, and what comes after it.
                    held_partitions.add((topic, partition))
                    consumer.seek(TopicPartition(topic, partition, offset))
            database.execute("commit")
            if partner is not None:
                refer_back(database, partner)
    finally:
        if database.in_transaction:
            database.execute("rollback")
        consumer.close()


def caught_up(database: sqlite3.Connection, targets: Mapping[str, Position]) -> bool:
    """Whether every event is taken that the position records named: each offset is the one after the last event."""
    offsets = {(topic, partition): offset for topic, partition, offset in database.execute("select * from place")}
    return all(
        offsets.get((topic, int(partition)), 0) >= offset
        for topic, target in targets.items()
        for partition, offset in target["offsets"].items()
    )


class Recorded:
    """A record of a file, read as one of Kafka's."""

    def __init__(self, line: str) -> None:
        record = json.loads(line)
        self.topic = lambda: record["topic"]
        self.partition = lambda: record["partition"]
        self.offset = lambda: record["offset"]
        self.headers = lambda: list(record["headers"].items())
        self.value = record["value"].encode


def replay(database: sqlite3.Connection, file: Path) -> None:
    """Take every event of recorded topics, in one transaction."""
    records: list[Any] = [Recorded(line) for line in file.read_text(encoding="utf-8").splitlines()]
    database.execute("begin immediate")
    try:
        for record in records:
            if record.topic() in {f"ooc.{service}.events" for service in SERVICES}:
                take(database, record, foreign=False)
        database.execute("commit")
    finally:
        if database.in_transaction:
            database.execute("rollback")


def login_of(asked: argparse.Namespace) -> Kafka:
    """Return how to connect: the password proves who we are without being sent, and TLS hides what we read."""
    login = {
        "bootstrap.servers": asked.kafka,
        "security.protocol": "SASL_SSL" if asked.authority else "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": asked.login,
        "sasl.password": asked.password.read_text(encoding="utf-8").strip(),
    }
    return login | ({"ssl.ca.location": str(asked.authority)} if asked.authority else {})


def _settings(kafka: Kafka) -> dict[str, Any]:
    return {
        **kafka,
        # A partner's group has its name; any other is refused.
        "group.id": "wessex_trust",
        "isolation.level": "read_committed",
        "auto.offset.reset": "error",
        "enable.auto.commit": False,
    }


def _checked(message: Message) -> Message:
    if (error := message.error()) is not None:
        raise KafkaException(error)
    return message


def show(database: sqlite3.Connection) -> None:
    """Print every alert, one a line, as JSON."""
    database.row_factory = sqlite3.Row
    for row in database.execute("select * from alert_with_referral order by since, person_id, kind"):
        print(json.dumps(dict(row)))


def main() -> int:
    """Follow the topics; exit 3 if a person must look."""
    parser = argparse.ArgumentParser(description="Alert for children of a school trust, from the partnership's events.")
    parser.add_argument("--kafka", default="127.0.0.1:8121", help="Kafka's address, as `make run` prints it")
    parser.add_argument("--login", default="partner_wessex_trust", help="the login that the partnership has given us")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--password", type=Path, metavar="FILE", help="a file with its password")
    source.add_argument("--recorded", type=Path, metavar="FILE", help="recorded topics instead of Kafka: ../recorded")
    parser.add_argument("--authority", type=Path, metavar="FILE", help="who signed Kafka's certificate (PEM): use TLS")
    parser.add_argument("--database", type=Path, default=Path("alerts.sqlite"), help="where it keeps what it has taken")
    parser.add_argument("--school", action="append", default=[], metavar="URN", help="a school of the trust; repeat it")
    parser.add_argument(
        "--batch", type=int, default=BATCH, help="how many records are taken in one transaction at most"
    )
    parser.add_argument("--until-caught-up", action="store_true", help="stop once every event of now is taken")
    parser.add_argument("--show", action="store_true", help="print the alerts at the end")
    parser.add_argument("--credentials", type=Path, help="refer children back: a JSON file, see partner.py")
    options = parser.parse_args()
    database = open_store(options.database, options.school)
    partner = Partner.read(options.credentials) if options.credentials else None
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    try:
        if options.recorded:
            replay(database, options.recorded)
        else:
            kafka, until_caught_up = login_of(options), options.until_caught_up
            follow(database, kafka, until_caught_up=until_caught_up, batch=options.batch, partner=partner)
    except Stop as stop:
        print(f"Stopped: {stop}", file=sys.stderr)
        return 3
    except SystemExit:
        pass
    if options.show:
        show(database)
    return 0


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
