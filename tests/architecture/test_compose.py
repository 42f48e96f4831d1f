"""docker-compose.yml and Dockerfile name only what is there: what can be known without a Docker engine.

`make containers` (tests/containers) runs them on one.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.console.addresses import SERVICES
from services.console.idle import REPORTING
from services.console.main import app
from services.registry import SERVICES as REGISTERED
from shared.runtime.privileges import (
    DECIDING,
    PROJECTING,
    RoleKind,
    role_name,
)
from shared.runtime.settings import Settings
from tests import conftest
from tests.containers import images
from tests.integration.identity import keycloak
from tools.local import Ports, postgres
from tools.local.jars import ENDPOINT

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
SECRETS = {"kek", "keycloak"}
"""The secrets that are no password of a database role."""
OURS = {name: container for name, container in CONTAINERS.items() if container["image"] == COMPOSE["x-ooc"]["image"]}
SETTINGS = {f"OOC_{field.upper()}" for field in Settings.model_fields}
PORTS = Ports()


def modules() -> Iterator[tuple[str, list[str]]]:
    for name, container in OURS.items():
        yield name, container["command"]


def test_every_service_has_an_api_and_a_worker_and_there_is_no_other() -> None:
    """The containers of ours are two for each service, the two steps before them, the issuer, and the verification."""
    expected = {f"{service}-{kind}" for service in SERVICES for kind in ("api", "worker")}
    assert set(OURS) == {*expected, "migrate", "topics", "issuer", "verify"}
    for service in SERVICES:
        assert OURS[f"{service}-api"]["command"] == [f"services.{service}", "api"]
        assert OURS[f"{service}-worker"]["command"] == [f"services.{service}", "worker"]


@pytest.mark.parametrize(("name", "command"), list(modules()))
def test_what_a_container_runs_is_there(name: str, command: list[str]) -> None:
    """A command names a module that can be run, and `ooc` commands that exist."""
    module, *arguments = command
    spec = importlib.util.find_spec(module)
    assert spec is not None, f"{name} runs {module}, which is not there"
    if spec.submodule_search_locations is not None:
        assert importlib.util.find_spec(f"{module}.__main__") is not None, f"{module} cannot be run"
    if module == "services.console.main":
        commands = {found.name or getattr(found.callback, "__name__", "") for found in app.registered_commands}
        assert set(arguments) <= commands


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting(name: str) -> None:
    """A container of ours is told nothing that no setting reads."""
    assert set(OURS[name].get("environment", {})) <= SETTINGS


def test_the_image_sets_settings_only_and_installs_what_is_pinned() -> None:
    """The Dockerfile installs by hash what no bare machine needs, copies what is there and sets what is read."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert set(re.findall(r"OOC_\w+", text)) <= SETTINGS
    assert "--require-hashes -r requirements/run.txt" in text
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {images.PYTHON}
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for path in source.split():
            assert (ROOT / path).exists(), f"the Dockerfile copies {path}, which is not there"


@pytest.mark.parametrize("name", OURS)
def test_a_container_has_few_rights_and_limits(name: str) -> None:
    """A container of ours writes to no file system but /tmp and its volume, gains no right, and has limits."""
    container = OURS[name]
    assert (container["read_only"], container["tmpfs"], container["cap_drop"]) == (True, ["/tmp"], ["ALL"])
    assert container["init"] is True
    assert {"mem_limit", "pids_limit", "stop_grace_period"} <= set(container)
    assert set(container.get("volumes", ())) <= {"issuer:/var/lib/ooc"}
    assert "USER ooc\n" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_is_bounded(name: str) -> None:
    """No container gains rights, fills the disk with its log, or takes the memory of the others."""
    container = CONTAINERS[name]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert {"max-size", "max-file"} <= set(container["logging"]["options"])
    assert container["mem_limit"]


def test_no_secret_stands_in_an_environment() -> None:
    """Passwords and the key-encryption key come as files, which `docker inspect` does not show."""
    for container in CONTAINERS.values():
        for variable in container.get("environment", {}):
            assert not re.search(r"PASSWORD$|KEK$", variable), variable


def test_the_settings_are_accepted() -> None:
    """The values given to an API parse, and lead to its database."""
    environment = {name: str(value) for name, value in OURS["referral-api"]["environment"].items()}
    settings = Settings.model_validate(
        {name.removeprefix("OOC_").lower(): value for name, value in environment.items()}
    )
    settings.database_passwords = None
    assert (
        settings.database("referral", "ooc_referral_api") == "postgresql://ooc_referral_api@postgres:5432/ooc_referral"
    )
    assert settings.kafka_replication == 1


def test_each_container_is_given_its_own_secrets() -> None:
    """An API and a worker get the passwords of their own roles and the key that they use, `migrate` every password."""
    system = {"postgres", role_name(RoleKind.VERIFY), role_name(RoleKind.ERASURE)}
    for service in SERVICES:
        kinds = PROJECTING if service == REPORTING else DECIDING
        own = {kind: role_name(kind, service) for kind in kinds}
        assert OURS[f"{service}-api"]["secrets"] == ["kek", own.pop(RoleKind.API)]
        # The projection opens no key.
        assert set(OURS[f"{service}-worker"]["secrets"]) - {"kek"} == set(own.values())
        assert ("kek" in OURS[f"{service}-worker"]["secrets"]) == (service != REPORTING)
        system |= {role_name(kind, service) for kind in kinds}
    assert OURS["verify"]["secrets"] == [role_name(RoleKind.VERIFY)]
    assert not {"issuer", "topics"} & {name for name, container in OURS.items() if container.get("secrets")}
    assert set(OURS["migrate"]["secrets"]) == system
    assert COMPOSE["secrets"] == {name: {"file": f"deploy/passwords/{name}"} for name in system | SECRETS}
    script = (ROOT / "deploy" / "passwords.sh").read_text(encoding="utf-8")
    assert set(re.findall(r"^    (\w+)(?: \\|; do)$", script, re.MULTILINE)) == system | {"keycloak"}
    assert "> passwords/kek\n" in script
    assert "/deploy/passwords/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_the_ports_are_those_of_the_local_system() -> None:
    """A service answers on the same port in a container as under `ooc up`."""
    assert int(OURS["issuer"]["environment"]["OOC_PORT"]) == PORTS.issuer
    for entry in REGISTERED:
        container = OURS[f"{entry.name}-api"]
        port = PORTS.api(entry.port_offset)
        assert int(container["environment"]["OOC_PORT"]) == port
        assert container["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_nothing_but_the_apis_and_the_issuers_can_be_reached_from_outside() -> None:
    """Database, broker and workers publish no port, the others only on the loopback address."""
    for name, container in CONTAINERS.items():
        if name.endswith("-api") or name in {"issuer", "keycloak"}:
            assert all(port.startswith("127.0.0.1:") for port in container["ports"])
        else:
            assert "ports" not in container


def test_what_is_waited_for_can_come() -> None:
    """Whoever is waited for to be healthy has a health check; whoever is waited for to end may end."""
    for name, container in CONTAINERS.items():
        for needed, how in container.get("depends_on", {}).items():
            assert needed in CONTAINERS, f"{name} waits for {needed}"
            if how["condition"] == "service_healthy":
                assert "healthcheck" in CONTAINERS[needed], f"{needed} never says that it is healthy"
            else:
                assert how["condition"] == "service_completed_successfully"
                assert CONTAINERS[needed]["restart"] == "no", f"{needed} never ends"


def test_the_health_that_is_asked_for_is_served() -> None:
    """The health check is a program that compiles, and asks for an address that the API has."""
    (probe,) = {container["healthcheck"]["test"][-1] for name, container in OURS.items() if name.endswith("-api")}
    compile(probe, "healthcheck", "exec")
    assert "/health/ready" in probe
    assert "/health/ready" in (ROOT / "shared" / "api" / "operations.py").read_text(encoding="utf-8")


def test_the_broker_is_the_one_that_the_tests_run_on() -> None:
    """The broker has the version that the tests start, and is named as the clients name it."""
    version = ENDPOINT.split("+")[0].rpartition(":")[2]
    assert CONTAINERS["kafka"]["image"] == images.KAFKA == f"apache/kafka:{version}"
    assert (
        OURS["referral-worker"]["environment"]["OOC_KAFKA"]
        in CONTAINERS["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    )


def test_the_database_is_the_one_that_the_tests_run_on() -> None:
    """PostgreSQL has the version that the tests start, sorts as theirs does, and reads its password from a file."""
    container = CONTAINERS["postgres"]
    assert container["image"] == images.POSTGRES
    assert container["environment"] == {
        "POSTGRES_PASSWORD_FILE": "/run/secrets/postgres",
        "POSTGRES_INITDB_ARGS": conftest.INITDB_ARGS,
    }
    connections = int(postgres.SETTINGS["max_connections"])
    assert container["command"] == ["postgres", "-c", f"max_connections={connections}"]


def test_the_identity_provider_is_the_one_that_the_tests_run_on() -> None:
    """Keycloak has the version that the tests start, imports the realm that they import, and has no password by default."""
    container = CONTAINERS["keycloak"]
    assert container["image"] == f"keycloak/keycloak:{keycloak.VERSION}"
    assert "--import-realm" in container["command"]
    folder = keycloak.REALM_FILE.parent.relative_to(ROOT)
    assert f"./{folder}:/opt/keycloak/data/import:ro" in container["volumes"]
    assert container["secrets"] == ["keycloak"]
    assert any("KC_BOOTSTRAP_ADMIN_PASSWORD=$$(< /run/secrets/keycloak)" in part for part in container["entrypoint"])
    named = {volume.split(":")[0] for each in CONTAINERS.values() for volume in each.get("volumes", ())}
    assert {volume for volume in named if not volume.startswith(".")} == set(COMPOSE["volumes"])


def test_the_realm_has_nobody_in_it_and_no_secret() -> None:
    """The shipped realm is a public client and what its tokens carry: no person, password, secret or key."""
    text = keycloak.REALM_FILE.read_text(encoding="utf-8")
    assert "users" not in keycloak.REALM
    assert not re.search(r"secret|credential|privateKey", text, re.IGNORECASE)
    (client,) = keycloak.REALM["clients"]
    assert (client["publicClient"], client["directAccessGrantsEnabled"]) == (True, False)
    (profile,) = keycloak.REALM["components"]["org.keycloak.userprofile.UserProfileProvider"]
    (attributes,) = profile["config"]["kc.user.profile.config"]
    assert all(attribute["permissions"]["edit"] == ["admin"] for attribute in json.loads(attributes)["attributes"])
