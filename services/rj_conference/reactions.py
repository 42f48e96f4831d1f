"""Reactions (process manager) to a disposal: propose a conference for a condition, close it when the condition goes or is met."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from uuid import UUID, uuid5

from services.disposal.events import (
    ChangeAction,
    ConditionCompleted,
    ConditionsVaried,
    ConditionTerms,
    DisposalAnnulled,
    DisposalIssued,
)
from services.rj_conference.domain.commands import CloseConference, ProposeConference
from services.rj_conference.events import Sensitivity
from services.trade.vocabulary import ConditionType, ConferenceCategory, OffenceCategory
from shared.domain.envelope import Fact
from shared.domain.service import CommandFor, ReactionsTo

to_disposal = ReactionsTo("disposal")

CATEGORY: Final[Mapping[OffenceCategory, ConferenceCategory]] = {
    OffenceCategory.THEFT: ConferenceCategory.SHOPLIFTING,
    OffenceCategory.DRUGS: ConferenceCategory.DRUGS_POSSESSION,
    OffenceCategory.VIOLENCE: ConferenceCategory.BULLYING,
}
"""What a conference is about, by the kind of the offence; any other kind is OTHER."""


def conference_id(disposal: UUID, condition: UUID) -> UUID:
    """Return the id of the conference that serves a condition: UUID version 5 of the condition's id in the disposal's namespace."""
    return uuid5(disposal, str(condition))


@to_disposal(
    DisposalIssued,
    "propose-conference-at-issue",
    "the conference that the disposal of {day} asks for has not been proposed",
)
def propose_at_issue(fact: Fact[DisposalIssued]) -> Iterable[CommandFor]:
    """DisposalIssued -> ProposeConference for each condition that is a conference."""
    return [_proposal(fact, condition) for condition in fact.event.conditions if _is_conference(condition)]


@to_disposal(
    ConditionsVaried,
    "propose-or-close-conference-at-variation",
    "the variation of {day} has not reached the conference",
)
def propose_or_close_at_variation(fact: Fact[ConditionsVaried]) -> Iterable[CommandFor]:
    """ConditionsVaried -> ProposeConference for each conference that is new, CloseConference for each one that is gone.

    A condition made of another type is a conference gone, or a new one, as much as one omitted or added.
    """
    event = fact.event
    proposals = [_proposal(fact, condition) for condition in _new(event) if _is_conference(condition)]
    closing = CloseConference(occurred_at=fact.occurred_at)
    gone = (conference_id(fact.stream_id, condition_id) for condition_id in _conferences_gone(event))
    return [*proposals, *(CommandFor(id_, closing) for id_ in gone)]


@to_disposal(
    ConditionCompleted,
    "close-conference-at-completion",
    "the conference of the condition that was met on {day} has not been closed",
)
def close_at_completion(fact: Fact[ConditionCompleted]) -> Iterable[CommandFor]:
    """ConditionCompleted -> CloseConference for a conference that was met by another one than its condition proposed."""
    if not fact.event.conference:
        return []
    closing = CloseConference(occurred_at=fact.occurred_at)
    return [CommandFor(conference_id(fact.stream_id, fact.event.condition_id), closing)]


@to_disposal(DisposalAnnulled, "close-conference-at-annulment", "the annulment of {day} has not reached the conference")
def close_at_annulment(fact: Fact[DisposalAnnulled]) -> Iterable[CommandFor]:
    """DisposalAnnulled -> CloseConference for each condition still to be done that is a conference."""
    closing = CloseConference(occurred_at=fact.occurred_at)
    return [CommandFor(conference_id(fact.stream_id, key), closing) for key in fact.event.conferences or ()]


def _new(event: ConditionsVaried) -> Iterator[ConditionTerms]:
    retyped = {change.condition_id for change in event.retyped}
    for change in event.changes:
        is_new = change.action is ChangeAction.ADD or change.condition_id in retyped
        if is_new and change.condition is not None:
            yield change.condition


def _conferences_gone(event: ConditionsVaried) -> Iterator[UUID]:
    before = [(omitted.condition_id, omitted.type) for omitted in event.omitted]
    before += [(retyped.condition_id, retyped.before) for retyped in event.retyped]
    return (condition_id for condition_id, was in before if was is ConditionType.RJ_CONFERENCE)


def _is_conference(condition: ConditionTerms) -> bool:
    return condition.type is ConditionType.RJ_CONFERENCE


def _proposal(fact: Fact[DisposalIssued | ConditionsVaried], condition: ConditionTerms) -> CommandFor:
    event = fact.event
    sexual = event.offence_category is OffenceCategory.SEXUAL
    command = ProposeConference(
        occurred_at=fact.occurred_at,
        case_id=event.case_id,
        referral_id=event.referral_id,
        disposal_id=fact.stream_id,
        condition_id=condition.condition_id,
        category=CATEGORY.get(event.offence_category, ConferenceCategory.OTHER),
        sensitive=Sensitivity.SEXUAL if sexual else Sensitivity.NONE,
        harmer=event.person_id,
        harmer_age=event.age_at_issue,
        deciding_officer=event.deciding_officer,
    )
    return CommandFor(conference_id(fact.stream_id, condition.condition_id), command)


REACTIONS: Final = tuple(to_disposal.reactions)
