"""Files of a backup, encrypted by age (https://age-encryption.org/v1): their maker cannot open them.

Any age opens them with the identity: `age -d -i IDENTITY FILE`. The identity is kept apart, with the key-encryption keys.
"""

import hashlib
import os
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import pyrage

SUFFIX: Final = ".age"


class BadBackup(Exception):
    """A backup that is not whole, not signed, or not to be opened: says what to do."""


@dataclass(frozen=True, slots=True)
class SealedFile:
    """An encrypted file: its name in the backup, the SHA-256 of its bytes in hexadecimal, and their number."""

    name: str
    sha256: str
    size: int


class _Hashed:
    """A file that is written or read, with the digest and number of its bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._count(data)
        return self._file.write(data)

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._count(data)
        return data

    def _count(self, data: bytes) -> None:
        self.digest.update(data)
        self.size += len(data)

    def flush(self) -> None:
        self._file.flush()


def parse_recipient(text: str) -> Any:
    """Read the public key to which backups are encrypted. Raises `BadBackup`."""
    try:
        return pyrage.x25519.Recipient.from_str(text.strip())
    except pyrage.RecipientError as error:
        raise BadBackup(f"{text!r} is no recipient of age: `ooc backup identity` makes one ({error})") from error


def read_identity(file: Path) -> Any:
    """Read the private key that opens backups. Raises `BadBackup`."""
    try:
        (line,) = [word for word in file.read_text(encoding="ascii").split() if word.startswith("AGE-SECRET-KEY-")]
        return pyrage.x25519.Identity.from_str(line)
    except (OSError, ValueError, pyrage.IdentityError) as error:
        raise BadBackup(f"{file} holds no identity of age, with which the backup is opened: {error}") from error


@contextmanager
def begin_whole(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file to be written, which is there as a whole or not at all. A link that others put in its place is not followed."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with new.open("xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def seal(reader: IO[bytes], path: Path, recipient: Any) -> SealedFile:
    """Encrypt what a reader gives into a file, which is there as a whole or not at all."""
    with begin_whole(path) as file:
        hashed = _Hashed(file)
        pyrage.encrypt_io(reader, hashed, [recipient])
    return SealedFile(path.name, hashed.digest.hexdigest(), hashed.size)


@contextmanager
def opened(path: Path, identity: Any, sha256: str) -> Iterator[IO[bytes]]:
    """Yield the decrypted bytes of a file, to be read once to their end.

    Raises `BadBackup`, also at the end, if its bytes have not this SHA-256: nothing of it may be used before.
    """
    read, write = os.pipe()
    failures: list[Exception] = []

    def decrypt() -> None:
        try:
            with path.open("rb") as file, os.fdopen(write, "wb") as out:
                signed = _Hashed(file)
                pyrage.decrypt_io(signed, out, [identity])
                while signed.read(1 << 20):
                    pass  # what follows the end
            if signed.digest.hexdigest() != sha256:
                failures.append(BadBackup("it is not the file that was signed"))
        except Exception as error:  # noqa: BLE001 - it is raised in the thread that reads
            failures.append(error)

    thread = threading.Thread(target=decrypt, daemon=True)
    with os.fdopen(read, "rb") as reader:
        thread.start()
        try:
            yield reader
        finally:
            while not failures and reader.read(1 << 20):
                pass  # what a tar has after its end
            thread.join()
            if failures:
                raise BadBackup(f"{path} cannot be decrypted: {failures[0]}") from failures[0]


def unpack_files(tar: tarfile.TarFile, folder: Path) -> None:
    """Unpack files and folders into a folder. Raises TarError for a link: before the end nobody knows who packed them."""

    def plain(member: tarfile.TarInfo, into: str) -> tarfile.TarInfo | None:
        if not (member.isfile() or member.isdir()):
            raise tarfile.SpecialFileError(member)
        return tarfile.data_filter(member, into)

    tar.extractall(folder, filter=plain)  # noqa: S202  of plain files


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
