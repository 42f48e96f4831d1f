"""A case across the services, as reporting shows it: its state, its timeline and its changes."""

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, Final
from uuid import UUID

from services.system.addresses import SERVICES
from services.system.lags import SOURCES, Statuses
from services.system.registry import COLLECTIONS
from tools.client.http import Client, NoAnswer, Reply

Params = Mapping[str, str | None]
"""Query parameters; None leaves one out."""

NOW: Final[Params] = {}
"""Neither of both times: the case of all events."""


class NotFound(Exception):
    """There is no such thing, or it may not be seen: says which and what to do."""


def fetch_projected_case(
    client: Client, case_id: UUID, role: str, statuses: Statuses | None = None, times: Params = NOW
) -> Mapping[str, Any]:
    """Return the case as reporting projects it by both times, not older than the positions seen; raises `NotFound`."""
    answer: Mapping[str, Any] = ask(
        client, "reporting", f"/v1/cases/{case_id}", f"case {case_id}", role, {**times, **_waiting_for(statuses)}
    )
    return answer


def list_waits(client: Client, role: str, home: UUID) -> list[Mapping[str, Any]]:
    """List what waits of a case in the services that the role may read, longest first. Raises `NoAnswer`."""
    waits: list[Mapping[str, Any]] = []
    for service in SERVICES:
        reply = client.get(service, "/v1/waits", role=role, params={"home": str(home), "limit": "1000"})
        if reply.status != 403:
            waits += require_found(reply, f"list of what waits in {service}", role)["waits"]
    return sorted(waits, key=lambda wait: str(wait["since"]))


def timeline_of(
    client: Client, case_id: UUID, role: str, statuses: Statuses | None = None, params: Params = NOW
) -> Iterator[Mapping[str, Any]]:
    """Every event of a case, in the order that the parameters name, page for page; raises `NotFound`."""
    count_listed = 0
    for page in count(1):
        query = {**params, **_waiting_for(statuses), "page": str(page)}
        answer = ask(client, "reporting", f"/v1/cases/{case_id}/timeline", f"timeline of case {case_id}", role, query)
        yield from answer["events"]
        count_listed += len(answer["events"])
        if count_listed >= answer["total"] or not answer["events"]:
            return


def _waiting_for(statuses: Statuses | None) -> dict[str, Any]:
    """Return the parameter that makes reporting wait for the positions seen."""
    return {"min_position": [f"{service}:{statuses[service]['position']}" for service in SOURCES]} if statuses else {}


def ask(client: Client, service: str, path: str, what: str, role: str, params: Mapping[str, Any] | None = None) -> Any:
    """Read something in a role. Raises `NotFound` or `NoAnswer`, as `require_found`."""
    return require_found(client.get(service, path, role=role, params=params), what, role)


def require_found(reply: Reply, what: str, role: str) -> Any:
    """Return the body of an answer; raises `NotFound` with a sentence for any other than 200."""
    match reply.status:
        case 200:
            return reply.body
        case 404:
            raise NotFound(_detail(reply) or f"There is no {what}: check the id.")
        case 422:
            raise NotFound(_detail(reply) or f"The {what} was not understood.")
        case 403:
            raise NotFound(f"{role} may not see the {what}{_in_brackets(reply)}. Try another role with --as.")
        case _:
            raise NoAnswer(f"The {what} was answered with HTTP {reply.status}{_in_brackets(reply)}.")


def _detail(reply: Reply) -> str:
    body = reply.body if isinstance(reply.body, Mapping) else {}
    return "; ".join(f"{e.get('field')}: {e.get('message')}" for e in body.get("errors") or ()) or str(
        body.get("detail") or ""
    )


def _in_brackets(reply: Reply) -> str:
    return f" ({detail})" if (detail := _detail(reply)) else ""


def address_of(stream: str) -> tuple[str, str]:
    """Return the service of a stream (`service/uuid`) and the path of the stream there; raises `NotFound`."""
    service, _, id_ = stream.partition("/")
    try:
        return service, f"/v1/{COLLECTIONS[service]}/{UUID(id_)}"
    except (KeyError, ValueError):
        raise NotFound(f"{stream} is no stream: write SERVICE/ID, with one of {', '.join(COLLECTIONS)}.") from None
