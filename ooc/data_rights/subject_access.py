"""`ooc subject-access`: a person's copy of all that is held about them, as JSON and PDF, for the data protection officer.

Each service answers for its own records, and opens what is sealed by that person's key alone
(shared/api/subject_access.py). What others' ids are left is taken out here. Source: UK GDPR, article 15; Data Protection
Act 2018, ss45 and 54.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import typer

from ooc.cases.access import lines_of
from ooc.cases.reading import NotFound, require_found
from ooc.data_rights.commands import OFFICER, Person, ids_of
from ooc.data_rights.redaction import Redaction
from ooc.options import PATIENT, Urls, client_of
from ooc.tables import complain, say
from services.console.documents import print_subject_access
from services.system.registry import DECIDING
from shared.domain.dates import local_day
from shared.printing.documents import NotPrintable
from tools.client.http import Client

REASON: Final = "SUBJECT_ACCESS"
"""The reason of every read, in the access log."""

RecordAnswer = Mapping[str, Any]
"""The answer of a service about one record."""


class Law(StrEnum):
    """The law by which a person asks for a copy of their data."""

    UK_GDPR_ARTICLE_15 = "UK_GDPR_ARTICLE_15"
    DPA_2018_SECTION_45 = "DPA_2018_SECTION_45"


class Language(StrEnum):
    """The language of the PDF."""

    EN = "en"
    CY = "cy"


app = typer.Typer(add_completion=False)


@app.command()
def subject_access(
    person: Person,
    basis: Annotated[Law, typer.Option("--basis", help="The law by which the person asks.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The folder to write into. Default: subject-access-PERSON.")
    ] = None,
    free_texts: Annotated[
        list[UUID] | None,
        typer.Option(
            "--free-texts",
            metavar="CASE",
            help="A case whose free texts you have read, and which describe nobody else (repeat). All others are left out.",
        ),
    ] = None,
    lang: Annotated[Language, typer.Option("--lang", help="The language of the PDF.")] = Language.EN,
    url: Urls = None,
) -> None:
    """Write all that is held about a person, for that person, without anybody else's data: as JSON and as PDF."""
    client = client_of(url, patience=PATIENT, reason=REASON)
    views = _write_copy(client, person, basis, out, free_texts or [], lang)
    # Merged ids are one person: each other one has a copy too, in a folder of its own.
    for id_ in ids_of(person, views):
        _write_copy(client, id_, basis, None, [], lang)


def _write_copy(
    client: Client, person: UUID, basis: Law, out: Path | None, free_texts: Sequence[UUID], lang: Language
) -> Mapping[str, Mapping[str, Any]]:
    """Write the copy of what is held under one id, and return what the services answer. Raises `NotFound`."""
    views = _views(client, person)
    _refuse_forgotten(person, views)
    listed = [(service, record) for service, view in views.items() for record in view["records"]]
    if not listed:
        raise NotFound(f"No record of any service names the person {person}: check the id.")
    if unknown := sorted(str(case) for case in free_texts if str(case) not in {record["home"] for _, record in listed}):
        raise NotFound(f"The person is named in no case {', '.join(unknown)}: check --free-texts.")
    opened = {str(case) for case in free_texts}
    records = [_record_answer(client, person, basis, service, record, opened) for service, record in listed]
    copy = copy_for(person, basis, views, records, list(_looks(client, listed)), datetime.now(UTC))
    folder = out or Path(f"subject-access-{person}")
    for path in _write_files(folder, copy, lang):
        say(str(path))
    left_out = sum(len(record["not_shown"]) for record in copy["records"])
    say(
        f"{len(records)} records of {len(views)} services, and {len(copy['looked'])} looks at them. {left_out} free texts"
        " are left out, since they may tell of others: read them, then name each case that you may show with --free-texts."
    )
    return views


def copy_for(
    person: UUID,
    basis: str,
    views: Mapping[str, Mapping[str, Any]],
    records: Sequence[RecordAnswer],
    looks: Sequence[Mapping[str, Any]],
    made_at: datetime,
) -> dict[str, Any]:
    own = {record["id"] for record in records} | {record["home"] for record in records}
    own |= {line["event_id"] for record in records for line in record["history"]}
    redaction = Redaction(person, own, records)
    return {
        "person_id": str(person),
        "basis": basis,
        "made_at": made_at.isoformat(),
        "decided": {
            service: {name: view[name] for name in ("holds", "restricted", "review_on")}
            for service, view in views.items()
        },
        "records": [_record(record, redaction) for record in records],
        "looked": [_look(line, redaction) for line in sorted(looks, key=lambda line: line["at"])],
    }


def _record(answer: RecordAnswer, redaction: Redaction) -> dict[str, Any]:
    """Return one record of the copy: the person's own values, the state, the history and the documents."""
    texts = [text for text in answer["details"]["texts"] if not redaction.names_others(text)]
    closed = [text for text in texts if text.get("sealed")]
    return {
        "service": answer["service"],
        "id": answer["id"],
        "case_id": answer["home"],
        "details": redaction.apply(answer["details"]["people"].get(answer["person_id"], {})),
        "texts": [redaction.apply(dict(text)) for text in texts if not text.get("sealed")],
        "not_shown": [{name: text[name] for name in ("event", "version", "field")} for text in closed],
        "state": redaction.apply({name: item for name, item in answer["state"].items() if name != "details"}),
        "history": [_event(line, redaction) for line in answer["history"]],
        "documents": answer["documents"],
    }


def _event(line: Mapping[str, Any], redaction: Redaction) -> dict[str, Any]:
    """Return one event of the copy, with both times. Of an officer it has role and organisation: a recipient's category."""
    of_another = redaction.names_others(line["data"])
    sentence = "Something was recorded about another person." if of_another else line["sentence"]
    corrected = None if of_another else line["corrected_sentence"]
    return {
        "version": line["version"],
        "type": line["type"],
        "occurred_at": line["occurred_at"],
        "recorded_at": line["recorded_at"],
        "sentence": redaction.apply(sentence),
        "corrected_sentence": corrected and redaction.apply(corrected),
        "by": {name: line["actor"][name] for name in ("role", "organisation")},
        "regime": line["labels"].get("regime"),
        "data": redaction.apply(line["data"]),
        "reasons": {} if of_another else redaction.apply(line["rationale"]),
        "corrected_by": line["corrected_by"],
    }


def _look(line: Mapping[str, Any], redaction: Redaction) -> dict[str, Any]:
    names = ("at", "role", "organisation", "action", "reason", "outcome")
    return {name: line[name] for name in names} | {"target": redaction.apply(line["target"])}


def _views(client: Client, person: UUID) -> dict[str, Mapping[str, Any]]:
    """Ask every service for its records that name the person; one that knows none is left out."""
    views: dict[str, Mapping[str, Any]] = {}
    for entry in DECIDING:
        own = "/rights" if entry.collection == "people" else ""
        reply = client.get(entry.name, f"/v1/people/{person}{own}", role=OFFICER)
        if reply.status != 404:
            views[entry.name] = require_found(reply, f"list of records of {entry.name}", OFFICER)
    return views


def _refuse_forgotten(person: UUID, views: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise `NotFound` if the person is forgotten: say when, and what remains."""
    when = {service: view["forgotten_at"] for service, view in views.items() if view["forgotten"]}
    if not when:
        return
    days = "; ".join(f"{service} on {local_day(datetime.fromisoformat(at))}" for service, at in when.items())
    remaining = [
        f"{service}/{record['id']} ({record['state']})" for service, view in views.items() for record in view["records"]
    ]
    raise NotFound(
        f"The person {person} is forgotten ({days}): the key is destroyed, and nobody can read what described them. What"
        f" remains names nobody: opaque ids, codes, dates of facts, ages in years, in {', '.join(remaining) or 'no record'}."
        " There is no copy to give."
    )


def _record_answer(
    client: Client, person: UUID, basis: str, service: str, record: Mapping[str, Any], opened: set[str]
) -> RecordAnswer:
    params = {"basis": basis, "free_texts": "true" if record["home"] in opened else "false"}
    path = f"/v1/people/{person}/records/{record['id']}"
    answer: RecordAnswer = require_found(
        client.get(service, path, role=OFFICER, params=params), f"record {path}", OFFICER
    )
    return answer


def _looks(client: Client, listed: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[Mapping[str, Any]]:
    """Yield the lines of the access logs about the person's records and cases, once each."""
    for service, record in listed:
        yield from lines_of(client, OFFICER, service, "record", record["id"])
    for case in sorted({record["home"] for _, record in listed}):
        yield from lines_of(client, OFFICER, "reporting", "case", case)


def _write_files(folder: Path, copy: Mapping[str, Any], language: str) -> Iterator[Path]:
    """Write the copy into a folder that its owner alone may read; yield each file."""
    files = {"subject-access.json": json.dumps(copy, indent=1, ensure_ascii=False).encode() + b"\n"}
    try:
        files["subject-access.pdf"] = print_subject_access(copy, language)
    except NotPrintable as error:
        complain(f"There is no PDF: {error}")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, content in files.items():
            path = folder / name
            path.unlink(missing_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
            yield path
    except OSError as error:
        raise NotFound(f"{folder} cannot be written ({error.strerror}): give another folder with -o.") from None
