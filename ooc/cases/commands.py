"""`ooc case` and `ooc search`: questions about cases."""

import sys
from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from uuid import UUID

import typer

from ooc.cases import reading
from ooc.options import AsJson, AsOf, AsRole, KnownAt, Urls, client_of, fail
from ooc.tables import alerts, search_results, show, standings, timeline, waits
from services.trade.vocabulary import Role, SearchKind

app = typer.Typer(add_completion=False)


@app.command()
def case(
    case_id: Annotated[UUID, typer.Argument(metavar="ID")],
    as_of: AsOf = None,
    known_at: KnownAt = None,
    order: Annotated[str | None, typer.Option("--order", help="occurred_at (default) or recorded_at.")] = None,
    url: Urls = None,
    role: AsRole = Role.AUDITOR,
    *,
    only_timeline: Annotated[bool, typer.Option("--timeline", help="Only the timeline.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a case across the services: its state, and its timeline by both times, each event in a sentence."""
    client, times = client_of(url), {"as_of": as_of, "known_at": known_at}
    answer = reading.fetch_projected_case(client, case_id, role, times=times)
    if not (as_of or known_at):
        answer = {**answer, "waiting": reading.list_waits(client, role, case_id)}
    events = list(reading.timeline_of(client, case_id, role, params={**times, "order": order}))
    happened = timeline(f"What happened{_times_in_words(times)}", events)
    if only_timeline:
        show({"events": events}, happened, as_json=as_json)
    else:
        parts = _parts(f"Case {case_id}{_times_in_words(times)}", answer)
        show({"case": answer, "events": events}, *parts, happened, as_json=as_json)


def _parts(title: str, answer: Mapping[str, Any]) -> Iterator[Any]:
    """Yield how a case stands: its records, the alerts on its people, and what waits."""
    yield standings(title, answer)
    if answer["alerts"]:
        yield alerts("Alerts", answer["alerts"])
    if answer.get("waiting"):
        yield waits("What waits", answer["waiting"])


def _times_in_words(times: Mapping[str, str | None]) -> str:
    """Return the words of a title for both times; empty for the present."""
    words = {"as_of": "as of", "known_at": "as known at"}
    return "".join(f", {words[name]} {value}" for name, value in times.items() if value is not None)


@app.command()
def search(
    words_here: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    by: Annotated[SearchKind, typer.Option(help="What is looked for.")] = SearchKind.NAME,
    url: Urls = None,
    role: AsRole = Role.SUPERVISOR,
    *,
    as_json: AsJson = False,
) -> None:
    """Find cases. The words are asked for, or read from standard input: a command line is kept in the shell's history."""
    if words_here:
        fail("Leave the words out: they are asked for, or read from standard input, so that no history keeps them.", 2)
    words = typer.prompt(by.replace("_", " ").capitalize()) if sys.stdin.isatty() else sys.stdin.readline()
    if not words.strip():
        fail("There is nothing to look for: type it at the prompt, or send a line to standard input.")
    answer = reading.require_found(client_of(url).search({by: words.strip()}, role=role), "search", role)
    show(answer, search_results(answer) if answer["cases"] else "Cases found: none", as_json=as_json)
