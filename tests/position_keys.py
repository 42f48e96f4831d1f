"""The keys by which the relays of tests sign their position records, and their readers check them."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from shared.messaging.consumer.position_signature import PositionKeys, position_signers
from shared.privacy.signed_note import Signer, SigningKeys

SECRET: Final = bytes(range(32))
AUTHORITY: Final = "ooc.local"
UNCHECKED: Final = PositionKeys(lambda _service: (), believes_unsigned=True)
"""For a look at what stands there, whoever has signed it."""


def signers(service: str) -> Sequence[Signer]:
    """Return the keys by which the relay of a service signs."""
    return position_signers(SigningKeys({"1": SECRET}), AUTHORITY, service)


KEYS: Final = PositionKeys(lambda service: [signer.key for signer in signers(service)])


def secret_file(folder: Path) -> Path:
    """Write the secret into a file, as OOC_SIGNING_KEY_FILE names one."""
    file = folder / "signing"
    file.write_text(base64.b64encode(SECRET).decode(), encoding="ascii")
    return file
