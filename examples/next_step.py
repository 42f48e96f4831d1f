"""A program that knows nothing of the work, and carries the records of a case to their end by the recommended next step.

    python -m examples.next_step referral ReceiveReferral SAFE_SCHOOLS_OFFICER disposal OpenDisposalCase YJS_CASE_MANAGER

It asks guidance what is next and whose turn it is, fills the command from the example of its JSON Schema, asks a dry run,
answers what the dry run says, and sends. A refusal that names commands which lift it is answered by one of these. It
begins with the names of service, command and role that begin each record, and names no other command, field, code or rule.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice, product
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import httpx2

from services.system.addresses import Addresses, find_addresses
from services.system.registry import COLLECTIONS
from tools.client.tokens import Tokens

Json = Mapping[str, Any]

_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MOST_STEPS: Final = 60
DEEPEST: Final = 3
"""How many remedies of remedies are tried."""
MOST_WAYS: Final = 400
"""How many ways to answer the fields that decide are tried."""
PAUSE: Final = timedelta(minutes=60)
BECAUSE: Final = "It was considered, and this is right here."


class Stuck(Exception):
    """The answers do not let the program go on; says which."""


@dataclass
class Follower:
    """A client of one service. `token` gives the access token of somebody in a role; `at` is when the next step happens."""

    http: httpx2.Client
    base: str
    collection: str
    token: Callable[[str], str]
    at: datetime
    run: UUID = field(default_factory=uuid4)
    """Makes the ids of the examples its own, the same in every record of a run: so they are of one case."""
    steps: list[str] = field(default_factory=list)
    """The titles of the steps that were taken, and the commands that lifted a refusal."""

    def begin(self, command: str, role: str) -> UUID:
        """Begin a record by a command; returns its id."""
        record = uuid4()
        self._send(record, {"type": command, "about": {}, "choices": {}, "rules": []}, role)
        return record

    def follow(self, record: UUID, reader: str) -> None:
        """Take each recommended step until nothing is left that anybody can do. Raises `Stuck`."""
        for _ in range(MOST_STEPS):
            following = self._guidance(record, reader)["next"]
            if following is None:
                return
            self._take(record, following)
            self.steps.append(following["title"])
        raise Stuck(f"it goes on after {MOST_STEPS} steps: {self.steps[-3:]}")

    def _take(self, record: UUID, step: Json) -> None:
        """Send the first command of a step that is accepted, as the first role whose turn it is and that may."""
        refusals = []
        for role in step["roles"]:
            open_ = {offer["type"]: offer for offer in self._guidance(record, role)["commands"]}
            for name in step["commands"]:
                if open_.get(name, {"status": "refused"})["status"] != "refused":
                    try:
                        return self._send(record, {**open_[name], "about": step["about"]}, role)
                    except Stuck as stuck:
                        refusals.append(str(stuck))
        raise Stuck(f"{step['title']}: {refusals}")

    def _send(self, record: UUID, offer: Json, role: str, depth: int = 0) -> None:
        """Find answers that a dry run accepts, and send them; a refusal that can be lifted is lifted first."""
        last: Json = {}
        for body in islice(self._ways(offer), MOST_WAYS):
            last = self._post(record, body, role, dry_run="true")
            if last.get("outcome") == "needs_rationale":
                body["rationale"] = {rule["id"]: BECAUSE for rule in last["rules"]}
                last = self._post(record, body, role, dry_run="true")
            if last.get("outcome") == "accepted":
                self._post(record, body, role)
                self.at += PAUSE
                return None
        for remedy in (name for rule in last.get("rules", ()) for name in rule["lifted_by"]):
            if depth < DEEPEST and self._lift(record, remedy, role, depth):
                return self._send(record, offer, role, depth + 1)
        raise Stuck(f"{offer['type']} by {role}: {last.get('rules') or last.get('errors') or last}")

    def _lift(self, record: UUID, remedy: str, role: str, depth: int) -> bool:
        """Send a command that lifts a refusal, if this role may; returns whether it was recorded."""
        lines = (offer for offer in self._guidance(record, role)["commands"] if offer["type"] == remedy)
        offer = next((offer for offer in lines if offer["status"] != "refused"), None)
        if offer is None:
            return False
        try:
            self._send(record, {**offer, "about": {}}, role, depth + 1)
        except Stuck:
            return False
        self.steps.append(remedy)
        return True

    def _ways(self, offer: Json) -> Iterator[dict[str, Any]]:
        """Yield bodies of a command: its example with what is known; then with other codes in the fields that decide."""
        schema = _renewed(self._read(f"/schemas/{offer['type']}"), self.run)
        (example,) = schema["examples"]
        body = self._dated({**example, **{name: ids[0] for name, ids in offer["choices"].items()}, **offer["about"]})
        broken = {name: codes for rule in offer["rules"] for name, codes in rule["broken_by"].items()}
        fields: dict[str, Sequence[Any]] = {}
        for name, part in schema["properties"].items():
            if name not in {"type", "occurred_at", *offer["about"]}:
                others = [*offer["choices"].get(name, ()), *_values(part, schema.get("$defs", {}))]
                ways = [body.get(name), *(other for other in others if other != body.get(name))]
                fields[name] = [way for way in ways if way is None or way not in broken.get(name, ())]
        # One field alone is changed first, then two together, and so on.
        for places in _nearest(tuple(map(len, fields.values()))):
            chosen = {name: values[n] for (name, values), n in zip(fields.items(), places, strict=True)}
            yield deepcopy({**body, **{name: value for name, value in chosen.items() if value is not None}})

    def _dated(self, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "occurred_at": self.at.isoformat()}

    def _guidance(self, record: UUID, role: str) -> Json:
        return self._read(f"/v1/{self.collection}/{record}/commands", role, as_of=self.at.isoformat())

    def _read(self, path: str, role: str | None = None, **query: str) -> Json:
        headers = {"Authorization": f"Bearer {self.token(role)}", "Access-Reason": "AUDIT"} if role else {}
        answer = self.http.get(f"{self.base}{path}", params=query, headers=headers)
        if not answer.is_success:
            raise Stuck(f"{path} is HTTP {answer.status_code}: {answer.text}")
        found: Json = answer.json()
        return found

    def _post(self, record: UUID, body: Json, role: str, **query: str) -> Json:
        """Send a body, or ask what it would do; a refusal is an answer too."""
        key = str(uuid5(NAMESPACE_URL, f"{record}{sorted(body.items(), key=str)}{query}"))
        headers = {"Authorization": f"Bearer {self.token(role)}", "Idempotency-Key": key}
        path = f"{self.base}/v1/{self.collection}/{record}/commands"
        answer: Json = self.http.post(path, params=query, json=body, headers=headers).json()
        return answer


def _renewed(value: Any, run: UUID) -> Any:
    """Return a value of JSON with an id of this run for each id in it."""
    match value:
        case dict():
            return {name: _renewed(inner, run) for name, inner in value.items()}
        case list():
            return [_renewed(inner, run) for inner in value]
        case str() if _ID.fullmatch(value):
            return str(uuid5(run, value))
    return value


def _values(part: Json, definitions: Json) -> list[Any]:
    """Return values of a field by its schema: its codes, yes and no, its example, a new id, or an object or a list of such values."""
    values = list(part.get("examples", ()))
    for inner in part.get("anyOf", [part]):
        resolved = definitions[inner["$ref"].rpartition("/")[2]] if "$ref" in inner else inner
        values += [*resolved.get("enum", ()), *([str(uuid4())] if resolved.get("format") == "uuid" else ())]
        match resolved.get("type"):
            case "boolean":
                values += [True, False]
            case "object" if "properties" in resolved:
                parts = {name: _values(resolved["properties"][name], definitions) for name in resolved["required"]}
                values += [{name: values_[0] for name, values_ in parts.items()}] if all(parts.values()) else []
            case "array":
                items = _values(resolved["items"], definitions)
                values += [items[:1], items] if len(items) > 1 else [items] if items else []
    return values


def _nearest(sizes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Yield the places in lists of these sizes, by how many of them are not the first."""
    for changed in range(len(sizes) + 1):
        if changed > 2:
            yield from product(*map(range, sizes))
            return
        for places in product(*map(range, sizes)) if changed else [tuple(0 for _ in sizes)]:
            if sum(place > 0 for place in places) == changed:
                yield places


def carry(
    addresses: Addresses, http: httpx2.Client, beginnings: Sequence[tuple[str, str, str]]
) -> Iterator[tuple[str, UUID, list[str]]]:
    """Carry records of one case to their end, one after another; yields service, id and steps of each. Raises `Stuck`.

    Each beginning is a service, the command that begins its record, and a role.
    """
    tokens = Tokens(addresses.issuer, http)
    run, at = uuid4(), datetime.fromisoformat("2026-06-01T09:00:00+01:00")
    for service, command, role in beginnings:
        follower = Follower(
            http, addresses.of(service), COLLECTIONS[service], lambda asked: tokens.token(asked).text, at, run
        )
        record = follower.begin(command, role)
        follower.follow(record, role)
        at = follower.at
        yield service, record, follower.steps


def main(*words: str) -> None:
    """Carry a case of the local system from its beginning, and print the steps."""
    beginnings = list(zip(words[::3], words[1::3], words[2::3], strict=True))
    with httpx2.Client(timeout=30, trust_env=False) as http:
        for _, _, steps in carry(find_addresses((), {}), http, beginnings):
            print("\n".join(steps))


if __name__ == "__main__":
    main(*sys.argv[1:])
