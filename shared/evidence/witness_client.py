"""The log's side of the witness protocol (https://c2sp.org/tlog-witness): ask for a cosignature of a checkpoint."""

import asyncio
import base64
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import httpx2

from shared.evidence.checkpoint import Checkpoint
from shared.privacy.signed_note import BadNote, SignedNote, VerifierKey, write_note

SECONDS: Final = 5.0
"""How long a witness may take to answer, to the last byte."""

MOST_BYTES: Final = 1_000_000
"""The largest answer that is read."""

LONGEST: Final = 300
"""Characters of its reason that are repeated."""

_SIZE: Final = re.compile("[0-9]{1,19}")


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
        self._http = httpx2.AsyncClient(base_url=url, timeout=SECONDS, headers={"Accept-Encoding": "identity"})
        self.key = key

    async def close(self) -> None:
        await self._http.aclose()

    async def seen(self) -> Mapping[str, str] | None:
        """Return the last checkpoint that the witness has seen of each log, by its name, as the log signed it.

        None if the witness does not tell: the protocol has no such question. Raises `WitnessSilent`.
        """
        status, text = await self._ask("GET", "/seen")
        if status == 404:
            return None
        try:
            if status != 200:
                raise ValueError(f"HTTP {status}")
            return {str(origin): str(note) for origin, note in json.loads(text).items()}
        except (ValueError, AttributeError, RecursionError) as error:
            raise WitnessSilent(
                f"the witness {self.key.name} answers without the checkpoints that it has seen"
            ) from error

    async def cosign(
        self, checkpoint: Checkpoint, lines: Sequence[str], seen_size: int, prove: Prove, cosigned: Cosigned
    ) -> str:
        """Return the witness's signature line for a signed checkpoint that extends what the witness saw last.

        `seen_size` is the size of the log that the witness saw last, as far as the log has recorded it. Raises `WitnessRefuses` or `WitnessSilent`.
        """
        status, text = await self._send(checkpoint, lines, seen_size, prove)
        for _ in range(3):  # a request that a signer sent before it hung may arrive in between
            if status != 409:
                break
            if not _SIZE.fullmatch(text.strip()):
                raise WitnessSilent(f"the witness {self.key.name} answers 409 without the size that it has seen")
            seen_size = int(text)
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
            status, text = await self._send(checkpoint, lines, seen_size, prove)
        if status in {403, 404, 409, 422}:
            raise WitnessRefuses(
                f"the witness {self.key.name} does not cosign {checkpoint.origin} at size {checkpoint.size}: {text.strip()[:LONGEST]}"
            )
        if status != 200:
            raise WitnessSilent(f"the witness {self.key.name} answers with HTTP {status}")
        line = text.rstrip("\n")
        try:
            valid = SignedNote.parse(write_note(checkpoint.text, [line])).signers_among([self.key])
        except BadNote as error:
            raise WitnessSilent(f"the witness {self.key.name} answers with no valid cosignature: {error}") from error
        if not valid:
            raise WitnessSilent(f"what answers as the witness {self.key.name} signs with another key")
        return line

    async def _send(
        self, checkpoint: Checkpoint, lines: Sequence[str], seen_size: int, prove: Prove
    ) -> tuple[int, str]:
        proof = await prove(seen_size) if seen_size <= checkpoint.size else ()
        hashes = "".join(f"{base64.b64encode(digest).decode()}\n" for digest in proof)
        body = f"old {seen_size}\n{hashes}\n{write_note(checkpoint.text, lines)}"
        return await self._ask("POST", "/add-checkpoint", body.encode())

    async def _ask(self, method: str, path: str, content: bytes | None = None) -> tuple[int, str]:
        """Return status and text of an answer, which has to be short, and whole within `SECONDS`. Raises `WitnessSilent`."""
        answer = b""
        try:
            async with asyncio.timeout(SECONDS), self._http.stream(method, path, content=content) as reply:
                async for part in reply.aiter_raw():  # never unpacked: it would be as large as it likes
                    answer += part
                    if len(answer) > MOST_BYTES:
                        raise WitnessSilent(f"the witness {self.key.name} answers with more than {MOST_BYTES} bytes")
        except (httpx2.HTTPError, TimeoutError) as error:
            raise WitnessSilent(f"the witness {self.key.name} does not answer ({type(error).__name__})") from error
        return reply.status_code, answer.decode(errors="replace")
