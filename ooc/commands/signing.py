"""Sign the document of a disposal: find its name, and record the signature under the SHA-256 of what was printed."""

from collections.abc import Mapping
from uuid import uuid4

from ooc.cases.reading import NotFound, address_of, ask
from services.disposal.domain.signing import document_to_sign
from tools.client.http import Client, NoAnswer


def disposal_document(client: Client, stream: str, role: str) -> str:
    """Return the name of the document that is to be signed. Raises `NotFound` if there is none."""
    state = ask(client, "disposal", _path_of(stream), f"case {stream}", role)
    name = document_to_sign(state["state"], state["disposal"])
    if name is None:
        raise NotFound(f"{stream} has no document to sign yet: decide a disposal, or agree the plan of a deferral.")
    return name


def sign(client: Client, stream: str, digest: str, role: str) -> bool:
    """Record that the child signed and consented; return whether the document is the printed one. Raises `NoAnswer`."""
    path = _path_of(stream)
    body = {"type": "SignDocument", "document_sha256": digest, "consent": True, "signed_by_child": True}
    reply = client.post("disposal", f"{path}/commands", role=role, body=body, key=str(uuid4()))
    if reply.status != 201:
        detail = reply.body.get("detail") if isinstance(reply.body, Mapping) else f"HTTP {reply.status}"
        raise NoAnswer(f"The signature is not recorded: {detail}")
    state = ask(client, "disposal", path, f"case {stream}", role)
    return bool(state["document_printed_here"])


def _path_of(stream: str) -> str:
    """Return the path of a disposal (`disposal/uuid`) in its API. Raises `NotFound` for anything else."""
    service, path = address_of(stream)
    if service != "disposal":
        raise NotFound(f"{stream} has no document to sign here: write disposal/ID.")
    return path
