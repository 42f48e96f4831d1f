"""The two programs of ours get tokens of Keycloak by their secrets, with the roles that no person has."""

import secrets
from pathlib import Path

import httpx2
import pytest

from services.console.everyone.sign_in import invited_form
from services.console.settings import ConsoleSettings
from services.notifications.apis import Apis
from services.notifications.settings import NotificationsSettings
from services.system.addresses import Addresses
from shared.api.authentication import TokenVerifier
from tests import loopback
from tests.integration.identity.conftest import Keycloak

pytestmark = pytest.mark.slow


def give_secret(keycloak: Keycloak, client: str, file: Path) -> None:
    """Give a client of the realm a secret, as docs/how-to/identity-provider.md does, and write it into a file."""
    (found,) = keycloak.admin.ask("GET", "/ooc/clients", clientId=client).raise_for_status().json()
    file.write_text(f"{secrets.token_hex(24)}\n", encoding="ascii")
    secret = {**found, "secret": file.read_text(encoding="ascii").strip()}
    keycloak.admin.ask("PUT", f"/ooc/clients/{found['id']}", secret).raise_for_status()


async def test_a_secret_gives_each_program_its_role(keycloak: Keycloak, tmp_path: Path) -> None:
    """Given the realm of deploy/, when each program asks with its secret, then its token has its role, every area and no conflict."""
    verifier = TokenVerifier(keycloak.issuer, "ooc", ["area"], needs_conflicts=True)
    file = tmp_path / "messenger_client"
    give_secret(keycloak, "ooc-messenger", file)
    own = NotificationsSettings(issuer=keycloak.issuer, messenger_client="ooc-messenger", messenger_secret_file=file)
    messenger = Apis(own, Addresses(keycloak.issuer, {}))
    try:
        actor = await verifier.actor(f"Bearer {await messenger._current_token()}")
    finally:
        await messenger.close()
    assert (actor.role, actor.organisation, actor.labels) == ("MESSENGER", "OOC", {"area": "*"})

    file = tmp_path / "invited_client"
    give_secret(keycloak, "ooc-invited", file)
    form = invited_form(ConsoleSettings(invited_client="ooc-invited", invited_secret_file=file))
    with loopback.blocking_client() as http:
        answer = http.post(f"{keycloak.issuer}/protocol/openid-connect/token", data=form)
        refused = http.post(
            f"{keycloak.issuer}/protocol/openid-connect/token", data={**form, "client_secret": "guessed"}
        )
    assert refused.status_code == httpx2.codes.UNAUTHORIZED
    actor = await verifier.actor(f"Bearer {answer.raise_for_status().json()['access_token']}")
    assert (actor.role, actor.labels) == ("INVITED", {"area": "*"})
