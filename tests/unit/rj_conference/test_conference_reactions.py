"""What a disposal's events ask of conferences, and what a conference's events carry for the disposal."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID, uuid4, uuid5

import pytest

from services.disposal.events import EVENTS as DISPOSAL_EVENTS
from services.disposal.events import (
    Change,
    ChangeAction,
    Condition,
    ConditionsVaried,
    ConditionTerms,
    DisposalIssued,
    OmittedCondition,
    RetypedCondition,
)
from services.rj_conference.domain.commands import CloseConference, ProposeConference, RecordDidNotProceed
from services.rj_conference.events import ConferenceDidNotProceed, ConferenceHeld, NotProceedingReason, Sensitivity
from services.rj_conference.service import service
from services.trade.vocabulary import (
    ConditionObject,
    ConditionType,
    ConferenceCategory,
    ConferenceMode,
    Disposal,
    OffenceCategory,
    TrialMode,
)
from shared.domain.envelope import Envelope, Fact, Origin, PolicyStamp
from shared.domain.messages import Event
from shared.domain.sealing import Sealed
from shared.domain.service import CommandFor
from tests.command_spec import officer
from tests.unit.rj_conference.stories import CASE, CONDITION, DECIDER, DISPOSAL, HELD_AT, NOAH, REECE, ConferenceStory

WHEN = datetime(2025, 11, 20, 16, 20, tzinfo=UTC)
OTHER = uuid4()


def happened(event: Event) -> Fact:
    """Return an event of the disposal."""
    envelope = Envelope(
        event_id=uuid4(),
        type=DISPOSAL_EVENTS.type_name(type(event)),
        stream=f"disposal/{DISPOSAL}",
        version=12,
        home=CASE,
        command_id=uuid4(),
        occurred_at=WHEN,
        actor=officer("POLICE_DECISION_MAKER"),
        correlation_id=uuid4(),
        causation_id=None,
        traceparent=None,
        policy=PolicyStamp(edition="2025", day=WHEN.date()),
        rules=(),
        rationale={},
        labels={},
        origin=Origin(),
    )
    return Fact(envelope, event)


def terms(condition: UUID = CONDITION, kind: ConditionType = ConditionType.RJ_CONFERENCE) -> ConditionTerms:
    """Return a condition as the disposal's events carry it."""
    return ConditionTerms(
        condition_id=condition,
        type=kind,
        object=ConditionObject.REPARATION,
        due=date(2025, 12, 18),
        hours=Decimal("1.5"),
    )


def issued(*conditions: ConditionTerms, category: OffenceCategory = OffenceCategory.VIOLENCE) -> DisposalIssued:
    """Reece's disposal as it was given."""
    return DisposalIssued(
        person_id=REECE,
        case_id=CASE,
        disposal=Disposal.YRD,
        issued_on=WHEN.date(),
        age_at_offence=13,
        age_at_issue=14,
        conditions=conditions,
        offence_code="10501",
        offence_category=category,
        offence_date=date(2025, 11, 3),
        trial_mode=TrialMode.SUMMARY,
        recordable=True,
        deciding_officer=DECIDER,
    )


def varied(
    *changes: Change, omitted: tuple[OmittedCondition, ...] = (), retyped: tuple[RetypedCondition, ...] = ()
) -> ConditionsVaried:
    """Reece's conditions as they were changed."""
    return ConditionsVaried(
        changes=changes,
        consent=True,
        why=Sealed("Something came up."),
        person_id=REECE,
        case_id=CASE,
        disposal=Disposal.YCC,
        conditions=(),
        omitted=omitted,
        retyped=retyped,
        offence_category=OffenceCategory.DAMAGE,
        age_at_issue=14,
        deciding_officer=DECIDER,
    )


def change(action: ChangeAction, kind: ConditionType | None, condition: UUID = CONDITION) -> Change:
    """Return a change, with the condition as it shall be where there is one."""
    terms_of_kind = None if kind is None else Condition(**dict(terms(condition, kind)))
    return Change(action=action, condition_id=condition, condition=terms_of_kind)


def effects(event: Event) -> list[CommandFor]:
    """Return the commands of all reactions."""
    fact = happened(event)
    found: list[Iterable[CommandFor]] = [one.react(fact) for one in service.reactions if isinstance(event, one.event)]
    return [effect for some in found for effect in some]


def test_issued_condition_proposes_a_conference() -> None:
    """Given a disposal with a conference and a workshop, then one conference is proposed, under the derived id."""
    found = effects(issued(terms(), terms(OTHER, ConditionType.RETAIL_WORKSHOP)))
    assert [effect.stream for effect in found] == [uuid5(DISPOSAL, str(CONDITION))]
    assert found[0].command == ProposeConference(
        occurred_at=WHEN,
        case_id=CASE,
        disposal_id=DISPOSAL,
        condition_id=CONDITION,
        category=ConferenceCategory.BULLYING,
        sensitive=Sensitivity.NONE,
        harmer=REECE,
        harmer_age=14,
        deciding_officer=DECIDER,
    )


@pytest.mark.parametrize(
    ("offence", "category", "sensitive"),
    [
        (OffenceCategory.THEFT, ConferenceCategory.SHOPLIFTING, Sensitivity.NONE),
        (OffenceCategory.DRUGS, ConferenceCategory.DRUGS_POSSESSION, Sensitivity.NONE),
        (OffenceCategory.VIOLENCE, ConferenceCategory.BULLYING, Sensitivity.NONE),
        (OffenceCategory.DAMAGE, ConferenceCategory.OTHER, Sensitivity.NONE),
        (OffenceCategory.SEXUAL, ConferenceCategory.OTHER, Sensitivity.SEXUAL),
    ],
)
def test_offence_says_what_it_is_about(
    offence: OffenceCategory, category: ConferenceCategory, sensitive: Sensitivity
) -> None:
    """Given the kind of an offence, then the category of the conference follows from it."""
    (effect,) = effects(issued(terms(), category=offence))
    assert isinstance(effect.command, ProposeConference)
    assert (effect.command.category, effect.command.sensitive) == (category, sensitive)


def test_added_condition_proposes_a_conference() -> None:
    """Given a variation that adds a conference, then it is proposed; another kind of condition proposes nothing."""
    (effect,) = effects(varied(change(ChangeAction.ADD, ConditionType.RJ_CONFERENCE)))
    assert isinstance(effect.command, ProposeConference)
    assert effect.stream == uuid5(DISPOSAL, str(CONDITION))
    assert effects(varied(change(ChangeAction.ADD, ConditionType.LETTER_OF_APOLOGY))) == []
    assert effects(varied(change(ChangeAction.MODIFY, ConditionType.RJ_CONFERENCE))) == []


def omission(kind: ConditionType, condition: UUID = CONDITION) -> ConditionsVaried:
    """Return a variation that omits a condition of some type."""
    omitted_condition = OmittedCondition(condition_id=condition, type=kind)
    return varied(change(ChangeAction.OMIT, None, condition), omitted=(omitted_condition,))


def retyping(before: ConditionType, after: ConditionType) -> ConditionsVaried:
    """Return a variation that makes a condition one of another type."""
    retyped = RetypedCondition(condition_id=CONDITION, before=before, after=after)
    return varied(change(ChangeAction.MODIFY, after), retyped=(retyped,))


def test_omitted_conference_is_closed(conference: ConferenceStory) -> None:
    """Given a variation that omits a conference, then it is closed, and can be closed so."""
    (effect,) = effects(omission(ConditionType.RJ_CONFERENCE))
    assert effect == CommandFor(uuid5(DISPOSAL, str(CONDITION)), CloseConference(occurred_at=WHEN))
    conference.proposed().ask(effect.command, by="SYSTEM")
    assert conference.stage == "CLOSED"


@pytest.mark.parametrize("kind", sorted(set(ConditionType) - {ConditionType.RJ_CONFERENCE}))
def test_omitted_condition_of_another_type_closes_nothing(kind: ConditionType) -> None:
    """Given a variation that omits what was no conference, then nothing is asked that would wait for ever."""
    assert effects(omission(kind)) == []


def test_conference_made_another_condition_is_closed() -> None:
    """Given a variation that makes a letter of a conference, then the conference is closed and nothing is proposed."""
    (effect,) = effects(retyping(ConditionType.RJ_CONFERENCE, ConditionType.LETTER_OF_APOLOGY))
    assert effect == CommandFor(uuid5(DISPOSAL, str(CONDITION)), CloseConference(occurred_at=WHEN))


def test_condition_made_a_conference_proposes_it(conference: ConferenceStory) -> None:
    """Given a variation that makes a conference of a letter, then it is proposed, and can be proposed so."""
    (effect,) = effects(retyping(ConditionType.LETTER_OF_APOLOGY, ConditionType.RJ_CONFERENCE))
    assert effect.stream == uuid5(DISPOSAL, str(CONDITION))
    conference.ask(effect.command, by="SYSTEM")
    assert conference.stage == "PROPOSED"


def test_condition_made_another_without_a_conference_asks_nothing() -> None:
    """Given a variation that makes sessions of a letter, then no conference is concerned."""
    assert effects(retyping(ConditionType.LETTER_OF_APOLOGY, ConditionType.YJS_SESSIONS)) == []


def test_conferences_come_and_go_in_one_variation() -> None:
    """Given one conference omitted, a workshop omitted and a conference added, then one is proposed and one closed."""
    workshop = uuid4()
    added, omitted_condition, other = (
        change(ChangeAction.ADD, ConditionType.RJ_CONFERENCE, OTHER),
        change(ChangeAction.OMIT, None),
        change(ChangeAction.OMIT, None, workshop),
    )
    omitted = (
        OmittedCondition(condition_id=CONDITION, type=ConditionType.RJ_CONFERENCE),
        OmittedCondition(condition_id=workshop, type=ConditionType.RETAIL_WORKSHOP),
    )
    found = effects(varied(omitted_condition, other, added, omitted=omitted))
    command_types = {effect.stream: type(effect.command) for effect in found}
    assert command_types == {
        uuid5(DISPOSAL, str(OTHER)): ProposeConference,
        uuid5(DISPOSAL, str(CONDITION)): CloseConference,
    }


def test_reaction_is_asked_once() -> None:
    """Given the same event twice, then the derived command id is the same, so the second asking does nothing."""
    fact = happened(issued(terms()))
    reaction = service.reactions[0]
    (first,), (second,) = reaction.react(fact), reaction.react(fact)
    assert reaction.command_id(fact, first) == reaction.command_id(fact, second)


def test_proposal_by_reaction_is_accepted(conference: ConferenceStory) -> None:
    """Given the effect of an issue, when the service is asked for it, then the conference is proposed, at home in the case."""
    (effect,) = effects(issued(terms()))
    conference.ask(effect.command, by="SYSTEM")
    assert conference.stage == "PROPOSED"
    assert conference.facts[0].envelope.home == CASE
    assert conference.facts[0].envelope.labels["regime"] == "LE_PART3"


def test_held_carries_what_others_need(conference: ConferenceStory) -> None:
    """Given a conference that was held, then its event alone says for which condition, how long, and who took part."""
    event = conference.held().facts[-1].event
    assert isinstance(event, ConferenceHeld)
    assert (event.disposal_id, event.condition_id, event.harmer) == (DISPOSAL, CONDITION, REECE)
    assert (event.hours, event.mode) == (Decimal("1.5"), ConferenceMode.DIRECT_CONFERENCE)
    assert event.category is ConferenceCategory.BULLYING
    assert (event.harmed_took_part, event.harmed_ids) == (1, (NOAH,))
    assert event.follow_up_due == date(2026, 1, 15)


def test_did_not_proceed_carries_what_others_need(conference: ConferenceStory) -> None:
    """Given a conference that did not proceed, then its event alone says for which condition, whose, and why."""
    conference.scheduled().ask(
        RecordDidNotProceed(why=NotProceedingReason.HARMED_WITHDREW), by="RJ_FACILITATOR", at=HELD_AT
    )
    event = conference.last(ConferenceDidNotProceed)
    assert (event.disposal_id, event.condition_id, event.harmer) == (DISPOSAL, CONDITION, REECE)
    assert event.why is NotProceedingReason.HARMED_WITHDREW
