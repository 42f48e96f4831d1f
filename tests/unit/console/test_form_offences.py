"""The offence of a form: found by words of its title, and filled in from the partnership's list."""

from typing import Final

import pytest

from services.console.forms.fields import Drawing, all_fields, command_of, fields_of
from services.console.forms.offences import CODE, codes_of, fill_in, with_list
from services.disposal.service import service
from services.trade.partnership import EXAMPLE, read_partnership
from shared.api.command_schemas import standalone_schemas

SCHEMA = standalone_schemas(service)["OpenDisposalCase"]
LISTED: Final = read_partnership(EXAMPLE)[-1].offences
TYPED: Final = {"offence.date.day": ["6"], "offence.date.month": ["9"], "offence.date.year": ["2026"]}


def code_problems(answers: dict[str, list[str]]) -> set[str]:
    """Return what is wrong with the offence on the form of these answers."""
    fields = with_list(fields_of(SCHEMA, Drawing(SCHEMA["$defs"])), answers, LISTED)
    return {problem.name for problem in command_of(fields, answers)[1] if problem.name.startswith("offence")}


def test_an_offence_is_found_by_words_of_its_title() -> None:
    """Given words in any order and case, or a code, then the offences that have all of them are meant."""
    assert codes_of("SHOP theft", LISTED) == ["TH68010"]
    assert codes_of("th68010", LISTED) == ["TH68010"]
    assert len(codes_of("theft", LISTED)) == 3
    assert codes_of("", LISTED) == codes_of("arson", LISTED) == []


@pytest.mark.timeout(30)
def test_a_word_that_is_repeated_is_looked_for_once() -> None:
    """Given a form full of one word, when it is looked for in a long list, then nobody waits."""
    (theft, *_) = LISTED.values()
    assert len(codes_of(f"{theft.title} " * 10_000, {f"X{n}": theft for n in range(20_000)})) == 20_000


def test_title_trial_and_recordable_are_filled_in_and_follow_another_choice() -> None:
    """Given words that mean one offence, then the form is complete; given another code, then what the list said follows, what was typed stays."""
    answers = {**TYPED, CODE: ["shop theft"]}
    assert not fill_in(answers, LISTED)
    assert answers[CODE] == ["TH68010"]
    assert answers["offence.title"] == ["Theft from a shop"]
    assert not code_problems(answers)
    answers |= {CODE: ["RT88191"], "offence.title": ["Riding without insurance"]}
    fill_in(answers, LISTED)
    assert answers["offence.title"] == ["Riding without insurance"]
    assert (answers["offence.trial_mode"], answers["offence.recordable"]) == (["SUMMARY"], ["no"])
    assert answers["offence.category"] == ["OTHER"]
    unknown = {**TYPED, CODE: ["XX1"]}
    assert not fill_in(unknown, LISTED)
    assert code_problems(unknown) == {"offence.title", "offence.trial_mode", "offence.recordable", "offence.category"}


def test_several_offences_with_the_words_are_offered() -> None:
    """Given words that three titles have, then these three are to choose from, and nothing is filled in."""
    answers = {**TYPED, CODE: ["theft"]}
    assert fill_in(answers, LISTED)
    fields = with_list(fields_of(SCHEMA, Drawing(SCHEMA["$defs"])), answers, LISTED)
    (field,) = (one for one in all_fields(fields) if one.name == CODE)
    assert field.kind == "choice"
    assert [option.value for option in field.options] == ["TH68010", "TH68006", "TH68058"]
    assert "offence.title" not in answers
