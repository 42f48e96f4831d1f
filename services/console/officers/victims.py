"""The victims' desk: each victim with the case's stage in words, rights, safe contact, preferences, what is due and the log.

The list comes from reporting and names nobody; names, contacts and notes come from the records, which log each look.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from services.console.apis import Apis, part_of
from services.console.names import shown_text
from services.console.rendering import address, render
from services.console.routing import console_of, query, read_page
from services.console.sessions import Session
from services.console.words import in_words
from services.system.registry import COLLECTIONS
from services.trade.words import texts_of

AT_ONCE: Final = 8
FORMS: Final = {
    "VICTIM_RJ_INFORMATION": "InformVictimOfRestorativeJustice",
    "VICTIM_SUPPORT_REFERRAL": "ReferVictimToSupport",
    "VICTIM_TOLD": "TellVictim",
}
"""The command that meets each duty to a victim."""
DONE: Final = texts_of("done")
NOTED: Final = frozenset({"ContactRecorded", "MessageSent", "VictimReferredToSupport"})
"""The events of which the log shows what they say in words."""
PHONE: Final = re.compile(r"\+?[0-9][0-9 ]{6,16}[0-9]")
"""A telephone number, of which the page makes a link."""


@dataclass(frozen=True, slots=True)
class Victim:
    """A victim with what the records show of them: name, contact, safe times, language, services of support, and notes."""

    line: Mapping[str, Any]
    details: Mapping[str, Any] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    """The sealed texts of the latest details, by field."""
    noted: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """The service of support, or the note of a contact, by the record and version of the event that has it."""

    @property
    def name(self) -> str:
        return shown_text(self.details.get("name")) or "Victim, name not shown"

    @property
    def contact(self) -> str:
        """The contact that was recorded last, else that of the referral."""
        return self.texts.get("contact") or shown_text(self.details.get("contact"))

    @property
    def call(self) -> str:
        """The telephone number to call: of a contact that is safe, and of somebody who wants to hear from us; else empty."""
        if not (self.line["contact_is_safe"] and self.line["may_be_contacted"]):
            return ""
        number = PHONE.search(self.texts.get("contact", ""))
        return number[0].replace(" ", "") if number else ""

    def form(self, service: str, stream: str, command: str) -> str:
        path = f"/records/{COLLECTIONS[service]}/{stream}/do/{command}"
        return address(path, case=self.line["case_id"], person_id=self.line["person_id"])

    @property
    def referral(self) -> str | None:
        return next((record["id"] for record in self.line["records"] if record["service"] == "referral"), None)

    def done(self, line: Mapping[str, Any]) -> str:
        words = DONE.get(line["event"], in_words(line["event"]))
        means = f" ({in_words(line['means']).lower()})" if line["means"] else ""
        missed = ", not reached" if line["reached"] is False else ""
        noted = self.noted.get((line["stream"], line["version"]))
        return f"{words}{means}{missed}{f': {noted}' if noted else ''}"


async def victims_page(request: Request, session: Session) -> Response:
    """Show the victims that the person may see, the soonest duty first."""
    apis = console_of(request).apis
    asked = query(request, "person", "case", "page")
    answer = await apis.get_projected(session, "/v1/victims", {**asked, "page": str(read_page(asked["page"]))})
    return render(
        request,
        "victims.html",
        session,
        answer=answer,
        victims=await _with_details(apis, session, answer["victims"]),
        asked=asked,
        forms=FORMS,
        pages=-(-answer["total"] // answer["page_size"]) or 1,
    )


async def victims_waiting(apis: Apis, session: Session) -> Sequence[Victim]:
    """List the victims to whom something is due, the soonest first: those of the first page of the list."""
    answer = await part_of(apis.get_projected(session, "/v1/victims"))
    return await _with_details(
        apis, session, [line for line in (answer.value or {}).get("victims", ()) if line["duties"]]
    )


async def _with_details(apis: Apis, session: Session, lines: Sequence[Mapping[str, Any]]) -> list[Victim]:
    """Read the records of each victim, each record once, as far as the person may."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def read(service: str, id_: str) -> Mapping[str, Any]:
        async with turn:
            state = await part_of(apis.get(session, service, f"/v1/{COLLECTIONS[service]}/{id_}"))
        return state.value or {}

    records = {record["id"]: record["service"] for line in lines for record in line["records"]}
    answers = await asyncio.gather(*(read(service, id_) for id_, service in records.items()))
    states = dict(zip(records, answers, strict=True))
    return [_victim(line, {record["id"]: states[record["id"]] for record in line["records"]}) for line in lines]


def _victim(line: Mapping[str, Any], states: Mapping[str, Mapping[str, Any]]) -> Victim:
    """Put together what the records of a case, by id, show of a victim."""
    person = line["person_id"]
    known: dict[str, Any] = {}
    texts: dict[str, str] = {}
    noted: dict[tuple[str, int], str] = {}
    for id_, state in states.items():
        details = state.get("details") or {}
        known |= (details.get("people") or {}).get(person) or {}
        own = [
            text for text in details.get("texts") or () if text["person_id"] == person and shown_text(text.get("value"))
        ]
        victims = state.get("victims")
        counts = (victims.get(person) or {}).get("details_told_by") if isinstance(victims, Mapping) else None
        texts |= {text["field"]: text["value"] for text in own if text["version"] == counts}
        noted |= {(id_, text["version"]): text["value"] for text in own if text["event"] in NOTED}
    return Victim(line, known, texts, noted)
