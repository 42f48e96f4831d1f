"""How old a reader must be for the words of the forms.

A formula says something of a text of some length, so a form is measured as a whole; of a single hint it shows the worst.
"""

import re
from typing import Any, Final

import pytest

from services.console.forms.fields import Drawing, Field, all_fields, fields_of
from services.console.schools.questions import QUESTIONS, fields_for
from services.system.registry import deciding_services
from services.trade.vocabulary import Flag, Role
from shared.api.command_schemas import standalone_schemas
from tests.as_one_test import as_one_test
from tests.reading_age import reading_age

FORM: Final = 11
"""The reading age of a form, in years."""
HINT: Final = 15
"""That of one sentence, which a single long word moves by years."""
STATUTE: Final = re.compile(r"\b(DPA|GDPR|PACE|Act)\b")
SCHEMAS: Final = {
    (service.name, name): schema
    for service in deciding_services()
    for name, schema in standalone_schemas(service).items()
}


def fields_in(schema: Any) -> list[Field]:
    """Return every field of a form."""
    return list(all_fields(fields_of(schema, Drawing(schema.get("$defs", {})))))


@as_one_test
@pytest.mark.parametrize("name", SCHEMAS, ids=".".join)
def test_a_child_of_eleven_could_read_a_form(name: tuple[str, str]) -> None:
    """Given a form's own words with every question and hint on it, then they are read at eleven."""
    schema = SCHEMAS[name]
    words = [text for field in fields_in(schema) for text in (f"{field.title}.", field.help)]
    assert reading_age(" ".join([schema.get("description", ""), *words])) <= FORM


def test_no_hint_is_a_riddle() -> None:
    """Given each hint by itself, the law's own words aside, then none is far above the rest."""
    hints = {field.help for schema in SCHEMAS.values() for field in fields_in(schema) if field.help}
    assert not {hint for hint in hints if not STATUTE.search(hint) and reading_age(hint) > HINT}


def test_the_guided_questions_are_read_at_nine() -> None:
    """Given the questions that a school answers, then a child of nine could read them."""
    assert reading_age(" ".join(question.title for question in QUESTIONS)) <= 9


@pytest.mark.parametrize("role", [Role.SCHOOL, Role.INVITED])
def test_who_saw_it_is_asked_in_words_that_are_read_at_eleven(role: Role) -> None:
    """Given the fields of a report as a school or anybody is asked them, then a child of eleven could read them, and no mark lacks its words."""
    fields = fields_for([role], "113867", fields_in(SCHEMAS["referral", "ReceiveReferral"]))
    asked = [field for field in fields if field.title and not field.is_new_id]
    words = [text for field in asked for text in (f"{field.title}.", field.help)]
    flags = next(field for field in fields if field.name == "flags")
    assert reading_age(" ".join([*words, *(f"{option.text}." for option in flags.options)])) <= FORM
    assert {option.value for option in flags.options} == set(Flag) - {Flag.INDICTABLE_ONLY}
