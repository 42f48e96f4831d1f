"""Signed receipts: each proves to a third party what a service answered, without asking the service.

The signature (Ed25519) is over the receipt's JSON in canonical form (RFC 8785), without the member `signature`. The key is
derived from the secret that every process of the service with sealed fields has, so that an API signs as it answers and
still holds no key of checkpoints (ADR 9). Signers publish it among the keys of the logs.
"""

import base64
from collections.abc import Iterable, Mapping
from typing import Any, Final

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.domain.receipts import Receipt, ReceiptSignature
from shared.privacy.keyring import KeyEncryptionKeys
from shared.privacy.signed_note import BadNote, Signer, VerifierKey

KEY_NAME: Final = "receipt"
"""The last part of the name of a key of receipts."""


class NotSigned(Exception):
    """A receipt that no known key has signed as it stands: it proves nothing."""


def receipt_signer(kek: KeyEncryptionKeys, authority: str, service: str) -> Signer:
    """Derive the key by which a service signs its receipts, `authority/service/receipt`."""
    name = f"{authority}/{service}/{KEY_NAME}"
    return Signer(name, Ed25519PrivateKey.from_private_bytes(kek.derived(f"receipts of {name}")))


def sign_receipt(signer: Signer, receipt: Receipt) -> Receipt:
    """Return the receipt with its signature, which is the same each time."""
    content = receipt.model_dump(mode="json", exclude={"signature"})
    value = base64.b64encode(signer.private.sign(rfc8785.dumps(content))).decode()
    return receipt.model_copy(update={"signature": ReceiptSignature(key=_id_of(signer.key), value=value)})


def check_receipt(receipt: Mapping[str, Any], keys: Iterable[VerifierKey]) -> None:
    """Check that the key of the receipt's service, among these, has signed it with every member. Raises `NotSigned`."""
    try:
        signature = receipt["signature"]
        named = [key for key in keys if _id_of(key) == signature["key"]]
        value = base64.b64decode(signature["value"], validate=True)
        if base64.b64encode(value).decode() != signature["value"]:
            raise ValueError("its value is not the base64 of its bytes")
        content = {name: member for name, member in receipt.items() if name != "signature"}
        signed = rfc8785.dumps(content).decode()
        service = receipt["service"]
    except (KeyError, TypeError, ValueError, rfc8785.CanonicalizationError) as error:
        raise NotSigned(f"it has no signature that can be read ({type(error).__name__}: {error})") from None
    if not named or named[0].name.split("/")[-2:] != [service, KEY_NAME]:
        raise NotSigned(f"its key {signature['key']!r} is none by which {service} signs receipts")
    try:
        named[0].verify(signed, value)
    except BadNote as error:
        raise NotSigned(str(error)) from None


def _id_of(key: VerifierKey) -> str:
    return f"{key.name}+{key.identifier.hex()}"
