"""deploy/kubernetes as Kustomize renders it, and as the operators of Kafka and PostgreSQL take it.

`make deploy-check` fetches what they publish; without it these tests are skipped.
"""

import copy
import functools
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import kubernetes_validate
import pytest
import yaml

from services.system.processes import Kind, processes
from tests.architecture.test_kubernetes import PLACE, RELEASE
from tests.deployment.__main__ import NEEDED
from tests.deployment.__main__ import PLACE as FETCHED
from tools.reference.kubernetes import kubernetes_name
from tools.reference.kubernetes_sizes import CEILING, resources

pytestmark = pytest.mark.skipif(
    not all(file.exists() for file in NEEDED), reason="`make deploy-check` fetches what this needs"
)

Manifest = dict[str, Any]
CEILING_OF_EXAMPLE = """
resources: [../example]
components: [../ceiling]
"""
RESTORED_EXAMPLE = """
resources: [../example]
components: [../restored]
"""


@functools.cache
def schemas() -> dict[tuple[str, str], jsonschema_rs.Draft202012Validator]:
    """Return a validator for each version and kind of resource that an operator defines."""
    found = {}
    for path in FETCHED.glob("*.yaml"):
        definition = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]
        for version in definition["versions"]:
            schema = closed(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            kind = (f"{definition['group']}/{version['name']}", definition["names"]["kind"])
            found[kind] = jsonschema_rs.Draft202012Validator(schema)
    return found


def closed(schema: Any) -> Any:
    """Return a schema in which no object has a field that it does not name, as the server of Kubernetes reads it."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(part) for name, part in schema.items()}
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    names_all = schema.get("type") == "object" and not schema.get("x-kubernetes-preserve-unknown-fields")
    if names_all and isinstance(schema.get("properties"), dict):
        inner.setdefault("additionalProperties", False)
    return inner


def validate(manifest: Manifest) -> None:
    """Raise what is wrong with a resource: a field that is missing, misspelt or of another type."""
    kind = (manifest["apiVersion"], manifest["kind"])
    if kind in schemas():
        schemas()[kind].validate(manifest)
    else:
        kubernetes_validate.validate(manifest, RELEASE, strict=True)


def render(folder: Path) -> list[Manifest]:
    """Return the resources that Kustomize makes of a folder."""
    ended = subprocess.run([FETCHED / "kustomize", "build", folder], capture_output=True, text=True, check=True)
    return list(yaml.safe_load_all(ended.stdout))


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Manifest]]:
    """Render the example, the same at the ceiling and restored, and the witness, each once."""
    copied = tmp_path_factory.mktemp("deploy") / "kubernetes"
    shutil.copytree(PLACE, copied)
    for name, text in (("large", CEILING_OF_EXAMPLE), ("back", RESTORED_EXAMPLE)):
        (copied / name).mkdir()
        (copied / name / "kustomization.yaml").write_text(text, encoding="utf-8")
    return {name: render(copied / name) for name in ("example", "large", "back", "witness")}


def test_every_resource_is_taken(rendered: dict[str, list[Manifest]]) -> None:
    """Each rendered resource, of Kubernetes, Strimzi and CloudNativePG, is valid to the last field."""
    for manifest in (each for manifests in rendered.values() for each in manifests):
        validate(manifest)
    kinds = {each["kind"] for each in rendered["example"]}
    assert {"Kafka", "KafkaNodePool", "KafkaUser", "KafkaTopic", "Cluster", "ScheduledBackup", "Deployment"} <= kinds
    assert {"Gateway", "HTTPRoute", "BackendTLSPolicy"} <= kinds


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every field of a resource's specification."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*path, name)
            yield from places(inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from places(inner, (*path, number))


FREE = {"labels", "matchLabels", "config", "-XX", "parameters", "requests", "limits", "annotations", "capabilities"}
"""Fields within which names are free."""


OF_OPERATORS = [
    "Kafka",
    "KafkaNodePool",
    "KafkaUser",
    "KafkaTopic",
    "Cluster",
    "ScheduledBackup",
    "Gateway",
    "HTTPRoute",
]


@pytest.mark.parametrize("kind", OF_OPERATORS)
def test_each_field_of_an_operator_is_known(rendered: dict[str, list[Manifest]], kind: str) -> None:
    """Wherever one letter of a field is wrong, the resource is refused."""
    manifest = next(each for each in rendered["example"] if each["kind"] == kind)
    tried = 0
    for *path, name in places(manifest["spec"]):
        if FREE.isdisjoint(path):
            wrong = copy.deepcopy(manifest)
            inner = functools.reduce(lambda value, step: value[step], path, wrong["spec"])
            inner[f"{name}x"] = inner.pop(name)
            with pytest.raises(jsonschema_rs.ValidationError):
                validate(wrong)
            tried += 1
    assert tried


def test_settings_reach_every_process(rendered: dict[str, list[Manifest]]) -> None:
    """The processes read the settings of the site, under a name that changes with them, and run its image."""
    (settings,) = [each for each in rendered["example"] if each["kind"] == "ConfigMap"]
    assert {"OOC_ISSUER", "OOC_DATABASE_URL", "OOC_CONSOLE_URL"} <= settings["data"].keys()
    assert settings["metadata"]["name"].startswith("ooc-settings-")
    for manifest in rendered["example"]:
        if manifest["kind"] == "Deployment":
            (container,) = manifest["spec"]["template"]["spec"]["containers"]
            assert container["envFrom"] == [{"configMapRef": {"name": settings["metadata"]["name"]}}]
            assert container["image"].partition("@")[0] in {"registry.example/ooc", "registry.example/ooc-backup"}
    assert "OOC_DATABASE_URL" not in json.dumps([each for each in rendered["example"] if each["kind"] == "Secret"])


def test_what_was_restored_is_copied_and_nothing_else_begins(rendered: dict[str, list[Manifest]]) -> None:
    """With the component, PostgreSQL begins as a copy, which its network lets it make; all else is as without it."""
    changed = [new["spec"] for new, old in zip(rendered["back"], rendered["example"], strict=True) if new != old]
    policy, cluster = sorted(changed, key=lambda spec: "bootstrap" in spec)
    assert cluster["bootstrap"] == {"pg_basebackup": {"source": cluster["externalClusters"][0]["name"]}}
    assert policy["egress"][-1] == {"ports": [{"protocol": "TCP", "port": 5432}]}


def test_the_ceiling_is_as_large_as_the_page_says(rendered: dict[str, list[Manifest]]) -> None:
    """With the component, each part has the size that is computed for all of England and Wales."""
    by_name = {(each["kind"], each["metadata"]["name"]): each["spec"] for each in rendered["large"] if "spec" in each}
    for process in processes():
        if process.kind in (Kind.API, Kind.WORKER):
            spec = by_name["Deployment", kubernetes_name(process.name)]
            size = CEILING["console" if process.name == "console" else process.kind.value]
            (container,) = spec["template"]["spec"]["containers"]
            assert (spec["replicas"], container["resources"]) == (size.instances, resources(size))
    backup = by_name["PersistentVolumeClaim", "backup"]["resources"]["requests"]["storage"]
    assert backup == f"{CEILING['backup'].disk_gib}Gi"
    postgres = by_name["Cluster", "postgres"]
    assert (postgres["instances"], postgres["resources"]) == (3, resources(CEILING["postgres"]))
    assert postgres["storage"]["size"] == f"{CEILING['postgres'].disk_gib}Gi"
    for pool in ("brokers", "controllers"):
        spec = by_name["KafkaNodePool", pool]
        (volume,) = spec["storage"]["volumes"]
        assert (spec["resources"], volume["size"]) == (resources(CEILING[pool]), f"{CEILING[pool].disk_gib}Gi")
