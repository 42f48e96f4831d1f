"""The auditor's pages: a case's events with their proofs, what each changed, both clocks beside each other, and the export.

The console computes each proof itself from the APIs' answers: see `proofs.py`, and shared/evidence/verify_bundle.py for a whole case.
"""

import asyncio
import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.console.apis import Apis, Part, Problem, part_of, unless_unknown
from services.console.auditors.proofs import CheckedCheckpoint, EventProof, check_checkpoint, check_event
from services.console.documents import print_case_file
from services.console.names import of_records, people_of
from services.console.officers.moments import HEAD, all_events, changed_facts, members
from services.console.records import SERVICES as SERVICE_OF
from services.console.rendering import render
from services.console.routing import console_of, read_case, read_collection, read_name, read_uuid
from services.console.sessions import Session
from services.console.words import command_in_words
from services.system.registry import COLLECTIONS, RECORD_TITLES, SERVICES
from shared.evidence.bundle import bundle_of, report_bundle
from shared.evidence.verify_bundle import Keys, Unreadable, check
from shared.privacy.signed_note import VerifierKey

CLOCKS: Final = {"occurred_at": "when it happened", "recorded_at": "when it was recorded"}
MOST_LANES: Final = 50
"""The most records that stand side by side: a row has a cell for each."""
INSTANT: Final = timedelta(microseconds=1)
"""The unit of the event stores' clock."""
FILES: Final = {"json": "application/json", "pdf": "application/pdf"}
KEYS: Final = "/evidence/keys"
NO_CHECKPOINT: Final = "No checkpoint of this log is signed yet: the first comes seconds after its first entry."


@dataclass(frozen=True, slots=True)
class CheckedLog:
    """A log of a service, with its latest checkpoint as the console has checked it."""

    title: str
    log: str
    checkpoint: CheckedCheckpoint
    entries: int
    """How many entries of the case it holds."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A record as a column of the swimlane, or with its events as the log has them."""

    collection: str
    id: str
    events: Sequence[Mapping[str, Any]] = ()

    @property
    def title(self) -> str:
        return f"{RECORD_TITLES[self.collection]} {self.id[:8]}"


async def event_page(request: Request, session: Session) -> Response:
    """Show an event: what was recorded, its proof, and the record before and after it."""
    collection, id_ = read_collection(request), str(read_uuid(request, "id"))
    apis, path, service = console_of(request).apis, f"/v1/{collection}/{id_}", SERVICE_OF[collection]
    history = (await apis.get(session, service, f"{path}/history"))["events"]
    version = request.path_params["version"]
    place = next((n for n, line in enumerate(history) if str(line["version"]) == version), None)
    if place is None:
        raise HTTPException(404)
    event = history[place]
    at = datetime.fromisoformat(event["recorded_at"])
    proof, before, after, children = await asyncio.gather(
        part_of(_prove(request, session, service, event)),
        part_of(_state(apis, session, service, path, at - INSTANT)),
        part_of(_state(apis, session, service, path, at)),
        of_records(apis, session, [(service, id_)]),
    )
    then = after.value or {}
    names = {who.id: who.name for who in people_of(then) if who.name}
    return render(
        request,
        "event.html",
        session,
        child=children.get(id_, ""),
        title=f"Event {event['version']} of {RECORD_TITLES[collection].lower()} {id_[:8]}",
        service=RECORD_TITLES[collection],
        record=f"/records/{collection}/{id_}",
        case_id=read_case(request.query_params.get("case")),
        event=event,
        officers=await console_of(request).directory.names(session),
        data=list(members("", event["data"], names)),
        proof=proof,
        together=[
            line
            for line in history
            if line["recorded_at"] == event["recorded_at"] and line["version"] != event["version"]
        ],
        changes=changed_facts(_facts(before.value or {}, names), _facts(then, names)),
        state=list(_facts(then, names).items()),
        first=before.value == {},
        states=after if after.notice else before,
        earlier=history[place - 1]["version"] if place else None,
        later=history[place + 1]["version"] if place + 1 < len(history) else None,
    )


async def _prove(request: Request, session: Session, service: str, event: Mapping[str, Any]) -> EventProof:
    console = console_of(request)
    apis = console.apis
    note, keys = await asyncio.gather(_note(apis, session, service, "events"), apis.get(session, service, KEYS))
    checkpoint = check_checkpoint(note, keys, console.witness)
    path: Sequence[str] = ()
    if not checkpoint.fault and event["position"] <= checkpoint.size:
        place = {"number": event["position"], "size": checkpoint.size}
        path = await apis.get(session, service, "/evidence/events/inclusion", place)
    return await asyncio.to_thread(check_event, event, checkpoint, path)


async def _state(apis: Apis, session: Session, service: str, path: str, known_at: datetime) -> Any:
    """Return a record as it was known at a time; nothing if it was not begun."""
    return await unless_unknown(apis.get(session, service, path, {"known_at": known_at.isoformat()})) or {}


def _facts(state: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    return dict(members("", {name: value for name, value in state.items() if name not in HEAD}, names))


async def proof_page(request: Request, session: Session) -> Response:
    """Show every event of a case as the logs have it, and what came of the check of the whole."""
    id_, witness = str(read_uuid(request, "case")), console_of(request).witness
    parts, notices = await _evidence(request, session, id_)
    bundle = bundle_of(id_, parts)
    faults, events = await asyncio.gather(
        asyncio.to_thread(_faults, bundle), part_of(all_events(console_of(request).apis, session, id_, {}))
    )
    sentences = {(line["service"], line["position"]): line for line in events.value or ()}
    streams = list(_streams(parts, sentences))
    shown = {(line["service"], line["number"]) for stream in streams for line in stream.events}
    return render(
        request,
        "proof.html",
        session,
        id=id_,
        faults=faults,
        notices=notices,
        logs=await asyncio.to_thread(lambda: list(_logs_of(parts, witness))),
        streams=streams,
        elsewhere=[line for place, line in sentences.items() if place not in shown],
        collections=COLLECTIONS,
        lines=sum(len(part.get("access", {}).get("entries", ())) for part in parts),
        total=len(shown),
    )


async def bundle_file(request: Request, session: Session) -> Response:
    """Return a case with its proofs as a file, which a person checks without this system."""
    id_, kind = str(read_uuid(request, "case")), read_name(request, "kind")
    if kind not in FILES:
        raise HTTPException(404)
    parts, notices = await _evidence(request, session, id_)
    if notices:
        raise HTTPException(422, f"The export would not be whole, so there is none. {' '.join(notices)}")
    text = json.dumps(bundle_of(id_, parts), indent=1, ensure_ascii=False) + "\n"
    content = text.encode() if kind == "json" else await asyncio.to_thread(print_case_file, text)
    name = f'attachment; filename="case-{id_[:8]}.{kind}"'
    return Response(content, media_type=FILES[kind], headers={"Content-Disposition": name})


async def swimlane_page(request: Request, session: Session) -> Response:
    """Show the records of a case side by side, an event at its time in its record's column."""
    id_ = str(read_uuid(request, "case"))
    clock = request.query_params.get("clock", "occurred_at")
    if clock not in CLOCKS:
        raise HTTPException(404)
    events = await all_events(console_of(request).apis, session, id_, {}, clock)
    lanes, rows = lanes_of(events, clock)
    return render(
        request, "swimlane.html", session, id=id_, clock=clock, clocks=CLOCKS, lanes=lanes, rows=rows, total=len(events)
    )


def lanes_of(
    events: Sequence[Mapping[str, Any]], clock: str
) -> tuple[Sequence[Lane], Sequence[tuple[str, Sequence[Sequence[Mapping[str, Any]]]]]]:
    """Return the records of events in the order of their first one, and for each time the events of each record.

    Raises `HTTPException` 422 for too many records.
    """
    lanes = list(dict.fromkeys(Lane(COLLECTIONS[event["service"]], event["stream"]) for event in events))
    if len(lanes) > MOST_LANES:
        raise HTTPException(422, "This case has too many records to stand side by side: look at its timeline.")
    rows: dict[str, list[list[Mapping[str, Any]]]] = {}
    for event in events:
        row = rows.setdefault(event[clock], [[] for _ in lanes])
        row[lanes.index(Lane(COLLECTIONS[event["service"]], event["stream"]))].append(event)
    return lanes, list(rows.items())


async def _evidence(request: Request, session: Session, case: str) -> tuple[Sequence[Mapping[str, Any]], Sequence[str]]:
    """Ask every service for its evidence of a case; return the answers, and what a service says that gives none.

    Raises `HTTPException` if no service holds anything of the case, or the person may see none of it.
    """
    apis = console_of(request).apis
    path = f"/v1/evidence/homes/{case}"
    answers: Sequence[Part[dict[str, Any]]] = await asyncio.gather(
        *(part_of(apis.get(session, entry.name, path)) for entry in SERVICES)
    )
    parts = [part.value for part in answers if part.value]
    notices = [
        f"{entry.title}: {part.notice}" for entry, part in zip(SERVICES, answers, strict=True) if part.value is None
    ]
    if not any(part.get("events", {}).get("entries") for part in parts):
        refused = next((part for part in answers if part.status == 403), None)
        if refused is not None:
            raise HTTPException(403, refused.notice)
        if not notices:
            raise HTTPException(404)
    return parts, notices


def _faults(bundle: Mapping[str, Any]) -> list[str]:
    """Check a bundle by the code that checks it offline; its faults, each a sentence."""
    keys = Keys([key for part in bundle["services"] for key in part["keys"]])
    try:
        return check(dict(bundle), keys, [], None)
    except Unreadable as error:
        return [str(error)]


def _logs_of(parts: Sequence[Mapping[str, Any]], witness: VerifierKey | None) -> Iterator[CheckedLog]:
    titles = {entry.name: entry.title for entry in SERVICES}
    for part in parts:
        for log in ("events", "access"):
            if entries := part.get(log, {}).get("entries"):
                checkpoint = check_checkpoint(part[log]["checkpoint"], part["keys"], witness)
                yield CheckedLog(titles[part["service"]], log, checkpoint, len(entries))


def _streams(
    parts: Sequence[Mapping[str, Any]], sentences: Mapping[tuple[str, int], Mapping[str, Any]]
) -> Iterator[Lane]:
    """Yield the records of a case, each with its events; if the timeline has no sentence, the type stands for it."""
    for part in parts:
        streams: dict[str, list[Mapping[str, Any]]] = {}
        for entry in part.get("events", {}).get("entries", ()):
            body = json.loads(base64.b64decode(entry["body"]))
            known = sentences.get((part["service"], entry["number"]))
            line = {
                "service": part["service"],
                "number": entry["number"],
                "version": entry["version"],
                "hash": entry["hash"],
                "recorded_at": entry["at"],
                "sentence": known["sentence"] if known else command_in_words(body["type"].split(".")[2]),
            }
            streams.setdefault(entry["stream"].partition("/")[2], []).append(line)
        for stream, events in streams.items():
            yield Lane(COLLECTIONS[part["service"]], stream, events)


async def evidence_page(request: Request, session: Session) -> Response:
    """Show the latest checkpoint of every log, and the last verification that was kept."""
    console = console_of(request)
    apis = console.apis
    (logs, keys), kept = await asyncio.gather(
        latest_checkpoints(request, session), part_of(apis.get(session, "reporting", "/v1/verifications/latest"))
    )
    report = kept.value
    return render(
        request,
        "evidence.html",
        session,
        logs=logs,
        keys=keys,
        witness=console.witness,
        kept=kept,
        report=json.loads(report["report"]) if report else None,
        faults=await asyncio.to_thread(report_faults, report) if report else [],
    )


async def latest_checkpoints(
    request: Request, session: Session
) -> tuple[Sequence[tuple[str, str, Part[CheckedCheckpoint]]], Sequence[str]]:
    """Return the latest checkpoint of each log, checked, with the titles of service and log; and all public keys."""
    console = console_of(request)
    logs = [(entry, log) for entry in SERVICES for log in (("events", "access") if entry.decides else ("access",))]
    parts, notes = await asyncio.gather(
        asyncio.gather(*(part_of(console.apis.get(session, entry.name, KEYS)) for entry in SERVICES)),
        asyncio.gather(*(part_of(_note(console.apis, session, entry.name, log)) for entry, log in logs)),
    )
    keys = dict(zip((entry.name for entry in SERVICES), parts, strict=True))

    def checked(service: str, note: Part[str]) -> Part[CheckedCheckpoint]:
        of_service = keys[service]
        if note.value is None or of_service.value is None:
            missing = note if note.value is None else of_service
            return Part(notice=missing.notice, status=missing.status)
        return Part(check_checkpoint(note.value, of_service.value, console.witness))

    lines = [(entry.title, log, checked(entry.name, note)) for (entry, log), note in zip(logs, notes, strict=True)]
    return lines, [key for part in parts for key in part.value or ()]


def report_faults(kept: Mapping[str, Any]) -> list[str]:
    """Check a kept report against the signed access log."""
    return _faults(report_bundle(kept["verification_id"], kept["report"], [kept["evidence"]]))


async def _note(apis: Apis, session: Session, service: str, log: str) -> str:
    """Return the latest checkpoint of a log as its signed note. Raises `Problem` or `NoAnswer`."""
    try:
        return (await apis.document(session, service, f"/evidence/{log}/checkpoint")).decode()
    except Problem as problem:
        if problem.status != 404:
            raise
        raise Problem(service, 404, {"detail": NO_CHECKPOINT}) from problem
