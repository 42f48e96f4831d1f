"""The services' access tables say what the table written by hand says, and each sealed field has a class."""

from collections.abc import Iterator
from typing import Any, Final, get_args, get_origin
from uuid import UUID

import pytest
from pydantic import BaseModel

from services.system.registry import deciding_services
from services.trade.vocabulary import Role
from shared.domain.messages import Actor, Correction, Event
from shared.domain.sealing import Sealed, field_class
from shared.domain.service import Service
from tests.access_table import ALL, ANY, COMMANDS, NEEDS_REASON, SECTION_F
from tests.as_one_test import as_one_test

SERVICES: Final = {service.name: service for service in deciding_services()}
EVENTS: Final = [(service, event) for service in SERVICES.values() for event in service.events.events]


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


@as_one_test
@pytest.mark.parametrize(("service", "event"), EVENTS, ids=lambda one: getattr(one, "name", None) or one.__name__)
def test_every_sealed_field_has_a_class(service: Service[Any], event: type[Event]) -> None:
    """A field without a class would be read by nobody; that of a correction is the class of what it corrects."""
    of_correction = {"sealed", "why"} if issubclass(event, Correction) else set()
    unclassified = {path for path in sealed_paths(event) if field_class(event, path) is None}
    forgotten = sorted(unclassified ^ of_correction)
    assert not forgotten, (
        f"{event.__name__} in services/{service.name}/events.py: give {forgotten} a class (`Personal`)"
    )
    assert service.events.reasons is not None


def test_section_f_names_every_role() -> None:
    """A new role reads nothing before it has a row in the table."""
    assert set(SECTION_F) == set(Role)


@as_one_test
@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("role", Role)
def test_a_role_reads_what_section_f_gives_it(role: Role, name: str) -> None:
    """The service gives a role the parts, members and sealed classes of its cell and no other, of every record or of some."""
    permission = SERVICES[name].permissions.get(role)
    cell = SECTION_F[role].get(name)
    assert (permission is None) == (cell is None), (
        f"services/{name}/access.py gives {role} {'no' if permission is None else 'a'} permission:"
        f" {'take it from' if permission is None else 'add its row to'} SECTION_F of tests/access_table.py"
    )
    if permission is not None and cell is not None:
        assert permission.classes(None) == cell.opens
        assert permission.classes("CASE_REVIEW") == cell.opens | cell.with_reason
        assert permission.parts & ALL == cell.parts
        assert permission.fields == cell.fields
        assert permission.needs_reason == (role in NEEDS_REASON)
        stranger = Actor(id=UUID(int=7), role=role, organisation="DORSET_POLICE")
        opened_to_all = permission.is_opened_by(frozenset(), stranger) and not permission.own_organisation
        assert opened_to_all == (cell.to == ANY)


@pytest.mark.parametrize("name", SERVICES)
def test_a_command_is_for_the_roles_of_the_catalogue(name: str) -> None:
    """The command of the table is accepted from its roles and no other that a token can carry."""
    body, roles = COMMANDS[name]
    (command,) = (one for one in SERVICES[name].commands if one.__name__ == body["type"])
    assert SERVICES[name].roles_for(command) - {Role.SYSTEM} == roles
