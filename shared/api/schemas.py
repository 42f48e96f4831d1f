"""Schemas of the responses of queries, for the OpenAPI document. A test compares real responses with them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.envelope import Origin, PolicyStamp


class Schema(BaseModel):
    """Base of all schemas, without other members."""

    model_config = ConfigDict(extra="forbid")


class StateView(BaseModel):
    """The state of a record: its id, its version, and members of the service."""

    model_config = ConfigDict(extra="allow")

    id: UUID
    version: int


class ActorLine(Schema):
    """The actor of an event."""

    id: UUID
    role: str
    organisation: str


class HistoryLine(Schema):
    """An event. A personal value is `{"sealed": true}` if not decrypted, `{"forgotten": true}` if its key was destroyed."""

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
    late: bool = Field(description="Whether an event with a later occurrence was recorded before it.")
    actor: ActorLine
    policy: PolicyStamp
    rules: list[str]
    rationale: dict[str, Any]
    labels: dict[str, str]
    origin: Origin
    hash: str | None
    data: dict[str, Any]
    corrected_by: list[UUID]
    corrects: UUID | None = Field(default=None, description="The event that a correction corrects.")


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
    lapsed_on: date | None = Field(description="The day on which the record was closed before the duty was met.")
    overdue: bool
    late: bool


class WaitingReaction(Schema):
    """A parked reaction: it was refused and waits for a retry."""

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
    """An open alarm for an operator."""

    name: str
    consumer: str = Field(description="The process that raised it: a consumer by its name, or relay.")
    place: str
    raised_at: datetime
    meaning: str
    runbook: str = Field(description="The page that says what to do, in the repository.")


class Status(Schema):
    """The positions of the consumer groups of a service: `consumed` is topic -> partition -> next offset."""

    service: str
    time: datetime
    reacts_to: list[str]
    consumed: dict[str, dict[str, int]]
    parked: int
    quarantined: int
    alarms: list[AlarmLine]


class Relayed(Schema):
    """The high-water mark of the relay: position in the event store, end offsets of the topic."""

    position: int
    offsets: dict[str, Any]


class ServiceStatus(Status):
    """The positions of the event store, the relay and the reactions of a service."""

    position: int
    relayed: Relayed | None
