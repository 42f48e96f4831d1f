"""The catalogue and the code name the same things: a command, field, role, event, state, duty or rule on one side only fails."""

from __future__ import annotations

import importlib
import re
import types
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

import pytest
import yaml
from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo

from services import vocabulary
from services.registry import COLLECTIONS
from services.reporting.in_memory import InMemoryReporting
from services.reporting.measures import MEASURES
from shared.domain.decisions import RuleKind
from shared.domain.duties_by_day import all_duties
from shared.domain.messages import COMMAND_FIELDS, Command
from shared.privacy.sealing import Sealed
from shared.runtime.service import Service
from tools.scenario.in_memory import Memory
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Run

OURS = {"DISPOSAL_REVIEW"}
"""Duties that the catalogue does not know: a correction has shown that a disposal was not lawful."""

JUDGED_AGAIN = {
    ("referral", "CorrectReferral"): {"B8"},
    ("education", "CorrectRecord"): {"E1", "E3", "E4"},
    ("rj_conference", "CorrectRecord"): {"C8", "C9", "E1"},
}
"""Rules that the catalogue lists for what is corrected, not for the correction: no correction may go around them."""

OUR_COMMANDS = {"disposal": {"MoveConditionAttendance"}}
"""Commands that only reactions send and that the catalogue does not know: an attendance follows its corrected place."""

OUR_REACTIONS = {"disposal": {"education.RecordCorrected"}, "referral": {"education.RecordCorrected"}}
"""Reactions that the catalogue does not know: what was counted elsewhere is put right when its place is."""

CATALOGUE: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("catalogue.yaml").read_text(encoding="utf-8"))
pytestmark = pytest.mark.timeout(600)  # a fixture plays every story, which takes long beside other work

ROOT = Path(__file__).parents[2]
DECIDING = tuple(COLLECTIONS)
COMMANDS = [(name, command) for name in DECIDING for command in CATALOGUE[name]["commands"]]


def service(name: str) -> Service[Any]:
    found: Service[Any] = importlib.import_module(f"services.{name}.service").service
    return found


def commands(name: str) -> dict[str, type[Command]]:
    return {command.__name__: command for command in service(name).commands}


def kind(annotation: Any) -> str:  # noqa: PLR0911 - one line for each kind
    """A Python annotation in the words of the catalogue."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kind(args[0])
    if origin in (Union, types.UnionType):
        return f"{kind(next(a for a in args if a is not type(None)))}?"
    if origin is Sealed:
        return f"sealed {kind(args[0])}"
    if origin is tuple:
        return f"[{kind(args[0])}]"
    if origin is Literal:
        return f"enum({'|'.join(args)})"
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        name = annotation.__name__
        return name if name in CATALOGUE["enums"] else f"enum({'|'.join(annotation)})"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation.__name__ in CATALOGUE["shapes"]:
            return annotation.__name__
        return "{" + ", ".join(f"{n}: {said(f)}" for n, f in annotation.model_fields.items()) + "}"
    return {
        UUID: "id",
        str: "text",
        date: "date",
        datetime: "time",
        AwareDatetime: "time",
        bool: "bool",
        int: "int",
        Decimal: "hours",
        Any: "value",
    }[annotation]


def said(field: FieldInfo) -> str:
    return kind(field.annotation)


def plain(text: str) -> str:
    """A catalogue type as this test compares it: pence are whole numbers, and spaces mean nothing."""
    return re.sub(r"\bpence\b", "int", text).replace(" ", "")


def same(code: Iterable[str], catalogue: Iterable[str], *, of: str, where: str, file: str) -> None:
    """Fail where one side names what the other does not, saying what it is and which file to edit."""
    found, wanted = set(code), set(catalogue)
    missing, unknown = sorted(found - wanted), sorted(wanted - found)
    assert not missing, f"{of} {missing}: add it to tests/architecture/catalogue.yaml, under {where}"
    assert not unknown, f"{of} {unknown} of tests/architecture/catalogue.yaml, {where}: add it to {file}"


@pytest.mark.parametrize("name", DECIDING)
def test_each_service_has_the_catalogues_commands(name: str) -> None:
    """No command is missing, and none is there that the catalogue does not know."""
    file = f"services/{name}/domain/commands.py"
    ours = OUR_COMMANDS.get(name, set())
    assert all(service(name).roles_for(commands(name)[command]) <= {"SYSTEM"} for command in ours)
    same(set(commands(name)) - ours, CATALOGUE[name]["commands"], of="command", where=f"{name}, commands", file=file)
    assert service(name).collection == CATALOGUE["collections"][name]


def agree(key: str, code: str, catalogue: str, file: str) -> None:
    """Fail where a field is not of the catalogue's type, saying both."""
    assert plain(code) == plain(catalogue), (
        f"{key} is {code!r} in {file} and {catalogue!r} in tests/architecture/catalogue.yaml: correct one of them"
    )


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_a_command_has_the_catalogues_fields(name: str, command: str) -> None:
    """Names, types, optionality and sealing of each field are the catalogue's."""
    fields = {
        field.alias or key: field
        for key, field in commands(name)[command].model_fields.items()
        if key not in COMMAND_FIELDS
    }
    wanted = CATALOGUE[name]["commands"][command]["fields"]
    where, file = f"{name}, commands, {command}, fields", f"services/{name}/domain/commands.py"
    same(fields, wanted, of=f"field of {command}", where=where, file=file)
    for key, text in wanted.items():
        agree(f"{command}.{key}", said(fields[key]), text, file)


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_a_command_is_open_to_the_catalogues_roles(name: str, command: str) -> None:
    """Who may send a command is what the catalogue says; SYSTEM is named there for reactions."""
    wanted = set(CATALOGUE[name]["commands"][command].get("roles", CATALOGUE["default_roles"][name]))
    same(
        service(name).roles_for(commands(name)[command]) - {"SYSTEM"},
        wanted - {"SYSTEM"},
        of=f"role of {command}",
        where=f"{name}, commands, {command}, roles (without them: default_roles)",
        file=f"services/{name}/domain/commands.py, as roles of {command} (without them: DEFAULT_ROLES)",
    )


def rules_of(name: str) -> str:
    """Where the rules of a service are: a folder, or a file where they are few."""
    place = f"services/{name}/domain/rules"
    return place if (ROOT / place).is_dir() else f"{place}.py"


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_a_command_is_guarded_by_the_catalogues_rules(name: str, command: str) -> None:
    """Each rule that the catalogue lists for a command guards it, as forbidding or as warning, and no other does."""
    cls = commands(name)[command]
    spec = CATALOGUE[name]["commands"][command]
    book = service(name).decider.rules
    claimed = {"R28"} if "R28" in spec.get("refuses", []) and "R28" in service(name).claim_rules else set()
    forbidding = {rule.id for rule in book.rules_for(cls, RuleKind.FORBIDS)} - {"T1"} | claimed
    warning = {rule.id for rule in book.rules_for(cls, RuleKind.WARNS)}
    judged = {*spec.get("refuses", []), *JUDGED_AGAIN.get((name, command), ())}
    where, file = f"{name}, commands, {command}", rules_of(name)
    same(forbidding, judged, of=f"rule that forbids {command}", where=f"{where}, refuses", file=file)
    same(warning, spec.get("warns", []), of=f"rule that warns of {command}", where=f"{where}, warns", file=file)
    assert any(rule.id == "T1" for rule in book.rules_for(cls, RuleKind.FORBIDS)), (
        f"T1 does not guard {command}: {file}"
    )


@pytest.mark.parametrize("name", DECIDING)
def test_each_service_has_the_catalogues_events(name: str) -> None:
    """The events are those that the catalogue's commands emit."""
    wanted = {event for spec in CATALOGUE[name]["commands"].values() for event in spec["emits"]}
    where, file = f"{name}, commands, emits of the command that makes it happen", f"services/{name}/events.py"
    same(service(name).events.by_name, wanted, of="event", where=where, file=file)


@pytest.mark.parametrize("shape", sorted(CATALOGUE["shapes"]))
def test_each_shape_has_the_catalogues_fields(shape: str) -> None:
    """A group of fields is the same wherever it is used."""
    from services.disposal import events as disposal  # noqa: PLC0415
    from services.rj_conference import events as conference  # noqa: PLC0415

    cls = next(
        found for place in (vocabulary, disposal, conference) if (found := getattr(place, shape, None)) is not None
    )
    wanted = CATALOGUE["shapes"][shape]
    file = f"{cls.__module__.replace('.', '/')}.py"
    same(cls.model_fields, wanted, of=f"field of {shape}", where=f"shapes, {shape}", file=file)
    for key, text in wanted.items():
        agree(f"{shape}.{key}", said(cls.model_fields[key]), text, file)


@pytest.mark.parametrize("enum", sorted(CATALOGUE["enums"]))
def test_each_enum_has_the_catalogues_values(enum: str) -> None:
    """The words of the trade are the catalogue's, in its order."""
    code, wanted = list(getattr(vocabulary, enum)), [str(value) for value in CATALOGUE["enums"][enum]]
    same(code, wanted, of=f"value of {enum}", where=f"enums, {enum}", file="services/vocabulary.py")
    assert code == wanted, f"{enum}: services/vocabulary.py and tests/architecture/catalogue.yaml differ in order"


def test_the_roles_are_the_catalogues() -> None:
    """Nobody acts in a role that the catalogue does not name."""
    same(vocabulary.Role, CATALOGUE["roles"], of="role", where="roles", file="services/vocabulary.py")
    assert list(vocabulary.Role) == CATALOGUE["roles"], "the roles of services/vocabulary.py are in another order"


@pytest.mark.parametrize("name", DECIDING)
def test_reactions_are_declared_for_the_catalogues_events(name: str) -> None:
    """Each reaction of the catalogue is declared by the service whose command it sends, and no other is."""
    wanted = set()
    for reaction in CATALOGUE["reactions"]:
        then = "rj_conference.ProposeConference" if reaction["then"] == "the same" else reaction["then"]
        if then.split(".")[0] == name:
            wanted.add(reaction["when"])
    declared = {f"{reaction.service}.{reaction.event.__name__}" for reaction in service(name).reactions}
    ours = OUR_REACTIONS.get(name, set())
    assert ours <= declared
    same(declared - ours, wanted, of=f"reaction of {name} to", where="reactions", file=f"services/{name}/reactions.py")


@pytest.fixture(scope="module")
def told() -> Memory:
    """Every story of tests/scenarios, played in memory."""
    memory = Memory([service(name) for name in DECIDING], InMemoryReporting())
    for file in sorted((ROOT / "tests" / "scenarios").glob("*.yaml")):
        Run(read_scenario(file), memory).play()
    return memory


def test_no_duty_is_computed_that_the_catalogue_does_not_know(told: Memory) -> None:
    """Whatever the stories open is a duty of the catalogue, or one of ours with its reason."""
    found = {duty.duty for name, facts in told.histories for duty in all_duties(service(name).read_model, facts)}
    unknown = sorted(found - set(CATALOGUE["duties"]) - OURS)
    assert not unknown, (
        f"duty {unknown}: add it to tests/architecture/catalogue.yaml, under duties;"
        " or to OURS in tests/architecture/test_catalogue.py, with its reason"
    )


def test_each_duty_of_the_catalogue_is_computed() -> None:
    """Each duty is named in a service's duties."""
    text = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("services/*/domain/duties*.py"))
    missing = [duty for duty in sorted({*CATALOGUE["duties"], *OURS}) if f'"{duty}"' not in text]
    assert not missing, (
        f"duty {missing} of tests/architecture/catalogue.yaml: add it to services/<name>/domain/duties.py"
    )


def test_the_measures_are_the_catalogues() -> None:
    """Reporting answers each measure of the catalogue and no other."""
    same(MEASURES, CATALOGUE["measures"], of="measure", where="measures", file="services/reporting/measures")


@pytest.mark.parametrize("name", DECIDING)
def test_a_state_is_shown_with_the_catalogues_fields(name: str, told: Memory) -> None:
    """What is shown of a state are the catalogue's fields, all of them and no other, in every story."""
    read_model = service(name).read_model
    shown = {frozenset(read_model.view_of(facts) or ()) for owner, facts in told.histories if owner == name}
    assert shown
    for fields in shown:
        same(
            fields, CATALOGUE[name]["state"], of="field shown", where=f"{name}, state", file=f"services/{name}/views.py"
        )
