"""What a search compares: words without case, accents, punctuation and order; and which fields it looks at."""

from datetime import date

import pytest

from services.reporting.access import NAMING
from services.reporting.search.api import SearchRequest
from services.reporting.search.fields import KINDS, REGISTRIES, SEARCHED
from services.reporting.search.index import TYPES
from services.reporting.search.terms import code, code_of, days_written_alike, indexed_terms, searched_words
from services.system.registry import deciding_services
from services.trade.vocabulary import Personal, SearchKind
from shared.domain.messages import Correction
from shared.domain.sealing import field_class


def finds(words: str, name: str) -> bool:
    return any(set(choice) <= set(indexed_terms(name)) for choice in searched_words(words))


@pytest.mark.parametrize(
    ("words", "name", "found"),
    [
        ("hartnell leo", "Leo Hartnell", True),
        ("HART", "Leo Hartnell", True),
        ("har le", "Leo Hartnell", False),  # two letters find a whole word alone
        ("ha", "Leo Hartnell", False),
        ("artnell", "Leo Hartnell", False),
        ("hartnells", "Leo Hartnell", False),
        ("zoe", "Zoë Nowak", True),
        ("Zoë", "Zoe Nowak", True),
        ("zoë", "Zoë Nowak", True),  # composed or not
        ("lukasz", "Łukasz Żak", True),
        ("zak", "Łukasz Żak", True),
        ("soren", "Søren Aaby", True),
        ("strasse", "Anna Straße", True),
        ("oneill", "Sam O'Neill", True),
        ("o neill", "Sam O\u2019Neill", True),
        ("o'neill", "Sam ONeill", True),
        ("neill", "Sam O'Neill", True),
        ("smith", "Ann Smith-Jones", True),
        ("jones smi", "Ann Smith-Jones", True),
        ("smithjones", "Ann Smith-Jones", True),
        ("smith-jones", "Ann Smith Jones", True),
        ("odell", "Ann Quartermaine-O'Dell", True),
        ("quartermaine dell", "Ann Quartermaine-O'Dell", True),
        ("li", "Li Wei", True),
        ("li", "Lin Wei", False),
        ("leo leo", "Leo Hartnell", True),
        ("leo, hartnell.", "Leo Hartnell", True),
        ("лев", "Лев Толстой", True),
        ("李", "李 小龙", True),
        ("leo hartnell", "L\u200beo Hart\u00adnell", True),  # a zero-width space, and a soft hyphen
        ("leo hartnell", "Leo\ufe0f \u3164Hart\U000e0041nell\u2060", True),
        ("l\u200beo", "Leo Hartnell", True),
    ],
)
def test_words_find_a_name(words: str, name: str, found: bool) -> None:
    """Given words, then a name is found if each of them is a word of it, or its beginning of three letters or more."""
    assert finds(words, name) is found


@pytest.mark.parametrize("letter", ["a", "\u3300", "a-", "abc "])
def test_no_name_has_more_terms_than_a_name_of_a_few_lines(letter: str) -> None:
    """Given a name as long as a text may be, of one word or of letters that Unicode takes apart, then its terms are few and short."""
    terms = list(indexed_terms(letter * (20_000 // len(letter))))
    assert 0 < len(terms) <= 400
    assert max(map(len, terms)) <= 200


def test_codes_are_compared_by_letters_and_digits() -> None:
    """Given a reference with other punctuation and case, then it is the same; a part of it is another."""
    assert code("CPS/55/2026/1180") == code("cps 55-2026 1180")
    assert code("CPS/55/2026/1180") != code("CPS/55/2026/118")


@pytest.mark.parametrize("text", ["01632 960018", "+44 1632 960018", "+44 (0)1632-960018", "00441632960018"])
def test_a_telephone_number_is_one_number_however_it_is_written(text: str) -> None:
    """Given a number with or without the code of Britain, then it is compared as the same."""
    assert code_of(SearchKind.TELEPHONE, text) == "01632960018"


def test_a_birth_date_is_looked_for_alone_or_beside_a_name() -> None:
    """Given a day alone, then it is what is looked for; beside a name it says more of who has that name."""
    assert SearchRequest.model_validate_json('{"date_of_birth": "2011-03-14"}').texts == {"date_of_birth": "2011-03-14"}
    assert SearchRequest.model_validate_json('{"name": "roe", "date_of_birth": "2011-03-14"}').texts == {"name": "roe"}


@pytest.mark.parametrize("body", ["{}", '{"name": null}', '{"name": "--"}', '{"crime_number": " / "}', '{"name": ""}'])
def test_a_search_for_nothing_is_malformed(body: str) -> None:
    """Given nothing to look for, or no letter and no digit, then the request is refused."""
    with pytest.raises(ValueError, match=r"give|at least 1 character"):
        SearchRequest.model_validate_json(body)


def test_every_searched_field_is_there_and_means_the_same_in_its_service() -> None:
    """A correction names a path alone, so one path has one kind, in every event that has such a field."""
    for registry in REGISTRIES:
        for event in registry.events:
            for path, kind in SEARCHED.get(event, {}).items():
                assert KINDS[registry.service][path] is kind
                head = path.partition(".")[0]
                assert head in event.model_fields
            others = {path for path in KINDS[registry.service] if path.partition(".")[0] in event.model_fields}
            if not issubclass(event, Correction):
                assert others == set(SEARCHED.get(event, {})), (
                    f"services/reporting/search/fields.py: SEARCHED must name {sorted(others)} of {event.__name__}"
                )


def test_names_are_asked_of_the_services_that_are_searched() -> None:
    """The services whose records hold names are those whose names a search finds."""
    assert tuple(registry.service for registry in REGISTRIES) == NAMING


def test_every_recorded_name_is_searched() -> None:
    """Each event of any service with a person's details is among them."""
    with_details = {
        event for service in deciding_services() for event in service.events.events if "details" in event.model_fields
    }
    assert with_details == {event for event, paths in SEARCHED.items() if SearchKind.NAME in paths.values()}
    assert all(field_class(event, "details.name") is Personal.IDENTITY for event in with_details)


def test_corrections_are_read_with_what_they_correct() -> None:
    """The types that the index reads are those of the searched events and of the corrections of their services."""
    assert {name.rpartition(".v")[0] for name in TYPES} == {
        *("ooc.referral.ReferralReceived", "ooc.referral.PersonLinked", "ooc.referral.CrimeRecorded"),
        *("ooc.referral.MashReferralMade", "ooc.referral.ReferralCorrected", "ooc.disposal.DisposalCaseOpened"),
        *("ooc.disposal.ProsecutorDecisionRecorded", "ooc.disposal.ProceedingsInstituted"),
        *("ooc.disposal.RecordCorrected", "ooc.disposal.DisposalAnnulled"),
    }


@pytest.mark.parametrize(
    ("written", "is_alike"),
    [
        ("2012-03-04", True),
        ("2012-04-03", True),  # day and month exchanged
        ("2012-03-14", True),  # one digit
        ("2011-03-04", True),
        ("2013-04-03", False),
        ("2012-03-15", False),
    ],
)
def test_a_day_is_found_as_it_is_written_by_mistake(written: str, is_alike: bool) -> None:
    """Given a birth date, then it is like one with day and month exchanged, or with one digit other, and like no other."""
    assert (written.replace("-", "") in days_written_alike(date(2012, 3, 4))) is is_alike
