"""Secrets by epoch, as a file or an environment variable holds them."""

import base64
from typing import Final

SECRET_BYTES: Final = 32


def parse_epochs(text: str) -> dict[str, bytes]:
    """Parse `EPOCH:BASE64` pairs separated by white space, or one bare base64 secret (epoch 1), in their order.

    Raises `ValueError` if there is none, or one is not 32 bytes in base64.
    """
    epochs: dict[str, bytes] = {}
    for item in text.split():
        epoch, _, secret = item.rpartition(":")
        epochs[epoch or "1"] = base64.b64decode(secret, validate=True)
    if not epochs or any(len(secret) != SECRET_BYTES for secret in epochs.values()):
        raise ValueError(f"a secret has {SECRET_BYTES} bytes")
    return epochs
