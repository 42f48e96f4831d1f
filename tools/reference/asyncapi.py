"""The AsyncAPI 3.0 document of all topics, and the page that says the same in Markdown."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml

from shared.domain.envelope import GENESIS
from shared.domain.service import Service
from shared.servers.kafka import PARTITIONS
from shared.servers.version import version
from tools.reference.event_schemas import TEXTS, Json, envelope_members, is_message, published_events, schemas_file
from tools.reference.markdown import TEMPLATES, fill

SCHEMA_FORMAT: Final = "application/schema+json;version=draft-07"
"""What AsyncAPI calls the schemas: they use no keyword that draft-07 and 2020-12 read differently."""

RECORDED_AT: Final = "2026-05-23T09:30:01.204117Z"

OPTIONAL_HEADERS: Final = frozenset({"traceparent"})


def asyncapi(services: Sequence[Service[Any]], schemas: Mapping[str, Json]) -> Json:
    """Build the document. `schemas` are those of events, which stand beside it, by path: a file for each service."""
    published = {
        service.name: {name: part for name, part in schemas[schemas_file(service)]["$defs"].items() if is_message(name)}
        for service in services
    }
    template = TEMPLATES.get_template("asyncapi.yaml.jinja")
    text = template.render(services=services, published=published, partitions=PARTITIONS, version=version())
    document: Json = yaml.safe_load(text)
    document["operations"] = {
        f"send.{name}": {
            "action": "send",
            "title": f"Publish to {channel['address']}",
            "description": channel["description"],
            "channel": {"$ref": f"#/channels/{name}"},
        }
        for name, channel in document["channels"].items()
    }
    messages = {
        name: _event_message(service, name, part)
        for service in services
        for name, part in published[service.name].items()
    }
    parts = document["components"]
    for name, message in parts["messages"].items():
        texts = TEXTS[name]
        messages[name] = {"name": name, "title": texts["title"], "description": texts["description"], **message}
    messages["position"]["headers"]["properties"] = _texts(TEXTS["position_headers"])
    parts["messages"] = messages
    parts["schemas"]["EventHeaders"] |= {
        "required": [name for name in TEXTS["headers"] if name not in OPTIONAL_HEADERS],
        "properties": _texts(TEXTS["headers"]),
    }
    parts["schemas"] |= {"Position": TEXTS["position"], "Checkpoint": TEXTS["checkpoint"]}
    return document


def of_topics(services: Sequence[Service[Any]]) -> dict[str, str]:
    text = fill(
        "topics",
        services=[(service, sum(1 for _ in published_events(service)), schemas_file(service)) for service in services],
        partitions=PARTITIONS,
        headers=TEXTS["headers"],
        members=envelope_members(),
        position=TEXTS["position"]["properties"],
        position_headers=TEXTS["position_headers"],
    )
    return {"topics.md": text}


def _event_message(service: Service[Any], name: str, schema: Json) -> Json:
    return {
        "name": name,
        "title": schema["title"],
        "description": schema["description"],
        "headers": {"$ref": "#/components/schemas/EventHeaders"},
        "payload": {"schemaFormat": SCHEMA_FORMAT, "schema": {"$ref": f"{schemas_file(service)}#/$defs/{name}"}},
        "bindings": {"kafka": {"key": {"type": "string", "format": "uuid", "description": "The home of the stream."}}},
        "examples": [
            {"name": name.split(".")[2], "headers": _example_headers(sample), "payload": sample}
            for sample in schema["examples"]
        ],
    }


def _texts(described: Mapping[str, str]) -> Json:
    return {name: {"type": "string", "description": text} for name, text in described.items()}


def _example_headers(body: Json) -> Json:
    """Compose the headers of a sample; its position, time of recording and hash are made up."""
    headers = {
        "ce_specversion": "1.0",
        "content-type": "application/json",
        "ce_id": body["event_id"],
        "ce_type": body["type"],
        "ce_source": f"/ooc/{body['stream'].partition('/')[0]}",
        "ce_subject": body["stream"],
        "ce_time": body["occurred_at"],
        "ooc_version": str(body["version"]),
        "ooc_position": "1234",
        "ooc_recorded_at": RECORDED_AT,
        "ooc_hash": hashlib.sha256(GENESIS).hexdigest(),
    }
    return headers | ({"traceparent": body["traceparent"]} if body["traceparent"] else {})
