"""The client of a witness, against a witness that others have written: litewitness (https://github.com/FiloSottile/torchwood)."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ooc.evidence.verification import ask_witness
from shared.evidence.checkpoint import Checkpoint
from shared.evidence.merkle import TileId, append_leaves, consistency_spans, hash_leaf, proof, root_hash
from shared.evidence.witness_client import WitnessClient, WitnessRefuses, WitnessSilent
from shared.evidence.witnessed import seen_by_witness, witness_of
from shared.privacy.signed_note import COSIGNATURE, Signer, SigningKeys
from shared.servers.settings import Settings
from tests.integration.local.waiting import eventually
from tests.ports import free_ports

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(
        not all(map(shutil.which, ("go", "ssh-agent", "ssh-add", "ssh-keygen"))),
        reason="Go and OpenSSH are not installed: no other party's witness is asked",
    ),
]
RELEASE = "v0.6.1"
"""Of torchwood: the last that Go 1.26 compiles."""
PLACE = Path(".venv-litewitness").absolute()
ORIGIN = "test.example/tests/events"
NAME = "witness.example/lite"


def program(name: str) -> str:
    """Return the path of a program of theirs, which is compiled once."""
    if not (PLACE / name).exists():
        subprocess.run(
            ["go", "install", f"filippo.io/torchwood/cmd/{name}@{RELEASE}"],
            env={**os.environ, "GOBIN": str(PLACE)},
            check=True,
        )
    return str(PLACE / name)


class Tree:
    """A log in memory, which signs whatever it is asked to."""

    def __init__(self, *entries: bytes) -> None:
        self._tiles: dict[TileId, bytes] = {}
        append_leaves(self._tiles, 0, map(hash_leaf, entries))

    async def cosign(self, client: WitnessClient, keys: SigningKeys, old: int, size: int, cosigned: int = 0) -> str:
        """Ask a witness that is believed to have seen `old` entries, and is known to have cosigned so many."""
        checkpoint = Checkpoint(ORIGIN, size, root_hash(self._tiles, size))

        async def prove(first: int) -> Sequence[bytes]:
            return proof(self._tiles, consistency_spans(first, size))

        async def find_cosigned() -> int:
            return cosigned

        lines = [signer.sign(checkpoint.text) for signer in keys.signers(ORIGIN)]
        return await client.cosign(checkpoint, lines, old, prove, find_cosigned)


@asynccontextmanager
async def litewitness(folder: Path, keys: SigningKeys) -> AsyncIterator[Settings]:
    """Run their witness for one log, and yield the settings that name it; its key is in an agent of SSH, as it wants it."""
    private = Ed25519PrivateKey.generate()
    secret = folder / "key"
    secret.touch(0o600)
    secret.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    fingerprint = subprocess.run(["ssh-keygen", "-lf", secret], capture_output=True, text=True, check=True).stdout
    database, socket = folder / "witness.db", folder / "agent"
    control = [program("witnessctl")]
    subprocess.run([*control, "add-log", "-db", database, "-origin", ORIGIN], check=True)
    for signer in keys.signers(ORIGIN):
        subprocess.run([*control, "add-key", "-db", database, "-origin", ORIGIN, "-key", str(signer.key)], check=True)
    (port,) = free_ports(1)
    agent = await asyncio.create_subprocess_exec("ssh-agent", "-D", "-a", socket)
    witness = None
    try:

        async def listens() -> bool:
            return socket.exists()

        await eventually(listens)
        subprocess.run(["ssh-add", secret], env={**os.environ, "SSH_AUTH_SOCK": str(socket)}, check=True)
        witness = await asyncio.create_subprocess_exec(
            *(program("litewitness"), "-db", database, "-ssh-agent", socket, "-name", NAME),
            *("-key", fingerprint.split()[1], "-listen", f"127.0.0.1:{port}"),
        )
        key = Signer(NAME, private, COSIGNATURE).key
        settings = Settings(witness_url=f"http://127.0.0.1:{port}", witness_key=str(key))

        async def answers() -> bool:
            try:
                return await seen_by_witness(settings) is None
            except WitnessSilent:
                return False

        await eventually(answers)
        yield settings
    finally:
        for process in filter(None, (witness, agent)):
            process.terminate()
            await process.wait()


async def test_a_witness_of_another_party_cosigns_what_grows_and_nothing_else(tmp_path: Path) -> None:
    """Given litewitness, it cosigns a log that grows, also where its memory is believed older, and refuses a fork and a cut log; `ooc verify` says what it does not compare."""
    keys, others = (SigningKeys({"1": os.urandom(32)}) for _ in range(2))
    log, fork = Tree(b"1", b"2", b"3", b"4"), Tree(b"1", b"2", b"X", b"4")
    async with litewitness(tmp_path, keys) as settings:
        client = witness_of(settings)
        assert client is not None
        assert await log.cosign(client, keys, 0, 1)
        assert await log.cosign(client, keys, 0, 3), "it has seen 1, and tells"
        with pytest.raises(WitnessRefuses, match="does not cosign"):
            await fork.cosign(client, keys, 3, 4)
        with pytest.raises(WitnessRefuses, match="cut or restored"):
            await log.cosign(client, keys, 2, 2)
        with pytest.raises(WitnessRefuses, match="its memory was cut"):
            await log.cosign(client, keys, 4, 4, cosigned=4)
        with pytest.raises(WitnessRefuses, match="does not cosign"):
            await log.cosign(client, others, 3, 4)
        assert await log.cosign(client, keys, 3, 4)
        await client.close()
        finding, notes = await ask_witness(settings)
        assert not notes
        assert finding.looked_at.startswith("not compared: this witness does not tell")
