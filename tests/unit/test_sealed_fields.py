"""Who may read which sealed field: each one has a class, and the roles open what the table below gives them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, get_args, get_origin

import pytest
from pydantic import BaseModel

from services.system.registry import deciding_services
from services.trade.vocabulary import Role
from shared.domain.messages import Correction, Event
from shared.domain.sealing import Sealed, field_class
from shared.domain.service import Service
from tests.as_one_test import as_one_test

SERVICES: Final = {service.name: service for service in deciding_services()}

EVERY: Final = {
    "IDENTITY",
    "VICTIM_IDENTITY",
    "CONTACT",
    "CHARACTERISTICS",
    "NARRATIVE",
    "VICTIM_VIEW",
    "REASONS",
    "CONDITIONS",
    "PLACE",
}
"""A record that a role reads (R) is read as a whole."""
REPLAY: Final = {"REASONS", "CONDITIONS"}
"""The auditor's replay: why, by whom and on what terms; nobody's name."""
VICTIM: Final = {"VICTIM_CONTACT"}
SECTION_F: Final[dict[str, dict[str, set[str]]]] = {
    "SAFE_SCHOOLS_OFFICER": {"referral": EVERY, "disposal": EVERY, "rj_conference": EVERY, "education": EVERY},
    "INTERNET_SAFETY_OFFICER": {"referral": EVERY, "disposal": EVERY, "education": EVERY},
    # RJ: R status.
    "YJS_CASE_MANAGER": {
        "referral": EVERY,
        "disposal": EVERY,
        "rj_conference": set(),
        "education": EVERY,
        "panel": EVERY,
    },
    # Disposal: R condition. Victim contact: yes, own.
    "RJ_FACILITATOR": {"referral": EVERY | VICTIM, "disposal": {"CONDITIONS"}, "rj_conference": EVERY},
    "POLICE_DECISION_MAKER": {
        "referral": EVERY,
        "disposal": EVERY,
        "rj_conference": set(),
        "education": EVERY,
        "panel": EVERY,
    },
    "SUPERVISOR": {
        "referral": EVERY,
        "disposal": EVERY,
        "rj_conference": EVERY,
        "education": EVERY,
        "panel": EVERY,
    },
    # Referral: the victim's own. Disposal: R outcome. RJ: R consent. Victim contact: RW.
    "VICTIM_WORKER": {
        "referral": {"VICTIM_IDENTITY", "VICTIM_VIEW"} | VICTIM,
        "disposal": {"VICTIM_VIEW"},
        "rj_conference": set(),
    },
    # Victim contact: masked.
    "AUDITOR": {
        "referral": REPLAY,
        "disposal": REPLAY,
        "rj_conference": REPLAY,
        "education": REPLAY,
        "panel": REPLAY,
    },
    "DATA_PROTECTION_OFFICER": {
        "referral": EVERY | VICTIM,
        "disposal": EVERY,
        "rj_conference": EVERY,
        "education": EVERY,
        "panel": EVERY,
    },
    "ANALYST": {},
    "SCHOOL": {"referral": set()},
    "AGENCY": {"referral": set()},
    # Names and ways to reach people; of an appointment when and where; no narrative, reason or condition.
    "MESSENGER": {
        "referral": {"IDENTITY", "VICTIM_IDENTITY", "CONTACT"} | VICTIM,
        "education": {"PLACE"},
        "rj_conference": {"PLACE"},
    },
    "INVITED": {"education": {"PLACE"}, "rj_conference": {"PLACE"}},
    "SYSTEM": {},
}
WITH_REASON: Final = {("SUPERVISOR", "referral"): VICTIM}
"""Victim contact: reason."""


def sealed_paths(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """Every sealed field of a model, at any depth."""
    for name, field in model.model_fields.items():
        for inner in parts(field.annotation):
            if get_origin(inner) is Sealed:
                yield f"{path}{name}"
            elif isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from sealed_paths(inner, f"{path}{name}.")


def parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for inner in get_args(annotation):
        yield from parts(inner)


EVENTS: Final = [(service, event) for service in SERVICES.values() for event in service.events.events]


@as_one_test
@pytest.mark.parametrize(("service", "event"), EVENTS, ids=lambda one: getattr(one, "name", None) or one.__name__)
def test_every_sealed_field_has_a_class(service: Service[Any], event: type[Event]) -> None:
    """A field without a class would be read by nobody; that of a correction is the class of what it corrects."""
    of_correction = {"sealed", "why"} if issubclass(event, Correction) else set()
    unclassified = {path for path in sealed_paths(event) if field_class(event, path) is None}
    assert unclassified == of_correction
    assert service.events.reasons is not None


def test_section_f_names_every_role() -> None:
    """A new role opens nothing before it has a row here."""
    assert set(SECTION_F) == set(Role)


@as_one_test
@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("role", Role)
def test_a_role_opens_what_section_f_gives_it(role: Role, name: str) -> None:
    """The service's access table has these classes and no other, with a reason and without."""
    permission = SERVICES[name].permissions.get(role)
    cell = SECTION_F[role].get(name)
    assert (permission is None) == (cell is None), (
        f"services/{name}/access.py gives {role} {'no' if permission is None else 'a'} permission:"
        f" {'take it from' if permission is None else 'add its row to'} SECTION_F of tests/unit/test_sealed_fields.py"
    )
    if permission is not None and cell is not None:
        assert permission.classes(None) == cell
        assert permission.classes("CASE_REVIEW") == cell | WITH_REASON.get((role, name), set())
