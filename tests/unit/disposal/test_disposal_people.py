"""The people of a case in a disposal, as referral's events link them: V1, R7, N1, and an opening without details."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import pytest

from services.disposal.domain.commands import ConfirmAppropriateAdult
from services.trade.vocabulary import AppropriateAdultKind, Category, Flag, PersonDetails, PersonRole
from shared.domain.envelope import Fact
from shared.domain.guidance import guidance_at
from shared.domain.messages import Actor
from shared.domain.sealing import Sealed
from tests.unit.disposal.stories import LEO, MANAGER, MOTHER, OPENED_AT, YJS, CaseStory, opening
from tests.unit.referral.stories import SUPERVISOR, ReferralStory, link

BORN = "2011-03-14"


def known(*links: Any, flags: tuple[Flag, ...] = ()) -> CaseStory:
    """Return a case in which Leo Hart, born on 14 March 2011, and others are linked, and which nobody has opened."""
    referral = ReferralStory().acknowledged(*flags)
    for linked in (link(LEO, BORN), *links):
        referral.does(linked, "2026-02-24T12:00:00+00:00")
    case = CaseStory()
    case.kept_events = referral.facts
    return case


def details(name: str = "Leo Hart", born: str = BORN, ethnicity: str | None = None) -> PersonDetails:
    group = None if ethnicity is None else Sealed(ethnicity)
    return PersonDetails(name=Sealed(name), date_of_birth=Sealed(date.fromisoformat(born)), ethnicity=group)


def adult(person: Any = MOTHER) -> ConfirmAppropriateAdult:
    return ConfirmAppropriateAdult(
        person_id=person, kind=AppropriateAdultKind.PARENT_GUARDIAN, adult=True, police_employee=False
    )


@pytest.mark.parametrize(
    ("given", "differs"),
    [
        (details(), False),
        (details("  leo   HART "), False),
        (details(ethnicity="W1"), False),  # the referral has none
        (details("Leo Hartnell"), True),
        (details(born="2011-03-15"), True),
    ],
)
def test_other_details_than_the_cases_need_a_reason(given: PersonDetails, differs: bool) -> None:
    """N1: a name or a date of birth that differs needs a reason; spaces, capitals and what one side lacks are no difference."""
    case = known()
    if differs:
        assert case.warned(opening(details=given), by=YJS, at=OPENED_AT) == {"N1"}
        given_with_reason = opening(details=given, rationale={"N1": "The birth certificate says so."})
        assert case.ask(given_with_reason, by=YJS, at=OPENED_AT)
    else:
        assert case.ask(opening(details=given), by=YJS, at=OPENED_AT)


def test_another_ethnic_group_needs_a_reason() -> None:
    """N1: given both name an ethnic group, then another one needs a reason."""
    with_group = link(LEO, BORN).model_copy(update={"details": details(ethnicity="W1")})
    assert known(with_group).warned(opening(details=details(ethnicity="W9")), by=YJS, at=OPENED_AT) == {"N1"}


def test_without_details_the_case_takes_the_referrals() -> None:
    """Given Leo is linked and nothing is said of him, then the case has his details and the flags; flags that are given stay."""
    case = known(flags=(Flag.HATE,))
    case.ask(opening(details=None), by=YJS, at=OPENED_AT)
    opened = case.state.opened
    assert (opened.details.name.value, opened.details.date_of_birth.value) == ("Leo Hart", date(2011, 3, 14))
    assert (opened.flags, opened.age_at_offence) == ((Flag.HATE,), 14)
    chosen = known(flags=(Flag.HATE,))
    chosen.ask(opening(details=None, flags=()), by=YJS, at=OPENED_AT)
    assert chosen.state.opened.flags == ()


@pytest.mark.parametrize(
    ("role", "category", "reached"),
    [(PersonRole.HARMER, Category.SUSPECT, True), (PersonRole.HARMED, Category.VICTIM, False)],
)
def test_how_a_victim_is_reached_is_not_taken_over(role: PersonRole, category: Category, reached: bool) -> None:
    """Given somebody with a home and a telephone, then a case about them takes these over, but not of who was harmed."""
    home = PersonDetails(
        name=Sealed("Leo Hart"),
        date_of_birth=Sealed(date.fromisoformat(BORN)),
        address=Sealed("2 Chapel Row"),
        contact=Sealed("Ask for Leo"),
        telephone=Sealed("07700 900 458"),
        email=Sealed("leo@example.org"),
        ethnicity=Sealed("W1"),
    )
    case = known(link(LEO, BORN, role, category).model_copy(update={"details": home}))
    case.ask(opening(details=None), by=YJS, at=OPENED_AT)
    taken = case.state.opened.details
    assert (taken.name.value, taken.ethnicity.value) == ("Leo Hart", "W1")
    ways = (taken.address, taken.contact, taken.telephone, taken.email)
    assert all(way is not None for way in ways) is reached
    assert any(way is not None for way in ways) is reached


@pytest.mark.parametrize(("field", "value"), [("role", "HARMER"), ("category", "SUSPECT")])
def test_no_correction_hands_over_how_a_victim_is_reached(field: str, value: str) -> None:
    """Given a victim whom a correction makes a suspect, then a case about them does not take over where they live."""
    home = details().model_copy(update={"address": Sealed("2 Chapel Row")})
    referral = ReferralStory().acknowledged()
    linked = link(LEO, BORN, PersonRole.HARMED, Category.VICTIM).model_copy(update={"details": home})
    referral.does(linked, "2026-02-24T12:00:00+00:00")
    referral.does(referral.corrects("PersonLinked", field, value), at="2026-02-25T12:00:00+00:00")
    case = CaseStory()
    case.kept_events = referral.facts
    case.ask(opening(details=None), by=YJS, at=OPENED_AT)
    assert case.state.opened.details.name.value == "Leo Hart"
    assert case.state.opened.details.address is None


def test_a_correction_in_the_referral_reaches_the_opening() -> None:
    """Given name and flags were corrected in the referral, then the case takes what is right."""
    referral = ReferralStory().acknowledged().linked(LEO, BORN)
    referral.does(referral.corrects("PersonLinked", "details.name", "Leo Hartley"), at="2026-02-25T12:00:00+00:00")
    referral.does(referral.corrects("ReferralReceived", "flags", ["KNIFE"]), "2026-02-25T12:00:00+00:00", SUPERVISOR)
    case = CaseStory()
    case.kept_events = referral.facts
    case.ask(opening(details=None), by=YJS, at=OPENED_AT)
    assert (case.state.opened.details.name.value, case.state.opened.flags) == ("Leo Hartley", (Flag.KNIFE,))


@pytest.mark.parametrize("given", [None, details()])
def test_a_later_report_takes_no_flag_away(given: PersonDetails | None) -> None:
    """Given a school that reports to the same case again, without a flag, then the case takes those of the referral that links the child."""
    case = known(flags=(Flag.KNIFE,))
    again = ReferralStory().received().facts[0]
    elsewhere = again.envelope.model_copy(update={"stream": f"referral/{uuid4()}", "event_id": uuid4()})
    case.kept_events = [*case.kept_events, replace(again, envelope=elsewhere)]
    case.ask(opening(details=given), by=YJS, at=OPENED_AT)
    assert case.state.opened.flags == (Flag.KNIFE,)


def test_of_somebody_whom_nobody_linked_the_details_are_asked() -> None:
    """Given nobody is linked, or a child of nine, then an opening without details is refused: S1, or R1."""
    assert CaseStory().refused(opening(details=None), by=YJS, at=OPENED_AT) == {"S1"}
    young = known(link(LEO, "2016-09-09", category=Category.CHILD_UNDER_10))
    assert young.refused(opening(details=None), by=YJS, at=OPENED_AT) == {"R1"}


@pytest.mark.parametrize(
    ("role", "category"),
    [
        (PersonRole.HARMER, Category.CONVICTED),
        (PersonRole.HARMED, Category.VICTIM),
        (PersonRole.WITNESS, Category.WITNESS),
        (PersonRole.PARENT_CARER, Category.SUSPECT),
        (PersonRole.PARENT_CARER, Category.VICTIM),
    ],
)
def test_whoever_had_a_part_is_no_appropriate_adult(role: PersonRole, category: Category) -> None:
    """R7: given the mother is linked as harmer, harmed or witness, then she may not be the adult; as parent or unlinked she may."""
    case = known(link(MOTHER, "1980-01-01", role, category))
    case.ask(opening(details=None), by=YJS, at=OPENED_AT)
    assert case.refused(adult(), by=YJS, at=OPENED_AT) == {"R7"}
    for linked in ((), (link(MOTHER, "1980-01-01", PersonRole.PARENT_CARER, Category.PARENT_CARER),)):
        case.kept_events = known(*linked).kept_events
        assert case.refused(adult(), by=YJS, at=OPENED_AT) == {"S1"}, "only the decision is missing"


@pytest.mark.parametrize("person", [LEO, MANAGER, MOTHER], ids=["the child", "a victim", "one with enhanced rights"])
def test_neither_the_child_nor_a_victim_is_the_appropriate_adult(person: Any) -> None:
    """R7: the child of the case and its victims are refused, whoever is linked."""
    case = CaseStory()
    case.ask(opening(victims_with_enhanced_rights=(MOTHER,)), by=YJS, at=OPENED_AT)
    assert case.refused(adult(person), by=YJS, at=OPENED_AT) == {"R7"}


class Read(list[Fact]):
    """Facts that count how often they are read."""

    times = 0

    def __iter__(self) -> Iterator[Fact]:
        self.times += 1
        return super().__iter__()


def test_the_links_of_a_case_are_read_once_for_all_its_people() -> None:
    """Given a case of many people, each of whom a command may name, then guidance reads their links as often as those of few."""
    case, at = CaseStory().decided(), datetime(2026, 3, 20, 12, tzinfo=UTC)

    def times(people: int) -> int:
        kept = Read(known(*(link(uuid4(), BORN) for _ in range(people))).kept_events)
        actor = Actor(id=uuid4(), role="VICTIM_WORKER", organisation="POLICE", labels={"area": "DORSET"})
        found = guidance_at(case.service, actor, case.stream, case.facts, at, None, kept)
        assert any(guided.choices for guided in found)
        return kept.times

    assert times(20) == times(2)
