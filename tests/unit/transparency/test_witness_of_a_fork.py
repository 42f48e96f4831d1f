"""A witness goes back to where two branches part only by a statement that the log has signed."""

import base64
import os
from pathlib import Path

import pytest

from shared.evidence.checkpoint import Checkpoint
from shared.evidence.fork import Fork, require_signed
from shared.evidence.merkle import EMPTY_ROOT, TileId, append_leaves, consistency_spans, hash_leaf, proof, root_hash
from shared.privacy.signed_note import BadNote, SignedNote, SigningKeys, write_note
from tools.witness.fork import cosign_fork, main
from tools.witness.state import OutOfStep, Unfit, WitnessState, witness_key

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


def test_a_false_statement_rewrites_nothing_that_was_cosigned_before(tmp_path: Path) -> None:
    """Given a statement by which two branches agree in other entries than the witness has cosigned, then it takes no such branch."""
    true: dict[TileId, bytes] = {}
    false: dict[TileId, bytes] = {}
    for tiles, first in ((true, b"1"), (false, b"another")):
        append_leaves(tiles, 0, [hash_leaf(entry) for entry in (first, b"2", b"3", b"4", b"5", b"6")])

    def offer(tiles: dict[TileId, bytes], size: int, old: int) -> None:
        path = proof(tiles, consistency_spans(old, size))
        state.advance(Checkpoint(ORIGIN, size, root_hash(tiles, size)), "", old, path, lambda: "")

    witness_key(tmp_path, "witness.example")
    state = WitnessState(tmp_path)
    offer(true, 4, 0)
    offer(true, 6, 4)
    lost = [(6, root_hash(true, 6))]
    with pytest.raises(BadNote, match="another root of 4"):
        state.go_back(ORIGIN, (4, root_hash(false, 4)), lost)
    state.go_back(ORIGIN, (5, root_hash(false, 5)), lost)
    with pytest.raises(OutOfStep, match="has seen 4"):
        offer(false, 6, 5)
    with pytest.raises(Unfit):
        offer(false, 6, 4)
    offer(true, 5, 4)


@pytest.mark.parametrize("written", [b"", b"\xff\n\n", FORK.text.encode(), f"{ORIGIN}\nfork v1\n\n— x eA==\n".encode()])
def test_a_file_that_is_no_statement_is_refused_with_a_sentence(
    written: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a file that is no signed statement of a fork, nothing is cosigned and a sentence says so."""
    folder, logs, statement = tmp_path / "witness", tmp_path / "logs", tmp_path / "statement.note"
    witness_key(folder, "witness.example")
    signer, *_ = SigningKeys.read(base64.b64encode(os.urandom(32)).decode()).signers(ORIGIN)
    logs.write_text(f"{signer.key}\n", encoding="utf-8")
    statement.write_bytes(written)
    monkeypatch.setattr("sys.argv", ["fork", "--state", str(folder), "--logs", str(logs), str(statement)])
    with pytest.raises(SystemExit, match="Nothing is cosigned: "):
        main()
    statement.write_text(write_note(text := f"{ORIGIN}\nfork v1\n", [signer.sign(text)]), encoding="utf-8")
    with pytest.raises(SystemExit, match="no statement of a fork"):
        main()


def test_a_folder_that_remembers_nothing_is_refused_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a folder that is no witness's, nothing is cosigned and a sentence says so."""
    note, logs = tmp_path / "statement.note", tmp_path / "logs"
    signer, *_ = SigningKeys.read(base64.b64encode(os.urandom(32)).decode()).signers(ORIGIN)
    note.write_text(write_note(FORK.text, [signer.sign(FORK.text)]), encoding="utf-8")
    logs.write_text(f"{signer.key}\n", encoding="utf-8")
    (tmp_path / "key").write_bytes(os.urandom(32))
    monkeypatch.setattr("sys.argv", ["fork", "--state", str(tmp_path), "--logs", str(logs), str(note)])
    with pytest.raises(SystemExit, match=r"Nothing is cosigned: .* restore it from a copy"):
        main()


def test_a_statement_is_no_checkpoint() -> None:
    """Given the text of a statement, nobody takes it for a checkpoint of the log that signed it."""
    with pytest.raises(BadNote):
        Checkpoint.parse(SignedNote.parse(write_note(FORK.text, ["— x eA=="])).text)
