"""Apache Kafka's jars: their names, their place in the Maven repository, and the check of their pinned hashes.

`kafka-jars.txt` names each with its SHA-256. They come from Maven Central by jgo, once, into the machine's Maven
repository (`~/.m2/repository`, or where M2_REPO points); afterwards nothing needs the network.

When the version is raised here, `python -m tools.local.fetch --list > tools/local/kafka-jars.txt` pins the new ones.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.local.errors import CannotStart

ENDPOINT: Final = "org.apache.kafka:kafka_2.13:4.4.0+org.apache.logging.log4j:log4j-slf4j-impl:2.25.4!"
"""Kafka itself, and the bridge that lets it log (`!`: whose own parent must not choose versions for Kafka)."""

LIST: Final = Path(__file__).with_name("kafka-jars.txt")


@dataclass(frozen=True, order=True)
class Jar:
    """One pinned file of the Maven repository."""

    group: str
    artifact: str
    version: str
    sha256: str

    def path(self, repository: Path) -> Path:
        return repository.joinpath(
            *self.group.split("."), self.artifact, self.version, f"{self.artifact}-{self.version}.jar"
        )

    def __str__(self) -> str:
        return f"{self.sha256}  {self.group}:{self.artifact}:{self.version}"


def pinned_jars() -> list[Jar]:
    jars = []
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            sha256, name = line.split()
            group, artifact, version = name.split(":")
            jars.append(Jar(group, artifact, version, sha256))
    return jars


def repository() -> Path:
    return Path(os.environ.get("M2_REPO") or "~/.m2/repository").expanduser()


def is_download_needed() -> bool:
    """Whether a first download is ahead (about 45 MB, 20 seconds)."""
    return not all(jar.path(repository()).exists() for jar in pinned_jars())


def kafka_jars() -> list[Path]:
    """Return the class path of Kafka, fetched if need be; every file is what was pinned.

    Raises:
        CannotStart: the download failed, or a file is not what was pinned.

    """
    if is_download_needed():
        _fetch()
    paths = {jar: jar.path(repository()) for jar in pinned_jars()}
    wrong = [path for jar, path in paths.items() if not path.exists() or sha256_of(path) != jar.sha256]
    if wrong:
        raise CannotStart(
            "\n".join(
                [
                    "These files of Apache Kafka are missing or not what tools/local/kafka-jars.txt pins; a download broke, or someone changed them:",
                    *(f"  {path}" for path in wrong),
                    "Remove them and start again, and they are fetched anew. If they come out wrong twice, do not run them: report it.",
                ]
            )
        )
    return list(paths.values())


def _fetch() -> None:
    try:
        with lock_repository():
            resolve()
    except Exception as error:
        raise CannotStart(
            f"Apache Kafka could not be fetched from Maven Central: {error}\n"
            "Check the connection (HTTPS_PROXY is honoured) and the room on the disk, then start again; what has come stays.\n"
            "Or use a Kafka of your own: OOC_KAFKA=host:9092."
        ) from error


@contextlib.contextmanager
def lock_repository() -> Iterator[None]:
    """Hold the Maven repository while something is fetched into it: other processes wait."""
    repository().mkdir(parents=True, exist_ok=True)
    with (repository() / ".ooc-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def resolve() -> list[str]:
    """Let jgo fetch what ENDPOINT needs into the Maven repository; the names of the files."""
    import jgo  # noqa: PLC0415 - a quarter of a second that only the first start needs

    logging.getLogger("jgo").setLevel(logging.ERROR)
    # jgo's own folder of links is of no use to us: the files are where Maven keeps them.
    with tempfile.TemporaryDirectory() as links:
        return [jar.name for jar in jgo.build(ENDPOINT, cache_dir=Path(links)).all_jars]


def sha256_of(path: Path) -> str:
    """Return the hash of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
