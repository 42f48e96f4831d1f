"""Taking samples: what is missing is added, what is kept stays, and what no story tells is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.domain.envelope import Fact
from shared.domain.service import Service
from tests.unit.contract import sample

TYPES = [name for service in sample.SERVICES for name in service.events.by_type]
FROZEN = {service.name: sample.samples(service.name) for service in sample.SERVICES}


def read(service: Service[Any], sampled: dict[str, str]) -> tuple[bytes, Fact]:
    """Return the fact that a sample was taken from, with the hash before it."""
    return bytes.fromhex(sampled["previous"]), service.events.read(
        sampled["body"].encode(), hash=bytes.fromhex(sampled["hash"])
    )


FACTS = {
    service.name: [read(service, sampled) for sampled in FROZEN[service.name].values()] for service in sample.SERVICES
}
"""What the stories told when the samples were taken: one fact of each type."""


def test_an_event_that_no_story_tells_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given no stories and no samples, then the run fails and names each event, and where to tell it."""
    monkeypatch.setattr(sample, "GOLDEN", tmp_path)
    monkeypatch.setattr(sample, "played_facts", dict)
    with pytest.raises(SystemExit) as end:
        sample.main()
    lines = str(end.value.code).splitlines()
    assert [line.split(":")[0] for line in lines] == TYPES
    assert all("tests/scenarios" in line for line in lines)


@pytest.mark.parametrize("service", sample.SERVICES, ids=lambda service: service.name)
def test_what_the_stories_tell_is_sampled_once(service: Service[Any]) -> None:
    """Given what the stories told, then each type is sampled as it was frozen, and another time adds nothing."""
    sampled: dict[str, dict[str, str]] = {}
    assert sample.add(sampled, FACTS[service.name]) == list(FROZEN[service.name])
    assert sampled == FROZEN[service.name]
    assert sample.add(sampled, FACTS[service.name]) == []
