"""Who is known already: before somebody is linked, those are offered whom a search finds, with what the role may see of them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from services.console.apis import Apis, part_of
from services.console.forms import people
from services.console.forms.fields import MISSING, Answers, Field, all_fields, boxes_of, day_in
from services.console.names import CHILD, Who, people_of
from services.console.navigation import lists_of
from services.console.routing import first
from services.console.sessions import Session
from services.console.words import age, day, in_words, today
from services.system.registry import COLLECTIONS
from services.trade.partnership import partnership_on
from services.trade.vocabulary import SearchKind

MOST: Final = 10
"""The cases in which somebody is looked for, those that changed last."""


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """Somebody whom a search found, as far as the reader may know them."""

    who: Who
    case: Mapping[str, Any]
    """The case of the record that names them; empty if the reader may not see it."""
    seen_at: str
    """When that record changed last."""
    kept: str
    """The one id of the person."""

    @property
    def alerts(self) -> list[str]:
        return [alert["kind"] for alert in self.case.get("alerts") or () if alert["person_id"] == self.who.id]

    @property
    def words(self) -> str:
        """What tells the person from others: age, school, area, when last seen, and alerts."""
        details = self.who.details
        years = age(details.get("date_of_birth"), today())
        urn = details.get("school_urn")
        parts = (
            self.who.name,
            in_words(self.who.part).lower() if self.who.part not in CHILD else "",
            "" if years is None else f"{years} years old",
            partnership_on(today()).schools.get(str(urn), f"school {urn}") if urn else "",
            in_words(self.case.get("area")),
            f"last seen {day(self.seen_at)}" if self.seen_at else "",
        )
        alerts = f". Alerts: {', '.join(map(in_words, self.alerts))}" if self.alerts else ""
        return ", ".join(filter(None, parts)) + alerts


def may_search(session: Session) -> bool:
    """Tell whether a role finds people by a search; to others nobody is offered, for that would tell whom the police know."""
    return "search" in lists_of(session.roles).parts


async def find_people(apis: Apis, session: Session, answers: Answers) -> dict[str, KnownPerson]:
    """Find by name, birth date and school those who may be meant, each by one id. Raises no problem: then nobody is found."""
    asked: dict[str, str] = {SearchKind.NAME: first(answers, people.NAME).strip()}
    try:
        born = day_in(people.BORN, answers)
    except ValueError:
        return {}
    if born is not MISSING:
        asked["date_of_birth"] = born.isoformat()
    elif school := first(answers, f"{people.DETAILS}.school_urn"):
        asked[SearchKind.SCHOOL] = school
    found: dict[str, KnownPerson] = {}
    for in_case in await people_in_cases(apis, session, asked):
        found = {**{known.kept: known for known in in_case.values()}, **found}
    return found


async def people_in_cases(apis: Apis, session: Session, asked: Mapping[str, str]) -> list[dict[str, KnownPerson]]:
    """Search, and return for each case that is found those who were meant, by their ids; nothing if the role may not search."""
    answer = await part_of(apis.search(session, asked))
    cases = (answer.value or {"cases": ()})["cases"][:MOST]
    return await asyncio.gather(*(_people_in(apis, session, case) for case in cases))


async def _people_in(apis: Apis, session: Session, found: Mapping[str, Any]) -> dict[str, KnownPerson]:
    """Read who of a case was found: from the record, whose read is logged and masked, and from the case."""
    naming = (record for record in found["records"] if record["person_ids"])
    # A referral says in which part.
    record = min(naming, key=lambda record: record["service"] != "referral", default=None)
    if record is None:
        return {}
    collection = COLLECTIONS[record["service"]]
    state, case = await asyncio.gather(
        part_of(apis.get(session, record["service"], f"/v1/{collection}/{record['id']}")),
        part_of(apis.get_projected(session, f"/v1/cases/{found['case_id']}")),
    )
    of_case: Mapping[str, Any] = case.value or {}
    lines = (line for line in of_case.get(collection) or () if line["id"] == record["id"])
    seen_at = next((line.get("updated_at", "") for line in lines), "")
    return {
        who.id: KnownPerson(who, of_case, seen_at, record.get("kept", {}).get(who.id, who.id))
        for who in people_of(state.value or {})
        if who.id in record["person_ids"] and who.name
    }


def answers_for(person: KnownPerson, fields: Sequence[Field]) -> dict[str, list[str]]:
    """Return what is known of a person as answers to the fields of the details; what the reader may not see stays open."""
    answers: dict[str, list[str]] = {}
    for field in all_fields(fields):
        value = person.who.details.get(field.name.removeprefix(f"{people.DETAILS}."))
        if field.kind == "date" and isinstance(value, str):
            answers |= {name: list(texts) for name, texts in boxes_of(field.name, date.fromisoformat(value)).items()}
        elif isinstance(value, str):
            answers[field.name] = [value]
        elif isinstance(value, list):
            answers[field.name] = ["\n".join(map(str, value))]
    return answers
