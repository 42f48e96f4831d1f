"""deploy/kubernetes/processes, and its page: each process as Kubernetes runs it, from the list of processes.

The manifests are templates beside those of the pages. What runs the processes, PostgreSQL and Kafka, is written by hand. A pod
has a label `connects-to/NAME` for each connection; its egress policy permits just those, and the ingress policy of the other
side asks for the label.
"""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import yaml

from services.system.kafka_access import accesses, declared_topics
from services.system.processes import OWNER, Process, Server, processes
from shared.runtime.kafka_grants import GROUP, READ, TOPIC, TRANSACTIONAL_ID, WRITE, Binding, KafkaAccess
from shared.servers.version import version
from tools.reference.kubernetes_sizes import CEILING, FORCE_AREA, of_sizes, resources, size_of
from tools.reference.markdown import TEMPLATES, fill

PLACE: Final = Path("deploy/kubernetes")
NOTE: Final = "# Written by `make docs` from services/system/processes.py: change that, not this file.\n"
BACKUP: Final = "/backup"
"""Where the volume of backups is."""
RECEIVED: Final = "/var/lib/ooc"
"""Where the write-ahead log is received, which nobody else may write to: the folder of the image's data."""

PORT: Final = 8080
PORTS: Final = {
    Server.POSTGRES: 5432,
    Server.KAFKA: 9093,
    Server.IDENTITY: 443,
    Server.WITNESS: 8119,
    Server.TELEMETRY: 4318,
    Server.MAIL: 587,
    Server.NOTIFY: 443,
    Server.WEBHOOK: 443,
}
SECRETS: Final = "/run/secrets/ooc"
"""Where a container finds the files of its secrets, each under the name that deploy/passwords.sh gives it."""

HEARTBEAT: Final = 'touched=$(stat -c %Y "$OOC_HEARTBEAT") && [ $((EPOCHSECONDS - touched)) -le 30 ]'
"""The health of a worker, as docker-compose.yml asks for it."""


def kubernetes_name(name: str) -> str:
    """Return a name as Kubernetes allows it: without underscores."""
    return name.replace("_", "-")


def of_kubernetes() -> dict[str, str]:
    """Write the files, by path below `PLACE`."""
    deployed = [process for process in processes() if process.name != "topics"]  # Strimzi makes them, and the logins
    files = {f"{kubernetes_name(process.name)}.yaml": _of_process(process) for process in deployed}
    files["kafka.yaml"] = _fill("kafka", accesses=accesses(), topics=declared_topics(replication=3), rights_of=_rights)
    index = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": sorted(files)}
    files["kustomization.yaml"] = _text([index])
    ceiling = {"ceiling/kustomization.yaml": _fill("ceiling", sizes=CEILING, resources=resources)}
    return {f"base/processes/{name}": text for name, text in files.items()} | ceiling


def of_deployment() -> dict[str, str]:
    return {"deployment.md": fill("deployment", processes=processes(), sizes=of_sizes(processes()))}


def _of_process(process: Process) -> str:
    size = FORCE_AREA[size_of(process)]
    return _fill(
        "process",
        process=process,
        name=kubernetes_name(process.name),
        asked=[name for name in process.calls if name not in list(Server)],
        size=size,
        resources=resources(size),
        version=version(),
        owner=OWNER,
        port=PORT,
        server_ports=PORTS,
        secrets=SECRETS,
        backup=BACKUP,
        received=RECEIVED,
        heartbeat=HEARTBEAT,
    )


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - a reader wants no references
        return True


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def _fill(template: str, **context: Any) -> str:
    text = TEMPLATES.get_template(f"{template}.yaml.jinja").render(context, kubernetes_name=kubernetes_name)
    return _text([manifest for manifest in yaml.safe_load_all(text) if manifest])


def _text(manifests: list[Any]) -> str:
    return NOTE + yaml.dump_all(manifests, Dumper=_Dumper, sort_keys=False, width=120)


def _rights(access: KafkaAccess) -> Iterator[tuple[str, str, list[str]]]:
    """Yield what a login may use: its kind and name, and for which operations."""
    kinds = {TOPIC: "topic", GROUP: "group", TRANSACTIONAL_ID: "transactionalId"}
    operations = {READ: "Read", WRITE: "Write"}

    def resource(right: Binding) -> tuple[str, str]:
        return kinds[right.kind], right.name

    for (kind, name), rights in groupby(sorted(access.bindings(), key=resource), resource):
        yield kind, name, sorted(operations[right.operation] for right in rights)
