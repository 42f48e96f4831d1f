"""The page of a conference: its state in words, in whatever order its facts were recorded."""

from collections.abc import Mapping
from typing import Any

import pytest
from starlette.requests import Request

from services.console.apis import Part
from services.console.forms.next_steps import Steps
from services.console.forms.present import rows_of
from services.console.officers.conference import FACTS, Conference, conference_of
from services.console.records import Record
from services.console.rendering import render
from services.rj_conference.domain.commands import (
    AddParticipant,
    ApproveRisk,
    ConvertToIndirect,
    HoldPreparation,
    InformVictim,
    RecordDidNotProceed,
    RecordFollowUp,
    RecordResponsibility,
    WithdrawConsent,
)
from services.rj_conference.events import IndirectMode, NotProceedingReason, ParticipantRole, RiskLevel
from services.trade.vocabulary import WORDS, ConferenceMode
from shared.domain.decider import history_at
from shared.domain.sentences import sentence_of
from tests.unit.rj_conference.stories import (
    BUS,
    HIS_MOTHER,
    NOAH,
    REECE,
    STRANGER,
    ConferenceStory,
    consent,
    participant,
    risk,
)

BY = "RJ_FACILITATOR"
NAMES = {str(REECE): "Robin Doe"}
PLACE = {"version": 14, "field": "place", "value": "The school library"}


@pytest.fixture
def conference() -> ConferenceStory:
    """Return a conference that was proposed."""
    return ConferenceStory().proposed()


def page_of(story: ConferenceStory, names: Mapping[str, str] = NAMES, *texts: Mapping[str, Any]) -> Conference:
    """Return what the page says of a conference to somebody who reads these sealed texts of it."""
    events = [
        {
            "version": fact.version,
            "sentence": sentence_of(fact.event, WORDS),
            "corrected_sentence": None,
            "occurred_at": fact.occurred_at.isoformat(),
        }
        for fact in history_at(story.facts)
    ]
    return conference_of({**story.view, "details": {"texts": texts}}, events, names)


def test_each_participant_has_what_is_recorded_of_them() -> None:
    """Given consents, a meeting, an answer and presence, when the page is read, then each line has the latest."""
    conference = ConferenceStory().held()
    conference.ask(RecordFollowUp(person_id=NOAH, satisfaction=8), by=BY, at="2025-12-12T09:00:00+00:00")
    harmer, harmed, mother = page_of(conference).participants.values()
    assert (harmer.name, harmer.part, harmer.consent) == (
        "Robin Doe",
        "Harmer",
        "Given on 20 November 2025: direct conference",
    )
    assert (harmer.responsibility, harmed.responsibility) == ("Accepts it", "")
    assert (harmed.name, harmed.informed, harmed.prepared, harmed.present, harmed.follow_up) == (
        "Harmed, name not shown",
        "20 November 2025",
        "27 November 2025",
        "Direct conference. Took part",
        "12 December 2025, satisfaction 8",
    )
    assert (mother.part, mother.consent, mother.follow_up) == ("Supporter", "", "")
    assert not harmer.is_concerned_by("informed"), "a victim alone is informed"
    assert not harmed.is_concerned_by("responsibility")
    assert not mother.is_concerned_by("consent")
    assert mother.is_concerned_by("prepared")
    assert harmer.is_concerned_by("consent")
    assert harmed.is_concerned_by("informed")


def test_the_table_says_for_whom_somebody_comes_and_whom_she_meets(conference: ConferenceStory) -> None:
    """Given two harmers, when one accepts, then each has a line, and she who was harmed names whom she will meet."""
    at = "2025-11-20T17:00:00+00:00"
    conference.ask(participant(STRANGER, ParticipantRole.HARMER), by=BY, at=at)
    conference.ask(participant(NOAH, ParticipantRole.HARMED), by=BY, at=at)
    supporter = AddParticipant(person_id=HIS_MOTHER, role=ParticipantRole.SUPPORTER, under_16=False, of_whom=NOAH)
    conference.ask(supporter, by=BY, at=at)
    conference.ask(RecordResponsibility(person_id=STRANGER, accepts=True, facts_disputed=True), by=BY, at=at)
    conference.ask(InformVictim(person_id=NOAH), by="VICTIM_WORKER", at=at)
    conference.ask(consent(NOAH), by=BY, at="2025-11-20T18:10:00+00:00")
    names = {str(REECE): "Robin Doe", str(NOAH): "Noah Hay", str(STRANGER): "Sam Roe"}
    first, further, noah, mother = page_of(conference, names).participants.values()
    assert (first.responsibility, further.responsibility) == ("", "Does not accept it, or disputes the facts")
    assert noah.consent.endswith("; meets Robin Doe"), "without a name, the first alone"
    assert mother.part == "Supporter of Noah Hay"
    meets = consent(NOAH).model_copy(update={"meets": (STRANGER, REECE)})
    conference.ask(meets, by=BY, at="2025-11-20T18:20:00+00:00")
    assert page_of(conference, names).participants[str(NOAH)].consent.endswith("; meets Robin Doe, Sam Roe")


def test_a_consent_recorded_late_takes_no_withdrawal_back(conference: ConferenceStory) -> None:
    """Given a harmed person who withdrew, when an earlier consent is recorded late, then the page says that it is lacking."""
    conference.ask(participant(NOAH, ParticipantRole.HARMED), by=BY, at="2025-11-20T17:00:00+00:00")
    conference.ask(InformVictim(person_id=NOAH), by="VICTIM_WORKER", at="2025-11-20T18:00:00+00:00")
    for person in (REECE, NOAH):
        conference.ask(consent(person), by=BY, at="2025-11-20T18:10:00+00:00")
    conference.ask(WithdrawConsent(person_id=NOAH), by=BY, at="2025-11-22T09:00:00+00:00")
    conference.ask(consent(NOAH), by=BY, at="2025-11-21T09:00:00+00:00")
    page = page_of(conference)
    assert page.participants[str(NOAH)].consent == "Withdrawn on 22 November 2025"
    assert page.facts["CONSENT"] == "Lacks that of Harmed, name not shown"


@pytest.mark.parametrize(("names", "heading"), [(NAMES, "conference of Robin Doe: "), ({}, "conference: ")])
def test_the_page_is_headed_by_a_name_alone(conference: ConferenceStory, names: dict[str, str], heading: str) -> None:
    """Given a reader who may not know the child's name, then the heading has no other words in its place."""
    page = render(
        Request({"type": "http", "path": "/records/conferences/c1", "headers": []}),
        "record.html",
        None,
        record=Record("conferences", "c1", Part({"state": "PROPOSED"}), Part({"commands": [], "version": 1}), {}),
        case_id="",
        conference=page_of(conference, names),
        facts=FACTS,
        columns={},
        plan=None,
        steps=Steps((), ()),
        work=None,
        corrections={"c1": None},
        history=Part({"events": []}),
        papers=[],
        recorded=[],
    )
    text = bytes(page.body).decode()
    assert f'<h1 class="govuk-heading-l">Restorative {heading}' in text
    assert '<th scope="col" role="columnheader" class="govuk-table__header">Responsibility</th>' in text


def test_what_is_not_recorded_yet_is_said_to_be_so(conference: ConferenceStory) -> None:
    """Given a conference that was only proposed, when the page is read, then each heading says that nothing is there yet."""
    assert page_of(conference).facts == {
        **{heading: words for heading, (words, _) in FACTS.items()},
        "PROPOSED": "Conference proposed: bullying, the harmer is 13, on 20 November 2025",
        "CONSENT": "Lacks that of Robin Doe",
    }


def test_an_approval_counts_for_the_latest_assessment(conference: ConferenceStory) -> None:
    """Given an approved assessment and a newer one, when the page is read, then the newer one is not approved."""
    conference.ask(risk(), by=BY, at="2025-11-24T10:00:00+00:00")
    conference.ask(ApproveRisk(), by="SUPERVISOR", at="2025-11-24T14:00:00+00:00")
    assert page_of(conference).facts["RISK"].endswith("; approved on 24 November 2025")
    conference.ask(risk(RiskLevel.HIGH), by=BY, at="2025-11-25T10:00:00+00:00")
    assert "approved" not in page_of(conference).facts["RISK"]


def test_a_converted_conference_has_no_date() -> None:
    """Given a date and a place, when the conference is converted, then the page says its new mode alone."""
    conference = ConferenceStory().scheduled()
    assert page_of(conference, NAMES, PLACE).facts["SCHEDULE"] == (
        "Direct conference, 4 December 2025 at 16:00, The school library"
    )
    conference.ask(RecordDidNotProceed(why=NotProceedingReason.HARMED_WITHDREW), by=BY, at="2025-12-04T16:30:00+00:00")
    for person in (REECE, NOAH):
        conference.ask(consent(person, ConferenceMode.SHUTTLE), by=BY, at="2025-12-05T09:00:00+00:00")
    conference.ask(ConvertToIndirect(mode=IndirectMode.SHUTTLE), by=BY, at="2025-12-05T10:00:00+00:00")
    assert page_of(conference, NAMES, PLACE).facts["SCHEDULE"] == "Shuttle"
    assert page_of(conference).facts["OUTCOME"].startswith("Conference did not proceed: ")


def test_a_term_has_its_text_for_those_who_may_read_it() -> None:
    """Given an agreement with a sealed term, when it is kept, then its line says so, and has its text for who may read it."""
    conference = ConferenceStory().kept()
    (term,) = page_of(conference).terms.values()
    assert (term.id, term.text, term.due, term.standing) == (
        str(BUS),
        "Not shown to your role",
        "18 December 2025",
        "COMPLETED",
    )
    signed = next(fact.version for fact in conference.facts if fact.name == "AgreementSigned")
    text = {"version": signed, "field": "terms.0.text", "value": "Sits downstairs"}
    (shown,) = page_of(conference, NAMES, text).terms.values()
    assert shown.text == "Sits downstairs"


def test_a_meeting_recorded_late_is_not_the_last(conference: ConferenceStory) -> None:
    """Given a preparation meeting, when an earlier one is recorded late, then the page has the day of the later one."""
    for day in (25, 24):
        conference.ask(HoldPreparation(person_id=REECE), by=BY, at=f"2025-11-{day}T10:00:00+00:00")
    assert page_of(conference).participants[str(REECE)].prepared == "25 November 2025"


def test_whoever_was_invited_is_filled_in_and_attendance_is_asked() -> None:
    """Given a proposal and an invited person, when it is asked who took part, then each has a row with the role, and no answer yet."""
    assert rows_of(ConferenceStory().scheduled().view) == {
        "rows.present": ["3"],
        "present.0.person_id": [str(REECE)],
        "present.0.role": ["HARMER"],
        "present.1.person_id": [str(NOAH)],
        "present.1.role": ["HARMED"],
        "present.2.person_id": [str(HIS_MOTHER)],
        "present.2.role": ["SUPPORTER"],
    }
    assert rows_of({}) == {}
