"""The log's side of the witness protocol (https://c2sp.org/tlog-witness): ask for a cosignature of a checkpoint."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import httpx2

from shared.evidence.checkpoint import BadNote, Checkpoint, SignedNote, VerifierKey, write_note

SECONDS: Final = 5.0
"""How long a witness may take to answer."""


class WitnessRefuses(Exception):
    """A witness that has seen another history of the log, or does not know it; the message says which."""


class WitnessSilent(Exception):
    """A witness that does not answer, or not as the protocol says."""


Prove = Callable[[int], Awaitable[Sequence[bytes]]]
"""Computes the proof of consistency from a size to that of the checkpoint."""

Cosigned = Callable[[], Awaitable[int]]
"""Finds the greatest size of the log that the witness has cosigned, as the log has kept it; 0: none."""


class WitnessClient:
    """A witness at an address, with the key that it is known by."""

    def __init__(self, url: str, key: VerifierKey) -> None:
        self._http = httpx2.AsyncClient(base_url=url, timeout=SECONDS)
        self.key = key

    async def close(self) -> None:
        """Close the HTTP connections to the witness."""
        await self._http.aclose()

    async def seen(self) -> Mapping[str, str]:
        """Return the last checkpoint that the witness has seen of each log, by its name, as the log signed it.

        Empty if the witness does not tell: the protocol has no such question. Raises `WitnessSilent`.
        """
        try:
            reply = await self._http.get("/seen")
        except httpx2.HTTPError as error:
            raise WitnessSilent(f"the witness {self.key.name} does not answer ({type(error).__name__})") from error
        if reply.status_code == 404:
            return {}
        try:
            return {str(origin): str(note) for origin, note in reply.raise_for_status().json().items()}
        except (httpx2.HTTPStatusError, ValueError, AttributeError) as error:
            raise WitnessSilent(
                f"the witness {self.key.name} answers without the checkpoints that it has seen"
            ) from error

    async def cosign(
        self, checkpoint: Checkpoint, lines: Sequence[str], seen_size: int, prove: Prove, cosigned: Cosigned
    ) -> str:
        """Return the witness's signature line for a signed checkpoint that extends what the witness saw last.

        `seen_size` is the size of the log that the witness saw last, as far as the log has recorded it. Raises `WitnessRefuses` or `WitnessSilent`.
        """
        reply = await self._send(checkpoint, lines, seen_size, prove)
        if reply.status_code == 409:
            seen_size = self._size_in(reply)
            if seen_size > checkpoint.size:
                raise WitnessRefuses(
                    f"the witness {self.key.name} has seen {seen_size} entries of {checkpoint.origin}, which now has"
                    f" {checkpoint.size}: the log has been cut or restored from an older backup"
                )
            if seen_size < (known := await cosigned()):
                raise WitnessRefuses(
                    f"the witness {self.key.name} has seen {seen_size} entries of {checkpoint.origin}, and has cosigned {known}:"
                    " its memory was cut or restored from an older copy"
                )
            reply = await self._send(checkpoint, lines, seen_size, prove)
        if reply.status_code in {403, 404, 409, 422}:
            raise WitnessRefuses(
                f"the witness {self.key.name} does not cosign {checkpoint.origin} at size {checkpoint.size}: {reply.text.strip()}"
            )
        if reply.status_code != 200:
            raise WitnessSilent(f"the witness {self.key.name} answers with HTTP {reply.status_code}")
        line = reply.text.rstrip("\n")
        try:
            valid = SignedNote.parse(write_note(checkpoint.text, [line])).signers_among([self.key])
        except BadNote as error:
            raise WitnessSilent(f"the witness {self.key.name} answers with no valid cosignature: {error}") from error
        if not valid:
            raise WitnessSilent(f"what answers as the witness {self.key.name} signs with another key")
        return line

    def _size_in(self, reply: httpx2.Response) -> int:
        text = reply.text.strip()
        if not text.isdecimal():
            raise WitnessSilent(f"the witness {self.key.name} answers 409 without the size that it has seen")
        return int(text)

    async def _send(
        self, checkpoint: Checkpoint, lines: Sequence[str], seen_size: int, prove: Prove
    ) -> httpx2.Response:
        proof = await prove(seen_size) if seen_size <= checkpoint.size else ()
        hashes = "".join(f"{base64.b64encode(digest).decode()}\n" for digest in proof)
        body = f"old {seen_size}\n{hashes}\n{write_note(checkpoint.text, lines)}"
        try:
            return await self._http.post("/add-checkpoint", content=body.encode())
        except httpx2.HTTPError as error:
            raise WitnessSilent(f"the witness {self.key.name} does not answer ({type(error).__name__})") from error
