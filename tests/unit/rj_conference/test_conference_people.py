"""The people of a case in a conference, as referral's events link them: who is under 16, by the date of birth."""

from datetime import timedelta
from uuid import UUID

import pytest

from services.rj_conference.domain.commands import InformVictim
from services.rj_conference.events import ParticipantAdded, ParticipantRole
from services.trade.vocabulary import Category, Flag, PersonRole
from shared.domain.decisions import Refused
from tests.command_spec import officer
from tests.unit.referral.stories import SOON, ReferralStory, link
from tests.unit.rj_conference.stories import (
    NOAH,
    REECE,
    SCHEDULED_AT,
    STARTS_AT,
    STRANGER,
    ConferenceStory,
    consent,
    facilitator,
    participant,
    proposal,
    schedule,
)

SIXTEEN_THAT_DAY = "2009-12-04"
SIXTEEN_A_DAY_LATER = "2009-12-05"


def knowing(person: UUID, born: str) -> ConferenceStory:
    """Return a conference of a case in which somebody is linked."""
    role, category = (PersonRole.HARMED, Category.VICTIM) if person == NOAH else (PersonRole.HARMER, Category.SUSPECT)
    conference = ConferenceStory()
    conference.kept_events = ReferralStory().acknowledged().linked(person, born, role=role, category=category).facts
    return conference


def refusals(conference: ConferenceStory) -> set[str]:
    """Return the rules that refuse a date for the conference."""
    answer = conference.answer(schedule(), by="RJ_FACILITATOR", at=SCHEDULED_AT)
    return set(answer.ids) if isinstance(answer, Refused) else set()


@pytest.mark.parametrize(("born", "refused"), [(SIXTEEN_THAT_DAY, set()), (SIXTEEN_A_DAY_LATER, {"C2"})])
@pytest.mark.parametrize("typed", [True, False, None])
def test_under_16_on_the_day_is_computed(born: str, refused: set[str], typed: bool | None) -> None:
    """Given the date of birth of the harmed, whatever was typed, when it is scheduled, then C2 goes by that day's age."""
    conference = knowing(NOAH, born).prepared(
        instead={
            "the harmed": participant(NOAH, ParticipantRole.HARMED, under_16=typed),
            "consent of the harmed": consent(NOAH, parent=None),
        }
    )
    added = next(fact.event for fact in conference.facts if isinstance(fact.event, ParticipantAdded))
    assert added.under_16  # on the day on which he was invited
    assert refusals(conference) == refused


@pytest.mark.parametrize(("born", "refused"), [(SIXTEEN_THAT_DAY, set()), (SIXTEEN_A_DAY_LATER, {"C2"})])
@pytest.mark.parametrize("typed", [15, 16])
def test_the_harmers_age_is_computed(born: str, refused: set[str], typed: int) -> None:
    """Given the date of birth of the harmer, whatever age was typed, when it is scheduled, then C2 goes by that day's age."""
    conference = knowing(REECE, born).prepared(
        age=typed, instead={"consent of the harmer": consent(REECE, parent=None)}
    )
    assert refusals(conference) == refused


def test_nobody_who_did_harm_is_told_as_a_victim() -> None:
    """Given the harmer, whom nobody has linked, or another who is linked as one, when they are informed as victims, then V1 refuses."""
    nobody, another = ConferenceStory().proposed(), knowing(STRANGER, SIXTEEN_THAT_DAY).proposed()
    for conference, person in ((nobody, REECE), (another, STRANGER), (another, REECE)):
        assert conference.refused(InformVictim(person_id=person), by="VICTIM_WORKER", at=SCHEDULED_AT) == {"V1"}
    nobody.ask(participant(STRANGER, ParticipantRole.HARMED), by="RJ_FACILITATOR", at=SCHEDULED_AT)
    nobody.ask(InformVictim(person_id=STRANGER), by="VICTIM_WORKER", at=SCHEDULED_AT)


def test_nobody_is_invited_of_an_unknown_age() -> None:
    """Given nobody who linked a person, when it is not said whether they are under 16, then inviting them is refused."""
    conference = ConferenceStory().proposed()
    unknown = participant(NOAH, ParticipantRole.HARMED, under_16=None)
    assert conference.refused(unknown, by="RJ_FACILITATOR", at=SCHEDULED_AT) == {"S1"}


@pytest.mark.parametrize(("flag", "refused"), [(Flag.DOMESTIC, True), (Flag.SEXUAL, True), (Flag.HATE, False)])
def test_what_the_referral_says_makes_a_case_sensitive(flag: Flag, refused: bool) -> None:
    """Given a referral flagged as domestic or sexual, when a reaction proposes the conference, then C5 wants an accredited facilitator."""
    conference = ConferenceStory()
    conference.kept_events = ReferralStory().acknowledged(flag).linked(REECE).facts
    answer = conference.proposed().answer(facilitator(), by="RJ_FACILITATOR", at=SCHEDULED_AT)
    assert isinstance(answer, Refused) is refused
    assert conference.ask(facilitator(accredited=True), by="RJ_FACILITATOR", at=SCHEDULED_AT)


def answers_to_a_proposer(born: str) -> list[object]:
    """Return what a facilitator is answered who proposes a conference, chooses themselves and tries every day for it."""
    referral = ReferralStory().acknowledged()
    for person, role, category in (
        (REECE, PersonRole.HARMER, Category.SUSPECT),
        (NOAH, PersonRole.HARMED, Category.VICTIM),
    ):
        referral.does(link(person, born, role, category), SOON)
    conference = ConferenceStory()
    conference.kept_events = referral.facts
    me = officer("RJ_FACILITATOR").id
    tried = [
        *(proposal(), facilitator(person=me), participant(NOAH, ParticipantRole.HARMED, under_16=None)),
        *(InformVictim(person_id=NOAH), *(consent(person, parent=None) for person in (REECE, NOAH))),
        *(schedule(starts_at=STARTS_AT + timedelta(days=day)) for day in range(3)),
    ]
    answers: list[object] = [conference.answer(command, by="RJ_FACILITATOR", at=SCHEDULED_AT) for command in tried]
    return [*answers, [fact.event for fact in conference.facts]]


def test_a_proposer_learns_no_birthday() -> None:
    """Given two worlds in which a person of fifteen has another birthday, then who proposed and chose themselves is answered alike."""
    one = answers_to_a_proposer(SIXTEEN_A_DAY_LATER)
    assert any(isinstance(answer, Refused) and "C2" in answer.ids for answer in one)
    assert one == answers_to_a_proposer("2010-12-31")
