"""A witness is another party's program: whatever it answers, however slowly, it is a silent witness, and holds nothing up."""

import asyncio
import base64
import gzip
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Final

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.evidence import witness_client
from shared.evidence.checkpoint import Checkpoint, open_checkpoint
from shared.evidence.merkle import EMPTY_ROOT
from shared.evidence.witness_client import WitnessClient, WitnessSilent
from shared.privacy.signed_note import COSIGNATURE, Signer, SigningKeys, write_note
from tests.ports import free_ports
from tools.witness.application import witness_application
from tools.witness.state import WitnessState, witness_key

KEY: Final = Signer("witness.test", Ed25519PrivateKey.generate(), COSIGNATURE).key
PATIENCE: Final = 60.0
"""Far more than a witness is given here."""
BOMB: Final = gzip.compress(bytes(300_000_000), 1)

ANSWERS: Final = {
    "deep": (b"200 OK", b"", b"[" * 300_000),
    "no text": (b"200 OK", b"Content-Type: text/plain; charset=punycode\r\n", b"\xff\xfe"),
    "a number beyond every size": (b"409 Conflict", b"", b"9" * 6_000),
    "digits of another script": (b"409 Conflict", b"", "٣".encode()),
    "a bomb": (b"200 OK", b"Content-Encoding: gzip\r\n", BOMB),
    "another place": (b"307 Temporary Redirect", b"Location: http://127.0.0.1:1/\r\n", b""),
}


@asynccontextmanager
async def answering(head: bytes, body: bytes, *, pause: float = 0.0) -> AsyncIterator[WitnessClient]:
    """Yield the client of a witness that answers so, with a pause after each byte; an endless body where there is none."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(ConnectionError):
            await reader.read(65_536)
            writer.write(head)
            while pause:
                writer.write(b"9")
                await writer.drain()
                await asyncio.sleep(pause)
            writer.write(body)
            await writer.drain()

    (port,) = free_ports(1)
    server = await asyncio.start_server(answer, "127.0.0.1", port)
    client = WitnessClient(f"http://127.0.0.1:{port}", KEY)
    try:
        yield client
    finally:
        await client.close()
        server.close()


async def _no_proof(_: int) -> Sequence[bytes]:
    return ()


async def _none() -> int:
    return 0


@pytest.mark.parametrize("name", ANSWERS)
async def test_an_odd_answer_is_silence(name: str) -> None:
    """Given an answer that nobody expects, to either question, then the witness is silent, and no other error is raised."""
    status, more, body = ANSWERS[name]
    head = b"HTTP/1.1 " + status + b"\r\n" + more + b"Content-Length: %d\r\n\r\n" % len(body)
    async with answering(head, body) as client, asyncio.timeout(PATIENCE):
        with pytest.raises(WitnessSilent):
            await client.seen()
        with pytest.raises(WitnessSilent):
            await client.cosign(Checkpoint("tests/events", 0, EMPTY_ROOT), [], 0, _no_proof, _none)


@pytest.mark.parametrize("pause", [0.001, 0.1], ids=["endless", "slow"])
async def test_an_answer_without_an_end_is_silence(pause: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an answer that goes on and on, a byte at a time, then the witness is silent after the time that it is given."""
    monkeypatch.setattr(witness_client, "SECONDS", 0.5)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 900000000\r\n\r\n"
    async with answering(head, b"", pause=pause) as client, asyncio.timeout(PATIENCE):
        with pytest.raises(WitnessSilent):
            await client.seen()
        with pytest.raises(WitnessSilent):
            await client.cosign(Checkpoint("tests/events", 0, EMPTY_ROOT), [], 0, _no_proof, _none)


async def test_a_strangers_signature_is_not_shown_as_the_logs(tmp_path: Path) -> None:
    """Given a checkpoint sent again with a false signature under a key of the log that the witness does not know yet, then it shows none."""
    old, new = (SigningKeys.read(base64.b64encode(bytes([n]) * 32).decode()).signers("tests/events")[0] for n in (1, 2))
    checkpoint = Checkpoint("tests/events", 1, bytes(32))
    forged = f"— {new.name} {base64.b64encode(new.key.identifier + bytes(64)).decode()}"
    note = write_note(checkpoint.text, [old.sign(checkpoint.text)])
    padded = write_note(checkpoint.text, [old.sign(checkpoint.text)] * 400 + [forged])
    witness = witness_key(tmp_path, "witness.test")
    app = witness_application(witness, {old.name: [old.key]}, WitnessState(tmp_path))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://witness") as http:
        for size, sent in ((0, note), (1, padded)):
            assert (await http.post("/add-checkpoint", content=f"old {size}\n\n{sent}".encode())).status_code == 200
        shown = (await http.get("/seen")).json()
    assert open_checkpoint(shown["tests/events"], [old.key, new.key]) == checkpoint
    assert shown == {"tests/events": note}
