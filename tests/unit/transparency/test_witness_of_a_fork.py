"""A witness goes back to where two branches part only by a statement that the log has signed."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from shared.evidence.checkpoint import Checkpoint
from shared.evidence.fork import Fork, require_signed
from shared.evidence.merkle import EMPTY_ROOT
from shared.privacy.signed_note import BadNote, SignedNote, SigningKeys, write_note
from tools.witness.fork import cosign_fork
from tools.witness.state import Unfit, WitnessState, witness_key

ORIGIN = "test.example/tests/events"
LOST, KEPT = (6, b"l" * 32), (6, b"k" * 32)
FORK = Fork(ORIGIN, (0, EMPTY_ROOT), KEPT, b"{}", (LOST,))


def test_a_cosigned_statement_lets_the_kept_branch_grow(tmp_path: Path) -> None:
    """Given a witness that has seen the lost branch, once it cosigns the statement, it takes the kept one."""
    keys = SigningKeys.read(base64.b64encode(os.urandom(32)).decode()).signers(ORIGIN)
    logs = {ORIGIN: [signer.key for signer in keys]}
    witness = witness_key(tmp_path, "witness.example")
    state = WitnessState(tmp_path)
    state.advance(Checkpoint(ORIGIN, *LOST), "lost", 0, [], lambda: "")
    with pytest.raises(Unfit):
        state.advance(Checkpoint(ORIGIN, *KEPT), "kept", 6, [], lambda: "")
    with pytest.raises(BadNote, match="no known key"):
        cosign_fork(write_note(FORK.text, [witness.sign(FORK.text)]), witness, logs, state)
    assert state.notes() == {ORIGIN: "lost"}
    note = cosign_fork(write_note(FORK.text, [signer.sign(FORK.text) for signer in keys]), witness, logs, state)
    assert not state.notes()
    require_signed(note, FORK, logs[ORIGIN], witness.key)
    state.advance(Checkpoint(ORIGIN, *KEPT), "kept", 0, [], lambda: "")


def test_a_statement_is_no_checkpoint() -> None:
    """Given the text of a statement, nobody takes it for a checkpoint of the log that signed it."""
    with pytest.raises(BadNote):
        Checkpoint.parse(SignedNote.parse(write_note(FORK.text, ["— x eA=="])).text)
