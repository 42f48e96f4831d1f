"""The page of a person: what is known whatever the case, each part read from its record, with its access log and its masks."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.console.apis import Apis, part_of
from services.console.forms.known_people import KnownPerson, people_in_cases
from services.console.names import CHILD
from services.console.rendering import address, render
from services.console.routing import console_of, read_case, read_uuid
from services.console.sessions import Session
from services.console.words import day, given_in_words
from services.trade.vocabulary import SearchKind

COLLECTION: Final = "people"
OF_A_CHILD: Final = frozenset({"RecordHistory", "RecordCircumstance"})
OF_AN_ADULT: Final = frozenset({"RecordRelation"})
APART: Final = frozenset({"CorrectRecord"})
"""The commands that are reached from elsewhere: a correction from the event that it corrects."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person as a page shows them."""

    id: str
    seen: Sequence[KnownPerson]
    state: Mapping[str, Any]
    """Of their own record; empty if nothing was recorded there, or the reader may not see it."""
    forms: Sequence[tuple[str, str]] = ()
    """The title and the address of each form that the person's record offers the reader."""

    @property
    def name(self) -> str:
        return next((known.who.name for known in self.seen), "") or "Name not shown"

    @property
    def names(self) -> list[str]:
        """Each name with its birth date, as cases have them."""
        lines = (
            f"{known.who.name}, born {day(born)}"
            if isinstance(born := known.who.details.get("date_of_birth"), str)
            else known.who.name
            for known in self.seen
        )
        return list(dict.fromkeys(lines))

    @property
    def is_child(self) -> bool:
        """Whether some case is about what this person did."""
        return any(known.who.part in CHILD for known in self.seen)

    @property
    def cases(self) -> dict[str, KnownPerson]:
        """The cases that name the person, the latest change first."""
        return {known.case["case_id"]: known for known in self.seen if known.case}

    @property
    def alerts(self) -> list[str]:
        """The kinds of the open alerts, each once."""
        return list(dict.fromkeys(kind for known in self.seen for kind in known.alerts))

    @property
    def earlier(self) -> list[str]:
        """What was given here and elsewhere, with its day."""
        issued = [
            {"kind": line["disposal"], "on": line["issued_on"], "annulled": line["annulled"]}
            for case in (known.case for known in self.cases.values() if known.who.part in CHILD)
            for line in case.get("disposals") or ()
            if line.get("issued_on")
        ]
        return given_in_words([*issued, *(self.state.get("entries") or {}).values()])

    @property
    def bars(self) -> list[Mapping[str, Any]]:
        """Who may have no contact with whom, each once, as the referrals of the cases have it."""
        bars = [
            bar
            for case in (known.case for known in self.cases.values())
            for referral in case.get("referrals") or ()
            for bar in referral.get("no_contact") or ()
            if self.id in {bar["adult"], bar["child"]}
        ]
        return [bar for n, bar in enumerate(bars) if bar not in bars[:n]]


async def person_page(request: Request, session: Session) -> Response:
    """Show a person; beside another one, before the two are merged. Raises `HTTPException` 404 for who is not known to the reader."""
    apis, id_ = console_of(request).apis, str(read_uuid(request, "id"))
    beside = read_case(request.query_params.get("beside"))
    shown = await asyncio.gather(*(_read(apis, session, one) for one in (id_, beside) if one))
    if not all(one.seen or one.state for one in shown):
        raise HTTPException(404)
    person, alike = shown[0], list[KnownPerson]()
    if not beside and any("MergePerson" in path for _, path in person.forms):
        born = next((known.who.details.get("date_of_birth") for known in person.seen), None)
        asked = {SearchKind.NAME.value: person.name} | ({"date_of_birth": born} if isinstance(born, str) else {})
        found = {
            known.kept: known for of_case in await people_in_cases(apis, session, asked) for known in of_case.values()
        }
        alike = [known for other, known in found.items() if other not in {id_, *person.state.get("ids", ())}]
    return render(request, "person.html", session, person=person, shown=shown, alike=alike)


async def _read(apis: Apis, session: Session, id_: str) -> Person:
    """Read a person's own record, what it offers, and the cases that name them."""
    path = f"/v1/{COLLECTION}/{id_}"
    state, guidance, beginning, titles, cases = await asyncio.gather(
        part_of(apis.get(session, COLLECTION, path)),
        part_of(apis.get(session, COLLECTION, f"{path}/commands")),
        part_of(apis.get(session, COLLECTION, f"/v1/{COLLECTION}/commands")),
        part_of(apis.titles(COLLECTION)),
        people_in_cases(apis, session, {SearchKind.PERSON.value: id_}),
    )
    seen = [known for of_case in cases for known in of_case.values()]
    person = Person(id_, seen, state.value or {})
    commands = (guidance.value or beginning.value or {"commands": ()})["commands"]
    left_out = APART | (OF_AN_ADULT if person.is_child else OF_A_CHILD)
    case = next(iter(person.cases), None)
    forms = [
        (titles.value[line["type"]], address(f"/records/{COLLECTION}/{id_}/do/{line['type']}", case=case))
        for line in commands
        if titles.value and line["type"] not in left_out and line["status"] != "refused"
    ]
    return replace(person, forms=forms)
