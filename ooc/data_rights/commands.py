"""`ooc forget`, `forget-again`, `restrict`, `lift`, `hold`, `release`: a person's data, for the data protection officer."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import typer

from ooc.cases.reading import NotFound, ask, require_found
from ooc.operations import confirm
from ooc.options import PATIENT, AsJson, DryRun, Urls, Yes, client_of
from ooc.tables import OUT, complain, say, show, table
from services.system.registry import DECIDING
from services.trade.vocabulary import Role
from shared.domain.dates import local_day
from tools.client.http import Client

OFFICER: Final = Role.DATA_PROTECTION_OFFICER
RETENTION_ENDED: Final = "RETENTION_ENDED"

Person = Annotated[UUID, typer.Argument(metavar="PERSON", help="The person's id, the same in every service.")]
Basis = Annotated[
    str, typer.Option("--basis", help="COURT_ORDER, LEGAL_OBLIGATION, PRINCIPLE_INFRINGED or RETENTION_ENDED.")
]
Kind = Annotated[str, typer.Option("--kind", help="APPEAL, COMPLAINT, EVIDENCE or LEGAL.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, as a code; it is logged.")]

app = typer.Typer(add_completion=False)
retention = typer.Typer(
    help="Retention: whose records are due for review, and the decision to keep them.", no_args_is_help=True
)
app.add_typer(retention, name="retention")


class Refused(NotFound):
    """One of the services refuses: says which and why."""


@app.command()
def forget(
    person: Person,
    basis: Basis,
    reason: Reason = "ERASURE",
    url: Urls = None,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Forget a person in every service. It cannot be undone; it is refused while a record is open or a hold stands."""
    client = client_of(url, patience=PATIENT, reason=reason)
    every = {person: _foreseen(client, person, basis, reason)}
    every |= {id_: _foreseen(client, id_, basis, reason) for id_ in ids_of(person, every[person])}
    if basis == RETENTION_ENDED:
        named = {(name, one["id"]) for of in every.values() for name, answer in of.items() for one in answer["records"]}
        _require_retention_ended(client, person, [id_ for _, id_ in sorted(named)])
    _say_merged(every)
    if dry_run:
        said = " ".join(map(_backups, every.values()))
        OUT.print(f"What describes the person would be unreadable. {said} Nothing was done.", soft_wrap=True)
        return
    OUT.print("What is sealed for the person is then unreadable for ever, in every record, topic and copy.")
    if confirm(yes=yes):
        done = [_destroy(client, id_, basis, rehearsed, reason) for id_, rehearsed in every.items()]
        if not all(done):
            raise typer.Exit(1)


def ids_of(person: UUID, answers: Mapping[str, Mapping[str, Any]]) -> list[UUID]:
    """Return the other ids that name a person, by what the services answer: what is asked about one is asked about all."""
    return sorted({UUID(id_) for answer in answers.values() for id_ in answer["ids"]} - {person})


def _say_merged(every: Collection[UUID]) -> None:
    if len(every) > 1:
        OUT.print(f"These ids are merged into one person, and are decided together: {', '.join(map(str, every))}.")


def _foreseen(client: Client, person: UUID, basis: str, reason: str) -> Mapping[str, Mapping[str, Any]]:
    """Rehearse forgetting a person, and list what it reaches. Raises `NotFound` or `Refused`."""
    rehearsed = _rehearse(client, person, basis, reason)
    records = [(service, record) for service, answer in rehearsed.items() for record in answer["records"]]
    if not records and not any(answer["forgotten"] for answer in rehearsed.values()):
        raise NotFound(f"No record of any service names the person {person}: check the id.")
    rows = [(service, record["id"], record["home"], record["state"]) for service, record in records]
    OUT.print(table(f"Records that name the person {person}", "service", "record", "case", "state", rows=rows))
    _say_which_texts_stay(rehearsed)
    return rehearsed


def _require_retention_ended(client: Client, person: UUID, records: Sequence[str]) -> None:
    """Raise `Refused` with the day if the retention of the records that name a person has not ended."""
    about = {"person": str(person), "record": records}
    reply = client.get("reporting", "/v1/retention/end", role=OFFICER, params=about)
    end = require_found(reply, "end of the retention", OFFICER)
    if end["unknown"]:
        raise Refused(f"Reporting has not seen {', '.join(end['unknown'])} yet: ask again in a moment.")
    if end["ends_on"] is not None and local_day(datetime.now(UTC)) < date.fromisoformat(end["ends_on"]):
        raise Refused(
            f"Refused. The retention of these records ends on {end['ends_on']}: forget the person from that day on, or"
            " for another reason (--basis)."
        )


@app.command()
def forget_again(reason: Reason = "ERASURE", url: Urls = None, *, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Repeat every destruction that the event stores record and the keyring lacks: after a backup of it was restored."""
    client = client_of(url, patience=PATIENT, reason=reason)
    people = ask(client, "reporting", "/v1/forgotten", "list of forgotten people", OFFICER)["people"]
    standing = [person for person in people if person["key_stands"]]
    if not standing:
        OUT.print(f"Forgotten people: {len(people)}. None has a key: there is nothing to repeat.")
        return
    rows = [(person["person_id"], person["basis"], ", ".join(person["forgotten_at"])) for person in standing]
    OUT.print(table("Forgotten, and not destroyed in the keyring", "person", "basis", "recorded by", rows=rows))
    if dry_run:
        OUT.print("Their keys would be destroyed again. Nothing was done.")
        return
    if not confirm(yes=yes):
        return
    done = []
    for forgotten in standing:
        person, basis = UUID(forgotten["person_id"]), forgotten["basis"]
        rehearsed = _rehearse(client, person, basis, reason)
        undecided = [name for name, answer in rehearsed.items() if answer["records"] and not answer["forgotten"]]
        if undecided:
            complain(
                f"The key of {person} stands: {', '.join(undecided)} never recorded that they are forgotten. If you decided so:"
                f" `ooc forget {person}`."
            )
        done.append(not undecided and _destroy(client, person, basis, rehearsed, reason))
    if not all(done):
        raise typer.Exit(1)


def _rehearse(client: Client, person: UUID, basis: str, reason: str) -> Mapping[str, Mapping[str, Any]]:
    """Ask every service what forgetting a person would do, to each of their cases too."""
    first = _decide(client, person, "forget", {"basis": basis}, reason, dry_run=True)
    return _decide(client, person, "forget", {"basis": basis, "case": _cases(first)}, reason, dry_run=True)


def _cases(answers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return sorted({record["home"] for answer in answers.values() for record in answer["records"]})


def _say_which_texts_stay(answers: Mapping[str, Mapping[str, Any]]) -> None:
    """Name each case whose free texts stay readable, and who holds its key."""
    rows = sorted(
        {
            (case["id"], ", ".join(case["held_by"]), name)
            for name, answer in answers.items()
            for case in answer["texts_stay"]
        }
    )
    if rows:
        OUT.print(
            table("Free texts that stay readable, since others hold their case", "case", "held by", "in", rows=rows)
        )


def _destroy(client: Client, person: UUID, basis: str, rehearsed: Mapping[str, Mapping[str, Any]], reason: str) -> bool:
    """Ask every service to forget a person, and say what became of it; returns whether the key is destroyed."""
    answers = _decide(client, person, "forget", {"basis": basis, "case": _cases(rehearsed)}, reason, dry_run=False)
    waiting = answers[DECIDING[-1].name]["waits_for"]
    if waiting:
        complain(
            f"The key of {person} still stands: {', '.join(waiting)} have not agreed. Ask again: it goes on from here."
        )
        return False
    say(f"The person {person} is forgotten. Every running process forgets within a minute. {_backups(answers)}")
    return True


@app.command()
def restrict(
    person: Person, basis: Basis, reason: Reason = "ERASURE", url: Urls = None, *, dry_run: DryRun = False
) -> None:
    """Restrict the processing of a person's data: they are kept, and shown to data protection alone."""
    _say_decided(person, "restrict", {"basis": basis}, reason, url, dry_run=dry_run)


@app.command()
def lift(person: Person, reason: Reason = "ERASURE", url: Urls = None, *, dry_run: DryRun = False) -> None:
    """Lift a restriction: the data may be used again."""
    _say_decided(person, "lift", {}, reason, url, dry_run=dry_run)


@app.command()
def hold(person: Person, kind: Kind, reason: Reason = "COURT", url: Urls = None, *, dry_run: DryRun = False) -> None:
    """Place a hold: while it stands the person cannot be forgotten."""
    _say_decided(person, "hold", {"kind": kind}, reason, url, dry_run=dry_run)


@app.command()
def release(person: Person, kind: Kind, reason: Reason = "COURT", url: Urls = None, *, dry_run: DryRun = False) -> None:
    """Release a hold that has ended."""
    _say_decided(person, "release", {"kind": kind}, reason, url, dry_run=dry_run)


@retention.command("list")
def list_due(
    due_by: Annotated[str | None, typer.Option("--due-by", help="A day; today if absent.")] = None,
    reason: Reason = "CASE_REVIEW",
    url: Urls = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List the people whose records are due for review, the longest due first. Nothing is erased by it."""
    client = client_of(url, patience=PATIENT, reason=reason)
    answer = ask(client, "reporting", "/v1/retention", "review list", OFFICER, {"due_by": due_by})
    rows = [
        (
            person["review_on"],
            person["person_id"],
            person["group"],
            person["last_event"],
            person["decided"],
            "\n".join(person["case_ids"]),
        )
        for person in answer["people"]
    ]
    title = f"Due for review by {answer['due_by']}: {answer['total']}"
    columns = ("review on", "person", "group", "last event", "decided before", "cases")
    review = "Review each: `ooc retention keep PERSON --until DAY`, or `ooc forget PERSON --basis RETENTION_ENDED`."
    shown = (table(title, *columns, rows=rows), review) if rows else (title,)
    show(answer, *shown, as_json=as_json)


@retention.command("keep")
def keep(
    person: Person,
    until: Annotated[str, typer.Option("--until", help="The day of the next review, such as 2032-05-04.")],
    reason: Reason = "CASE_REVIEW",
    url: Urls = None,
    *,
    dry_run: DryRun = False,
) -> None:
    """Keep a person's records, and name the day of the next review."""
    _say_decided(person, "keep", {"review_on": until}, reason, url, dry_run=dry_run)


def _say_decided(
    person: UUID, action: str, options: Mapping[str, Any], reason: str, url: list[str] | None, *, dry_run: bool
) -> None:
    client = client_of(url, patience=PATIENT, reason=reason)
    # Every service is asked first, so that none refuses when others have decided.
    every = {person: _decide(client, person, action, options, reason, dry_run=True)}
    every |= {id_: _decide(client, id_, action, options, reason, dry_run=True) for id_ in ids_of(person, every[person])}
    if not any(answer["records"] for answers in every.values() for answer in answers.values()):
        raise NotFound(f"No record of any service names the person {person}: check the id.")
    _say_merged(every)
    if not dry_run:
        every = {id_: _decide(client, id_, action, options, reason, dry_run=False) for id_ in every}
    for id_, answers in every.items():
        rows = [
            (service, len(answer["records"]), ", ".join(answer["holds"]), answer["restricted"], answer["forgotten"])
            for service, answer in answers.items()
        ]
        title = f"{'Nothing was done. ' if dry_run else ''}The data of person {id_}"
        OUT.print(table(title, "service", "records", "holds", "restricted", "forgotten", rows=rows))


def _decide(
    client: Client, person: UUID, action: str, options: Mapping[str, Any], reason: str, *, dry_run: bool
) -> dict[str, Mapping[str, Any]]:
    """Ask every service for a decision; one that does not know the person is left out. Raises `Refused` or `NoAnswer`."""
    answers: dict[str, Mapping[str, Any]] = {}
    refusals: list[str] = []
    for entry in DECIDING:
        params = {**options, "dry_run": "true" if dry_run else "false"}
        reply = client.decide(entry.name, f"/v1/people/{person}/{action}", role=OFFICER, params=params, reason=reason)
        if reply.status == 404:
            continue
        if reply.status == 422 and (broken := (reply.body or {}).get("rules")):
            refusals += [f"{entry.name}: {rule['text']} ({rule['id']})" for rule in broken]
            continue
        if reply.status == 403 and (why := (reply.body or {}).get("detail")):
            refusals.append(f"{entry.name}: {why}")
            continue
        answers[entry.name] = require_found(reply, f"decision {action} of {entry.name}", OFFICER)
    if refusals:
        raise Refused("Refused.\n" + "\n".join(refusals))
    return answers


def _backups(answers: Mapping[str, Mapping[str, Any]]) -> str:
    days = [answer["backups_until"] for answer in answers.values() if answer["backups_until"]]
    return f"No backup holds a key to it after {max(days)}: `ooc keys list`." if days else "There was no key."
