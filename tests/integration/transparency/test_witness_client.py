"""The client of a witness, against a witness as a process."""

import os
from collections.abc import Sequence
from pathlib import Path

from shared.evidence.checkpoint import Checkpoint
from shared.evidence.merkle import TileId, append_leaves, consistency_spans, hash_leaf, proof, root_hash
from shared.evidence.witness_client import Prove
from shared.privacy.signed_note import SigningKeys
from tests.integration.transparency.conftest import running_witness

ORIGIN = "test.example/tests/events"


async def test_a_late_request_of_another_signer_is_no_other_history(tmp_path: Path) -> None:
    """Given a request that arrives between the two of its successor, then the successor's checkpoint is cosigned all the same."""
    signers = SigningKeys({"1": os.urandom(32)}).signers(ORIGIN)
    tiles: dict[TileId, bytes] = {}
    append_leaves(tiles, 0, map(hash_leaf, (b"1", b"2", b"3")))

    async with running_witness(tmp_path, [signer.key for signer in signers]) as witness:
        client = witness.client()

        async def cosign(old: int, size: int, prove: Prove) -> str:
            checkpoint = Checkpoint(ORIGIN, size, root_hash(tiles, size))
            lines = [signer.sign(checkpoint.text) for signer in signers]
            return await client.cosign(checkpoint, lines, old, prove, none_cosigned)

        async def prove_two(first: int) -> Sequence[bytes]:
            return proof(tiles, consistency_spans(first, 2))

        async def prove_three(first: int) -> Sequence[bytes]:
            if witness.sizes() == {ORIGIN: 1} and first == 1:
                assert await cosign(1, 2, prove_two)
            return proof(tiles, consistency_spans(first, 3))

        async def none_cosigned() -> int:
            return 0

        assert await cosign(0, 1, prove_two)
        assert await cosign(0, 3, prove_three)
        assert witness.sizes() == {ORIGIN: 3}
        await client.close()
