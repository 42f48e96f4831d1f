"""Sending a command from the terminal, its dry run, and following its receipt across the services."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from ooc.cases.reading import NotFound, address_of, ask
from ooc.tables import table
from services.system.registry import COLLECTIONS
from tools.client.http import Client, NoAnswer


@dataclass(frozen=True)
class Answer:
    """The answer to a command, as tables and as complaints: a refusal is complained of."""

    tables: Sequence[Any] = ()
    complaints: Sequence[str] = field(default=())
    body: Mapping[str, Any] = field(default_factory=dict)


def read_body(file: Path) -> Mapping[str, Any]:
    """Read a command from a JSON file, or from the standard input for `-`. Raises `NotFound` with what to do."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        body = json.loads(text)
    except OSError as error:
        raise NotFound(f"{file} cannot be read ({error.strerror}): check the name and your rights.") from None
    except ValueError as error:
        raise NotFound(
            f"{file} holds no command ({error}): write it as JSON, such as the example of its schema."
        ) from None
    if not isinstance(body, dict):
        raise NotFound(f"{file} holds no command: write one JSON object with its type and fields.")
    return body


def send_command(client: Client, stream: str, body: Mapping[str, Any], *, key: str, role: str, dry_run: bool) -> Answer:
    """Send a command or its dry run to a stream (`service/uuid`). Raises `NotFound` or `NoAnswer`."""
    service, path = address_of(stream)
    query = "?dry_run=true" if dry_run else ""
    reply = client.post(service, f"{path}/commands{query}", role=role, body=body, key=key)
    answer = reply.body if isinstance(reply.body, Mapping) else {}
    return replace(_outcome(reply.status, answer), body=answer)


def _outcome(status: int, answer: Mapping[str, Any]) -> Answer:
    match status:
        case 201:
            title = f"Recorded as command {answer['command_id']}"
            return Answer([_lines(title, answer["events"], "version", "type", "position", "event_id")])
        case 200:
            return _foreseen(answer)
        case _:
            return Answer(complaints=list(_complaints(answer)) or [f"The command was answered with HTTP {status}."])


def _foreseen(answer: Mapping[str, Any]) -> Answer:
    """Show the answer to a dry run."""
    if answer["outcome"] in {"refused", "needs_rationale"}:
        return Answer(complaints=list(_rules(answer)))
    if answer["outcome"] == "repeated":
        return Answer([f"It was recorded before under this key, as command {answer['receipt']['command_id']}."])
    tables: list[Any] = [
        _lines(
            f"It would record, after version {answer['version']}", answer["events"], "version", "type", "occurred_at"
        )
    ]
    if answer["duties"]:
        tables.append(_lines("Duties", answer["duties"], "change", "duty", "item", "due", "met_on", "lapsed_on"))
    if answer["documents"]:
        tables.append(f"Documents that could then be printed: {', '.join(answer['documents'])}")
    if answer["commands"]:
        tables.append(_lines("Other services would follow with", answer["commands"], "type", "stream", "reaction"))
    return Answer(tables)


def _complaints(problem: Mapping[str, Any]) -> Iterator[str]:
    """Say each rule or field of a problem, or else its detail."""
    yield from _rules(problem)
    for error in problem.get("errors") or ():
        yield f"{error['field']}: {error['message']}"
    if not problem.get("rules") and not problem.get("errors") and problem.get("detail"):
        yield str(problem["detail"])


def _rules(answer: Mapping[str, Any]) -> Iterator[str]:
    needed = answer.get("needs_rationale") or answer.get("outcome") == "needs_rationale"
    for rule in answer.get("rules") or ():
        yield f"{rule['id']}{' needs a rationale' if needed else ''}: {rule['text']} ({rule['source']})"


def outcome_of(client: Client, service: str, command_id: UUID, role: str) -> Mapping[str, Any]:
    """Ask for what a command recorded, and each service that follows for the state of its own. Raises `NotFound`."""
    if service not in COLLECTIONS:
        raise NotFound(f"{service} records no commands: choose one of {', '.join(COLLECTIONS)}.")
    answer = ask(client, service, f"/v1/commands/{command_id}", f"command {command_id}", role)
    follows = []
    for command in answer["follows"]:
        state, detail = _state(client, command, answer["receipt"]["stream"], role)
        follows.append({**command, "state": state, "detail": detail})
    return {**answer, "follows": follows}


def outcome_tables(answer: Mapping[str, Any]) -> Iterator[Any]:
    """Show the outcome of a command, and of those that follow in other services."""
    if answer["state"] == "nothing_to_do":
        yield "The command had nothing to do, and recorded nothing."
        return
    if answer["receipt"] is None:
        yield f"The command {'was closed' if answer['state'] == 'closed' else 'waits'}: {answer['sentence']}"
        return
    yield _lines(
        f"Recorded in {answer['receipt']['stream']}", answer["receipt"]["events"], "version", "type", "position"
    )
    rows = [(command["type"], command["stream"], command["state"], command["detail"]) for command in answer["follows"]]
    yield (
        table("What follows", "command", "stream", "state", "", rows=rows)
        if rows
        else "Nothing follows in other services."
    )


def _state(client: Client, following: Mapping[str, Any], source: str, role: str) -> tuple[str, str]:
    """Return the state of a following command in words, as its own service says it; it may hold the source in quarantine."""
    reply = client.get(following["service"], f"/v1/commands/{following['command_id']}", role=role)
    match reply.status:
        case 200 if reply.body["state"] == "recorded":
            return "done", f"version {reply.body['receipt']['version']}"
        case 200 if reply.body["state"] == "nothing_to_do":
            return "nothing to do", ""
        case 200:
            return str(reply.body["state"]), str(reply.body["sentence"])
        case 404:
            reply = client.get(following["service"], "/v1/waits", role=role, params={"limit": "1000"})
            waits = reply.body["waits"] if reply.status == 200 else ()
            held = (wait for wait in waits if wait["kind"] == "STREAM" and wait["source_stream"] == source)
            if (wait := next(held, None)) is not None:
                return "quarantined", str(wait["sentence"])
            return "not tried yet", "ask again in a moment"
        case 403:
            return "not shown", f"{role} may not read that record"
        case _:
            raise NoAnswer(f"{following['service']} answered with HTTP {reply.status}: ask again in a moment.")


def _lines(title: str, lines: Sequence[Mapping[str, Any]], *columns: str) -> Any:
    return table(title, *columns, rows=[[line.get(column) for column in columns] for line in lines])
