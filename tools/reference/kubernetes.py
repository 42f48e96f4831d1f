"""deploy/kubernetes/processes, and its page: each process as Kubernetes runs it, from the list of processes.

What runs them, PostgreSQL and Kafka, is written by hand beside it. A pod has a label `connects-to/NAME` for each connection;
its egress policy permits just those, and the ingress policy of the other side asks for the label.
"""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import yaml

from services.system.kafka_access import accesses, declared_topics
from services.system.processes import OWNER, Kind, Process, Server, processes
from shared.runtime.kafka_grants import GROUP, READ, TOPIC, TRANSACTIONAL_ID, WRITE, Binding, KafkaAccess
from shared.servers.version import version
from tools.reference.kubernetes_sizes import FORCE_AREA, of_ceiling, of_sizes, resources, size_of
from tools.reference.markdown import fill

PLACE: Final = Path("deploy/kubernetes")
NOTE: Final = "# Written by `make docs` from services/system/processes.py: change that, not this file.\n"
BACKUP: Final = "/backup"
"""Where the volume of backups is."""
RECEIVED: Final = "/var/lib/ooc"
"""Where the write-ahead log is received, which nobody else may write to: the folder of the image's data."""

PORT: Final = 8080
SECRETS: Final = "/run/secrets/ooc"
"""Where a container finds the files of its secrets, each under the name that deploy/passwords.sh gives it."""

USER: Final = 10001
"""The user of the Dockerfile."""

HEARTBEAT: Final = 'touched=$(stat -c %Y "$OOC_HEARTBEAT") && [ $((EPOCHSECONDS - touched)) -le 30 ]'
"""The health of a worker, as docker-compose.yml asks for it."""

Manifest = dict[str, Any]


def kubernetes_name(name: str) -> str:
    """Return a name as Kubernetes allows it: without underscores."""
    return name.replace("_", "-")


def of_kubernetes() -> dict[str, str]:
    """Write the files, by path below `PLACE`."""
    deployed = [process for process in processes() if process.name != "topics"]  # Strimzi makes them, and the logins
    files = {f"{kubernetes_name(process.name)}.yaml": list(_manifests(process)) for process in deployed}
    files["kafka.yaml"] = [*map(_user, accesses()), *_topics()]
    index = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": sorted(files)}
    files["kustomization.yaml"] = [index]
    ceiling = {"ceiling/kustomization.yaml": _text([of_ceiling()])}
    return {f"base/processes/{name}": _text(manifests) for name, manifests in files.items()} | ceiling


def of_deployment() -> dict[str, str]:
    """Write the page of what connects to what, by path."""
    return {"deployment.md": fill("deployment", processes=processes(), sizes=of_sizes(processes()))}


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - a reader wants no references
        return True


def _text(manifests: list[Manifest]) -> str:
    return NOTE + yaml.dump_all(manifests, Dumper=_Dumper, sort_keys=False, width=120)


def _manifests(process: Process) -> Iterator[Manifest]:
    if process.kind is Kind.STEP:
        yield _object("batch/v1", "Job", process, _once(process) | {"ttlSecondsAfterFinished": 3600})
    elif process.kind is Kind.CHECK:
        nightly = {"schedule": "30 1 * * *", "concurrencyPolicy": "Forbid", "jobTemplate": {"spec": _once(process)}}
        yield _object("batch/v1", "CronJob", process, nightly)
    else:
        yield _object("apps/v1", "Deployment", process, _deployment(process))
        budget = {"maxUnavailable": 1, "selector": {"matchLabels": _labels(process)}}
        yield _object("policy/v1", "PodDisruptionBudget", process, budget)
    if _copies(process):
        size = {"requests": {"storage": f"{FORCE_AREA[size_of(process)].disk_gib}Gi"}}
        yield _object("v1", "PersistentVolumeClaim", process, {"accessModes": ["ReadWriteOnce"], "resources": size})
    if process.listens:
        ports = [{"name": "https", "port": PORT, "targetPort": "https", "appProtocol": "https"}]
        yield _object("v1", "Service", process, {"selector": _labels(process), "ports": ports})
        yield _object("cert-manager.io/v1", "Certificate", process, _certificate(process))
    yield _object("networking.k8s.io/v1", "NetworkPolicy", process, _policy(process))


def _object(version: str, kind: str, process: Process, spec: Manifest) -> Manifest:
    name = kubernetes_name(process.name)
    metadata = {"name": name, "labels": {**_labels(process), "app.kubernetes.io/part-of": "ooc"}}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def _labels(process: Process) -> dict[str, str]:
    return {"app.kubernetes.io/name": kubernetes_name(process.name)}


def _deployment(process: Process) -> Manifest:
    return {
        "replicas": FORCE_AREA[size_of(process)].instances,
        # The old one stays until the new one is ready, but for what there is one of.
        "strategy": {"type": "Recreate"}
        if process.kind is Kind.SINGLE
        else {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "selector": {"matchLabels": _labels(process)},
        "template": _pod(process),
    }


def _once(process: Process) -> Manifest:
    return {"backoffLimit": 10, "template": _pod(process, restartPolicy="OnFailure")}


def _pod(process: Process, **more: Any) -> Manifest:
    connects = {f"connects-to/{kubernetes_name(name)}": "true" for name in sorted(process.connects_to)}
    spread = {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": _labels(process)},
        "matchLabelKeys": ["pod-template-hash"],
    }
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # A first process of Kubernetes' own hands signals on, also to a program that would ignore them.
        "shareProcessNamespace": True,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **({} if more else {"topologySpreadConstraints": [spread]}),
        **more,
        "containers": [_container(process)],
        "volumes": [
            {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
            {"name": "secrets", "projected": {"defaultMode": 0o440, "sources": list(_secrets(process))}},
            *(
                [
                    {"name": "backup", "persistentVolumeClaim": {"claimName": "backup"}},
                    {"name": "received", "emptyDir": {}},
                ]
                if _copies(process)
                else []
            ),
        ],
    }
    return {"metadata": {"labels": {**_labels(process), "app.kubernetes.io/part-of": "ooc", **connects}}, "spec": spec}


def _container(process: Process) -> Manifest:
    return {
        "name": "ooc",
        "image": f"{process.image}:{version()}",  # as docker-compose.yml names it; a site says where it is
        "args": list(process.arguments),
        "envFrom": [{"configMapRef": {"name": "ooc-settings"}}],
        "env": [{"name": name, "value": value} for name, value in _environment(process).items()],
        **_probes(process),
        "resources": resources(FORCE_AREA[size_of(process)]),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a container's own, in memory
            {"name": "secrets", "mountPath": SECRETS, "readOnly": True},
            *(
                [{"name": "backup", "mountPath": BACKUP}, {"name": "received", "mountPath": RECEIVED}]
                if _copies(process)
                else []
            ),
        ],
    }


def _certificate(process: Process) -> Manifest:
    name = kubernetes_name(process.name)
    return {
        "secretName": f"{name}-tls",
        "dnsNames": [name, f"{name}.ooc.svc"],
        "usages": ["digital signature", "server auth"],
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "issuerRef": {"name": "authority", "kind": "Issuer"},
    }


def _environment(process: Process) -> dict[str, str]:
    beats = {"OOC_HEARTBEAT": "/tmp/heartbeat"}  # noqa: S108
    own = {Kind.WORKER: beats, Kind.SINGLE: beats}.get(process.kind, {}).copy()
    if process.listens:
        own["OOC_PORT"] = str(PORT)
        own |= {"OOC_TLS_CERTIFICATE": f"{SECRETS}/tls_certificate", "OOC_TLS_KEY": f"{SECRETS}/tls_key"}
    if Server.KAFKA in process.connects_to:
        (login,) = process.logins
        own["OOC_KAFKA_LOGIN"] = kubernetes_name(login)
    if OWNER in process.roles:
        own["OOC_ADMIN_DATABASE_URL"] = (
            f"postgresql://postgres@postgres-rw:5432/?sslmode=verify-full&sslrootcert={SECRETS}/postgres_authority"
        )
    if _copies(process):
        own["OOC_BACKUP_FOLDER"] = BACKUP
    if addresses := _addresses(process):
        own["OOC_TLS_AUTHORITY"] = f"{SECRETS}/tls_authority"
        own["OOC_URL"] = " ".join(
            f"{name.rpartition('-')[0]}=https://{kubernetes_name(name)}:{PORT}" for name in addresses
        )
    return own


def _addresses(process: Process) -> list[str]:
    """List the processes of ours that it asks."""
    return [name for name in process.calls if name not in list(Server)]


def _copies(process: Process) -> bool:
    """Whether it writes the backups."""
    return bool(process.copies)


def _probes(process: Process) -> Manifest:
    port = {"name": "https", "containerPort": PORT}
    if process.kind is Kind.API:

        def asks(path: str) -> Manifest:
            return {"httpGet": {"path": path, "port": "https", "scheme": "HTTPS"}, "timeoutSeconds": 5}

        return {
            "ports": [port],
            "startupProbe": {**asks("/health/live"), "periodSeconds": 2, "failureThreshold": 60},
            "livenessProbe": {**asks("/health/live"), "periodSeconds": 10},
            "readinessProbe": {**asks("/health/ready"), "periodSeconds": 5, "failureThreshold": 2},
        }
    if process.kind in (Kind.WORKER, Kind.SINGLE):
        beats = {"exec": {"command": ["bash", "-c", HEARTBEAT]}, "timeoutSeconds": 5}
        return {
            **({"ports": [port]} if process.listens else {}),
            "startupProbe": {**beats, "periodSeconds": 5, "failureThreshold": 24},
            "livenessProbe": {**beats, "periodSeconds": 10},
        }
    return {}


def _secrets(process: Process) -> Iterator[Manifest]:
    """Yield what a pod may read: of `ooc-secrets` its own files, and the certificates by which servers are known."""
    own = sorted(process.secrets - {"postgres"})
    yield {"secret": {"name": "ooc-secrets", "items": [{"key": name, "path": name} for name in own]}}
    if "postgres" in process.secrets:
        yield {"secret": {"name": "postgres-superuser", "items": [{"key": "password", "path": "postgres"}]}}
    if Server.MAIL in process.connects_to:  # passwords of others' servers, which a site names in its settings
        yield {"secret": {"name": "ooc-messages", "optional": True}}
    for server, secret in ((Server.POSTGRES, "postgres-ca"), (Server.KAFKA, "kafka-cluster-ca-cert")):
        if server in process.connects_to:
            yield {"secret": {"name": secret, "items": [{"key": "ca.crt", "path": f"{server}_authority"}]}}
    if process.listens:
        pair = [{"key": "tls.crt", "path": "tls_certificate"}, {"key": "tls.key", "path": "tls_key"}]
        yield {"secret": {"name": f"{kubernetes_name(process.name)}-tls", "items": pair}}
    if _addresses(process):
        yield {"secret": {"name": "authority-tls", "items": [{"key": "ca.crt", "path": "tls_authority"}]}}


def _policy(process: Process) -> Manifest:
    """Permit what the process connects to, and who connects to it."""
    name = kubernetes_name(process.name)
    policy: Manifest = {"podSelector": {"matchLabels": _labels(process)}, "policyTypes": ["Ingress", "Egress"]}
    if process.listens:
        callers = [
            {"podSelector": {"matchLabels": {f"connects-to/{name}": "true"}}},
            *map(_namespace, process.asked_by),
        ]
        policy["ingress"] = [{"from": callers, "ports": [_tcp(PORT)]}]
    policy["egress"] = [_to(server) for server in sorted(process.connects_to)]
    return policy


def _to(name: str) -> Manifest:
    servers = {
        Server.POSTGRES: ({"podSelector": {"matchLabels": {"cnpg.io/cluster": "postgres"}}}, 5432),
        Server.KAFKA: ({"podSelector": {"matchLabels": {"strimzi.io/pool-name": "brokers"}}}, 9093),
        Server.IDENTITY: (_namespace(Server.IDENTITY), 443),
        Server.WITNESS: (_namespace(Server.WITNESS), 8119),
        Server.TELEMETRY: (_namespace(Server.TELEMETRY), 4318),
        Server.MAIL: (_namespace(Server.MAIL), 587),
        Server.NOTIFY: (_namespace(Server.NOTIFY), 443),
        Server.WEBHOOK: (_namespace(Server.WEBHOOK), 443),
    }
    process = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": kubernetes_name(name)}}}
    peer, port = servers[Server(name)] if name in list(Server) else (process, PORT)
    return {"to": [peer], "ports": [_tcp(port)]}


def _namespace(name: str) -> Manifest:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": str(name)}}}


def _tcp(port: int) -> Manifest:
    return {"protocol": "TCP", "port": port}


def _user(access: KafkaAccess) -> Manifest:
    """Write a login, whose name may have no underscore, with the password of its principal and its rights."""
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaUser",
        "metadata": {"name": kubernetes_name(access.principal), "labels": {"strimzi.io/cluster": "kafka"}},
        "spec": {
            "authentication": {
                "type": "scram-sha-512",
                "password": {"valueFrom": {"secretKeyRef": {"name": "ooc-secrets", "key": access.principal}}},
            },
            "authorization": {"type": "simple", "acls": list(_rights(access))},
        },
    }


def _rights(access: KafkaAccess) -> Iterator[Manifest]:
    kinds = {TOPIC: "topic", GROUP: "group", TRANSACTIONAL_ID: "transactionalId"}
    operations = {READ: "Read", WRITE: "Write"}

    def resource(right: Binding) -> tuple[str, str]:
        return kinds[right.kind], right.name

    for (kind, name), rights in groupby(sorted(access.bindings(), key=resource), resource):
        allowed = sorted(operations[right.operation] for right in rights)
        yield {"resource": {"type": kind, "name": name, "patternType": "literal"}, "operations": allowed}


def _topics() -> Iterator[Manifest]:
    for topic in declared_topics(replication=3):
        yield {
            "apiVersion": "kafka.strimzi.io/v1",
            "kind": "KafkaTopic",
            "metadata": {"name": kubernetes_name(topic.name), "labels": {"strimzi.io/cluster": "kafka"}},
            "spec": {
                "topicName": topic.name,
                "partitions": topic.num_partitions,
                "replicas": topic.replication_factor,
                "config": dict(topic.topic_configs),
            },
        }
