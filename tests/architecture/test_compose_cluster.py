"""docker-compose.cluster.yml has two of every process, three of every server, and a way to each: without a Docker engine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.system.processes import Kind, Server, processes
from shared.servers.version import version
from tests.architecture.test_compose import CONTAINERS
from tests.containers import images
from tools.reference.kubernetes import of_containers

ROOT = Path(__file__).parents[2]


class Loader(yaml.SafeLoader):
    """Reads the two tags by which Compose replaces a value of the first file instead of adding to it."""


def construct(loader: Loader, node: yaml.MappingNode | yaml.SequenceNode) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    return loader.construct_sequence(node)


for tag in ("!override", "!reset"):
    Loader.add_constructor(tag, construct)

CLUSTER: dict[str, Any] = yaml.load((ROOT / "docker-compose.cluster.yml").read_text(encoding="utf-8"), Loader)  # noqa: S506 - ours
SERVICES: dict[str, dict[str, Any]] = CLUSTER["services"]
HAPROXY = (ROOT / "deploy" / "haproxy.cfg").read_text(encoding="utf-8")
PATRONI: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "patroni" / "patroni.yml").read_text(encoding="utf-8"))
STAYING = [process for process in processes() if process.kind in (Kind.API, Kind.WORKER)]


def test_the_files_are_fresh() -> None:
    """The committed files equal what the list of processes makes."""
    stale = [path for path, text in of_containers().items() if (ROOT / path).read_text(encoding="utf-8") != text]
    assert not stale, "they are not what the code says: run `make docs` and commit what it writes"


@pytest.mark.parametrize("process", STAYING, ids=lambda process: process.name)
def test_there_are_two_of_every_process(process: Any) -> None:
    """Each API, worker and the console runs twice; none has a port of the machine, which only one could have."""
    own = SERVICES[process.name]
    assert own["deploy"]["replicas"] == 2
    assert own.get("ports", []) == [] or process.kind is Kind.WORKER


def published() -> Iterator[tuple[str, str]]:
    """Yield each process that listens, with the port that docker-compose.yml gives it on the machine."""
    for process in STAYING:
        if process.kind is Kind.API:
            (port,) = CONTAINERS[process.name]["ports"]
            yield process.name, port


def test_each_port_of_the_machine_leads_to_both() -> None:
    """HAProxy listens where docker-compose.yml publishes each API and the console, and leads to the two that are ready."""
    assert set(SERVICES["gateway"]["ports"]) == {port for _, port in published()}
    listening = re.findall(
        r"listen (\S+)\n    bind :(\d+)\n    option httpchk GET /health/ready\n.*\n    server-template of 2 (\S+) check\n",
        HAPROXY,
    )
    assert sorted(listening) == sorted(
        (name, inner, f"{name}:{inner}") for name, port in published() for inner in [port.rpartition(":")[2]]
    )


def test_servers_are_three_and_whatever_leads_to_them_knows_them_all() -> None:
    """Three of PostgreSQL, etcd and Kafka know each other by their names."""
    three = {server: [f"{server}-{n}" for n in (1, 2, 3)] for server in ("etcd", Server.POSTGRES, Server.KAFKA)}
    there = {*SERVICES, *SERVICES["kafka"]["networks"]["default"]["aliases"]}
    assert {name for names in three.values() for name in names} <= there
    assert re.findall(r"server (\S+) \S+ check port 8008", HAPROXY) == three[Server.POSTGRES]
    assert PATRONI["etcd3"]["hosts"].split(",") == [f"{name}:2379" for name in three["etcd"]]
    certificate = (ROOT / "deploy" / "passwords.sh").read_text(encoding="utf-8")
    assert all(f"DNS:{name}," in certificate for name in three[Server.KAFKA])


def test_no_commit_is_on_one_server_alone() -> None:
    """Patroni waits for a second server without exception; topics have three replicas, of which two must have a record."""
    dcs = PATRONI["bootstrap"]["dcs"]
    assert (dcs["synchronous_mode"], dcs["synchronous_mode_strict"]) == (True, True)
    assert SERVICES["topics"]["environment"]["OOC_KAFKA_REPLICATION"] == "3"
    assert SERVICES["kafka-2"]["environment"]["KAFKA_MIN_INSYNC_REPLICAS"] == "2"


def test_the_images_are_those_that_the_tests_provide() -> None:
    """Each image of the file is one that `make containers` pulls, makes or builds."""
    named = {service["image"] for service in SERVICES.values() if "image" in service}
    assert named == {images.HAPROXY, images.ETCD, f"ooc-patroni:{version()}"}


def test_nobody_but_patroni_says_who_is_primary() -> None:
    """Whoever writes to etcd, or to Patroni's API, runs commands as the owner of PostgreSQL: no other container may do either."""
    private = {name for name, network in CLUSTER["networks"].items() if (network or {}).get("internal")}
    inside = {name for name, service in SERVICES.items() if private & set(service.get("networks", ()))}
    etcds = {f"etcd-{n}" for n in (1, 2, 3)}
    assert inside == etcds | {f"postgres-{n}" for n in (1, 2, 3)}
    assert all(set(SERVICES[name]["networks"]) <= private for name in etcds)
    starts = (ROOT / "deploy" / "patroni" / "run").read_text(encoding="utf-8")
    assert {"PATRONI_RESTAPI_USERNAME", "PATRONI_RESTAPI_PASSWORD"} <= set(re.findall(r"PATRONI_\w+(?==)", starts))
