"""The shapes of what the queries answer, for the OpenAPI document: a test holds real answers against them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.messages import Origin, PolicyStamp


class Schema(BaseModel):
    """An answer with these members and no other."""

    model_config = ConfigDict(extra="forbid")


class StateView(BaseModel):
    """The state of a record; beside its id and version, the members are the service's own."""

    model_config = ConfigDict(extra="allow")

    id: UUID
    version: int


class ActorLine(Schema):
    """Who asked for an event."""

    id: UUID
    role: str
    organisation: str


class HistoryLine(Schema):
    """An event as it is shown. What is personal is `{"sealed": true}` where it was not opened, `{"forgotten": true}` where it cannot be."""

    version: int
    type: str
    type_name: str
    event_id: UUID
    command_id: UUID
    correlation_id: UUID
    causation_id: UUID | None
    occurred_at: datetime
    recorded_at: datetime | None
    position: int | None
    late: bool = Field(description="Whether one that occurred after it was recorded before it.")
    actor: ActorLine
    policy: PolicyStamp
    rules: list[str]
    rationale: dict[str, Any]
    labels: dict[str, str]
    origin: Origin
    hash: str | None
    data: dict[str, Any]
    corrected_by: list[UUID]
    corrects: UUID | None = Field(default=None, description="Of a correction: the event that it corrects.")


class History(Schema):
    """Every event of a record, in order."""

    stream: str
    events: list[HistoryLine]


class DutyLine(Schema):
    """A duty as it stood at the end of a day."""

    duty: str
    item: str | None
    opened_on: date
    due: date
    met_on: date | None
    lapsed_on: date | None = Field(description="The day on which its record was closed before it was met.")
    overdue: bool
    late: bool


class WaitingReaction(Schema):
    """A reaction that was refused and waits to be tried again."""

    command_id: UUID
    consumer: str
    reaction: str
    source_stream: str
    source_version: int
    target_stream: str
    rules: list[str]
    reason: str
    attempts: int
    parked_at: datetime


class AlarmLine(Schema):
    """What a person must look at."""

    name: str
    consumer: str = Field(description="Which process raised it, such as disposal-reactor or relay.")
    place: str
    raised_at: datetime
    meaning: str
    runbook: str = Field(description="The page that says what to do, in the repository.")


class Status(Schema):
    """How far a consumer has come: `consumed` is topic, partition, next offset."""

    service: str
    time: datetime
    reacts_to: list[str]
    consumed: dict[str, dict[str, int]]
    parked: int
    quarantined: int
    alarms: list[AlarmLine]


class Relayed(Schema):
    """How far the relay has come."""

    position: int
    offsets: dict[str, Any]


class ServiceStatus(Status):
    """How far a service's event store, relay and reactions have come."""

    position: int
    relayed: Relayed | None
