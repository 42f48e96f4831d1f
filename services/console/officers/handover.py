"""Who works on a case: the officer of each record, and handing one to another officer by its command.

The choice leads to the command's own form, so rules, dry run and sending are those of every command.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.console.apis import part_of
from services.console.directory import nameless, roles_for
from services.console.forms.choices import events_of, officers_in
from services.console.forms.fields import Option
from services.console.forms.next_steps import NextStep, Steps, steps_of
from services.console.records import Record, holders_of, read_all, records_in
from services.console.rendering import address, render
from services.console.routing import console_of, query, read_uuid, see
from services.console.sessions import Session
from services.trade.vocabulary import Role

HANDING: Final[Mapping[str, str]] = {
    "AllocateReferral": "officer_id",
    "AssignFacilitator": "facilitator_id",
    "HandOverCase": "to",
    "HandOnCase": "to",
}
"""The commands that give a record to an officer, each with the field that names them."""
HANDED: Final = frozenset({"referrals", "conferences", "disposals"})
"""The kinds of records that have such a command."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A record of a case, the officer who has it, and the command that gives it to another."""

    record: Record
    officer: str
    """In words; empty if nobody has it."""
    step: NextStep | None
    """The command, if the role may know of it at all."""
    officers: Sequence[Option] = ()
    """The officers who may take it."""

    @property
    def is_handed(self) -> bool:
        """Whether a record of its kind can be given to another officer at all."""
        return self.record.collection in HANDED


async def handover_page(request: Request, session: Session) -> Response:
    """Show who has each record of a case; with an officer chosen, go on to the form that hands it over."""
    console, id_ = console_of(request), str(read_uuid(request, "case"))
    apis = console.apis
    case, events = await asyncio.gather(
        apis.get_projected(session, f"/v1/cases/{id_}"), part_of(events_of(apis, session, id_))
    )
    known = await console.directory.of_area(session, holders_of(case))
    records = await read_all(apis, session, case, {}, guidance=True)
    names = {option.value: option.text for option in officers_in(session, events.value or (), known)}
    officer_of = {str(record["id"]): record.get("officer") for _, record in records_in(case)}
    holdings = [
        _holding(
            record, officer_of[record.id], names, lambda roles: officers_in(session, events.value or (), known, roles)
        )
        for record in records
    ]
    chosen = query(request, "record", "officer", "other")
    wrong = ""
    if chosen["record"]:
        holding = next((candidate for candidate in holdings if candidate.record.id == chosen["record"]), None)
        if holding is None or holding.step is None or not holding.step.is_open:
            raise HTTPException(404)
        officer = _uuid(chosen["other"] or chosen["officer"])
        if officer is not None:
            path = f"/records/{holding.record.collection}/{holding.record.id}/do/{holding.step.type}"
            return see(address(path, case=id_, **{HANDING[holding.step.type]: officer}))
        wrong = "Choose an officer. The number of one who is not listed has 36 letters, digits and hyphens"
    return render(
        request, "handover.html", session, problem=wrong, id=id_, holdings=holdings, chosen=chosen, wrong=wrong
    )


def _holding(
    record: Record,
    officer: str | None,
    names: Mapping[str, str],
    officers_of: Callable[[frozenset[Role]], Sequence[Option]],
) -> Holding:
    guidance = record.guidance.value
    steps = steps_of(guidance, record.titles) if guidance else Steps((), ())
    step = next((step for step in (*steps.shown, *steps.out_of_place) if step.type in HANDING), None)
    words = (names.get(officer) or nameless(officer)) if officer else ""
    if step is None:
        return Holding(record, words, None)
    fit = officers_of(roles_for(HANDING[step.type].removesuffix("_id")))
    return Holding(record, words, step, (Option("", "Choose"), *fit))


def _uuid(text: str | None) -> str | None:
    try:
        return str(UUID((text or "").strip()))
    except ValueError:
        return None
