"""The realm's keys change, or cannot be had in time: what is still believed, and for how long."""

from uuid import UUID

import pytest

from shared.api import authentication
from tests.integration.api.conftest import Client
from tests.integration.api.test_service_api import PLAN
from tests.integration.identity.conftest import Clock, Keycloak
from tests.integration.identity.signing_in import part
from tests.integration.identity.stories import status, with_unknown_key

pytestmark = pytest.mark.slow


async def test_a_rotated_key(keycloak: Keycloak, api: Client, stream: UUID, clock: Clock) -> None:
    """Tokens of a new key are accepted at once; those of the old key until it is withdrawn and the cache expires."""
    anna = keycloak.person()
    old = anna.token()
    assert (await api.send(stream, PLAN, token=old)).status_code == 201

    component = keycloak.admin.rotate()
    clock.ahead += authentication.PAUSE_SECONDS
    new = anna.token()
    assert part(new, 0)["kid"] != part(old, 0)["kid"]
    assert await status(api, stream, new) == 200
    assert await status(api, stream, old) == 200

    keycloak.admin.disable(component)
    assert await status(api, stream, old) == 200
    clock.ahead += authentication.KEYS_SECONDS
    assert await status(api, stream, old) == 401
    assert await status(api, stream, new) == 200


async def test_a_provider_that_hangs(
    keycloak: Keycloak, api: Client, stream: UUID, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Keycloak that takes the question and gives no answer holds up nobody whose key is known."""
    monkeypatch.setattr(authentication, "PATIENCE_SECONDS", 0.5)
    token = keycloak.person().token()
    assert (await api.send(stream, PLAN, token=token)).status_code == 201
    with keycloak.hanging():
        clock.ahead += authentication.PAUSE_SECONDS
        assert await status(api, stream, token) == 200
        assert await status(api, stream, with_unknown_key(token)) == 503
        clock.ahead += authentication.KEYS_SECONDS
        assert await status(api, stream, token) == 200
    clock.ahead += authentication.PAUSE_SECONDS
    monkeypatch.setattr(authentication, "PATIENCE_SECONDS", 30.0)
    assert await status(api, stream, with_unknown_key(token)) == 401
