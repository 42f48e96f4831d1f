"""The answer to a dry run of a command: its events and effects, masked for the role of the reader."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from shared.api.authorisation import NO_LATER_DAY, NotAllowed
from shared.api.dependencies import Dependencies
from shared.api.problems import listed_rules
from shared.api.queries import withheld_people
from shared.api.schemas import DryRunAnswer, DutyChangeLine, EventPreview, FollowingCommandLine
from shared.domain.consequences import FollowingCommand, duty_changes, following_commands, new_documents
from shared.domain.decisions import NeedsRationale, Refused
from shared.domain.envelope import Fact
from shared.domain.messages import COMMAND_FIELDS, Actor, Command
from shared.domain.permissions import NOTHING, AccessFacts, Permission, permission_of
from shared.domain.sealing import Sealed, to_json
from shared.domain.sentences import sentence_of
from shared.domain.service import Service
from shared.handling.command_handler import Accepted, DryRun

Services = Callable[[], Iterable[Service[Any]]]
"""The services whose reactions follow the events of a service. They are imported when the first dry run asks."""


async def dry_run_answer(
    at: Dependencies, service: Service[Any], services: Services, actor: Actor, run: DryRun | Accepted, *, later: bool
) -> DryRunAnswer:
    """Build the answer to a dry run that reached the rules, or whose command was recorded before.

    `later` says that it was judged as of a later time. Only readers of the record may ask that, as of guidance: one of the
    days on which a rule changes may be a birthday. Raises `NotAllowed`.
    """
    if isinstance(run, Accepted):
        return DryRunAnswer(outcome="repeated", version=run.receipt.version, receipt=run.receipt)
    if later and run.history:
        reads = "state" in (await _permission(at, service, actor, run.history)).parts
        if not reads or await withheld_people(at, service, actor, run.history):
            raise NotAllowed(NO_LATER_DAY)
    version = len(run.history)
    match run.outcome:
        case Refused(rules) | NeedsRationale(rules):
            needed = isinstance(run.outcome, NeedsRationale)
            outcome: Literal["needs_rationale", "refused"] = "needs_rationale" if needed else "refused"
            return DryRunAnswer(outcome=outcome, version=version, rules=listed_rules(rules))
        case facts:
            permission = await _permission(at, service, actor, [*run.history, *facts])
            sees_all = "history" in permission.parts or ("state" in permission.parts and permission.fields is None)
            return DryRunAnswer(
                outcome="accepted",
                version=version,
                warnings=listed_rules(run.warnings),
                events=[_event(service, fact, permission, shows_data=sees_all) for fact in facts],
                duties=_duties(service, run.history, facts, permission) if "duties" in permission.parts else None,
                documents=[
                    name
                    for name in new_documents(service, run.history, facts)
                    if "document" in permission.parts and not service.documents[name].roles.isdisjoint(actor.roles)
                ],
                commands=_commands(service, services(), facts, shows_data=sees_all),
            )


async def _permission(at: Dependencies, service: Service[Any], actor: Actor, facts: Sequence[Fact]) -> Permission:
    """Look up the actor's read permission for the future record; a role that must give a reason reads nothing here."""
    access = AccessFacts.of_history(service.events, facts)
    opening = [
        one.role
        for one in actor.in_each_role()
        if await at.handler.read_denial(one, service.permission(one), access) is None
    ]
    permission = permission_of(service.permissions, opening)
    return NOTHING if permission.needs_reason else permission


def _event(service: Service[Any], fact: Fact, permission: Permission, *, shows_data: bool) -> EventPreview:
    return EventPreview(
        version=fact.version,
        type=fact.name,
        type_name=fact.envelope.type,
        sentence=sentence_of(fact.event, service.events.words) if shows_data else None,
        event_id=fact.event_id,
        occurred_at=fact.occurred_at,
        rules=list(fact.envelope.rules),
        data=permission.visible_data(to_json(fact.event, _closed)) if shows_data else None,
    )


def _duties(
    service: Service[Any], history: Sequence[Fact], facts: Sequence[Fact], permission: Permission
) -> list[DutyChangeLine]:
    return [
        DutyChangeLine(
            change=change.value,
            duty=duty.duty,
            item=duty.item or None,
            opened_on=duty.opened_on,
            due=duty.due,
            met_on=duty.met_on,
            lapsed_on=duty.lapsed_on,
        )
        for change, duty in duty_changes(service, history, facts)
        if permission.shows_duty(duty.duty)
    ]


def _commands(
    service: Service[Any], followers: Iterable[Service[Any]], facts: Sequence[Fact], *, shows_data: bool
) -> list[FollowingCommandLine]:
    return [
        FollowingCommandLine(**members_of(following), data=_fields(following.effect.command) if shows_data else None)
        for following in following_commands(service, followers, facts)
        if following.effect.command.happens
    ]


def members_of(following: FollowingCommand) -> dict[str, Any]:
    """Return the members of `Following` of a command that follows."""
    return {
        "service": following.service.name,
        "reaction": following.reaction.name,
        "command_id": following.command_id,
        "stream": following.stream,
        "type": following.effect.command.type,
        "event_id": following.fact.event_id,
        "only_if_begun": following.effect.if_begun,
    }


def _fields(command: Command) -> dict[str, Any]:
    return {name: value for name, value in to_json(command, _closed).items() if name not in COMMAND_FIELDS}


def _closed(sealed: Sealed[Any]) -> Any:
    """Return the status of a personal value: a dry run shows none, since some come from earlier events."""
    return {"forgotten": True} if sealed.is_forgotten else {"sealed": True}
