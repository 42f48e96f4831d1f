"""Signed notes: texts signed with Ed25519, as any other program can read them, and the keys.

The formats are C2SP's: signed-note (https://c2sp.org/signed-note) and, for a witness's cosignature, tlog-cosignature. A key is written `<name>+<key id>+<type and public key>`, as the signed-note format has it.
"""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.privacy.epochs import parse_epochs
from shared.servers.settings import Settings

ED25519: Final = 0x01
"""The signature type of a log's own signature."""

COSIGNATURE: Final = 0x04
"""The signature type of a witness's cosignature, which covers its time."""

_NAME: Final = re.compile(r"[^\s+\x00-\x1f]{1,200}")
_SIGNATURE: Final = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/=]+)")
_TIME: Final = struct.Struct(">Q")


class BadNote(Exception):
    """A signed note that cannot be read, or that no known key has signed."""


class InvalidSigningKey(Exception):
    """A missing or malformed signing key. The message names the remedy."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key: the name of its log or witness, its signature type, and 32 bytes."""

    name: str
    kind: int
    public: bytes

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read a key as it is written. Raises `BadNote`."""
        name, _, rest = text.strip().partition("+")
        identifier, _, encoded = rest.partition("+")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except ValueError as error:
            raise BadNote(f"{text!r} is not a key of the form name+id+base64") from error
        if not _NAME.fullmatch(name) or len(raw) != 33 or raw[0] not in {ED25519, COSIGNATURE}:
            raise BadNote(f"{text!r} is not an Ed25519 key of the form name+id+base64")
        key = cls(name, raw[0], raw[1:])
        if key.identifier.hex() != identifier:
            raise BadNote(f"the id of the key {name} does not follow from its bytes: compare it with its owner's")
        return key

    @property
    def identifier(self) -> bytes:
        """The first four bytes of SHA-256(name, newline, type, public key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.identifier.hex()}+{encoded}"

    def verify(self, text: str, signature: bytes) -> None:
        """Check a signature on the text of a note. Raises `BadNote`."""
        signed = text.encode()
        if self.kind == COSIGNATURE:
            signed = _cosigned(signature[: _TIME.size], text)
            signature = signature[_TIME.size :]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, signed)
        except InvalidSignature:
            raise BadNote(
                f"the signature of {self.name} does not fit the text: it was changed, or is another key's"
            ) from None


@dataclass(frozen=True, repr=False)
class Signer:
    """A private key under the name of its log or witness."""

    name: str
    private: Ed25519PrivateKey
    kind: int = ED25519

    @cached_property
    def key(self) -> VerifierKey:
        return VerifierKey(self.name, self.kind, self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def sign(self, text: str) -> str:
        """Return the signature line for the text of a note, without its newline."""
        return self._line(self.private.sign(text.encode()))

    def cosign(self, text: str, seconds: int) -> str:
        """Return the line of a cosignature at a time, in seconds since 1970, without its newline."""
        time = _TIME.pack(seconds)
        return self._line(time + self.private.sign(_cosigned(time, text)))

    def _line(self, signature: bytes) -> str:
        return _signature_line(self.name, self.key.identifier + signature)


@dataclass(frozen=True, repr=False)
class SigningKeys:
    """The system's signing secrets (32 bytes each) by epoch; each log has keys of its own, derived from them.

    A rotation adds an epoch: while two are in the file, each checkpoint has the signatures of both, so that a client
    that trusts the older key learns the newer one from a log that both have signed. Then the older line is removed.
    """

    epochs: dict[str, bytes]

    @classmethod
    def read(cls, text: str) -> SigningKeys:
        """Parse `EPOCH:BASE64` pairs separated by white space, or one bare base64 secret. Raises `InvalidSigningKey`."""
        try:
            return cls(parse_epochs(text))
        except ValueError:
            raise InvalidSigningKey(
                "the signing key must be 32 random bytes in base64, as `openssl rand -base64 32` prints them:"
                " write them into the file that OOC_SIGNING_KEY_FILE names"
            ) from None

    @classmethod
    def of(cls, settings: Settings) -> SigningKeys:
        """Read the secrets in the file that the settings name. Raises `InvalidSigningKey`."""
        if settings.signing_key_file is None:
            raise InvalidSigningKey(
                "no signing key is set: write 32 random bytes in base64 (`openssl rand -base64 32`) into a file, and name it"
                " in OOC_SIGNING_KEY_FILE"
            )
        return cls.from_file(settings.signing_key_file)

    @classmethod
    def from_file(cls, path: Path) -> SigningKeys:
        """Read a file of signing secrets. Raises `InvalidSigningKey`."""
        try:
            return cls.read(path.read_text(encoding="ascii"))
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidSigningKey(
                f"the signing key cannot be read from {path}: {error}; correct OOC_SIGNING_KEY_FILE, or the permissions of the file"
            ) from error

    def signers(self, origin: str) -> list[Signer]:
        """Derive the keys of one log (HKDF, RFC 5869), the newest epoch's last."""
        info = f"checkpoint {origin}".encode()
        derived = [HKDF(SHA256(), 32, salt=None, info=info).derive(secret) for secret in self.epochs.values()]
        return [Signer(origin, Ed25519PrivateKey.from_private_bytes(secret)) for secret in derived]


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A text with the signatures under it, each a name and the bytes of key id and signature."""

    text: str
    signatures: tuple[tuple[str, bytes], ...]

    @classmethod
    def parse(cls, note: str) -> SignedNote:
        """Split a note into text and signatures. Raises `BadNote`."""
        text, separator, rest = note.rpartition("\n\n")
        if not separator or not rest.endswith("\n"):
            raise BadNote("the note has no signatures: they follow the text after an empty line")
        signatures: list[tuple[str, bytes]] = []
        for line in rest[:-1].split("\n"):
            match = _SIGNATURE.fullmatch(line)
            if match is None:
                raise BadNote(f"the note has a line that is no signature: {line[:80]!r}")
            try:
                signatures.append((match[1], base64.b64decode(match[2], validate=True)))
            except ValueError as error:
                raise BadNote(f"the signature of {match[1]} is not base64") from error
        return cls(text + "\n", tuple(signatures))

    def signers_among(self, keys: Iterable[VerifierKey]) -> list[VerifierKey]:
        """Return the keys that have signed; a signature of a known key that does not fit raises `BadNote`."""
        by_id = {(key.name, key.identifier): key for key in keys}
        valid: list[VerifierKey] = []
        for name, signature in self.signatures:
            key = by_id.get((name, signature[:4]))
            if key is not None:
                key.verify(self.text, signature[4:])
                valid.append(key)
        return valid

    def only(self, keys: Iterable[VerifierKey]) -> str:
        """Return the note with the signatures of these keys alone, each once."""
        ids = {(key.name, key.identifier) for key in keys}
        known = dict.fromkeys(signature for signature in self.signatures if (signature[0], signature[1][:4]) in ids)
        return write_note(self.text, [_signature_line(name, signature) for name, signature in known])


def _signature_line(name: str, signature: bytes) -> str:
    return f"— {name} {base64.b64encode(signature).decode()}"


def write_note(text: str, lines: Sequence[str]) -> str:
    """Return a signed note: the text, an empty line, and the signature lines."""
    return f"{text}\n" + "".join(f"{line}\n" for line in lines)


def _cosigned(time: bytes, text: str) -> bytes:
    if len(time) != _TIME.size:
        raise BadNote("a cosignature is too short to hold its time")
    return f"cosignature/v1\ntime {_TIME.unpack(time)[0]}\n{text}".encode()
