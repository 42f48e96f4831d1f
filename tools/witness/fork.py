"""Cosign the statement of a fork: `python -m tools.witness.fork --state FOLDER --logs FILE [--name NAME] STATEMENT`.

For the person who runs a witness, once they have spoken with the operator of the log: who cosigns agrees that the checkpoints
in it count no more, though this witness may have cosigned one. Prints the statement with the cosignature.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from shared.evidence.fork import branches_in
from shared.privacy.signed_note import BadNote, SignedNote, Signer, VerifierKey
from tools.witness.state import MemoryLost, WitnessState, read_log_keys, witness_key


def cosign_fork(note: str, signer: Signer, logs: Mapping[str, Sequence[VerifierKey]], state: WitnessState) -> str:
    """Return the statement of a fork with a cosignature; what was seen of the lost branch is forgotten. Raises `BadNote`."""
    signed = SignedNote.parse(note)
    origin = signed.text.partition("\n")[0]
    if not signed.signers_among(logs.get(origin, ())):
        raise BadNote(f"no known key of {origin} has signed the statement")
    state.go_back(origin, *branches_in(signed.text))
    return f"{note}{signer.cosign(signed.text, int(time.time()))}\n"


def main() -> None:
    """Print the cosigned statement; ends with a message if it is not signed or malformed."""
    parser = argparse.ArgumentParser(prog="python -m tools.witness.fork", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="the folder of the witness")
    parser.add_argument("--logs", type=Path, required=True, help="a file with the public keys of the logs, one a line")
    parser.add_argument("--name", default="witness.local", help="the witness's name")
    parser.add_argument("statement", type=Path, help="the statement that `ooc restore fork` wrote")
    chosen = parser.parse_args()
    try:
        note = chosen.statement.read_text(encoding="utf-8")
        logs, state = read_log_keys(chosen.logs), WitnessState(chosen.state)
        sys.stdout.write(cosign_fork(note, witness_key(chosen.state, chosen.name), logs, state))
    except (OSError, UnicodeDecodeError, BadNote, MemoryLost) as error:
        sys.exit(f"Nothing is cosigned: {error}")


if __name__ == "__main__":
    main()
