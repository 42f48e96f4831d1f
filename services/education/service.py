"""Education as a declaration: the kernel builds API, worker, relay and schema from it."""

from __future__ import annotations

from typing import Final

from services.education.domain.commands import COMMANDS, DEFAULT_ROLES
from services.education.domain.state import Session
from services.education.reactions import REACTIONS
from services.education.read_model import READ_MODEL
from services.vocabulary import Role
from shared.runtime.service import Service

_ALL: Final = frozenset({"state", "history", "duties"})

service: Final[Service[Session]] = Service(
    name="education",
    collection="sessions",
    commands=COMMANDS,
    default_roles=DEFAULT_ROLES,
    read_model=READ_MODEL,
    # A session belongs to no case: its home is its own id.
    home=lambda _event: None,
    readers={
        Role.SAFE_SCHOOLS_OFFICER: _ALL,
        Role.INTERNET_SAFETY_OFFICER: _ALL,
        Role.YJS_CASE_MANAGER: _ALL,
        Role.SUPERVISOR: _ALL,
        Role.POLICE_DECISION_MAKER: frozenset({"state", "duties"}),
        Role.AUDITOR: _ALL,
        Role.DATA_PROTECTION_OFFICER: _ALL,
    },
    reasons=frozenset({Role.AUDITOR, Role.DATA_PROTECTION_OFFICER}),
    reactions=REACTIONS,
)
"""The service: sessions, places, the register."""
