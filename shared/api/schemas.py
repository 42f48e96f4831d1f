"""Schemas of the responses of queries, for the OpenAPI document. A test compares real responses with them."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, create_model

from shared.api.problems import RuleBroken
from shared.domain.envelope import Origin, PolicyStamp
from shared.domain.members import members_of
from shared.domain.receipts import Receipt
from shared.domain.service import ReadModel


class Schema(BaseModel):
    """Base of the schemas of answers: they have the declared members and no others."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class WaitLine(Schema):
    """What waits: a fact that has not reached its record, in words, until it is done, corrected or closed."""

    id: UUID = Field(description="That of the reaction's command, or of the stream in quarantine.")
    sentence: str = Field(description="What waits, and why, in plain English.")
    since: datetime = Field(description="Since when it has waited.")
    kind: str = Field(
        description="REACTION: it was refused. STREAM: events are in quarantine. COMMAND: it was lost, and is to be sent again."
    )
    name: str = Field(description="The reaction, or the alarm of the stream in quarantine.")
    service: str = Field(description="The service where it waits, whose operators can settle it.")
    source_stream: str = Field(description="The stream whose event it follows from, `service/uuid`.")
    target_streams: list[str] = Field(description="Empty if the program cannot tell.")
    rules: list[str] = Field(description="The ids of the rules that refuse it.")
    reason: str = Field(description="Why it waits, in the program's own words.")
    homes: list[UUID] = Field(description="The cases that it concerns, as far as the service knows them.")


class DetailText(Schema):
    """A sealed field of a record as it stands after corrections: with its value, or sealed, or forgotten."""

    event: str = Field(description="The name of the event that brought it.")
    version: int = Field(description="The version of the event that brought it.")
    field: str = Field(description="The dotted path of the field in that event.")
    field_class: str | None = Field(alias="class", description="The class by which roles may read it.")
    person_id: UUID | None = Field(description="Whose it is; null: of the case or of the record.")
    value: Any = None
    sealed: Literal[True] | None = Field(default=None, description="Present if the reader's role may not read it.")
    forgotten: Literal[True] | None = Field(default=None, description="Present if its key was destroyed.")


class Details(Schema):
    """What is sealed in a record. A member of a person is its value, or says that it is sealed or forgotten, with its class."""

    people: dict[str, dict[str, Any]] = Field(description="The details of each person by id, and by field.")
    texts: list[DetailText] = Field(description="Every other sealed field of the record.")


class StateView(BaseModel):
    """The state of a record: its id, the version and position of the latest event that it shows, and members of the service.

    `waiting` is what waits now in this service to reach it, shown to those who may read the whole state; `GET /v1/waits` of
    the other services lists what waits there.
    """

    model_config = ConfigDict(extra="allow")

    id: UUID
    version: int = Field(description="The number of the record's events that it shows.")
    position: int = Field(description="The position of the latest event that it shows.")
    waiting: list[WaitLine] | None = None
    details: Details | None = Field(default=None, description="Personal details, for roles that may see any.")


def state_view(model: ReadModel[Any]) -> type[StateView]:
    """Build the schema of a state of a service: what every record has, and what the service shows, which a role may see in part."""
    members: dict[str, Any] = {  # by number, since a model of pydantic may have no member `register`
        f"member_{number}": (hint | None, Field(default=None, alias=name, description=meaning or None))
        for number, (name, (hint, meaning)) in enumerate(members_of(model.view).items())
    }
    name = "".join(map(str.capitalize, model.events.service.split("_")))
    return create_model(f"{name}State", __base__=StateView, __doc__=StateView.__doc__, **members)


class ActorLine(Schema):
    """The person or service that caused an event, as the access token named them."""

    id: UUID
    role: str = Field(description="The role in which they acted; SYSTEM is a reaction.")
    organisation: str


class SealedField(Schema):
    """A sealed field of an event, or the rationale of a rule, with a text that says that it is there."""

    field: str = Field(description="The dotted path of the field, or `rationale.` and a rule's id.")
    note: str = Field(description="A clear text that says that it is there.")


class HistoryLine(Schema):
    """An event. A personal value is `{"sealed": true}` or, if its key was destroyed, `{"forgotten": true}`, with its class."""

    version: int = Field(description="The version of the record after the event, from 1.")
    type: str = Field(description="The name of the event.")
    type_name: str = Field(description="The full name of the event type, with the version of its schema.")
    sentence: str = Field(description="The event in plain English, as it was recorded.")
    corrected_sentence: str | None = Field(
        description="The same with its corrections; null if they leave the sentence as it is."
    )
    event_id: UUID
    command_id: UUID = Field(description="The command that the event was recorded by.")
    correlation_id: UUID = Field(description="The first command of the chain of reactions.")
    causation_id: UUID | None = Field(
        description="The event that it reacts to; null: a person or program asked for it."
    )
    occurred_at: datetime = Field(description="When it happened, in UTC.")
    recorded_at: datetime | None = Field(description="When it was recorded, in UTC.")
    position: int | None = Field(description="Its position in the service's event store, from 1.")
    late: bool = Field(description="Whether an event with a later occurrence was recorded before it.")
    actor: ActorLine
    policy: PolicyStamp = Field(description="The edition of the dated values that its rules used.")
    rules: list[str] = Field(description="The ids of the rules that were evaluated.")
    rationale: dict[str, Any] = Field(description="The reasons for going ahead, by rule.")
    notes: list[SealedField] = Field(description="The sealed fields, and the rationales of rules.")
    labels: dict[str, str]
    origin: Origin
    hash: str | None = Field(description="The hash of the stream after it (SHA-256), in hexadecimal.")
    data: dict[str, Any] = Field(description="The fields of the event, as they were recorded.")
    corrected_data: dict[str, Any] | None = Field(
        default=None, description="The same with its corrections; null if there is none."
    )
    corrected_by: list[UUID] = Field(description="The ids of the corrections of it that are known.")
    corrects: UUID | None = Field(default=None, description="The event that a correction corrects.")


class History(Schema):
    """Every event of a record, in order of version. `stream` is its name, `service/uuid`."""

    stream: str = Field(description="The name of the stream, `service/uuid`.")
    events: list[HistoryLine]


class DutyLine(Schema):
    """A duty as it stood at the end of a Europe/London day.

    It is overdue if unmet after `due`, and late if met after it.
    """

    duty: str = Field(description="The code of the duty, which the reference page of duties explains.")
    item: str | None = Field(description="What it is about, if several are open at once.")
    opened_on: date = Field(description="The Europe/London day on which it was opened.")
    due: date = Field(description="The last Europe/London day to meet it.")
    met_on: date | None = Field(description="The Europe/London day on which it was met.")
    lapsed_on: date | None = Field(description="The day on which the record was closed before the duty was met.")
    overdue: bool = Field(description="Whether it was unmet after its due date.")
    late: bool = Field(description="Whether it was met after its due date.")


class CommandTitle(Schema):
    """A command of a service: its type, and its title for people."""

    type: str = Field(description="The name of the command.")
    title: str = Field(description="Its title for people.")
    opens: bool = Field(description="Whether it begins a record.")


class CommandSchemas(Schema):
    """The commands of a service; `/schemas/{type}` has the schema of each."""

    commands: list[CommandTitle]


class PolicyLine(Schema):
    """A policy value in force on a day."""

    name: str
    unit: str
    source: str = Field(description="The statute or practice that it rests on.")
    since: date = Field(description="The first day on which it was in force.")
    value: Any = Field(description="A number, a code, a list or a table, as its name and unit say.")


class PolicyView(Schema):
    """The policy of a service on a Europe/London day."""

    as_of: date
    edition: str = Field(description="The latest `since`, which events carry; `none` before the first value.")
    values: list[PolicyLine]
    bank_holidays: list[date] = Field(description="Of England and Wales, in all years that are known.")


class EventPreview(Schema):
    """An event that a command would record. A personal value is `{"sealed": true}`."""

    version: int = Field(description="The version of the record after the event.")
    type: str = Field(description="The name of the event.")
    type_name: str = Field(description="The full name of the event type, with the version of its schema.")
    sentence: str | None = Field(description="The event in plain English; null if the role may not read the record.")
    event_id: UUID = Field(description="The id that the event gets if the command is sent with the same key.")
    occurred_at: datetime
    rules: list[str] = Field(description="The ids of the rules that were evaluated.")
    data: dict[str, Any] | None = Field(
        description="The fields of the event; null if the role may not read the record."
    )


class DutyChangeLine(Schema):
    """A duty that a command would change, as it would stand afterwards; a duty that falls away, as it was."""

    change: Literal["opened", "met", "lapsed", "closed", "reopened", "moved"]
    duty: str
    item: str | None
    opened_on: date
    due: date
    met_on: date | None
    lapsed_on: date | None


class Following(Schema):
    """A command that another service sends itself in answer to an event. Whether it accepts it is for its rules."""

    service: str = Field(description="The service that sends it to itself.")
    reaction: str = Field(description="The name of the reaction.")
    command_id: UUID = Field(description="The id of the command.")
    stream: str = Field(description="The stream that it is for, `service/uuid`.")
    type: str = Field(description="The name of the command.")
    event_id: UUID = Field(description="The event that it follows.")
    only_if_begun: bool = Field(description="Whether nothing is done if the stream has not begun.")


class FollowingCommandLine(Following):
    """A command that another service would send itself in answer to an event. Whether it accepts it is for its rules."""

    data: dict[str, Any] | None = Field(
        description="The fields of the command; null if the role may not read the record."
    )


class DryRunAnswer(Schema):
    """What a command would do if it were sent now. Nothing was recorded."""

    outcome: Literal["accepted", "needs_rationale", "refused", "repeated"] = Field(
        description="repeated: the command was recorded before under this key, and sending it again returns `receipt`."
    )
    version: int = Field(description="The version of the record that was judged; 0 if it has not begun.")
    rules: list[RuleBroken] = Field(
        default=[], description="The rules that refuse, or the warnings without a rationale."
    )
    warnings: list[RuleBroken] = Field(
        default=[], description="Of an accepted command: the warnings that apply, which its rationale answers."
    )
    events: list[EventPreview] = []
    duties: list[DutyChangeLine] | None = Field(
        default=[], description="The duties that would change; null if the role may not read them."
    )
    documents: list[str] = Field(default=[], description="The documents that the role could print then and cannot now.")
    commands: list[FollowingCommandLine] = Field(
        default=[], description="The commands that other services would follow with."
    )
    receipt: Receipt | None = None


class CommandOutcome(Schema):
    """What a command recorded, or that it waits, was closed or had nothing to do, and what follows in other services.

    How a following command fares, its own service answers under its command id; and while events are in quarantine there,
    `GET /v1/waits`.
    """

    command_id: UUID
    state: Literal["recorded", "nothing_to_do", "waiting", "closed"]
    receipt: Receipt | None
    sentence: str | None = Field(description="Why it waits, or was closed, in words.")
    follows: list[Following]


class WaitingReaction(Schema):
    """A parked reaction: it was refused and waits for a retry."""

    command_id: UUID
    sentence: str = Field(description="What has not happened, and why.")
    consumer: str = Field(description="The service in which it waits.")
    reaction: str = Field(description="The name of the reaction.")
    source_stream: str = Field(description="The stream whose event it follows.")
    source_version: int = Field(description="The version of that event.")
    target_stream: str = Field(description="The stream that its command is for.")
    rules: list[str] = Field(description="The ids of the rules that refused it.")
    reason: str = Field(description="Why it was refused.")
    attempts: int = Field(description="How often it was tried.")
    parked_at: datetime = Field(description="Since when it has waited.")


class ReactionDecided(Schema):
    """What was decided about a parked reaction, or would be."""

    dry_run: bool
    waits: bool | None = Field(description="Whether it waits afterwards; null: not known yet.")
    taken_up: bool = Field(description="Whether it is done; a worker that is down tries it again when it starts.")
    reaction: WaitingReaction


class AlarmLine(Schema):
    """An open alarm for an operator: who raised it, where, since when, and what it means."""

    name: str = Field(description="The kind of the alarm.")
    consumer: str = Field(description="The process that raised it: a consumer by its name, or relay.")
    place: str = Field(description="The partition, topic, service or log that it is about.")
    raised_at: datetime = Field(description="Since when it stands.")
    meaning: str = Field(description="What has happened, in a sentence.")
    runbook: str = Field(description="The page that says what to do, in the repository.")


class Status(Schema):
    """The positions of the consumer groups of a service: `consumed` is topic -> partition -> next offset."""

    service: str
    time: datetime = Field(description="The time of the answer, in UTC.")
    reacts_to: list[str] = Field(description="The services whose events it reads.")
    consumed: dict[str, dict[str, int]] = Field(description="Topic -> partition -> next offset.")
    parked: int = Field(description="How many reactions wait.")
    quarantined: int = Field(description="How many records are in quarantine.")
    alarms: list[AlarmLine]


class Relayed(Schema):
    """The high-water mark of the relay: position in the event store, end offsets of the topic."""

    position: int = Field(description="The position of the last published event.")
    offsets: dict[str, Any] = Field(description="Partition -> end offset of the topic.")


class ServiceStatus(Status):
    """The positions of the event store, the relay and the reactions of a service."""

    position: int = Field(description="The position of the last recorded event.")
    relayed: Relayed | None
