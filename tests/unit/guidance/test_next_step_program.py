"""Records are carried to their end by a program that takes the recommended step, and knows nothing else."""

from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from examples import next_step
from examples.next_step import Follower
from services.system.registry import COLLECTIONS, read_models
from tests.integration.program.test_a_program_that_knows_only_the_answers import (
    names_in,
    words_of_the_answers,
    words_of_the_services,
)
from tests.unit.guidance.memory_api import MemoryApi

BEGUN = datetime.fromisoformat("2026-06-01T09:00:00+01:00")

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("service", "command", "role"),
    [
        ("referral", "ReceiveReferral", "SAFE_SCHOOLS_OFFICER"),
        ("disposal", "OpenDisposalCase", "YJS_CASE_MANAGER"),
        ("education", "PlanSession", "SAFE_SCHOOLS_OFFICER"),
        ("panel", "PlanSitting", "YJS_CASE_MANAGER"),
    ],
)
def test_the_recommended_steps_lead_to_the_end(service: str, command: str, role: str) -> None:
    """Given a record that has begun, when each recommended step is taken by whose turn it is, then nothing is left to do in it."""
    api = MemoryApi()
    with httpx2.Client(transport=api) as http:
        collection = COLLECTIONS[service]
        follower = Follower(http, f"http://{collection}", collection, lambda asked: asked, BEGUN)
        record = follower.begin(command, role)
        follower.follow(record, "SUPERVISOR")
    state: Any = api.memory.state(service, record, as_of=None, known_at=None)
    assert follower.steps
    assert not read_models()[service].is_open(state)


def test_its_code_has_no_word_of_the_services() -> None:
    """No command, event, field, code, state, role or rule of any service stands in the program's code below its docstring."""
    words = words_of_the_services() - words_of_the_answers()
    code = Path(next_step.__file__).read_text(encoding="utf-8").partition('"""')[2].partition('"""')[2]
    assert {name for name in names_in(code) & words if name.isidentifier()} == {
        "object",
        "minutes",
    }  # JSON Schema's and Python's
