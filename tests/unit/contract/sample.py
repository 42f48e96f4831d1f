"""Write a golden sample of every event that has none: `python -m tests.unit.contract.sample`.

A sample, once written, is never written again: what has been published can be read for ever. An event that gained a
field is sampled again beside the old sample, as `TYPE with FIELD`. The events are those that tests/scenarios records.
An event without a sample that no scenario records is named, and the exit code is 1: add it to a scenario first.
"""

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from services.system.registry import deciding_services
from shared.domain.envelope import Fact
from shared.domain.service import Service
from tools.scenario.in_memory import Memory
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Run

SERVICES = deciding_services()
GOLDEN = Path(__file__).parent / "golden"
STORIES = Path(__file__).parents[2] / "scenarios"


def samples(service: str) -> dict[str, dict[str, str]]:
    """Return the samples of a service by type name: the hash before, the bytes as text, and the hash after."""
    file = GOLDEN / f"{service}.json"
    found: dict[str, dict[str, str]] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return found


def played_facts() -> dict[str, list[tuple[bytes, Fact]]]:
    """Play all scenarios; return their facts by service, each with the hash before it."""
    memory = Memory(SERVICES)
    for file in sorted(STORIES.glob("*.yaml")):
        Run(read_scenario(file), memory).play()
    found: dict[str, list[tuple[bytes, Fact]]] = {}
    for service, history in memory.histories:
        previous = bytes(32)
        for fact in history:
            found.setdefault(service, []).append((previous, fact))
            assert fact.hash is not None
            previous = fact.hash
    return found


def type_in(name: str) -> str:
    """Return the type of which a sample of that name is one."""
    return name.partition(" ")[0]


def fields_in(samples_by_type: Mapping[str, Mapping[str, str]], type_name: str) -> set[str]:
    """Return the fields that stand in the samples of a type."""
    of_type = (sample for name, sample in samples_by_type.items() if type_in(name) == type_name)
    return {field for sample in of_type for field in json.loads(sample["body"])["data"]}


def add(samples_by_type: dict[str, dict[str, str]], facts: Sequence[tuple[bytes, Fact]]) -> list[str]:
    """Sample each type, and each field that it gained, that is not kept yet, from the first fact with it; what was added."""
    added: list[str] = []
    for previous, fact in facts:
        assert fact.body is not None
        assert fact.hash is not None
        name = fact.envelope.type
        if name in samples_by_type:
            gained = json.loads(fact.body)["data"].keys() - fields_in(samples_by_type, name)
            if not gained:
                continue
            name = f"{name} with {', '.join(sorted(gained))}"
        samples_by_type[name] = {"previous": previous.hex(), "body": fact.body.decode(), "hash": fact.hash.hex()}
        added.append(name)
    return added


def missing(service: Service[Any], samples_by_type: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the types that have no sample, and the fields that stand in no sample of their type."""
    found: list[str] = []
    for name, event in service.events.by_type.items():
        if name not in samples_by_type:
            found.append(name)
            continue
        fields = {field.alias or own for own, field in event.model_fields.items()}
        found += [f"{name} with {field}" for field in sorted(fields - fields_in(samples_by_type, name))]
    return found


def main() -> None:
    """Add what is missing, and print what was added; exit with 1 and the names of events that no scenario records."""
    # Reactions that scenarios park are of no interest here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    GOLDEN.mkdir(exist_ok=True)
    facts = played_facts()
    unrecorded: list[str] = []
    for service in SERVICES:
        stored = samples(service.name)
        for name in add(stored, facts.get(service.name, ())):
            print(f"{name}: sampled")  # noqa: T201 - it talks to the person who runs it
        text = json.dumps(dict(sorted(stored.items())), indent=1) + "\n"
        (GOLDEN / f"{service.name}.json").write_text(text, encoding="utf-8")
        unrecorded += missing(service, stored)
    if unrecorded:
        sys.exit(
            "\n".join(
                f"{name}: no scenario records it: add it to one of tests/scenarios, then run this again"
                for name in unrecorded
            )
        )


if __name__ == "__main__":
    main()
