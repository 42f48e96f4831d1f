"""The names of the people of records, as the services show them to the person: each look is a read that is logged."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.console.apis import PROJECTED, Apis, NoAnswer, Problem
from services.console.sessions import Session
from services.console.words import in_words
from services.reporting.access import MOST_NAMED, NAMING

CHILD: Final = ("SUSPECT", "HARMER", "CHILD", "SUBJECT")
"""Parts in a record of the child whose case it is."""
VICTIM: Final = "VICTIM"
"""The part in a record of a harmed person."""

Record = tuple[str, str]
"""A service, and the id of a record of it."""


@dataclass(frozen=True, slots=True)
class Who:
    """A person of a record, as far as the reader may know them."""

    id: str
    part: str
    name: str
    details: Mapping[str, Any]


def people_of(state: Mapping[str, Any]) -> list[Who]:
    """List the people of a record, the child first."""
    parts = state["people"] if isinstance(state.get("people"), Mapping) else {}
    victims = dict.fromkeys(state.get("victims") or (), "VICTIM")
    details = (state.get("details") or {}).get("people") or {}
    people = [
        Who(
            id_, str((victims | parts).get(id_, "")), shown_text(details.get(id_, {}).get("name")), details.get(id_, {})
        )
        for id_ in dict.fromkeys([*parts, *details])
    ]
    return _sorted(people)


def called(people: Collection[Who]) -> dict[str, str]:
    """Return what each person is called, by id: the name, else the part."""
    nameless = sorted((who for who in people if not who.name), key=lambda who: who.id)
    known = {who.id: who.name for who in people if who.name}
    return known | unnamed({who.id: in_words(who.part) or "Person" for who in nameless})


def unnamed(parts: Mapping[str, str]) -> dict[str, str]:
    """Return names by id, in words, for people of whom the reader sees only the part."""
    return {id_: f"{words}, name not shown" for id_, words in told_apart(parts).items()}


def told_apart(alike: Mapping[str, str]) -> dict[str, str]:
    """Return words by id, with a number after those that several ids have."""
    ids = defaultdict(list)
    for id_, words in alike.items():
        ids[words].append(id_)
    return {
        id_: f"{words} {number}" if len(same) > 1 else words
        for words, same in ids.items()
        for number, id_ in enumerate(same, 1)
    }


def children_in(people: Iterable[Who]) -> list[Who]:
    """Return the children whose record it is, such as siblings, as far as the reader may know their names."""
    named = [who for who in _sorted(people) if who.name]
    return [who for who in named if who.part in CHILD] or [who for who in named if not who.part][:1]


def _sorted(people: Iterable[Who]) -> list[Who]:
    return sorted(people, key=lambda who: (who.part not in CHILD, who.part != "", who.name))


async def of_records(
    apis: Apis, session: Session, records: Iterable[Record], cases: Iterable[str] = ()
) -> dict[str, str]:
    """Return the names of the children by the id of the record or case, for those that the person may read: few questions for many.

    Who may read no child's name there gets those of the victims, and is told so.
    """
    people = await _ask(apis, session, records, cases)
    named = {
        id_: (children_in(all_), [who for who in all_ if who.name and who.part == VICTIM])
        for id_, all_ in people.items()
    }
    return {id_: _in_words(*who) for id_, who in named.items() if any(who)}


def _in_words(children: Sequence[Who], victims: Sequence[Who]) -> str:
    names = " and ".join(who.name for who in children or victims)
    return names if children else f"{names} ({'victims' if len(victims) > 1 else 'victim'})"


async def children_of(apis: Apis, session: Session, records: Iterable[Record]) -> dict[str, Who]:
    """Return the first child by the id of the record, for those that the person may read: one question for many records."""
    people = await _ask(apis, session, records)
    return {id_: children[0] for id_, all_ in people.items() if (children := children_in(all_))}


async def _ask(
    apis: Apis, session: Session, records: Iterable[Record], cases: Iterable[str] = ()
) -> dict[str, list[Who]]:
    """Return the people by the id of the record or case whom the answer names."""
    wanted = list(dict.fromkeys(f"{service}/{id_}" for service, id_ in records if service in NAMING))
    of_cases = list(dict.fromkeys(cases))
    parts = [("records", wanted[n : n + MOST_NAMED]) for n in range(0, len(wanted), MOST_NAMED)]
    parts += [("cases", of_cases[n : n + MOST_NAMED]) for n in range(0, len(of_cases), MOST_NAMED)]
    answers = await asyncio.gather(*(_ask_for_names(apis, session, part, what) for what, part in parts))
    everyone = [(what, named) for (what, _), answer in zip(parts, answers, strict=True) for named in answer]
    people: dict[str, dict[str, Who]] = defaultdict(dict)
    for (what, named), name in zip(everyone, in_full([named for _, named in everyone]), strict=True):
        of_record = people[named["id" if what == "records" else "case_id"]]
        known = of_record.get(named["person_id"])
        part = known.part if known and known.part in CHILD else named["part"] or ""
        of_record[named["person_id"]] = Who(named["person_id"], part, name, {})
    return {id_: list(who.values()) for id_, who in people.items()}


async def of_people(apis: Apis, session: Session, records: Iterable[Record]) -> dict[str, str]:
    """Return the name of each person of some records by the person's id, for those that the person may read."""
    wanted = [f"{service}/{id_}" for service, id_ in records if service in NAMING][:MOST_NAMED]
    people = await _ask_for_names(apis, session, wanted)
    return {named["person_id"]: name for named, name in zip(people, in_full(people), strict=True)}


def in_full(people: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of a list; several people of one name are told apart by the year of birth, or else by the case."""
    born: dict[str, dict[str, int | None]] = defaultdict(dict)
    for named in people:
        born[named["name"].casefold()][named["person_id"]] = named["year_of_birth"]
    names = []
    for named in people:
        years = born[named["name"].casefold()]
        differ = None not in years.values() and len(set(years.values())) == len(years)
        apart = f", born {named['year_of_birth']}" if differ else f", case {named['case_id'][:8]}"
        names.append(f"{named['name']}{apart if len(years) > 1 else ''}")
    return names


async def _ask_for_names(
    apis: Apis, session: Session, ids: Sequence[str], what: str = "records"
) -> list[Mapping[str, Any]]:
    """Return the named people of some records or cases; none if the person may not read them, or no service answers."""
    try:
        answer = await apis.post(session, PROJECTED, "/v1/names", {what: ids})
    except (Problem, NoAnswer):
        return []
    people: list[Mapping[str, Any]] = answer["people"]
    return people


def shown_text(value: Any) -> str:
    """Return a value that is shown; a sealed or forgotten one is none."""
    return value if isinstance(value, str) else ""
