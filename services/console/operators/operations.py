"""The operators' page: each service with its lag, what is parked, quarantined or missing, the alarms, and the decisions about them.

Every decision needs the reason that the person gave for looking; it is kept for ever with the decision.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.console.apis import Apis, Part, part_of
from services.console.rendering import render
from services.console.routing import Form, console_of, first, read_name, read_uuid
from services.console.sessions import Session
from services.console.words import in_words
from services.system.lags import Lag, lags_of
from services.system.registry import FOLLOWERS, SERVICES

KINDS: Final[Mapping[str, Mapping[str, str]]] = {
    "alarms": {"attend": "Say that I look after it", "acknowledge": "Take the alarm back"},
    "reactions": {"retry": "Try it again now", "close": "Close it for good: it is never done"},
    "quarantine": {"retry": "Try the held records again", "release": "Skip held records: they are never applied"},
    "gaps": {"release": "Do without the versions that never came"},
}
"""What can be held, under its name in the APIs, with the decisions about it."""
OFFSET: Final = re.compile(r"[0-9]{1,18}")
LAG: Final = re.compile(r"[a-z_]{1,40}\.[a-z_]{1,40}:[0-9]{1,12}")
"""A lag as the address of a later look has it."""
BY_NAME: Final = {entry.name: entry for entry in SERVICES}
TITLES: Final[Mapping[str, str]] = {
    **{entry.name: entry.title for entry in SERVICES},
    **{name: name.capitalize() for name in FOLLOWERS},
}
BY_REPORTING: Final = frozenset(KINDS) - {"reactions"}
"""Kinds that a service that only projects has as well."""


@dataclass(frozen=True, slots=True)
class Held:
    """Something that waits for a person."""

    service: str
    kind: str
    id: str
    sentence: str
    since: str
    about: str = ""

    @property
    def actions(self) -> Mapping[str, str]:
        """The decisions about it; none for a follower, which takes no token."""
        return KINDS[self.kind] if self.service in BY_NAME else {}


@dataclass(frozen=True, slots=True)
class ServiceLine:
    """A service or a follower: how far it has come, what it lags behind, and what is held in it."""

    name: str
    title: str
    status: Part[dict[str, Any]]
    behind: Sequence[tuple[Lag, str]]
    """What it lags behind, each with its trend since the last look in words; empty if there was none."""
    held: Sequence[Held]
    notices: Sequence[str]


async def operations_page(request: Request, session: Session) -> Response:
    """Show every service and follower. The look before stands in the address, so that the trend needs no memory."""
    before = look_before(request)
    names = await console_of(request).directory.names(session)
    lines = await service_lines(console_of(request).apis, session, names, before)
    behind = [f"{lag.name}:{lag.left}" for line in lines for lag, _ in line.behind]
    return render(
        request,
        "operations.html",
        session,
        lines=lines,
        held=[item for line in lines for item in line.held],
        since=before.at if before else None,
        caught_up=[
            name for name in (before.left if before else ()) if name not in {item.partition(":")[0] for item in behind}
        ],
        again=f"/operations?{urlencode({'since': datetime.now(UTC).isoformat(), 'behind': behind}, doseq=True)}",
    )


@dataclass(frozen=True, slots=True)
class Look:
    """An earlier look at the operations page: when, and what lagged then."""

    at: datetime
    left: Mapping[str, int]


def look_before(request: Request) -> Look | None:
    """Return the look that the address names; None if it names none."""
    try:
        at = datetime.fromisoformat(request.query_params["since"])
    except (KeyError, ValueError):
        return None
    lags = (text.partition(":") for text in request.query_params.getlist("behind") if LAG.fullmatch(text))
    return None if at.tzinfo is None else Look(at, {name: int(left) for name, _, left in lags})


def trend_of(lag: Lag, before: Look | None) -> str:
    """Say how a lag has moved since an earlier look; nothing if there was none."""
    if before is None:
        return ""
    moved = lag.left - before.left.get(lag.name, 0)
    return f"falling further behind, by {moved}" if moved > 0 else f"catching up, by {-moved}" if moved else "unchanged"


async def service_lines(
    apis: Apis, session: Session, names: Mapping[str, str], before: Look | None
) -> Sequence[ServiceLine]:
    """Ask everything that answers monitoring for its status, and the services for what the person may see in them."""
    statuses, lists = await asyncio.gather(
        asyncio.gather(*(part_of(apis.status(name)) for name in apis.watched)),
        asyncio.gather(*(_lists(apis, session, name) for name in apis.watched)),
    )
    seen = {name: status.value for name, status in zip(apis.watched, statuses, strict=True) if status.value}
    return [
        ServiceLine(
            name,
            TITLES[name],
            status,
            [(lag, trend_of(lag, before)) for lag in lags_of(name, seen)],
            _list_held(name, seen.get(name, {}), parts, names),
            list(dict.fromkeys(part.notice for part in parts.values() if part.notice)),
        )
        for name, status, parts in zip(apis.watched, statuses, lists, strict=True)
    ]


def _list_held(
    name: str, status: Mapping[str, Any], parts: Mapping[str, Part[list[dict[str, Any]]]], names: Mapping[str, str]
) -> Sequence[Held]:
    if name in BY_NAME:
        return [_item_held(name, kind, item, names) for kind, part in parts.items() for item in part.value or ()]
    why = f"Nobody can take it here, since {TITLES[name]} takes no person's token; it ends with its cause"
    return [
        Held(name, "alarms", "", alarm["meaning"], alarm["raised_at"], f"{alarm['place']}. {why}: {alarm['runbook']}.")
        for alarm in status.get("alarms", ())
    ]


async def decision_page(request: Request, session: Session) -> Response:
    return await _decision(request, session, through=request.query_params.get("through", ""), dry_run=True)


async def decide(request: Request, session: Session, form: Form) -> Response:
    return await _decision(request, session, through=first(form, "through"), dry_run=False)


async def _decision(request: Request, session: Session, *, through: str, dry_run: bool) -> Response:
    service, kind = read_name(request, "service").replace("-", "_"), read_name(request, "kind")
    id_, action = read_uuid(request, "id"), read_name(request, "action")
    if service not in BY_NAME or action not in KINDS.get(kind, {}):
        raise HTTPException(404)
    answer: Part[dict[str, Any]] = Part()
    records: Sequence[Mapping[str, Any]] = ()
    if session.reason is not None:
        apis = console_of(request).apis
        path = f"/v1/{kind}/{id_}"
        if (kind, action) == ("quarantine", "release") and dry_run:
            held = await part_of(apis.get(session, service, path))
            records = (held.value or {}).get("held", ())
        question = f"?dry_run={'true' if dry_run else 'false'}" + (
            f"&through_offset={through}" if OFFSET.fullmatch(through) else ""
        )
        answer = await part_of(apis.post(session, service, f"{path}/{action}{question}", {}))
    return render(
        request,
        "operations_decision.html",
        session,
        status=answer.status,
        service=service,
        title=BY_NAME[service].title,
        what=KINDS[kind][action],
        answer=answer,
        records=records,
        through=through,
        dry_run=dry_run,
    )


async def _lists(apis: Apis, session: Session, name: str) -> Mapping[str, Part[list[dict[str, Any]]]]:
    kinds = [kind for kind in KINDS if name in BY_NAME and (kind in BY_REPORTING or BY_NAME[name].decides)]
    parts = await asyncio.gather(*(part_of(apis.get(session, name, f"/v1/{kind}")) for kind in kinds))
    return dict(zip(kinds, parts, strict=True))


def _item_held(service: str, kind: str, item: Mapping[str, Any], names: Mapping[str, str]) -> Held:
    match kind:
        case "alarms":
            who = item["attended_by"] or ""
            role, _, person = who.partition(" ")
            attended = f"{names.get(person) or in_words(role)} looks after it." if who else "Nobody looks after it yet."
            about = f"{item['consumer']}, {item['place']}. {attended}"
            return Held(service, kind, item["id"], item["meaning"], item["raised_at"], about)
        case "reactions":
            return Held(
                service,
                kind,
                item["command_id"],
                item["sentence"],
                item["parked_at"],
                f"tried {item['attempts']} times",
            )
        case "quarantine":
            words = f"{item['records']} records of {item['stream']} are held"
            return Held(service, kind, item["id"], words, item["since"], f"{item['cause']}: {item['error']}")
        case _:
            words = f"{item['waiting']} records of {item['stream']} wait for version {item['held'] + 1}"
            return Held(service, kind, item["id"], words, item["since"], f"next there is version {item['found']}")
