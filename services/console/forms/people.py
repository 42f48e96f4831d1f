"""The people of a case in a form: only fitting ones are offered, and what the case knows of a child is not asked again.

The services refuse people who do not fit (rules V1 and R7) and note details that differ (N1): the form prevents both.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Final
from uuid import uuid4

from services.console.forms.fields import Answers, Field, Option, boxes_of, boxes_of_time
from services.console.routing import first
from services.trade.vocabulary import AppropriateAdultKind, Category, PersonRole

OPENING: Final = "OpenDisposalCase"
DETAILS: Final = "details"
LINKED: Final = "linked_child"
"""The children whom the case knows by name, among the ids of a form."""
CRIME_NUMBER: Final = "crime_number"
HAPPENED: Final = "happened_on"
"""The day of the incident, among what a case knows."""
REPORTED: Final = "reported_at"
"""When the incident was reported, among what a case knows."""
LINKING: Final = "LinkPerson"
"""The command that mostly names somebody whom the case does not know yet: a new id is suggested."""
SUGGESTED: Final = {"person_id": LINKED, CRIME_NUMBER: CRIME_NUMBER, "case_id": "case", "referral_id": "referral"}
"""Fields of an opening -> the ids that are known; if the case knows one alone, it is chosen."""
PART: Final = "role"
PARENT_OF: Final = "parent_of"
FOLDED: Final = frozenset({"person_id", PART, "occurred_at"})
"""The fields that are answered already where the details are asked, or that few need."""
CONFIRMING: Final = "ConfirmAppropriateAdult"
_REACHED: Final = frozenset({"name", "date_of_birth", "address", "telephone", "email"})
_WRITTEN_TO: Final = _REACHED | {"preferred_channel", "language"}
_ORGANISATION: Final = frozenset({"kind", "contact_person"})
NEEDED: Final[Mapping[str, frozenset[str]]] = {
    PersonRole.HARMER: _REACHED - {"email"} | {"school_urn", "ethnicity", "needs"},
    PersonRole.HARMED: _WRITTEN_TO | _ORGANISATION | {"needs"},
    PersonRole.WITNESS: _REACHED,
    PersonRole.PARENT_CARER: _WRITTEN_TO,
    PersonRole.PROFESSIONAL: _REACHED | _ORGANISATION,
    PersonRole.SUPPORTER: _REACHED,
}
"""The part of a person -> the details that are asked at once; the others stand folded."""
CATEGORY: Final[Mapping[str, Category]] = {
    PersonRole.HARMER: Category.SUSPECT,
    PersonRole.HARMED: Category.VICTIM,
    PersonRole.WITNESS: Category.WITNESS,
    PersonRole.PARENT_CARER: Category.PARENT_CARER,
    PersonRole.PROFESSIONAL: Category.PROFESSIONAL,
    PersonRole.SUPPORTER: Category.SUPPORTER,
}
"""The part of a person -> the category that they mostly have."""


def of_adult(fields: Sequence[Field], answers: Answers) -> Sequence[Field]:
    """If the adult is no parent, guardian or social worker, ask whether none of these is available (rule R7)."""
    asked = AppropriateAdultKind.RESPONSIBLE_ADULT in answers.get("kind", ())
    return [replace(field, required=asked) if field.name == "others_unavailable" else field for field in fields]


def asks_part(answers: Answers) -> bool:
    """Tell whether the part of a person was asked alone, so that the details for it are to be asked now."""
    return PART in answers and not any(name.startswith(f"{DETAILS}.") for name in answers)


def of_part(fields: Sequence[Field], answers: Answers) -> tuple[Sequence[Field], Answers]:
    """Return the fields of a person who is linked: who and in which part, and once that is known, the details for it."""
    suggested = {"person_id": [str(uuid4())]}
    part = first(answers, PART)
    if part not in NEEDED:
        return [field for field in fields if field.name in {"person_id", PART}], suggested
    drawn = [
        replace(field, fields=[_needed(inner, NEEDED[part]) for inner in field.fields])
        if field.name == DETAILS
        else replace(field, is_folded=field.name in FOLDED)
        for field in fields
        if field.name != PARENT_OF or part == PersonRole.PARENT_CARER
    ]
    return drawn, {**suggested, "category": [CATEGORY[part]]}


def _needed(field: Field, needed: Collection[str]) -> Field:
    """Return a field as a part needs it: a person, unlike an organisation, needs a date of birth."""
    name = field.name.rpartition(".")[2]
    is_born = name == "date_of_birth" and not _ORGANISATION & set(needed)
    return replace(field, is_folded=name not in needed, required=field.required or is_born)


def of_opening(
    fields: Sequence[Field], answers: Answers, known: Mapping[str, Sequence[Option]]
) -> tuple[Sequence[Field], Answers]:
    """Return the fields of a case that is opened, and what the case answers by itself.

    The details of a child whom the case knows are left out; those of any other that is chosen are required.
    """
    linked = [option.value for option in known.get(LINKED, ())]
    suggested: dict[str, Sequence[str]] = {
        field: [known[name][0].value] for field, name in SUGGESTED.items() if len(known.get(name, ())) == 1
    }
    days = {option.value for option in known.get(HAPPENED, ())}
    if len(days) == 1:
        suggested |= boxes_of("offence.date", date.fromisoformat(days.pop()))
    reports = {option.value for option in known.get(REPORTED, ())}
    if len(reports) == 1:
        suggested |= boxes_of_time(REPORTED, reports.pop())
    chosen = next(iter({**suggested, **answers}.get("person_id", ())), "")
    if chosen in linked or (linked and not chosen):
        return [field for field in fields if field.name != DETAILS], suggested
    return [replace(field, required=True) if field.name == DETAILS else field for field in fields], suggested
