"""Keycloak is down. It is the last story told here, so that it need not be started again."""

from uuid import UUID

import pytest

from shared.api import authentication
from shared.servers.settings import Settings
from tests.integration.api.conftest import Client
from tests.integration.api.test_service_api import PLAN
from tests.integration.identity.conftest import Clock, Keycloak, an_api
from tests.integration.identity.stories import status, with_unknown_key

pytestmark = pytest.mark.slow


async def test_no_provider(keycloak: Keycloak, api: Client, settings: Settings, stream: UUID, clock: Clock) -> None:
    """While Keycloak is down, tokens of known keys are accepted for an hour, and others get 503."""
    token = keycloak.person().token()
    head, _, signature = token.rpartition(".")
    assert (await api.send(stream, PLAN, token=token)).status_code == 201
    keycloak.stop()

    unknown = with_unknown_key(token)
    for later in (authentication.PAUSE_SECONDS, 0, authentication.KEYS_SECONDS, authentication.PAUSE_SECONDS):
        clock.ahead += later
        assert await status(api, stream, token) == 200
        assert await status(api, stream, unknown) == 503
        assert await status(api, stream, f"{head}.{signature[::-1]}") == 401
    assert (await api.http.get(f"/v1/sessions/{stream}")).status_code == 401
    async with an_api(settings) as started_meanwhile:
        assert await status(started_meanwhile, stream, token) == 503

    clock.ahead += authentication.TRUSTED_SECONDS
    assert await status(api, stream, token) == 503
