"""A program that carries a case and knows only what the APIs answer: guidance, schemas, dry runs and receipts.

What it is to reach is data (`Wish`). Its code names no command, event, field or code of any service, and a test says so.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

import httpx2
from jsonschema_rs import Draft202012Validator

PATIENCE: Final = 180.0
"""Seconds for which it waits until what follows elsewhere is recorded."""

GLANCE: Final = 0.05
SENDABLE: Final = frozenset({"available", "depends", "needs_rationale"})

Json = Mapping[str, Any]


class CannotCarry(AssertionError):
    """An answer does not let the program go on; says which, and what was asked."""


@dataclass(frozen=True, slots=True)
class Officer:
    """Somebody who signs in: a role, and which person in it."""

    role: str
    number: int = 1


@dataclass(frozen=True, slots=True)
class Wish:
    """A command that somebody wants to send to a record, and the values that they know. Times are in ISO 8601."""

    officer: Officer
    service: str
    record: UUID
    type: str
    values: Json
    at: str
    excuses: Json = field(default_factory=dict)
    """Rule -> why the officer goes on, should it warn. It is told only where the rule does."""

    refused_by: frozenset[str] = frozenset()
    """The rules that are expected to refuse it; empty if it is to be recorded."""

    def __str__(self) -> str:
        return f"{self.type} to {self.service}/{self.record} by {self.officer.role} at {self.at}"


@dataclass
class Program:
    """A client of some services, by their addresses; `token` gives the access token of an officer.

    `reader` looks at what follows in services that the sender of a command may not read.
    """

    http: httpx2.Client
    addresses: Mapping[str, str]
    token: Callable[[Officer], str]
    reader: Officer
    guidance_seconds: list[float] = field(default_factory=list)
    """How long each answer of guidance took."""

    positions: dict[str, str] = field(default_factory=dict)
    """Service -> token of the latest position that it recorded for this program."""

    followed: int = 0
    """How many commands other services recorded in answer."""

    def __post_init__(self) -> None:
        self._collections: dict[str, str] = {}
        self._schemas: dict[tuple[str, str], Json] = {}
        self._named: set[str] = set()

    # --- the loop -----------------------------------------------------------------------------------

    def carry(self, wish: Wish) -> Json | None:
        """Carry a wish through the whole loop; returns its receipt, or None if rules refused it as expected."""
        guided = self.guidance(wish)
        if guided["status"] not in SENDABLE:
            raise CannotCarry(f"{wish}: guidance says {guided['status']}: {_texts(guided['rules'])}")
        body = self.fill(wish)
        foreseen = self.dry_run(wish, body)
        if foreseen["outcome"] == "needs_rationale":
            body["rationale"] = self._excuses(wish, guided, foreseen)
            foreseen = self.dry_run(wish, body)
        if foreseen["outcome"] == "refused":
            _require(wish.refused_by != frozenset(), wish, "the dry run refuses it", foreseen)
            self._check_names(guided["rules"], needed=self._send_in_vain(wish, body, foreseen), wish=wish)
            return None
        _require(not wish.refused_by, wish, f"{sorted(wish.refused_by)} should refuse it", foreseen)
        _require(foreseen["outcome"] == "accepted", wish, "the dry run does not accept it", foreseen)
        answered = {rule["id"] for rule in foreseen["warnings"]}
        _require(answered == set(body.get("rationale", {})), wish, "the dry run names other warnings", foreseen)
        answer = self._post(wish, {**body, "expected_version": foreseen["version"]})
        _require(answer.status_code == 201, wish, f"HTTP {answer.status_code}", answer.text)
        receipt: Json = answer.json()
        _require(
            [(entry["event_id"], entry["type"]) for entry in receipt["events"]]
            == [(entry["event_id"], entry["type_name"]) for entry in foreseen["events"]],
            wish,
            "the receipt is not what the dry run said",
            (receipt, foreseen),
        )
        self.follow(wish.service, receipt["command_id"], {entry["command_id"] for entry in foreseen["commands"]})
        return receipt

    def try_early(self, wish: Wish) -> tuple[frozenset[str], frozenset[str]] | None:
        """Send what guidance refuses; returns the rules that guidance named, and those of the refusal.

        Returns None, and sends nothing, if guidance does not refuse it.
        """
        guided = self.guidance(wish)
        if guided["status"] != "refused":
            return None
        body = self.fill(wish)
        foreseen = self.dry_run(wish, body)
        _require(foreseen["outcome"] == "refused", wish, "guidance refuses it and the dry run does not", guided)
        return frozenset(rule["id"] for rule in guided["rules"]), self._send_in_vain(wish, body, foreseen)

    # --- its parts ----------------------------------------------------------------------------------

    def guidance(self, wish: Wish) -> Json:
        """Ask what may be done with a record at a time, or to begin one; returns the entry of the wished command."""
        began = time.perf_counter()
        answer = self._get(wish.officer, wish.service, f"{self._path(wish)}/commands", as_of=wish.at)
        self.guidance_seconds.append(time.perf_counter() - began)
        if answer.status_code == 404:
            answer = self._get(wish.officer, wish.service, f"{self._collection(wish.service)}/commands", as_of=wish.at)
        elif answer.status_code == 200 and not self._is_known(wish):
            raise CannotCarry(f"{wish}: no answer has named this record, and it is there")
        _require(answer.status_code == 200, wish, f"guidance is HTTP {answer.status_code}", answer.text)
        for entry in answer.json()["commands"]:
            if entry["type"] == wish.type:
                return dict(entry)
        raise CannotCarry(f"{wish}: guidance does not list it for this role")

    def fill(self, wish: Wish) -> dict[str, Any]:
        """Build the body from the schema: the value of each property that it names, where the wish has one.

        Raises `CannotCarry` if the wish has a value that the schema does not name, or the body is not valid by it.
        """
        schema = self._schema(wish)
        properties: Json = schema["properties"]
        chosen_values = {"type": properties["type"]["const"], "occurred_at": wish.at, **wish.values}
        unknown = sorted(chosen_values.keys() - properties.keys())
        _require(not unknown, wish, f"its schema has no {unknown}", list(properties))
        body = {name: chosen_values[name] for name in properties if name in chosen_values}
        errors = [
            error.message for error in Draft202012Validator(dict(schema), validate_formats=True).iter_errors(body)
        ]
        _require(not errors, wish, "its schema does not allow the values", errors)
        return body

    def dry_run(self, wish: Wish, body: Json) -> Json:
        """Ask what a body would do."""
        answer = self._post(wish, body, dry_run="true")
        _require(answer.status_code == 200, wish, f"the dry run is HTTP {answer.status_code}", answer.text)
        foreseen: Json = answer.json()
        return foreseen

    def follow(self, service: str, command_id: str, foreseen: set[str] | None = None) -> None:
        """Wait until what follows from a recorded command in other services has happened, and what follows from that.

        `foreseen` are the ids of the commands that a dry run named: all of them follow, and they include each that
        records something.
        """
        outcome = self.read(service, f"/v1/commands/{command_id}")
        receipt, follows = outcome["receipt"], outcome["follows"]
        self.positions[service] = receipt["position_token"]
        self._named.add(receipt["stream"])
        recorded: set[str] = set()
        for entry in follows:
            self._until_passed(service, receipt["position"], entry["service"])
            answer = self._get(self.reader, entry["service"], f"/v1/commands/{entry['command_id']}")
            state = answer.json()["state"] if answer.status_code == 200 else None
            if state == "recorded":
                self.followed += 1
                self.follow(entry["service"], entry["command_id"])
                recorded.add(entry["command_id"])
            elif state != "nothing_to_do":
                raise CannotCarry(f"{entry['type']} to {entry['stream']} does not go through: {answer.text}")
        if foreseen is not None and not recorded <= foreseen <= {entry["command_id"] for entry in follows}:
            raise CannotCarry(f"{command_id}: the dry run named {foreseen}, and these follow: {follows}")

    def read(self, service: str, path: str, **query: Any) -> Json:
        """Read something as the reader; raises `CannotCarry` if it is not there."""
        answer = self._get(self.reader, service, path, **query)
        if answer.status_code != 200:
            raise CannotCarry(f"{service}{path}: HTTP {answer.status_code}: {answer.text}")
        found: Json = answer.json()
        return found

    def read_record(self, service: str, record: UUID) -> Json:
        """Read the state of a record as the reader."""
        return self.read(service, f"{self._collection(service)}/{record}")

    # --- HTTP ---------------------------------------------------------------------------------------

    def _send_in_vain(self, wish: Wish, body: Json, foreseen: Json) -> frozenset[str]:
        """Send what a dry run refused; returns the rules that refuse it, which are those of the dry run."""
        answer = self._post(wish, body)
        broken = frozenset(rule["id"] for rule in foreseen["rules"])
        _require(answer.status_code == 422, wish, "the dry run is refused, and the command is not", answer.text)
        _require(answer.json()["rules"] == foreseen["rules"], wish, "other rules refuse it", answer.text)
        _require(not wish.refused_by or broken == wish.refused_by, wish, "other rules were expected", foreseen)
        in_schema = set(self._schema(wish)["x-rules"])
        _require(broken <= in_schema, wish, f"its schema names {sorted(in_schema)} alone", foreseen)
        return broken

    def _excuses(self, wish: Wish, guided: Json, foreseen: Json) -> dict[str, Any]:
        """Return the reasons for the rules that warn, which guidance named."""
        warning = frozenset(rule["id"] for rule in foreseen["rules"])
        _require(warning <= wish.excuses.keys(), wish, "the officer has no reason for a warning", foreseen)
        self._check_names(guided["rules"], needed=warning, wish=wish)
        return {rule: wish.excuses[rule] for rule in warning}

    def _check_names(self, rules: Sequence[Json], *, needed: frozenset[str], wish: Wish) -> None:
        """Check that guidance named the rules that stood in the way of a command, as broken or by its fields."""
        named = {rule["id"] for rule in rules if rule["answer"] != "holds"}
        _require(needed <= named, wish, f"guidance names {sorted(named)} alone", sorted(needed))

    def _until_passed(self, source: str, position: int, follower: str) -> None:
        """Wait until the events of a service up to a position are published, and a follower has been through them."""
        published = self._until(source, lambda status: (status["relayed"] or {"position": 0})["position"] >= position)
        offsets = published["relayed"]["offsets"]

        def passed(status: Json) -> bool:
            (published_to,) = [name for name in status["reacts_to"] if source in name.split(".")]
            consumed = status["consumed"].get(published_to, {})
            return all(consumed.get(partition, 0) >= offset for partition, offset in offsets.items())

        self._until(follower, passed)

    def _until(self, service: str, holds: Callable[[Json], bool]) -> Json:
        """Ask a service for its status until something holds of it; raises `CannotCarry` when it takes too long."""
        given_up = time.monotonic() + PATIENCE
        while not holds(status := self.http.get(f"{self.addresses[service]}/status").json()):
            if time.monotonic() > given_up:
                raise CannotCarry(f"{service} has not passed what was recorded: {status}")
            time.sleep(GLANCE)
        return dict(status)

    def _schema(self, wish: Wish) -> Json:
        key = (wish.service, wish.type)
        if key not in self._schemas:
            answer = self.http.get(f"{self.addresses[wish.service]}/schemas/{wish.type}")
            _require(answer.status_code == 200, wish, "it has no schema", answer.text)
            self._schemas[key] = answer.json()
        return self._schemas[key]

    def _collection(self, service: str) -> str:
        """Return the path of a service's records, by its OpenAPI document."""
        if service not in self._collections:
            paths = self.http.get(f"{self.addresses[service]}/openapi.json").json()["paths"]
            (found,) = [
                path for path, methods in paths.items() if path.endswith("/{id}/commands") and "post" in methods
            ]
            self._collections[service] = found.removesuffix("/{id}/commands")
        return self._collections[service]

    def _path(self, wish: Wish) -> str:
        return f"{self._collection(wish.service)}/{wish.record}"

    def _is_known(self, wish: Wish) -> bool:
        return f"{wish.service}/{wish.record}" in self._named

    def _get(self, officer: Officer, service: str, path: str, **query: Any) -> httpx2.Response:
        return self.http.get(f"{self.addresses[service]}{path}", params=query, headers=self._headers(officer))

    def _post(self, wish: Wish, body: Json, **query: str) -> httpx2.Response:
        # The key of a wish is always the same: the dry run shows the ids that the command then gets.
        key = {"Idempotency-Key": str(uuid5(NAMESPACE_URL, str(wish)))}
        url = f"{self.addresses[wish.service]}{self._path(wish)}/commands"
        return self.http.post(url, params=query, json=body, headers=self._headers(wish.officer) | key)

    def _headers(self, officer: Officer) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(officer)}", "Access-Reason": "TEST"}


def _texts(rules: Sequence[Json]) -> str:
    return "; ".join(f"{rule['id']}: {rule['text']}" for rule in rules)


def _require(holds: bool, wish: Wish, what: str, response: Any) -> None:
    if not holds:
        raise CannotCarry(f"{wish}: {what}: {response}")
