"""What may be corrected, and to what: a field of an earlier event, in that field's own type and under its own key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from services.referral.domain.commands import CorrectReferral
from services.referral.events import ActivityUndertaken, CrimeOutcomeAssigned, PersonLinked, ReferralReceived
from shared.domain.messages import Event
from shared.privacy.sealing import OwnedBy, Sealed

FIXED: Final[frozenset[tuple[type[Event], str]]] = frozenset(
    {
        # The case and the person decide whose key seals what follows.
        (ReferralReceived, "case_id"),
        (PersonLinked, "person_id"),
        # Computed from the birth date, which can be corrected.
        (PersonLinked, "age_at_incident"),
        # Carried from another service, where it is corrected.
        (CrimeOutcomeAssigned, "disposal_id"),
        (ActivityUndertaken, "session_id"),
        (ActivityUndertaken, "person_id"),
    }
)
"""Fields that no officer corrects."""


@dataclass(frozen=True)
class Field:
    """A field of an event: its type, the type inside `Sealed` if it is sealed, and the person whose key seals it."""

    kind: Any
    inside: Any | None
    owner: UUID | None

    def takes(self, value: Any) -> bool:
        """Whether a JSON value is one of the field's type."""
        opened = self.inside is not None and value is not None
        kind: Any = self.inside if opened else self.kind
        adapter: TypeAdapter[Any] = TypeAdapter(kind)
        try:
            adapter.validate_json(json.dumps(to_jsonable_python(value)), strict=True)
        except (ValidationError, ValueError, TypeError):
            return False
        return True


def field_of(event: BaseModel, path: str, owner: UUID | None = None) -> Field | None:
    """The field at a dotted path; None where the event has none, or where it is a group of fields."""
    name, _, rest = path.partition(".")
    info = type(event).model_fields.get(name)
    if info is None:
        return None
    held = getattr(event, name)
    for mark in info.metadata:
        if isinstance(mark, OwnedBy):
            owner = getattr(event, mark.field) or owner
    if isinstance(held, BaseModel):
        return field_of(held, rest, owner) if rest else None
    return None if rest else Field(info.rebuild_annotation(), _inside_sealed(info.annotation), owner)


def full_path(event: BaseModel, named: str) -> str:
    """The dotted path of the field that an officer named: `date_of_birth` alone does where one group has such a field."""
    if named in type(event).model_fields:
        return named
    groups = [group for group, held in event if isinstance(held, BaseModel) and named in type(held).model_fields]
    return f"{groups[0]}.{named}" if len(groups) == 1 else named


def named_in(event: BaseModel, command: CorrectReferral) -> tuple[str, Field | None]:
    """The field that a correction names: its path, and what it is if the event has it."""
    path = full_path(event, command.field)
    return path, field_of(event, path)


def may_be_corrected(event: Event, named: str) -> bool:
    """Whether an event has that field and officers may correct it."""
    path = full_path(event, named)
    return (type(event), path) not in FIXED and field_of(event, path) is not None


def _inside_sealed(annotation: Any) -> Any | None:
    if get_origin(annotation) is Sealed:
        return get_args(annotation)[0]
    found = (_inside_sealed(part) for part in get_args(annotation))
    return next((inside for inside in found if inside is not None), None)
