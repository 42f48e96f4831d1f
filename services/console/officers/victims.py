"""The victims' desk: each victim with the case's stage in words, rights, safe contact, preferences, what is due and the log.

The list comes from reporting and names nobody; names and contacts come from the referrals, which log each look.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from services.console.apis import Apis, part_of
from services.console.rendering import address, render
from services.console.routing import console_of, query, read_page
from services.console.sessions import Session
from services.console.words import in_words
from services.registry import COLLECTIONS

AT_ONCE: Final = 8
FORMS: Final = {
    "VICTIM_RJ_INFORMATION": "InformVictimOfRestorativeJustice",
    "VICTIM_SUPPORT_REFERRAL": "ReferVictimToSupport",
    "VICTIM_TOLD": "TellVictim",
}
"""The command that meets each duty to a victim."""
DONE: Final = {
    "ContactRecorded": "Contact",
    "VictimDetailsRecorded": "Details recorded",
    "VictimInformedOfRestorativeJustice": "Told about restorative justice",
    "VictimPreferenceRecorded": "Preference recorded",
    "VictimReferredToSupport": "Referred to support",
    "VictimTold": "Told what was decided",
    "VictimViewSought": "Asked for a view",
}
PHONE: Final = re.compile(r"\+?[0-9][0-9 ]{6,16}[0-9]")
"""A telephone number, of which the page makes a link."""


@dataclass(frozen=True, slots=True)
class Victim:
    """A victim with what the referral shows of them: name, contact, safe times, language, and the services of support."""

    line: Mapping[str, Any]
    details: Mapping[str, Any] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    """The sealed texts of the latest details, by field."""
    services: Mapping[int, str] = field(default_factory=dict)
    """The service of support, by the version of the event that names it."""

    @property
    def name(self) -> str:
        """The name, or the beginning of the id for whom no referral names to this reader."""
        return _text(self.details.get("name")) or f"Victim {self.line['person_id'][:8]}"

    @property
    def contact(self) -> str:
        """The contact that was recorded last, else that of the referral."""
        return self.texts.get("contact") or _text(self.details.get("contact"))

    @property
    def call(self) -> str:
        """The telephone number to call: of a contact that is safe, and of somebody who wants to hear from us; else empty."""
        if not (self.line["contact_is_safe"] and self.line["may_be_contacted"]):
            return ""
        number = PHONE.search(self.texts.get("contact", ""))
        return number[0].replace(" ", "") if number else ""

    def form(self, service: str, stream: str, command: str) -> str:
        """Return the address of a form about this victim."""
        path = f"/records/{COLLECTIONS[service]}/{stream}/do/{command}"
        return address(path, case=self.line["case_id"], person_id=self.line["person_id"])

    @property
    def referral(self) -> str | None:
        """The referral in which the victim stands, if there is one."""
        return next((record["id"] for record in self.line["records"] if record["service"] == "referral"), None)

    def done(self, line: Mapping[str, Any]) -> str:
        """Return a line of the log in words."""
        words = DONE.get(line["event"], in_words(line["event"]))
        means = f" ({in_words(line['means']).lower()})" if line["means"] else ""
        missed = ", not reached" if line["reached"] is False else ""
        service = self.services.get(line["version"]) if line["service"] == "referral" else None
        return f"{words}{means}{missed}{f': {service}' if service else ''}"


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


async def _with_details(apis: Apis, session: Session, lines: Sequence[Mapping[str, Any]]) -> list[Victim]:
    """Read the referral of each victim, each referral once, as far as the person may."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def read(id_: str) -> Mapping[str, Any]:
        async with turn:
            state = await part_of(apis.get(session, "referral", f"/v1/referrals/{id_}"))
        return (state.value or {}).get("details") or {}

    referrals = {record["id"] for line in lines for record in line["records"] if record["service"] == "referral"}
    details = dict(zip(referrals, await asyncio.gather(*map(read, referrals)), strict=True))
    return [
        _victim(line, [details[record["id"]] for record in line["records"] if record["id"] in details])
        for line in lines
    ]


def _victim(line: Mapping[str, Any], details: Iterable[Mapping[str, Any]]) -> Victim:
    """Put together what the referrals of a case show of a victim."""
    person = line["person_id"]
    known: dict[str, Any] = {}
    texts: dict[str, str] = {}
    services: dict[int, str] = {}
    for one in details:
        known |= (one.get("people") or {}).get(person) or {}
        own = [text for text in one.get("texts") or () if text["person_id"] == person and _text(text.get("value"))]
        latest = max((text["version"] for text in own if text["event"] == "VictimDetailsRecorded"), default=0)
        texts |= {text["field"]: text["value"] for text in own if text["version"] == latest}
        services |= {text["version"]: text["value"] for text in own if text["event"] == "VictimReferredToSupport"}
    return Victim(line, known, texts, services)


def _text(value: Any) -> str:
    """Return a value that is shown; a sealed or forgotten one is none."""
    return value if isinstance(value, str) else ""
