"""The extract of a frozen pack: the children, offences, programmes and victims behind it, by the Board's names (extract.toml).

It is counted up to the positions of the return, so that a later event does not change it. Ids follow one way from those of
the system, and stay over quarters. No sealed value is in it: no name, birth date, sex or ethnicity. Left out are children of
other areas than the reader's, and those whose processing is restricted today.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final
from uuid import UUID, uuid5
from xml.etree.ElementTree import Element, SubElement, tostring

from services.disposal.summary import DisposalSummary
from services.people.summary import PersonSummary
from services.reporting.measures import Dataset
from services.reporting.measures.kpi10 import victims_of
from services.reporting.measures.pack import MEASURE
from services.reporting.measures.period import Period
from services.reporting.measures.programmes import programmes_of
from services.reporting.projection.snapshot import Pool, snapshot
from services.reporting.queries.measure_queries import load_dataset
from services.reporting.queries.restriction import restricted_people
from services.reporting.queries.visibility import Reader
from services.reporting.returns.frozen import FrozenReturn
from shared.domain.declared import read_beside

OF: Final = MEASURE.name
"""The measure of the returns that have an extract."""
UNSET: Final = "1900-01-01"
"""The day of what has none, as the Board writes it."""

_ENTITIES: Final[Mapping[str, Any]] = read_beside(__file__, "extract.toml")
_FIELDS: Final[Mapping[str, Mapping[str, Any]]] = {
    name: ({"ypid": {"is": "The child."}} if "kind" in entity else {}) | entity["fields"]
    for name, entity in _ENTITIES.items()
}
_HEADER: Final = {"source_return_id": "The frozen return.", "first": "Its first day.", "last": "Its last day."}

Made = tuple[str, object, Mapping[str, Any]]
"""A row: its entity, what it is of, and the values of fields that are not found there."""


def schema() -> dict[str, Any]:
    """Return the JSON Schema of an extract."""

    def of(fields: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": "object", "properties": fields, "required": [*fields], "additionalProperties": False}

    def field(said: Mapping[str, Any]) -> dict[str, Any]:
        dated = said.get("as") == "date"
        kind = {"type": "string", "format": "date"} if dated else {"type": [said.get("type", "string"), "null"]}
        return kind | {"description": said["is"]}

    entities = {
        name: {"type": "array", "description": entity["is"]}
        | {"items": of({one: field(said) for one, said in _FIELDS[name].items()})}
        for name, entity in _ENTITIES.items()
    }
    return of({name: {"type": "string", "description": says} for name, says in _HEADER.items()} | entities)


async def extract_of(pool: Pool, item: FrozenReturn, reader: Reader) -> dict[str, Any]:
    """Return the extract of a frozen pack, as far as the reader's areas reach."""
    period = Period(item.first_day, item.last_day)
    async with snapshot(pool) as connection:
        dataset = await load_dataset(connection, MEASURE, period, None, None, item.positions)
        disposals = dataset.all_of(DisposalSummary)
        restricted = await restricted_people(connection, {("disposal", one.subject) for one in disposals})
    kept = [
        one
        for one in disposals
        if ("disposal", one.subject) not in restricted and (reader.areas is None or one.counted_in in reader.areas)
    ]
    return dict(zip(_HEADER, map(str, (item.id, period.first, period.last)), strict=True)) | rows_of(
        kept, dataset, period
    )


def rows_of(disposals: Iterable[DisposalSummary], dataset: Dataset, period: Period) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each entity, in an order that says nothing."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in _ENTITIES}
    for name, of, more in _made(disposals, dataset, period):
        rows[name].append({field: _value(of, more, field, said) for field, said in _FIELDS[name].items()})
    return {name: sorted(found, key=json.dumps) for name, found in rows.items()}


def as_xml(extract: Mapping[str, Any]) -> bytes:
    """Write an extract as XML: a row an element, a field an element in it, empty if it is null."""
    root = Element("return", {name: extract[name] for name in _HEADER})
    for name in _ENTITIES:
        for row in extract[name]:
            element = SubElement(root, name)
            for field, value in row.items():
                text = str(value).lower() if isinstance(value, bool) else value
                SubElement(element, field).text = None if text is None else str(text)
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))


def _pseudonym(id_: UUID, *parts: object) -> str:
    """Derive the id of a person or a record in every extract, from which nobody finds the id in the system."""
    return str(uuid5(id_, "/".join(("extract", *map(str, parts)))))


def _value(of: object, more: Mapping[str, Any], field: str, said: Mapping[str, Any]) -> Any:
    if field in more or "always" in said:
        return more.get(field, said.get("always"))
    value, form = attrgetter(said.get("of", field))(of), said.get("as")
    if form == "date":
        return UNSET if value is None else value.isoformat()
    if form is not None and value is not None:
        return form if value else {"Yes": "No", "YES": "NO"}[form]
    return float(value) if isinstance(value, Decimal) else value


def _made(disposals: Iterable[DisposalSummary], dataset: Dataset, period: Period) -> Iterator[Made]:
    codes = dataset.policy.on(period.last).table("board_codes")
    columns = {one.stream: (one, column) for one in disposals if (column := _column(one)) is not None}
    children = {one.subject for one, _ in columns.values()}
    yield from (("person_details", None, {"ypid": _pseudonym(child)}) for child in children)
    for one, column in columns.values():
        yield from _of_disposal(one, column, codes)
    for victim in victims_of((one for one, _ in columns.values()), dataset):
        item = {"victimInterventionID": _pseudonym(victim.summary.stream, victim.person)}
        yield "victim_intervention", victim, item | {"victimID": _pseudonym(victim.person)}
        yield "link_offence_victim_intervention", victim, item | {"offenceID": _pseudonym(victim.summary.stream)}
    kinds = {entity["kind"]: name for name, entity in _ENTITIES.items() if "kind" in entity}
    for person in dataset.all_of(PersonSummary):
        for said in person.circumstances if person.subject in children else ():
            suitable = "SUITABLE" if said.suitable else "UNSUITABLE"
            more = {"kpi1AccommodationSuitability": suitable, "suitability": suitable}
            kind = said.kind or ("ACCOMMODATION" if said.accommodation else "ETE")
            yield kinds[kind], said, more | {"ypid": _pseudonym(person.person)}


def _column(one: DisposalSummary) -> str | None:
    """Return the column of KPI 6; None if the case did not end out of court."""
    return one.programme.column if one.programme else one.resolution[0] if one.resolution else None


def _of_disposal(one: DisposalSummary, column: str, codes: Mapping[str, Mapping[str, str]]) -> Iterator[Made]:
    offence, child = {"offenceID": _pseudonym(one.stream)}, {"ypid": _pseudonym(one.subject)}
    outcome = one.outcome or one.given or one.deferred or one.decided
    age = None if outcome is None else outcome.age
    said = {
        "ageOnFirstHearing": one.age_at_offence if age is None else age,
        "outcomeDate": UNSET if outcome is None else outcome.on.isoformat(),
        "outcomeAppealStatus": "No appeal" if one.is_counted else "Result of appeal successful",
        "residenceOnLegalOutcomeDate": "LOCAL" if one.lived_here else "OTHER",
    }
    yield "offence", one, {**codes[column], **offence, **child, **said}
    for programme in programmes_of(one):
        item = {"interventionProgrammeID": _pseudonym(one.stream, programme.column, programme.ended_on)}
        kind = {"disposalType": codes[programme.column]["disposalType"]}
        yield "intervention_programme", programme, item | child | kind
        yield "link_offence_intervention_programme", programme, item | offence
