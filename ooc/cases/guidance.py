"""`ooc next`: what may be done next, with the rules and the days, as the services answer it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from rich.console import Group
from rich.text import Text

from ooc.cases.reading import NotFound, ask, fetch_projected_case, streams_of
from ooc.tables import table
from services.console.plain_text import cell_text, moment
from services.console.words import command_in_words
from services.system.registry import COLLECTIONS
from tools.client.http import Client

CASE: Final = "case"
WORDS: Final = {
    "available": "can be done",
    "needs_rationale": "needs a reason",
    "depends": "depends on its fields",
    "refused": "not now",
}
"""What a status means, in the order in which the table shows it."""


def service_of(collection: str) -> str:
    """Return the service of a collection or of its own name; raises `NotFound`."""
    for service, plural in COLLECTIONS.items():
        if collection in {service, plural}:
            return service
    raise NotFound(f"There is no collection {collection}: choose {CASE} or one of {', '.join(COLLECTIONS.values())}.")


def answers(
    client: Client, collection: str, id_: UUID | None, as_of: str | None, role: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the answer for a record, for what begins one, or for each record of a case, with its title; raises `NotFound`."""
    if collection != CASE:
        service = service_of(collection)
        yield _title(service, id_), _answer(client, service, id_, as_of, role)
        return
    if id_ is None:
        raise NotFound("Say which case: ooc next case ID.")
    for service, stream in dict.fromkeys(streams_of(fetch_projected_case(client, id_, role))):
        try:
            yield _title(service, stream), _answer(client, service, stream, as_of, role)
        except NotFound as error:
            yield f"{_title(service, stream)}: {error}", {"commands": []}


def _title(service: str, id_: UUID | None) -> str:
    return f"{service}/{id_}" if id_ is not None else f"What begins a record of {service}"


def _answer(client: Client, service: str, id_: UUID | None, as_of: str | None, role: str) -> Mapping[str, Any]:
    path = f"/v1/{COLLECTIONS[service]}/{id_}/commands" if id_ is not None else f"/v1/{COLLECTIONS[service]}/commands"
    what = f"guidance for {_title(service, id_)}"
    answer: Mapping[str, Any] = ask(client, service, path, what, role, {"as_of": as_of})
    return answer


def next_table(title: str, answer: Mapping[str, Any], *, show_all: bool) -> Group:
    """Return a line for each command, the possible ones first. `show_all` includes commands that the state refuses."""
    commands: Sequence[Mapping[str, Any]] = answer["commands"]
    listed = [command for command in commands if show_all or not _is_out_of_place(command)]
    left_out = len(commands) - len(listed)
    order = list(WORDS)
    rows = [
        (command_in_words(command["type"]), WORDS[command["status"]], "\n".join(_reasons(command)))
        for command in sorted(listed, key=lambda command: order.index(command["status"]))
    ]
    heading = f"{title}, as of {moment(answer['as_of'])}" if "as_of" in answer else title
    more = f" ({left_out} more do not belong to this state: --all shows them)" if left_out else ""
    if not commands:
        return Group(Text(f"{heading}: nothing that this role may send"))
    return table(f"{heading}{more}", "command", "now", "rules and days", rows=rows)


def _is_out_of_place(command: Mapping[str, Any]) -> bool:
    """Whether the state machine alone refuses a command, and no day that is known lifts it."""
    rules = command["rules"]
    return command["status"] == "refused" and all(r["kind"] == "state" and r["changes_on"] is None for r in rules)


def _reasons(command: Mapping[str, Any]) -> Iterator[str]:
    """Say what stands in the way, what a later day changes, and which fields decide by which rules."""
    deciding: dict[str, None] = {}
    for rule in command["rules"]:
        if rule["for_the_day"] is not None and rule["changes_on"] is not None:
            side = "before" if rule["for_the_day"] == "holds" else "from"
            yield f"{rule['id']} wants {rule['fields'][0]} {side} {rule['changes_on']}: {rule['text']}"
        elif rule["answer"] == "depends":
            deciding[rule["id"]] = None
            verb = "warns of" if rule["kind"] == "warns" else "refuses"
            for field, values in rule["broken_by"].items():
                yield f"{rule['id']} {verb} {field} {cell_text(values)}: {rule['text']}"
        elif rule["answer"] == "broken":
            until = f" (until {rule['changes_on']})" if rule["changes_on"] else ""
            yield f"{rule['id']}{until}: {rule['text']}"
        else:
            yield f"{rule['id']} from {rule['changes_on']} on: {rule['text']}"
    if deciding:
        yield f"{', '.join(command['fields'])} decide ({', '.join(deciding)})"
