"""What the stories ask for."""

import json
from uuid import UUID

from joserfc import jws
from joserfc.jwk import RSAKey

from tests.integration.api.conftest import Client
from tests.integration.identity.signing_in import part


async def status(api: Client, stream: UUID, token: str) -> int:
    """How it is answered when the bearer of a token asks for the state of a stream."""
    answer = await api.read(f"/v1/sessions/{stream}", token=token)
    if answer.status_code == 401:
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    if answer.status_code == 503:
        assert answer.headers["Retry-After"]
    return answer.status_code


def with_unknown_key(token: str) -> str:
    """Return the same token as a key would sign it that the API has not seen: a new one of the issuer's, or a forger's."""
    return jws.serialize_compact(
        {**part(token, 0), "kid": "new"}, json.dumps(part(token, 1)), RSAKey.generate_key(2048)
    )
