"""docker-compose.yml and Dockerfile name only what is there: what can be known without a Docker engine.

`make containers` (tests/containers) runs them on one.
"""

import base64
import importlib.util
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ooc.main import COMMANDS
from services.console.settings import ConsoleSettings
from services.notifications.settings import NotificationsSettings
from services.system.processes import Server, processes
from services.system.registry import FOLLOWERS
from services.system.registry import SERVICES as REGISTERED
from shared.runtime.worker import HEARTBEAT_SECONDS
from shared.servers.kafka import PROVISIONER
from shared.servers.version import version
from tests import conftest
from tests.as_one_test import as_one_test
from tests.containers import images
from tests.integration.identity import keycloak
from tools.local import kafka, postgres
from tools.local.jars import ENDPOINT
from tools.local.ports import Ports

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
CONTAINERS: dict[str, dict[str, Any]] = COMPOSE["services"]
KAFKA = {"kafka_logins", "kafka_certificate", "kafka_authority"}
"""The files of Kafka's container: what it knows of logins by itself, its certificate with its key, and their authority."""
PROCESSES = processes()
OURS = {name: container for name, container in CONTAINERS.items() if container["image"].startswith("ooc")}
SETTINGS = {
    f"OOC_{field.upper()}" for settings in (ConsoleSettings, NotificationsSettings) for field in settings.model_fields
}
"""The settings of every process, and those of some."""
READ_BY_THE_ISSUER = {"OOC_SIGN_IN_URL"}
PORTS = Ports()


def modules() -> Iterator[tuple[str, list[str]]]:
    for name, container in OURS.items():
        yield name, container["command"]


def test_every_process_has_a_container_and_there_is_no_other() -> None:
    """The containers of ours are the processes of the system, as they are run, and the development issuer."""
    commands = {process.name: list(process.arguments) for process in PROCESSES} | {"issuer": ["tools.local.issuer"]}
    wrong = sorted(commands.keys() ^ OURS.keys())
    assert not wrong, f"docker-compose.yml: add or take out the containers {wrong}"
    assert {name: container["command"] for name, container in OURS.items()} == commands
    images_ = {process.name: f"{process.image}:{version()}" for process in PROCESSES}
    assert {name: container["image"] for name, container in OURS.items() if name != "issuer"} == images_


@as_one_test
@pytest.mark.parametrize(("name", "command"), list(modules()))
def test_what_a_container_runs_is_there(name: str, command: list[str]) -> None:
    """A command names a module that can be run, and `ooc` commands that exist."""
    module, *arguments = command
    spec = importlib.util.find_spec(module)
    assert spec is not None, f"{name} runs {module}, which is not there"
    if spec.submodule_search_locations is not None:
        assert importlib.util.find_spec(f"{module}.__main__") is not None, f"{module} cannot be run"
    if module == "ooc.main":
        assert arguments[0] in COMMANDS


@as_one_test
@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting(name: str) -> None:
    """A container of ours is told nothing that no setting reads."""
    assert set(OURS[name].get("environment", {})) <= SETTINGS | (READ_BY_THE_ISSUER if name == "issuer" else set())


def test_the_image_sets_settings_only_and_installs_what_is_pinned() -> None:
    """The Dockerfile installs by hash what no bare machine needs, copies what is there and sets what is read."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert set(re.findall(r"OOC_\w+", text)) <= SETTINGS
    assert "--require-hashes -r requirements/run.txt" in text
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {images.PYTHON}
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for path in source.split():
            assert (ROOT / path).exists(), f"the Dockerfile copies {path}, which is not there"


@as_one_test
@pytest.mark.parametrize("name", OURS)
def test_a_container_has_few_rights_and_limits(name: str) -> None:
    """A container of ours writes to no file system but /tmp and its volume, gains no right, and has limits."""
    container = OURS[name]
    assert (container["read_only"], container["tmpfs"], container["cap_drop"]) == (True, ["/tmp"], ["ALL"])
    assert container["init"] is True
    assert {"mem_limit", "pids_limit", "stop_grace_period"} <= set(container)
    assert set(container.get("volumes", ())) <= {"issuer:/var/lib/ooc", "backup:/backup", "received:/var/lib/ooc"}
    assert "USER ooc\n" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


@as_one_test
@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_is_bounded(name: str) -> None:
    """No container gains rights, fills the disk with its log, or takes the memory of the others."""
    container = CONTAINERS[name]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert {"max-size", "max-file"} <= set(container["logging"]["options"])
    assert {"mem_limit", "pids_limit"} <= set(container)
    assert container["cap_drop"] == ["ALL"]
    # Keycloak builds itself at its first start, in its own directories.
    assert container.get("read_only", False) == (name != "keycloak")


def test_only_the_database_keeps_capabilities_and_only_to_become_its_user() -> None:
    """The first process of PostgreSQL gives the volume to its user and becomes it; nobody else has a capability."""
    added = {name: set(container["cap_add"]) for name, container in CONTAINERS.items() if "cap_add" in container}
    assert added == {"postgres": {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}}


def test_no_secret_stands_in_an_environment() -> None:
    """Passwords and the key-encryption key are files, which `docker inspect` does not show."""
    for container in CONTAINERS.values():
        for variable in container.get("environment", {}):
            assert not re.search(r"PASSWORD$|KEK$", variable), variable


def test_the_settings_are_accepted() -> None:
    """The values given to an API parse, and lead to its database."""
    given = OURS["referral-api"]["environment"].items()
    environment = {name: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", str(value)) for name, value in given}  # as Compose does
    settings = ConsoleSettings.model_validate(
        {name.removeprefix("OOC_").lower(): value for name, value in environment.items()}
    )
    settings.database_passwords = None
    assert (
        settings.database("referral", "ooc_referral_api") == "postgresql://ooc_referral_api@postgres:5432/ooc_referral"
    )
    assert settings.kafka_replication == 1


def test_each_container_is_given_its_own_secrets() -> None:
    """A process reads the passwords and keys that the list of processes gives it, and what checks Kafka's certificate."""
    for process in PROCESSES:
        authority = {"kafka_authority"} if Server.KAFKA in process.connects_to else set()
        wrong = set(OURS[process.name]["secrets"]) ^ (process.secrets | authority)
        assert not wrong, f"docker-compose.yml: add to, or take from, the secrets of {process.name} {sorted(wrong)}"
    assert "secrets" not in OURS["issuer"]
    assert set(CONTAINERS["kafka"]["secrets"]) == KAFKA
    every = {"keycloak", *KAFKA}.union(*(process.secrets for process in PROCESSES))
    wrong = every ^ COMPOSE["secrets"].keys()
    assert not wrong, f"docker-compose.yml: add to, or take from, `secrets` {sorted(wrong)}"
    assert COMPOSE["secrets"] == {name: {"file": f"deploy/passwords/{name}"} for name in every}
    assert "/deploy/passwords/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_each_secret_is_made_once(tmp_path: Path) -> None:
    """Given a checkout, when deploy/passwords.sh runs twice, then each secret of docker-compose.yml is there, and stays."""
    (tmp_path / "deploy").mkdir()
    for file in ("docker-compose.yml", "deploy/passwords.sh"):
        shutil.copy(ROOT / file, tmp_path / file)

    def run() -> dict[str, str]:
        subprocess.run(["sh", tmp_path / "deploy" / "passwords.sh"], check=True)
        made = (tmp_path / "deploy" / "passwords").iterdir()
        return {path.name: path.read_text(encoding="ascii").strip() for path in made}

    secrets = run()
    assert set(secrets) == set(COMPOSE["secrets"])
    assert run() == secrets
    certificate, authority, logins = (
        secrets.pop(name) for name in ("kafka_certificate", "kafka_authority", "kafka_logins")
    )
    signer = x509.load_pem_x509_certificate(authority.encode())
    signed = x509.load_pem_x509_certificate(certificate.encode())
    signed.verify_directly_issued_by(signer)
    key = load_pem_private_key(certificate.encode(), None)
    assert key.public_key() == signed.public_key()
    names = signed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "kafka" in names.get_values_for_type(x509.DNSName)
    # The file holds no key of the authority: it was thrown away, so nothing else can be signed by it.
    assert "PRIVATE KEY" not in authority
    assert f'user_{PROVISIONER}="{secrets[PROVISIONER]}"' in logins
    assert all(
        len(base64.b64decode(secrets.pop(key), validate=True)) == 32
        for key in ("kek", "signing", "console", "webhooks")
    )
    assert all(len(bytes.fromhex(password)) == 24 for password in secrets.values())


def test_the_ports_are_those_of_the_local_system() -> None:
    """A service answers on the same port in a container as under `ooc up`."""
    assert int(OURS["issuer"]["environment"]["OOC_PORT"]) == PORTS.issuer
    for entry in REGISTERED:
        container = OURS[f"{entry.name}-api"]
        port = PORTS.api(entry.port_offset)
        assert int(container["environment"]["OOC_PORT"]) == port
        assert container["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_the_console_knows_every_service_and_its_own_port() -> None:
    """The console asks the APIs by the names and ports of their containers, and answers where a browser looks for it."""
    environment = OURS["console"]["environment"]
    urls = [f"{entry.name}=http://{entry.name}-api:{PORTS.api(entry.port_offset)}" for entry in REGISTERED]
    urls += [f"{name}=http://{name}-worker:{PORTS.api(place)}" for name, place in FOLLOWERS.items()]
    assert environment["OOC_URL"].split() == urls, (
        f"docker-compose.yml: OOC_URL of the container console must be, in this order: {' '.join(urls)}"
    )
    # Prometheus asks the same, and the console.
    scraped = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    addresses = [url.partition("//")[2] for url in urls]
    assert scraped[0]["static_configs"][0]["targets"] == [*addresses, f"console:{PORTS.console}"], (
        "deploy/prometheus.yml: its targets must be those of OOC_URL, and the console"
    )
    assert environment["OOC_CONSOLE_URL"] == f"http://127.0.0.1:{PORTS.console}"
    assert OURS["console"]["ports"] == [f"127.0.0.1:{PORTS.console}:{environment['OOC_PORT']}"]
    assert OURS["issuer"]["environment"]["OOC_SIGN_IN_URL"] == f"http://127.0.0.1:{PORTS.issuer}"


def test_nothing_but_the_apis_the_console_and_the_issuers_can_be_reached_from_outside() -> None:
    """Database, broker and workers publish no port; the others publish theirs on the loopback address only."""
    for name, container in CONTAINERS.items():
        if name.endswith("-api") or name in {"issuer", "keycloak", "console"}:
            assert all(port.startswith("127.0.0.1:") for port in container["ports"])
        else:
            assert "ports" not in container


def test_what_is_waited_for_can_come() -> None:
    """A container that others wait for to be healthy has a health check; one that they wait for to end may end."""
    for name, container in CONTAINERS.items():
        for needed, how in container.get("depends_on", {}).items():
            assert needed in CONTAINERS, f"{name} waits for {needed}"
            if how["condition"] == "service_healthy":
                assert "healthcheck" in CONTAINERS[needed], f"{needed} never says that it is healthy"
            else:
                assert how["condition"] == "service_completed_successfully"
                assert CONTAINERS[needed]["restart"] == "no", f"{needed} never ends"


def test_a_worker_says_that_it_runs(tmp_path: Path) -> None:
    """The check of a worker is content with a heartbeat of now, and with none of a minute ago and none that is missing."""
    (probe,) = {container["healthcheck"]["test"][-1] for name, container in OURS.items() if name.endswith("-worker")}
    heartbeat = tmp_path / "heartbeat"

    def healthy() -> bool:
        return probed(probe, OOC_HEARTBEAT=str(heartbeat))

    assert not healthy()
    heartbeat.touch()
    assert healthy()
    os.utime(heartbeat, (time.time() - 60, time.time() - 60))
    assert not healthy()
    assert HEARTBEAT_SECONDS < 30 / 3


def test_an_api_says_that_it_is_ready() -> None:
    """The check of an API asks for an address that it has, and is content with 200 alone; nobody there is no answer."""
    (probe,) = {
        container["healthcheck"]["test"][-1]
        for name, container in OURS.items()
        if name.endswith("-api") or name == "console"
    }
    answers = iter((200, 503))
    asked = []

    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(next(answers))
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Ready) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = str(server.server_port)
        assert [probed(probe, OOC_PORT=port) for _ in range(2)] == [True, False]
        server.shutdown()
    assert not probed(probe, OOC_PORT=port)
    assert set(asked) == {"/health/ready"}
    assert "/health/ready" in (ROOT / "shared" / "api" / "operations.py").read_text(encoding="utf-8")


def probed(probe: str, **environment: str) -> bool:
    """Run a health check as a container does, and say whether it is content. Compose reads `$$` as `$`."""
    command = ["bash", "-c", probe.replace("$$", "$")]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, check=False).returncode == 0


def test_the_broker_is_the_one_that_the_tests_run_on() -> None:
    """The broker has the version that the tests start, and is named as the clients name it."""
    version = ENDPOINT.split("+")[0].rpartition(":")[2]
    assert CONTAINERS["kafka"]["image"] == images.KAFKA == f"apache/kafka:{version}"
    assert (
        OURS["referral-worker"]["environment"]["OOC_KAFKA"]
        in CONTAINERS["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    )


def test_the_broker_lets_nobody_in_without_a_password() -> None:
    """Clients prove a password within TLS; what no access control list allows is refused; the controller is not reached from outside."""
    told = CONTAINERS["kafka"]["environment"]
    assert told["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"] == "CLIENT:SASL_SSL,CONTROLLER:SASL_PLAINTEXT"
    assert told["KAFKA_LISTENERS"].endswith("CONTROLLER://localhost:9093")
    assert told["KAFKA_AUTHORIZER_CLASS_NAME"] == "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
    assert "KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND" not in told
    assert told["KAFKA_SUPER_USERS"] == f"User:{kafka.BROKER};User:{PROVISIONER}"
    assert {told["KAFKA_SSL_KEYSTORE_LOCATION"], told["KAFKA_SSL_TRUSTSTORE_LOCATION"]} == {
        "/run/secrets/kafka_certificate",
        OURS["referral-worker"]["environment"]["OOC_KAFKA_AUTHORITY"],
    }
    assert told["KAFKA_OPTS"] == "-Djava.security.auth.login.config=/run/secrets/kafka_logins"


def test_what_kafka_logs_takes_little_of_its_memory() -> None:
    """Each refusal of a login is logged into files in memory that the image never deletes: they have a size."""
    (logs,) = (place for place in CONTAINERS["kafka"]["tmpfs"] if place.startswith("/opt/kafka/logs"))
    assert ",size=" in logs


def test_the_database_is_the_one_that_the_tests_run_on() -> None:
    """PostgreSQL has the version that the tests start, sorts as theirs does, and reads its password from a file."""
    container = CONTAINERS["postgres"]
    assert container["image"] == images.POSTGRES
    assert container["environment"] == {
        "POSTGRES_PASSWORD_FILE": "/run/secrets/postgres",
        "POSTGRES_INITDB_ARGS": conftest.INITDB_ARGS,
    }
    connections = int(postgres.SETTINGS["max_connections"])
    cluster, *_ = yaml.safe_load_all((ROOT / "deploy/kubernetes/base/postgres.yaml").read_text(encoding="utf-8"))
    kept = cluster["spec"]["postgresql"]["parameters"]["max_slot_wal_keep_size"]
    said = [f"max_connections={connections}", "hba_file=/etc/postgres_hba", f"max_slot_wal_keep_size={kept}"]
    assert container["command"] == ["postgres", *(word for setting in said for word in ("-c", setting))]
    assert "./deploy/postgres_hba:/etc/postgres_hba:ro" in container["volumes"]
    lines = re.findall(r"^\w.*", (ROOT / "deploy/postgres_hba").read_text(encoding="utf-8"), re.MULTILINE)
    assert {line.split()[-1] for line in lines if line.startswith("host")} == {"scram-sha-256"}


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
    """The shipped realm is a public client, two of ours, and what their tokens carry: no person, password, secret or key."""
    text = keycloak.REALM_FILE.read_text(encoding="utf-8")
    assert "users" not in keycloak.REALM
    assert not re.search(r"secret|credential|privateKey", text, re.IGNORECASE)
    client, *ours = keycloak.REALM["clients"]
    assert (client["publicClient"], client["directAccessGrantsEnabled"]) == (True, False)
    for own in ours:
        assert (own["publicClient"], own["standardFlowEnabled"], own["directAccessGrantsEnabled"]) == (False,) * 3
    (profile,) = keycloak.REALM["components"]["org.keycloak.userprofile.UserProfileProvider"]
    (attributes,) = profile["config"]["kc.user.profile.config"]
    assert all(attribute["permissions"]["edit"] == ["admin"] for attribute in json.loads(attributes)["attributes"])
