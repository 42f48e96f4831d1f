"""`ooc case`, `search` and `document`: questions about cases."""

import os
import sys
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

import typer

from ooc.cases import reading
from ooc.options import AsJson, AsOf, AsRole, KnownAt, Lang, Pdf, Urls, client_of, fail
from ooc.tables import alerts, say, search_results, show, standings, timeline, waits
from services.trade.vocabulary import Role, SearchKind

app = typer.Typer(add_completion=False)


@app.command()
def case(
    case_id: Annotated[UUID, typer.Argument(metavar="ID")],
    as_of: AsOf = None,
    known_at: KnownAt = None,
    order: Annotated[str | None, typer.Option("--order", help="occurred_at (default) or recorded_at.")] = None,
    changes_after: Annotated[
        list[str] | None,
        typer.Option(
            "--changes-after", help="Only events recorded after this position, such as disposal:1234 (repeat)."
        ),
    ] = None,
    url: Urls = None,
    role: AsRole = Role.AUDITOR,
    *,
    only_timeline: Annotated[bool, typer.Option("--timeline", help="Only the timeline.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a case across the services: its state, and its timeline by both times, each event in a sentence."""
    client, times = client_of(url), {"as_of": as_of, "known_at": known_at}
    if changes_after and (as_of or known_at or order or only_timeline):
        raise typer.BadParameter("--changes-after goes with no other question: leave the others out.")
    try:
        answer = reading.fetch_projected_case(client, case_id, role, times=times)
    except reading.NotFound:
        owner = reading.case_of(client, case_id, role)
        if owner in {None, case_id}:
            raise
        if not as_json:
            say(f"{case_id} belongs to the case {owner}.")
        case_id = owner
        answer = reading.fetch_projected_case(client, case_id, role, times=times)
    if not (as_of or known_at):
        answer = {**answer, "waiting": reading.list_waits(client, role, case_id)}
    if changes_after:
        events, tokens = reading.changes_of(client, case_id, role, changes_after)
        shown = timeline("What has changed", events) if events else "What has changed: nothing"
        show({"events": events, "next": tokens}, shown, as_json=as_json)
        if not as_json:
            say(f"Ask next with {' '.join(f'--changes-after {token}' for token in tokens)}")
        return
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


@app.command("document")
def document_command(
    stream: Annotated[str, typer.Argument(help="SERVICE/ID, such as disposal/1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11.")],
    name: Annotated[
        str,
        typer.Argument(
            help="ycc, ycc-notice, yc, yrd, deferral-plan, panel-pack, warning-letter, conference-agreement, closing-letter or"
            " minutes."
        ),
    ],
    out: Pdf,
    lang: Lang = "en",
    as_of: AsOf = None,
    known_at: KnownAt = None,
    url: Urls = None,
    role: AsRole = Role.SUPERVISOR,
) -> None:
    """Print a document into a file, and say its SHA-256, which its signature names."""
    if not out.absolute().parent.is_dir():
        fail(f"There is no folder {out.absolute().parent}: make it (mkdir -p), or give another file with --out.")
    body = reading.fetch_document(client_of(url), stream, name, lang, role, {"as_of": as_of, "known_at": known_at})
    try:
        with open(out, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:  # it names a child
            file.write(body)
    except OSError as error:
        fail(f"{out} cannot be written ({error.strerror}): give another file with --out.")
    say(f"{out}: SHA-256 {sha256(body).hexdigest()}")
