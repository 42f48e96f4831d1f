"""The registry of services holds what the services declare."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from services.system.registry import DECIDING, FOLLOWERS, SERVICES, RegisteredService, databases_without_events
from services.trade.vocabulary import Role

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("entry", DECIDING, ids=lambda entry: entry.name)
def test_an_entry_agrees_with_its_service(entry: RegisteredService) -> None:
    """Given an entry, when its service and read model are imported, then both have its name and collection."""
    service, read_model = entry.service(), entry.read_model()
    assert service.read_model is read_model
    assert {service.name, read_model.events.service} == {entry.name}
    assert {service.collection, read_model.collection} == {entry.collection}


def test_no_two_services_share_a_port_or_a_collection() -> None:
    """Given all services, when their ports, names and collections are listed, then each occurs once."""
    for facts in (
        [entry.name for entry in SERVICES],
        [*(entry.port_offset for entry in SERVICES), *FOLLOWERS.values()],
        [entry.collection for entry in DECIDING],
    ):
        assert len(set(facts)) == len(facts)


@pytest.mark.parametrize("entry", DECIDING, ids=lambda entry: entry.name)
def test_every_command_is_played_in_any_sequence(entry: RegisteredService) -> None:
    """The property test of a service plays each of its commands, but for openings, corrections and those of reactions alone."""
    service = entry.service()
    files = list((ROOT / f"tests/unit/{entry.name}").glob("test_*_any_sequence.py"))
    assert files, f"tests/unit/{entry.name}: add test_{entry.name}_any_sequence.py, as education has it"
    (file,) = files
    played = {type(command) for command in import_module(f"tests.unit.{entry.name}.{file.stem}").COMMANDS}
    forgotten = [
        command.__name__
        for command in service.commands
        if not (command.opens or "corrects" in command.model_fields or service.roles_for(command) == {Role.SYSTEM})
        and command not in played
    ]
    assert not forgotten, f"{file.relative_to(ROOT)}: add {', '.join(forgotten)} to COMMANDS"


@pytest.mark.parametrize("entry", DECIDING, ids=lambda entry: entry.name)
def test_every_module_of_rules_is_imported(entry: RegisteredService) -> None:
    """A module of rules that the package does not import would refuse nothing."""
    package = ROOT / f"services/{entry.name}/domain/rules"
    modules = {
        path.stem for path in package.glob("*.py") if re.search(r"^@rules\.", path.read_text("utf-8"), re.MULTILINE)
    }
    forgotten = [name for name in modules if name not in (package / "__init__.py").read_text("utf-8")]
    assert not forgotten, f"services/{entry.name}/domain/rules/__init__.py: import {', '.join(forgotten)}"


def test_who_decides_nothing_has_a_database_too() -> None:
    """Given those that do not decide, when their databases are imported, then reporting's, each follower's and the console's are there."""
    assert [name for name, _ in databases_without_events()] == ["ooc_reporting", "ooc_notifications", "ooc_console"]


def test_every_declared_service_is_registered() -> None:
    """A service that the list lacks would have no database, no topic and no page."""
    declared = {path.parent.name for path in (ROOT / "services").glob("*/service.py")}
    forgotten = declared - {entry.name for entry in DECIDING}
    assert not forgotten, f"services/system/registry.py: add {', '.join(forgotten)} to SERVICES"


def test_the_registry_alone_imports_no_service() -> None:
    """Given a new process, when it imports the registry, then no service comes with it."""
    program = (
        "import sys, services.system.registry; print([name for name in sys.modules if name.startswith('services.')])"
    )
    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert printed.stdout.strip() == "['services.system', 'services.system.registry']"


@pytest.mark.slow
@pytest.mark.parametrize("worker", ["shared.runtime.worker, services.disposal.service", "services.reporting.worker"])
def test_a_worker_loads_no_web_framework(worker: str) -> None:
    """Given a new process, when it imports what a worker runs, then FastAPI and uvicorn do not come with it."""
    code = f"import sys, {worker}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"fastapi", "uvicorn", "shared.api"} & set(loaded)
