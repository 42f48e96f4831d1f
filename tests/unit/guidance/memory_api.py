"""The guidance, the schemas, the dry runs and the commands of a service in memory, over HTTP as its API answers them."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx2

from services.system.registry import COLLECTIONS, deciding_services
from shared.api.command_schemas import standalone_schemas
from shared.api.guidance import _guidance
from shared.api.problems import listed_rules
from shared.domain.decisions import NeedsRationale, Refused
from shared.domain.service import Service
from shared.handling.command_handler import DryRun
from tests.command_spec import officer
from tools.scenario.backend import Request
from tools.scenario.in_memory import Memory
from tools.scenario.story import Officer


class MemoryApi(httpx2.BaseTransport):
    """The APIs of all services over one memory, by collection; a token is the name of its role."""

    def __init__(self) -> None:
        services = deciding_services()
        self.memory = Memory(services)
        self._services = {COLLECTIONS[service.name]: service for service in services}
        self._schemas = {COLLECTIONS[service.name]: standalone_schemas(service) for service in services}

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request as the API of its service does."""
        parts = request.url.path.strip("/").split("/")
        if parts[0] == "schemas":
            return httpx2.Response(200, json=self._schemas[request.url.host][parts[1]])
        service, record = self._services[parts[1]], UUID(parts[2])
        role = request.headers["Authorization"].removeprefix("Bearer ")
        if request.method == "GET":
            at = datetime.fromisoformat(request.url.params["as_of"])
            return httpx2.Response(200, json=self._guide(service, record, role, at))
        return self._decide(service, record, role, request)

    def _guide(self, service: Service[Any], record: UUID, role: str, at: datetime) -> Any:
        stream = next(
            (facts for name, facts in self.memory.histories if name == service.name and facts[0].stream_id == record),
            (),
        )
        return _guidance(service, officer(role), record, stream, at, None, reads=True).model_dump(mode="json")

    def _decide(self, service: Service[Any], record: UUID, role: str, request: httpx2.Request) -> httpx2.Response:
        asked = Request(
            service.name, record, Officer(role), json.loads(request.content), request.headers["Idempotency-Key"]
        )
        if "dry_run" not in request.url.params:
            sent = self.memory.send(asked)
            return httpx2.Response(201, json={"word": str(sent)})
        run = self.memory.dry_run(asked)
        if not isinstance(run, DryRun):
            return httpx2.Response(422, json={"detail": run.why})
        match run.outcome:
            case Refused(rules) | NeedsRationale(rules):
                needed = isinstance(run.outcome, NeedsRationale)
                outcome = "needs_rationale" if needed else "refused"
            case _:
                outcome, rules = "accepted", ()
        listed = [rule.model_dump() for rule in listed_rules(rules)]
        return httpx2.Response(200, json={"outcome": outcome, "rules": listed})
