"""The people of two stories, with access tokens of Keycloak in a container."""

import contextlib
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from unittest import mock

from tests.containers.compose import ROOT
from tests.integration.identity.keycloak import Admin
from tests.integration.identity.signing_in import Person
from tools.client.tokens import AREA, ORGANISATION
from tools.scenario.over_http import COUNTER, READER
from tools.scenario.parser import read_scenario
from tools.scenario.story import CommandStep, Officer

HOST: Final = "keycloak"
URL: Final = f"http://{HOST}:8080"
ISSUER: Final = f"{URL}/realms/ooc"
NOBODY: Final = "SYSTEM"
"""The role of the reactions, which no person has."""


class People:
    """A person for each role and number in some scenarios, added to the realm at the first call."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._officers = sorted(_officers(files))
        self._people: dict[tuple[str, int], Person] = {}

    def tokens(self) -> dict[str, str]:
        """Return new access tokens in the variables in which `ooc` looks for them."""
        with _as_in_hosts_file(HOST):
            if not self._people:
                self._add()
            return {_variable(role, number): person.token() for (role, number), person in self._people.items()}

    def _add(self) -> None:
        admin = Admin(URL, (ROOT / "deploy" / "passwords" / "keycloak").read_text(encoding="utf-8").strip())
        with contextlib.closing(admin):
            for role, number in self._officers:
                attributes = {"role": role, "organisation": ORGANISATION, "area": AREA, "conflicts": ["none"]}
                answer, name, password = admin.try_person(attributes)
                id_ = answer.raise_for_status().headers["location"].rpartition("/")[2]
                self._people[role, number] = Person(ISSUER, id_, name, password)


def _officers(files: Sequence[Path]) -> set[tuple[str, int]]:
    steps = [step for file in files for step in read_scenario(file).steps if isinstance(step, CommandStep)]
    named: list[Officer] = [step.by for step in steps]
    return {(officer.role, officer.number) for officer in named if officer.role != NOBODY} | {(READER, 1), (COUNTER, 1)}


def _variable(role: str, number: int) -> str:
    return f"OOC_TOKEN_{role}" if number == 1 else f"OOC_TOKEN_{role}_{number}"


@contextlib.contextmanager
def _as_in_hosts_file(name: str) -> Iterator[None]:
    """Resolve a name to this machine, as docs/how-to/identity-provider.md asks of the hosts file."""
    resolve = socket.getaddrinfo

    def resolved(host: Any, *arguments: Any, **named: Any) -> Any:
        return resolve("127.0.0.1" if host == name else host, *arguments, **named)

    with mock.patch.object(socket, "getaddrinfo", resolved):
        yield
