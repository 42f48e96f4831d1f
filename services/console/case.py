"""A case across the services: what reporting shows of it, and the histories of its streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from services.console.client import Client, NoAnswer, Reply
from services.console.idle import SOURCES, Statuses
from services.registry import COLLECTIONS

PLURALS = {plural: service for service, plural in COLLECTIONS.items()}


class NotFound(Exception):
    """There is no such thing, or it may not be seen: says which and what to do."""


def case_of(client: Client, id_: UUID, role: str) -> UUID | None:
    """The case that a referral, a disposal or a conference of this id belongs to; None where none has the id."""
    for service in SOURCES:
        reply = client.get(service, f"/v1/{COLLECTIONS[service]}/{id_}/history", role=role)
        if reply.status == 200:
            case = reply.body["events"][0]["data"].get("case_id")
            return None if case is None else UUID(case)
    return None


def projected(client: Client, case_id: UUID, role: str, seen: Statuses | None = None) -> Mapping[str, Any]:
    """The case as reporting projects it, not older than the positions seen; raises `NotFound`."""
    tokens = [f"{service}:{seen[service]['position']}" for service in SOURCES] if seen else None
    reply = client.get("reporting", f"/v1/cases/{case_id}", role=role, params={"min_position": tokens})
    answer: Mapping[str, Any] = found(reply, f"case {case_id}", role)
    return answer


def found(reply: Reply, what: str, role: str) -> Any:
    """The body of an answer; raises `NotFound` with a sentence for any other than 200."""
    match reply.status:
        case 200:
            return reply.body
        case 404:
            raise NotFound(f"There is no {what}{_detail(reply) or ': check the id'}.")
        case 422:
            raise NotFound(f"The {what} was not understood{_detail(reply)}.")
        case 403:
            raise NotFound(f"{role} may not see the {what}{_detail(reply)}. Try another role with --as.")
        case _:
            raise NoAnswer(f"The {what} was answered with HTTP {reply.status}{_detail(reply)}.")


def _detail(reply: Reply) -> str:
    body = reply.body if isinstance(reply.body, Mapping) else {}
    detail = "; ".join(f"{e.get('field')}: {e.get('message')}" for e in body.get("errors") or ()) or body.get("detail")
    return f" ({detail})" if detail else ""


def streams_of(answer: Any, kind: str = "") -> Iterator[tuple[str, UUID]]:
    """The streams that a projected case names, each with its service."""
    if isinstance(answer, Mapping):
        service = answer.get("service") or PLURALS.get(kind) or (kind if kind in COLLECTIONS else None)
        stream = answer.get("stream") or answer.get("id")
        if service in COLLECTIONS and isinstance(stream, str):
            yield str(service), UUID(stream.rpartition("/")[2])
        for key, value in answer.items():
            yield from streams_of(value, key)
    elif isinstance(answer, list):
        for item in answer:
            yield from streams_of(item, kind)


def histories(client: Client, answer: Any, role: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every event of a case's streams with its service; raises `NotFound`.

    Of a session that several cases share, only what concerns this case or all of them.
    """
    places = {session["id"]: session["register"] for session in answer.get("sessions") or ()}
    for service, stream in dict.fromkeys(streams_of(answer)):
        reply = client.get(service, f"/v1/{COLLECTIONS[service]}/{stream}/history", role=role)
        body = found(reply, f"history of {service}/{stream}", role)
        for event in body["events"]:
            person = event["data"].get("person_id")
            if service != "education" or person is None or person in places.get(str(stream), ()):
                yield service, event


def printed(client: Client, stream: str, name: str, language: str, role: str) -> bytes:
    """A document of a stream (`service/uuid`) as PDF; raises `NotFound` or `NoAnswer`."""
    service, _, id_ = stream.partition("/")
    try:
        path = f"/v1/{COLLECTIONS[service]}/{UUID(id_)}/documents/{name}"
    except (KeyError, ValueError):
        raise NotFound(f"{stream} is no stream: write SERVICE/ID, with one of {', '.join(COLLECTIONS)}.") from None
    body = found(client.get(service, path, role=role, params={"lang": language}), f"document {name} of {stream}", role)
    if not isinstance(body, bytes):
        raise NoAnswer(f"The document {name} of {stream} was answered with something else than a PDF.")
    return body
