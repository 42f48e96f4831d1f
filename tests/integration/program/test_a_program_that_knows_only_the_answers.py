"""A whole case, from report to outcome, by a program that asks what is available, fills the schema, tries and sends."""

import ast
import builtins
import re
import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import Enum
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import BaseModel

from examples import next_step
from services.system.addresses import find_addresses
from services.system.registry import COLLECTIONS, deciding_services
from services.trade.vocabulary import Role
from shared.api import guidance, schemas
from shared.api.command_schemas import parts_of
from shared.domain.envelope import Envelope
from shared.domain.messages import COMMAND_FIELDS
from tests import loopback
from tests.integration.program.goal import Goal, read_goal
from tests.integration.program.program import Officer, Program, Wish
from tests.whole_system import WholeSystem
from tools.client.tokens import Tokens
from tools.scenario.comparison import state_differs

HERE = Path(__file__).parent


@pytest.fixture
def program(shared_system: WholeSystem) -> Iterator[Program]:
    """Yield the program, signed in by the development issuer."""
    addresses = find_addresses((), {}, shared_system.var)
    with loopback.blocking_client(timeout=30) as http:
        tokens = Tokens(addresses.issuer, http, {})

        def token(officer: Officer) -> str:
            return tokens.token(officer.role, officer.number).text

        yield Program(http, addresses.services, token, Officer("AUDITOR"))


async def test_it_carries_a_case_from_report_to_outcome(
    program: Program, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """Each wish is carried, what guidance refuses is refused, and the case ends as it should."""
    goal = read_goal(HERE / "goals" / "case.yaml", str(uuid4()))
    refused = carry(program, goal)
    # A check of the fields may refuse before a rule that refuses whatever the fields.
    assert sum(named == broken for named, broken in refused) > len(refused) / 2 > 2
    assert program.followed >= 2
    case = program.read("reporting", f"/v1/cases/{goal.case}", min_position=list(program.positions.values()))
    assert program.read("disposal", "/v1/waits", home=str(goal.case))["waits"] == []
    records = {one["id"]: one for listed in case.values() if isinstance(listed, list) for one in listed if "id" in one}
    assert records.keys() == {str(record) for _, record in goal.ends}
    for (_, record), members in goal.ends.items():
        assert not list(state_differs(members, records[str(record)], lambda name: str(goal.names.id(name))))
    record_testsuite_property("guidance_median_ms", statistics.median(program.guidance_seconds) * 1000)

    warned = read_goal(HERE / "goals" / "reasons.yaml", str(uuid4()))
    assert any(wish.excuses for wish in warned.wishes)
    carry(program, warned)
    for (service, record), members in warned.ends.items():
        found = program.read_record(service, record)
        assert not list(state_differs(members, found, lambda name: str(warned.names.id(name))))


def test_the_recommended_steps_alone_carry_a_case(program: Program, shared_system: WholeSystem) -> None:
    """The example begins a referral and then a disposal of its case, and takes each recommended step: nothing is left open."""
    beginnings = (
        ("referral", "ReceiveReferral", "SAFE_SCHOOLS_OFFICER"),
        ("disposal", "OpenDisposalCase", "YJS_CASE_MANAGER"),
    )
    carried = list(next_step.carry(find_addresses((), {}, shared_system.var), program.http, beginnings))
    assert all(steps for _, _, steps in carried)
    histories = [
        program.read(service, f"/v1/{COLLECTIONS[service]}/{record}/history")["events"]
        for service, record, _ in carried
    ]
    (home,) = {events[0]["data"]["case_id"] for events in histories}
    reached = [f"{service}:{events[-1]['position']}" for (service, *_), events in zip(carried, histories, strict=True)]
    case = program.read("reporting", f"/v1/cases/{home}", min_position=reached)
    assert [(one["id"], one["open"]) for one in (*case["referrals"], *case["disposals"])] == [
        (str(record), False) for _, record, _ in carried
    ]
    assert all(duty["met_on"] or duty["lapsed_on"] for duty in case["duties"])


def carry(program: Program, goal: Goal) -> list[tuple[frozenset[str], frozenset[str]]]:
    """Carry every wish. When a record begins, try all that is wished of it later; returns the rules named and broken."""
    refused = []
    for number, wish in enumerate(goal.wishes):
        program.carry(wish)
        if begins(wish, goal.wishes[:number]):
            refused += [program.try_early(early) for early in later(wish, goal.wishes[number + 1 :])]
    return [rules for rules in refused if rules is not None]


def begins(wish: Wish, before: tuple[Wish, ...]) -> bool:
    """Whether a wish is the first about its record."""
    return all(earlier.record != wish.record for earlier in before)


def later(wish: Wish, after: tuple[Wish, ...]) -> Iterator[Wish]:
    """Yield the later wishes about the record of a wish, one of each type, put at its time."""
    types: set[str] = set()
    for one in after:
        if one.record == wish.record and one.type not in types:
            types.add(one.type)
            yield replace(one, at=wish.at, refused_by=frozenset())


def words_of_the_services() -> set[str]:
    """List what the catalogue names: services, commands, events, fields, codes, states, roles and rules."""
    words = {*COLLECTIONS, *COLLECTIONS.values(), *Role}
    for service in deciding_services():
        words |= {cls.__name__ for cls in (*service.commands, *service.events.events)}
        words |= {str(state) for state in service.read_model.states}
        words |= {rule.id for command in service.commands for rule in service.decider.rules.rules_for(command)}
        words |= {name for event in service.events.events for name in event.model_fields}
        for part in parts_of(service.commands):
            words |= {str(code.value) for code in part} if issubclass(part, Enum) else set(part.model_fields)
    return words


def words_of_the_answers() -> set[str]:
    """Return the members that the answers of every service have."""
    models = [part for module in (guidance, schemas) for part in vars(module).values() if isinstance(part, type)]
    members = {name for model in models if issubclass(model, BaseModel) for name in model.model_fields}
    return members | set(Envelope.model_fields) | COMMAND_FIELDS


def names_in(code: str) -> set[str]:
    """Return the names and the texts of a program, and every word in it that is no word of English: `Like`, `LIKE`, `like_it`."""
    names = {word for word in re.findall(r"\w+", code) if not word.islower() or "_" in word}
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
                names.add(name)
            case ast.Constant(value=str(text)):
                names.add(text)
    return names


def test_its_code_has_no_word_of_the_services() -> None:
    """No command, event, field, code, state, role or rule of any service stands in the program's code."""
    words = words_of_the_services() - words_of_the_answers()
    assert {"AssignFacilitator", "RJ_FACILITATOR", "DELIVERED", "crime_number", "topic", "S1"} <= words
    found = names_in((HERE / "program.py").read_text(encoding="utf-8")) & words
    # What is left are Python's own names, and digits.
    assert {name for name in found if name.isidentifier()} - vars(builtins).keys() == set()
