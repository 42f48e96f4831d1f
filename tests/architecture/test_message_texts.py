"""What the messages say of themselves, as partners' programmers and officers read it."""

from __future__ import annotations

import inspect
import re
from typing import Final

import pytest

from services.system.registry import DECIDING
from services.trade.vocabulary import Role
from shared.domain.messages import Command, Event
from tests.as_one_test import as_one_test

COMMANDS = [
    pytest.param(command, roles, id=f"{service.name}.{command.__name__}")
    for entry in DECIDING
    for service in [entry.service()]
    for command in service.commands
    for roles in [service.roles_for(command)]
]
MESSAGES = [
    pytest.param(message, id=f"{service.name}.{message.__name__}")
    for entry in DECIDING
    for service in [entry.service()]
    for message in (*service.commands, *service.events.events)
]


def words_of(text: str) -> set[str]:
    """Return the words of a text or of a name in capitals, in small letters and without their endings."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return {re.sub(r"(ed|ing|es|s|e)$", "", word) for word in re.findall(r"[a-z]+", apart.lower())}


SAYS_NOTHING: Final = words_of(
    "a an and are as at be by for from has have in is it its of on or record recorded records say says that the this to"
    " was were what whether which who with"
)


@as_one_test
@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_says_more_than_its_name(message: type[Command | Event]) -> None:
    """The text of each command and event has at least five words that its name has not: what it means, what follows."""
    text = inspect.cleandoc(message.__doc__ or "")
    more = words_of(text) - words_of(message.__name__) - SAYS_NOTHING
    assert len(more) >= 5, f"say what {message.__name__} means in practice, and what follows from it: {text!r}"


@as_one_test
@pytest.mark.parametrize(("command", "roles"), COMMANDS)
def test_the_text_on_a_form_holds_no_name_of_the_code(command: type[Command], roles: frozenset[str]) -> None:
    """The text of a command that people send stands on a form of the console: it names no field and no class."""
    text = inspect.cleandoc(command.__doc__ or "")
    assert roles == {Role.SYSTEM} or "`" not in text, f"{command.__name__} stands on a form: say it in words: {text!r}"
