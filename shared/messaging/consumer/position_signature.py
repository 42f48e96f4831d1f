"""Signatures of position records: the right to write to the topic does not make a writer the relay (ADR 76).

The signed text (https://c2sp.org/signed-note) has a line for the topic's name, for each other header in order of name (its name
and value), and for the value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from shared.messaging.consumer.consumed_event import Headers
from shared.privacy.signed_note import BadNote, SignedNote, Signer, SigningKeys, VerifierKey
from shared.servers.settings import Settings

SIGNER: Final = "position"
"""The last part of the name of a relay's key."""
HEADER: Final = "ooc_signature"
"""The header with the signature lines."""


class NotSigned(ValueError):
    """A position record that no relay of ours has signed."""


@dataclass(frozen=True, slots=True)
class PositionKeys:
    """The public keys by which the relay of each service signs.

    `believes_unsigned`: a record that no known key has signed is believed too.
    """

    public: Callable[[str], Sequence[VerifierKey]]
    believes_unsigned: bool = False

    @classmethod
    def derived(cls, settings: Settings) -> PositionKeys:
        """Return the keys that follow from the signing secrets. Raises `InvalidSigningKey`."""
        secrets, authority = SigningKeys.of(settings), settings.log_origin

        def public(service: str) -> Sequence[VerifierKey]:
            return [signer.key for signer in position_signers(secrets, authority, service)]

        return cls(cache(public))

    @classmethod
    def listed(cls, service: str, keys: Iterable[VerifierKey]) -> PositionKeys:
        """Return a service's keys among those that its database lists; if there is none, nothing can be checked."""
        own = [key for key in keys if key.name.split("/")[-2:] == [service, SIGNER]]
        return cls(lambda _service: own, believes_unsigned=not own)

    def signers_of(self, topic: str, value: bytes, headers: Headers) -> list[VerifierKey]:
        """Return which keys have signed a record. Raises `NotSigned`, or `ValueError` for a false signature."""
        service = topic.split(".")[-2]
        try:
            text = signed_text(topic, value, [(name, part or b"") for name, part in headers if name != HEADER])
            lines = "".join((part or b"").decode() for name, part in headers if name == HEADER)
            note = SignedNote.parse(f"{text}\n{lines}") if lines else SignedNote(text, ())
            signed_by = note.signers_among(self.public(service)) if note.text == text else []
        except BadNote as error:
            raise ValueError(str(error)) from None
        if not signed_by and not self.believes_unsigned:
            raise NotSigned(f"the relay of {service} has not signed it")
        return signed_by


def position_signers(keys: SigningKeys, authority: str, service: str) -> list[Signer]:
    """Derive the keys by which a service's relay signs its position records, the newest epoch's last."""
    return keys.signers(f"{authority}/{service}/{SIGNER}")


def signed_text(topic: str, value: bytes, headers: Iterable[tuple[str, bytes]]) -> str:
    """Return the text that is signed. Raises `ValueError` if it could be read as another record's, too."""
    lines = [topic, *sorted(f"{name} {part.decode()}" for name, part in headers), value.decode()]
    if any("\n" in line for line in lines) or any(line.count(" ") != 1 for line in lines[1:-1]):
        raise ValueError("its signature could be another record's")
    return "\n".join(lines) + "\n"


def signature_of(
    signers: Iterable[Signer], topic: str, value: bytes, headers: Iterable[tuple[str, bytes]]
) -> tuple[str, bytes]:
    """Return the header that signs a record with each of these keys."""
    text = signed_text(topic, value, headers)
    return HEADER, "".join(f"{signer.sign(text)}\n" for signer in signers).encode()
