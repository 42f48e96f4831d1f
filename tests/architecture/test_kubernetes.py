"""deploy/kubernetes is what the list of processes says, and what Kubernetes takes: what can be known without its operators.

`make deploy-check` (tests/deployment) renders it, and validates the resources of Strimzi and CloudNativePG too.
"""

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import kubernetes_validate
import pytest
import yaml

from services.system.kafka_access import accesses, declared_topics
from services.system.processes import Kind, Process, Server, processes
from shared.runtime.kafka_grants import GROUP, LITERAL, READ, TOPIC, TRANSACTIONAL_ID, WRITE, Binding
from shared.runtime.privileges import CONNECTIONS, RoleKind
from tests import conftest
from tests.architecture.test_compose import CONTAINERS
from tests.as_one_test import as_one_test
from tools.local import kafka
from tools.reference.kubernetes import BACKUP, HEARTBEAT, PORT, RECEIVED, kubernetes_name, of_kubernetes
from tools.reference.kubernetes_sizes import FORCE_AREA, Size, resources

PLACE = Path(__file__).parents[2] / "deploy" / "kubernetes"
RELEASE = "1.34"
"""The release of Kubernetes whose schemas are taken: the oldest that is still maintained."""

Manifest = dict[str, Any]
INDEXES = {"Kustomization", "Component"}


def manifests(folder: str = "") -> Iterator[Manifest]:
    for path in sorted((PLACE / folder).rglob("*.yaml")):
        yield from (each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each)


BASE = list(manifests("base"))
OF_OPERATORS = ("kafka.strimzi.io", "postgresql.cnpg.io", "cert-manager.io", "gateway.networking.k8s.io")
CORE = [each for each in manifests() if each["kind"] not in INDEXES and not each["apiVersion"].startswith(OF_OPERATORS)]


def of_kind(kind: str) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in BASE if each["kind"] == kind}


def pod_of(process: Process) -> Manifest:
    """Return the template of a process's pods."""
    name = kubernetes_name(process.name)
    (found,) = [each for kind in ("Deployment", "Job", "CronJob") if (each := of_kind(kind).get(name))]
    spec = found["spec"].get("jobTemplate", found)["spec"] if found["kind"] == "CronJob" else found["spec"]
    template: Manifest = spec["template"]
    return template


DEPLOYED = [process for process in processes() if process.name != "topics"]
SERVERS: dict[str, Manifest] = {
    Server.POSTGRES: {"labels": {"cnpg.io/cluster": "postgres"}},
    Server.KAFKA: {"labels": {"strimzi.io/cluster": "kafka", "strimzi.io/pool-name": "brokers"}},
    Server.IDENTITY: {"namespace": "identity"},
    Server.WITNESS: {"namespace": "witness", "labels": {"app.kubernetes.io/name": "witness"}},
    Server.TELEMETRY: {"namespace": "telemetry"},
    Server.MAIL: {"namespace": "mail"},
    Server.NOTIFY: {"namespace": "notify"},
    Server.WEBHOOK: {"namespace": "webhook"},
}
PORTS = {
    Server.POSTGRES: 5432,
    Server.KAFKA: 9093,
    Server.IDENTITY: 443,
    Server.WITNESS: 8119,
    Server.TELEMETRY: 4318,
    Server.MAIL: 587,
    Server.NOTIFY: 443,
    Server.WEBHOOK: 443,
}


ANY = 0
"""Stands for any port, where no policy selects either side."""


class Pod(NamedTuple):
    """What a network policy knows of a pod."""

    namespace: str
    labels: dict[str, str]


def everybody() -> dict[str, Pod]:
    """Return each process, server, and party outside, and a pod of ours that the list of processes does not have."""
    pods = {process.name: Pod("ooc", pod_of(process)["metadata"]["labels"]) for process in DEPLOYED}
    pods |= {str(name): Pod(pod.get("namespace", "ooc"), pod.get("labels", {})) for name, pod in SERVERS.items()}
    return (
        pods | {name: Pod(name, {}) for name in ("ingress", "monitoring", "elsewhere")} | {"stranger": Pod("ooc", {})}
    )


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    assert set(selector) <= {"matchLabels"}, "the test knows no other selectors"
    return bool(selector.get("matchLabels", {}).items() <= labels.items())


def is_peer(peer: Manifest, pod: Pod) -> bool:
    assert set(peer) <= {"podSelector", "namespaceSelector"}
    names = {"kubernetes.io/metadata.name": pod.namespace}
    inside = selects(peer["namespaceSelector"], names) if "namespaceSelector" in peer else pod.namespace == "ooc"
    return inside and selects(peer.get("podSelector", {}), pod.labels)


def permitted(direction: str, pod: Pod, other: Pod, policies: list[Manifest]) -> set[int] | None:
    """Return the ports that policies let a pod use in a direction, as Kubernetes defines them; None: any, since none selects it."""
    if pod.namespace != "ooc":
        return None
    mine = [each["spec"] for each in policies if selects(each["spec"]["podSelector"], pod.labels)]
    mine = [spec for spec in mine if direction in spec["policyTypes"]]
    field, peers = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
    rules = [rule for spec in mine for rule in spec.get(field, ()) if peers in rule]
    reached = {
        port["port"] for rule in rules if any(is_peer(peer, other) for peer in rule[peers]) for port in rule["ports"]
    }
    return reached if mine else None


def connections(policies: list[Manifest]) -> set[tuple[str, str, int]]:
    """Return every connection between two pods, and its port, that policies permit on both sides."""
    pods = everybody()
    found = set()
    for (name, pod), (other, target) in product(pods.items(), repeat=2):
        if name != other and "ooc" in {pod.namespace, target.namespace}:
            sides = [permitted("Egress", pod, target, policies), permitted("Ingress", target, pod, policies)]
            limits = [ports for ports in sides if ports is not None]
            found |= {(name, other, port) for port in (set.intersection(*limits) if limits else {ANY})}
    return found


def policies_but(name: str = "") -> list[Manifest]:
    """Return every policy but one, with that which Strimzi makes of its listener."""
    (listener,) = of_kind("Kafka")["kafka"]["spec"]["kafka"]["listeners"]
    lets_in = {"from": listener["networkPolicyPeers"], "ports": [{"port": listener["port"]}]}
    selected = {"podSelector": {"matchLabels": {"strimzi.io/cluster": "kafka"}}, "policyTypes": ["Ingress"]}
    strimzi = {"metadata": {"name": "strimzi"}, "spec": {**selected, "ingress": [lets_in]}}
    return [each for each in (*of_kind("NetworkPolicy").values(), strimzi) if each["metadata"]["name"] != name]


def declared() -> set[tuple[str, str, int]]:
    """Return every connection of the list of processes, and those from outside."""
    names = {str(name): port for name, port in PORTS.items()}
    inside = {(each.name, peer, names.get(peer, PORT)) for each in DEPLOYED for peer in each.connects_to}
    return inside | {(party, each.name, PORT) for each in DEPLOYED for party in each.asked_by}


def test_policies_permit_the_connections_of_the_processes_and_no_other() -> None:
    """What network policies permit between any two pods, and from outside, is what the list of processes says."""
    assert connections(policies_but()) == declared()


def test_nobody_but_servers_asks_kubernetes() -> None:
    """The one rule without a peer is for the server of Kubernetes, and for PostgreSQL's and Kafka's pods alone."""
    open_rules = {
        (name, tuple(port["port"] for port in rule["ports"]))
        for name, policy in of_kind("NetworkPolicy").items()
        for field, peers in (("ingress", "from"), ("egress", "to"))
        for rule in policy["spec"].get(field, ())
        if peers not in rule
    }
    assert open_rules == {("postgres", (443, 6443)), ("kafka-to-kubernetes", (443, 6443))}


def test_kafka_asks_for_a_password_within_tls() -> None:
    """Kafka has one listener, with TLS and SCRAM, and refuses what no login is allowed."""
    kafka = of_kind("Kafka")["kafka"]["spec"]["kafka"]
    (listener,) = kafka["listeners"]
    assert (listener["tls"], listener["authentication"]["type"]) == (True, "scram-sha-512")
    assert kafka["authorization"] == {"type": "simple"}


def test_every_broker_has_the_same_limits() -> None:
    """What bounds a client's use of a broker is the same on one machine, in compose, in Kubernetes and, as far as it has them, in the tests' container."""
    lines = (kafka.SETTINGS / "server.properties").read_text(encoding="utf-8").splitlines()
    local = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    limits = {name: told for name, told in local.items() if re.search(r"[.]max[.]|^max[.]|protocols$", name)}
    del limits["metadata.max.idle.interval.ms"]  # sets how often the controller writes, and bounds nobody
    assert limits.keys() > {"socket.request.max.bytes", "max.decompressed.message.bytes", "group.max.size"}
    cluster = of_kind("Kafka")["kafka"]["spec"]["kafka"]["config"]
    assert {name: str(cluster.get(name)) for name in limits} == limits
    in_image = {f"KAFKA_{name.upper().replace('.', '_')}": told for name, told in limits.items()}
    assert CONTAINERS["kafka"]["environment"].items() >= in_image.items()
    tested = conftest._broker(9092)
    assert {name: told for name, told in tested.items() if name in in_image}.items() <= in_image.items()


def test_the_manifests_are_fresh() -> None:
    """The committed manifests of the processes equal what the list of processes makes, and there is no other."""
    written = of_kubernetes()
    stale = [path for path, text in written.items() if (PLACE / path).read_text(encoding="utf-8") != text]
    assert not stale, "deploy/kubernetes is not what the code says: run `make docs` and commit what it writes"
    there = {str(path.relative_to(PLACE)) for path in (PLACE / "base" / "processes").iterdir()}
    assert there == {path for path in written if path.startswith("base/")}


@as_one_test
@pytest.mark.parametrize("manifest", CORE, ids=lambda each: f"{each['kind']} {each['metadata']['name']}")
def test_kubernetes_takes_it(manifest: Manifest) -> None:
    """Each resource is of a kind of Kubernetes, has every field that it needs, and no field that there is not."""
    kubernetes_validate.validate(manifest, RELEASE, strict=True)


@as_one_test
@pytest.mark.parametrize("process", DEPLOYED, ids=lambda process: process.name)
def test_a_pod_has_its_own_secrets_and_no_right(process: Process) -> None:
    """A pod reads the secrets of its process, by reference; it is not root, writes nowhere but to /tmp and volumes of its own, and has limits."""
    spec = pod_of(process)["spec"]
    (container,) = spec["containers"]
    secrets = [
        source["secret"] for volume in spec["volumes"] for source in volume.get("projected", {}).get("sources", ())
    ]
    files = {item["path"] for secret in secrets for item in secret.get("items", ())}
    servers = {f"{server}_authority" for server in (Server.POSTGRES, Server.KAFKA) if server in process.connects_to}
    shown = {"tls_certificate", "tls_key"} if process.listens else set()
    asked = {"tls_authority"} if set(process.calls) - set(map(str, Server)) else set()
    assert files == process.secrets | servers | shown | asked
    assert not [variable for variable in container["env"] if "valueFrom" in variable]
    assert container["args"] == list(process.arguments)
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"] == f"{CONTAINERS[process.name]['mem_limit'][:-1]}Mi"
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    own = {BACKUP, RECEIVED} if process.copies else set()
    assert {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")} == {"/tmp"} | own
    assert "emptyDir" in volumes["tmp"]


@pytest.mark.parametrize("process", [each for each in DEPLOYED if each.listens], ids=str)
def test_a_process_that_listens_speaks_tls_under_its_own_name(process: Process) -> None:
    """A certificate names the Service that others ask, each by `https`, and its key is in the pods of that process alone."""
    name = kubernetes_name(process.name)
    certificate = of_kind("Certificate")[name]["spec"]
    assert of_kind("Service")[name]["metadata"]["name"] in certificate["dnsNames"]
    signer = of_kind("Issuer")[certificate["issuerRef"]["name"]]["spec"]["ca"]["secretName"]
    assert signer == of_kind("Certificate")["authority"]["spec"]["secretName"]
    readers = {
        other.name
        for other in DEPLOYED
        for volume in pod_of(other)["spec"]["volumes"]
        for source in volume.get("projected", {}).get("sources", ())
        if source["secret"]["name"] == certificate["secretName"]
    }
    assert readers == {process.name}


def test_processes_ask_each_other_over_tls() -> None:
    """Each address that a pod is told of is that of a process with a certificate, by `https`."""
    told = {
        address.partition("=")[2]
        for process in DEPLOYED
        for variable in pod_of(process)["spec"]["containers"][0]["env"]
        if variable["name"] == "OOC_URL"
        for address in variable["value"].split()
    }
    assert told
    assert told <= {f"https://{kubernetes_name(each.name)}:{PORT}" for each in DEPLOYED if each.listens}


@pytest.mark.parametrize("process", [each for each in DEPLOYED if each.kind in (Kind.API, Kind.WORKER)], ids=str)
def test_a_process_that_stays_is_spread_watched_and_kept(process: Process) -> None:
    """Two of each are in different zones, one may be taken away at a time, and one that hangs is started again."""
    name = kubernetes_name(process.name)
    deployment = of_kind("Deployment")[name]["spec"]
    (container,) = deployment["template"]["spec"]["containers"]
    (spread,) = deployment["template"]["spec"]["topologySpreadConstraints"]
    assert deployment["replicas"] >= 2
    assert (spread["topologyKey"], spread["maxSkew"]) == ("topology.kubernetes.io/zone", 1)
    assert of_kind("PodDisruptionBudget")[name]["spec"]["maxUnavailable"] == 1
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    if process.kind is Kind.API:
        assert container["livenessProbe"]["httpGet"]["path"] == "/health/live"
        assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    else:
        assert container["livenessProbe"]["exec"]["command"][-1] == HEARTBEAT
        assert CONTAINERS[process.name]["healthcheck"]["test"][-1].replace("$$", "$") == HEARTBEAT


@pytest.mark.parametrize("process", [each for each in DEPLOYED if each.kind is Kind.SINGLE], ids=str)
def test_there_is_one_of_what_two_would_do_twice(process: Process) -> None:
    """Alarms go out once, and one process receives the log: never two, also not while a release replaces it; one that hangs is started again."""
    deployment = of_kind("Deployment")[process.name]["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    (container,) = deployment["template"]["spec"]["containers"]
    assert container["livenessProbe"]["exec"]["command"][-1] == HEARTBEAT
    assert CONTAINERS[process.name]["healthcheck"]["test"][-1].replace("$$", "$") == HEARTBEAT


def test_a_broker_without_memory_ends() -> None:
    """It is started again then; else it goes on in part. So it is in Compose, and on a bare machine."""
    assert of_kind("Kafka")["kafka"]["spec"]["kafka"]["jvmOptions"]["-XX"]["ExitOnOutOfMemoryError"] == "true"


def test_the_rights_on_kafka_are_those_of_ooc_topics() -> None:
    """Strimzi gives each login the rights, and makes the topics, that `ooc topics` would."""
    kinds = {"topic": TOPIC, "group": GROUP, "transactionalId": TRANSACTIONAL_ID}
    patterns, operations = {"literal": LITERAL}, {"Read": READ, "Write": WRITE}
    given = {}
    for user in of_kind("KafkaUser").values():
        password = user["spec"]["authentication"]["password"]["valueFrom"]["secretKeyRef"]
        principal = password["key"]
        assert user["metadata"]["name"] == kubernetes_name(principal)
        rights = [
            (each["resource"], operation)
            for each in user["spec"]["authorization"]["acls"]
            for operation in each["operations"]
        ]
        given[principal] = {
            Binding(
                kinds[on["type"]], on["name"], patterns[on["patternType"]], f"User:{principal}", operations[operation]
            )
            for on, operation in rights
        }
    assert given == {access.principal: access.bindings() for access in accesses()}
    topics = {topic["spec"]["topicName"]: topic["spec"] for topic in of_kind("KafkaTopic").values()}
    for topic in declared_topics(3):
        made = topics.pop(topic.name)
        assert (made["partitions"], made["replicas"]) == (topic.num_partitions, 3)
        assert made["config"] == topic.topic_configs
    assert not topics


@pytest.mark.parametrize("process", [each for each in DEPLOYED if Server.KAFKA in each.connects_to], ids=str)
def test_a_process_logs_in_to_kafka_as_one_of_its_logins(process: Process) -> None:
    """The login that a process is told is one that Strimzi makes, with the password that the process reads."""
    (container,) = pod_of(process)["spec"]["containers"]
    told = {variable["name"]: variable["value"] for variable in container["env"]}
    user = of_kind("KafkaUser")[told["OOC_KAFKA_LOGIN"]]
    assert (user["spec"]["authentication"]["password"]["valueFrom"]["secretKeyRef"]["key"],) == process.logins


def test_a_commit_is_on_two_machines_and_every_role_has_its_connections() -> None:
    """PostgreSQL has a required quorum, refuses connections without TLS, and room for all that roles may connect."""
    spec = of_kind("Cluster")["postgres"]["spec"]
    quorum = spec["postgresql"]["synchronous"]
    assert (spec["instances"], quorum["dataDurability"], quorum["number"]) == (3, "required", 1)
    assert spec["postgresql"]["pg_hba"] == [
        "hostnossl all all all reject",
        "hostssl replication postgres all scram-sha-256",
    ]
    migrate = next(process for process in DEPLOYED if process.name == "migrate")
    kinds = [next(kind for kind in CONNECTIONS if role.endswith(f"_{kind}")) for role in migrate.roles if "_" in role]
    assert int(spec["postgresql"]["parameters"]["max_connections"]) >= sum(CONNECTIONS[kind] for kind in kinds)
    assert {RoleKind.API, RoleKind.VERIFY} < set(kinds)


def test_servers_are_as_large_as_the_page_says() -> None:
    """PostgreSQL and Kafka, which are written by hand, have the sizes of a force area."""

    def gibibytes(claim: str) -> int:
        return int(claim.removesuffix("Gi"))

    postgres = of_kind("Cluster")["postgres"]["spec"]
    disk = gibibytes(postgres["storage"]["size"]) + gibibytes(postgres["walStorage"]["size"])
    stated = {"postgres": (postgres["instances"], disk, postgres["resources"])}
    for name, pool in of_kind("KafkaNodePool").items():
        (volume,) = pool["spec"]["storage"]["volumes"]
        stated[name] = (pool["spec"]["replicas"], gibibytes(volume["size"]), pool["spec"]["resources"])

    def of(size: Size) -> tuple[int, int, Manifest]:
        return size.instances, size.disk_gib, resources(size)

    assert stated == {name: of(FORCE_AREA[name]) for name in stated}


def test_the_example_says_whose_word_tells_who_asks() -> None:
    """Given an ingress before console and APIs, then the example names its addresses: else all who come through it share one limit."""
    (example,) = (each for each in manifests("example") if each["kind"] == "Kustomization")
    settings = dict(literal.split("=", 1) for literal in example["configMapGenerator"][0]["literals"])
    assert settings["OOC_TRUSTED_PROXIES"]
