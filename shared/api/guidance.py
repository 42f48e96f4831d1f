"""The routes of guidance: GET /v1/{collection}/{id}/commands, and GET /v1/{collection}/commands for what begins a stream."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, Final, Literal, cast
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from shared.api.authorisation import NO_LATER_DAY, NotAllowed
from shared.api.dependencies import Dependencies
from shared.api.parameters import ACCESS_REASON, ID, a_time, choice
from shared.api.queries import history_of, not_found_response, reading, withheld_people
from shared.api.request import Caller, read_id, read_query, read_reason, read_time
from shared.api.routes import declared
from shared.api.schemas import Schema
from shared.domain.envelope import Fact
from shared.domain.guidance import Answer, CommandGuidance, RuleAnswer, Status, guidance_at
from shared.domain.messages import Actor, Command
from shared.domain.next_steps import Progress, TaskProgress, journeys_at, next_step, of_role
from shared.domain.permissions import boundary
from shared.domain.persons import NOTHING_KNOWN, Known
from shared.domain.service import Service

MOMENT: Final = a_time("as_of", "What may be done then; now if absent. A later time says what will hold then.")
NO_STREAM: Final = UUID(int=0)
"""The id of a stream that is not begun yet. No rule looks at it."""


class RuleLine(Schema):
    """A rule that refuses a command, may refuse it for its fields, or will on a later day."""

    id: str
    kind: Literal["forbids", "state", "warns"] = Field(
        description="What a broken rule does: it forbids the command, as the state machine does (`state`), or it warns,"
        " and a rationale under its id lets the command through."
    )
    answer: Answer = Field(
        description="Whether the rule holds or is broken whatever the fields of the command, or depends on them."
    )
    text: str
    source: str
    lifted_by: list[str] = Field(description="The commands that lift it, in the order of their use.")
    fields: list[str] = Field(description="The fields of the command on which the answer depends.")
    changes_on: date | None = Field(
        description="The first later day with another answer, in Europe/London, where one is found within eight years."
        " Of a rule that depends on one field with a time or a day: the first later day that gets another answer there."
    )
    broken_by: dict[str, list[str | bool]] = Field(
        description="Of a rule that depends on fields with codes, or with yes and no: the values by which alone it is"
        " broken, by field."
    )
    for_the_day: Answer | None = Field(
        description="Of a rule that depends on one field with a time or a day: the answer if it holds the day asked for."
    )


class NextCommand(Schema):
    """A command that the role may send, and what can be said of it before it is written."""

    type: str = Field(description="The type of the command: the name of its schema in the OpenAPI document.")
    status: Status = Field(
        description="`refused`: whatever its fields. `needs_rationale`: nothing refuses it yet, and a warning needs a"
        " rationale whatever its fields. `depends`: its fields decide. `available`: no rule stands in its way."
    )
    purpose: str = Field(description='What it is about, in words: a stage of the work, or such as "Ending it".')
    begins: bool = Field(description="Whether it begins a record.")
    fields: list[str] = Field(description="The fields that decide, in the order of the schema.")
    choices: dict[str, list[UUID]] = Field(
        description="Of a field with an id: the ids that the record names under that name and that no rule refuses there."
        " A form can list them. Another id may be right where the record does not name it yet."
    )
    rules: list[RuleLine]


class TaskLine(Schema):
    """A thing to be done in a journey, such as telling one of two people."""

    title: str = Field(description="What is to be done, in the words of those who do it.")
    progress: Progress = Field(
        description="`cannot_start`: the rules refuse every command of it now. `in_progress`: begun, and not done."
    )
    commands: list[str] = Field(description="The commands that record what is left of it, in the order of their use.")
    roles: list[str] = Field(description="Whose turn it is.")
    about: dict[str, UUID] = Field(description="Fields of the command that are known, such as the person.")
    due: date | None = Field(description="The last Europe/London day to do it, if a duty sets one.")
    overdue: bool
    duty: str = Field(description="The code of the duty that it meets; empty if it meets none.")
    items: list[str] = Field(description="The ids that it is about, also those that no field of the command has.")
    waits_for: list[str] = Field(description="Why it cannot start: the texts of the rules that refuse it.")
    lifted_by: list[str] = Field(description="The commands that lift what refuses it, each once.")


class JourneyLine(Schema):
    """A stage of the work: its title, and its tasks in an order that makes sense to those who do them."""

    title: str
    tasks: list[TaskLine]


class Guidance(Schema):
    """What may be done next with a record, or to begin one, at a moment."""

    id: UUID | None = Field(description="The record; null if it is not begun yet.")
    version: int = Field(description="The version of the record that was asked; 0 if it is not begun yet.")
    as_of: datetime
    commands: list[NextCommand]
    next: TaskLine | None = Field(
        default=None,
        description="The recommended next step: the first task that can be done and is the role's turn, else another's.",
    )
    journeys: list[JourneyLine] = Field(
        default=[],
        description="The journeys that the record is in. Who may read a part of the record sees the tasks of the own role.",
    )


def add_guidance(app: FastAPI, service: Service[Any]) -> None:
    """Add the routes of guidance. The one without an id comes before the routes that take any text as an id."""
    names = [command.__name__ for command in service.commands]
    only = choice("command", "This command alone; every one that the role may send if absent.", names, "name a command")

    @app.get(
        f"/v1/{service.collection}/commands",
        tags=["queries"],
        response_model=Guidance,
        **declared((MOMENT, ACCESS_REASON, only)),
    )
    async def commands_that_begin(request: Request, actor: Caller) -> JSONResponse:
        """Say of each command that begins a record whether it may be sent, and which rules and fields decide."""
        query = read_query(request)
        at = read_time(query, MOMENT.name) or datetime.now(UTC)
        deps: Dependencies = request.app.state.deps
        await deps.gate.read(actor, "state", f"{service.name}/commands", read_reason(request))
        guidance = await asyncio.to_thread(
            _guidance, service, actor, NO_STREAM, [], at, query.get(only.name), reads=True
        )
        return JSONResponse(guidance.model_dump(mode="json"))

    @app.get(
        f"/v1/{service.collection}/{{id}}/commands",
        tags=["queries"],
        response_model=Guidance,
        **declared((ID, MOMENT, ACCESS_REASON, only), 404),
    )
    async def commands_that_follow(request: Request, actor: Caller, id: str) -> JSONResponse:  # noqa: A002
        """Say of each command that the role may send whether the rules allow it, and which rules and fields decide.

        Who may send commands to a record and not read it learns what a refusal would say, no later day and no id. So does
        everybody but data protection if the processing of somebody in it is restricted.
        """
        query, now = read_query(request), datetime.now(UTC)
        at = read_time(query, MOMENT.name) or now
        reader, records = await history_of(request, service, actor, id, "state", "/commands", or_sending=True)
        deps: Dependencies = request.app.state.deps
        facts = await deps.handler.open(records)
        if not facts or min(fact.occurred_at for fact in facts) > at:
            return not_found_response(service, id)
        reader, denial = await reading(deps, service, reader, records, "state")
        reads = denial is None
        dated = reads and not await withheld_people(deps, service, reader, facts)
        if at > now and not dated:
            raise NotAllowed(NO_LATER_DAY)
        access = await deps.handler.access_of(actor, records)
        guidance = await asyncio.to_thread(
            _guidance,
            service,
            actor,
            read_id(id),
            facts,
            at,
            query.get(only.name),
            await deps.handler.kept_for(actor, facts),
            await deps.handler.known_for(read_id(id), facts),
            reads=reads,
            whole=service.permission(reader).fields is None,
            dated=dated,
        )
        if boundary(actor, None, access, service.inherited_labels, Command) is not None:  # others lead here
            beside = {command.__name__ for command in service.commands if command.by_any_holder}
            guidance.commands = [line for line in guidance.commands if line.type in beside]
            if guidance.next is not None and beside.isdisjoint(guidance.next.commands):
                guidance.next = None
        return JSONResponse(guidance.model_dump(mode="json"))


def _guidance(
    service: Service[Any],
    actor: Actor,
    stream: UUID,
    history: Sequence[Fact],
    at: datetime,
    only: str | None,
    kept: Sequence[Fact] = (),
    known: Known = NOTHING_KNOWN,
    *,
    reads: bool,
    whole: bool = True,
    dated: bool = True,
) -> Guidance:
    """Compose the answer, with later days if `dated`. For all commands it takes some ten milliseconds of computation."""
    commands = guidance_at(service, actor, stream, history, at, only, kept, known)
    journeys = journeys_at(service, actor, stream, history, at, known) if reads and only is None else []
    if not whole:
        journeys = [of_role(journey, *actor.roles) for journey in journeys]
    recommended = next_step(journeys, *actor.roles)
    return Guidance(
        id=stream if history else None,
        version=history[-1].version if history else 0,
        as_of=at,
        commands=[_command_line(service, guided if reads and dated else for_senders(guided)) for guided in commands],
        next=None if recommended is None else _task_line(recommended),
        journeys=[
            JourneyLine(title=journey.journey.title, tasks=[_task_line(task) for task in journey.tasks])
            for journey in journeys
            if journey.tasks
        ],
    )


def _task_line(task: TaskProgress[Any]) -> TaskLine:
    return TaskLine(
        title=task.step.title,
        progress=task.progress,
        commands=[command.__name__ for command in task.commands],
        roles=sorted(task.step.who),
        about=dict(task.task.about),
        due=task.due,
        overdue=task.overdue,
        duty=task.step.duty,
        items=[*map(str, task.task.about.values()), *filter(None, [task.task.item])],
        waits_for=[rule.text for rule in task.waits_for],
        lifted_by=list(dict.fromkeys(command.__name__ for rule in task.waits_for for command in rule.lifted_by)),
    )


def for_senders(guided: CommandGuidance) -> CommandGuidance:
    """Leave out what only readers of the record may learn: later days, since one may be a birthday, and ids."""
    rules = (replace(answer, changes_on=None, for_the_day=None) for answer in guided.rules)
    return replace(guided, rules=tuple(answer for answer in rules if answer.matters), choices={})


def _command_line(service: Service[Any], guided: CommandGuidance) -> NextCommand:
    return NextCommand(
        type=guided.command.__name__,
        status=guided.status,
        purpose=service.purpose_of(guided.command),
        begins=guided.command.opens,
        fields=[_as_sent(guided.command, name) for name in guided.fields],
        choices={_as_sent(guided.command, name): list(ids) for name, ids in guided.choices.items()},
        rules=[_rule_line(guided.command, answer) for answer in guided.rules],
    )


def _as_sent(command: type[Command], field: str) -> str:
    return command.model_fields[field].alias or field


def _rule_line(command: type[Command], answer: RuleAnswer) -> RuleLine:
    rule = answer.rule
    return RuleLine(
        id=rule.id,
        kind=cast("Any", rule.kind.name.lower()),
        answer=answer.answer,
        text=rule.text,
        source=rule.source,
        lifted_by=[command.__name__ for command in rule.lifted_by],
        fields=[_as_sent(command, name) for name in answer.fields],
        changes_on=answer.changes_on,
        broken_by={
            _as_sent(command, name): [value if isinstance(value, bool) else str(value) for value in values]
            for name, values in answer.broken_by.items()
        },
        for_the_day=answer.for_the_day,
    )
