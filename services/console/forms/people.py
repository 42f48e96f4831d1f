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
HARMED: Final = "linked_victim"
"""Those whom the case knows as harmed, among the ids of a form."""
VICTIMS: Final = "victims"
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
CATEGORY_FIELD: Final = "category"
NAME: Final = "details.name"
BORN: Final = "details.date_of_birth"
SOUGHT: Final = frozenset({NAME, BORN, "details.school_urn"})
"""What somebody is looked for by, before they are linked."""
ALIKE: Final = "alike"
"""Who was found so, among the ids of a form; absent for a role that finds nobody by a search."""
OFFERED: Final = "shown.people"
"""Says that those who were found have been offered; the browser sends it back."""
FOLDED: Final = frozenset({"person_id", PART, "occurred_at"})
"""The fields that are answered already where the details are asked, or that few need."""
LOOKING: Final = "First those are looked for who are known already. The details are asked of somebody who is not."
ONE_OF_THESE: Final = "Is it one of these?"
CONFIRMING: Final = "ConfirmAppropriateAdult"
REACHING: Final = frozenset({CONFIRMING, "WriteToPerson", "AddParticipant"})
"""The commands by which somebody hears of a child: who may have no contact is not offered there."""
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
    """Tell whether the part of a person was asked, or the person looked for, so that who it is or the details are to be asked now."""
    is_named = NAME not in answers or first(answers, NAME).strip()
    is_chosen = OFFERED not in answers or "person_id" in answers
    return PART in answers and bool(is_named) and is_chosen and CATEGORY_FIELD not in answers


def is_sought(answers: Answers) -> bool:
    """Tell whether people are to be offered: somebody was looked for, and nobody chosen yet."""
    return PART in answers and bool(first(answers, NAME).strip()) and not {"person_id", CATEGORY_FIELD} & answers.keys()


def of_part(
    fields: Sequence[Field], answers: Answers, known: Mapping[str, Sequence[Option]]
) -> tuple[Sequence[Field], Answers]:
    """Return the fields of a person who is linked: the part and who is looked for; then who was found; then the details for the part.

    A role that finds nobody by a search is asked who and in which part at once.
    """
    suggested = {"person_id": [str(uuid4())]}
    part = first(answers, PART)
    if part not in NEEDED or (ALIKE in known and NAME in answers and not first(answers, NAME).strip()):
        if ALIKE not in known:
            return [field for field in fields if field.name in {"person_id", PART}], suggested
        looking = [
            replace(
                field,
                title="Who is it?",
                help=LOOKING,
                fields=[replace(f, required=f.name == NAME) for f in field.fields if f.name in SOUGHT],
            )
            if field.name == DETAILS
            else field
            for field in fields
            if field.name in {PART, DETAILS}
        ]
        return looking, {}
    if is_sought(answers) and (known.get(ALIKE) or OFFERED in answers):
        (who,) = (field for field in fields if field.name == "person_id")
        carried = [Field(name, "hidden", "") for name in answers if name == PART or name.startswith(f"{DETAILS}.")]
        offered = replace(who, title=ONE_OF_THESE, help="", options=known.get(ALIKE, ()))
        return [offered, Field(OFFERED, "hidden", ""), *carried], {OFFERED: ["yes"]}
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

    The details of a child whom the case knows are left out; those of any other that is chosen are required. Who was
    harmed is ticked; who unticks everybody sends an empty list, and says why (rule VC1).
    """
    linked = [option.value for option in known.get(LINKED, ())]
    suggested: dict[str, Sequence[str]] = {
        field: [known[name][0].value] for field, name in SUGGESTED.items() if len(known.get(name, ())) == 1
    }
    if harmed := [option.value for option in known.get(HARMED, ())]:
        suggested[VICTIMS] = harmed
        fields = [replace(field, required=True) if field.name == VICTIMS else field for field in fields]
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
