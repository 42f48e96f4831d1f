"""A person's turn: what comes next in it, and what it need not ask again."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import pytest

from services.console.forms.fields import Drawing, fields_of
from services.console.forms.turns import answered_alike, last_of_turns, step_after
from services.console.sessions import Draft
from services.disposal.service import service
from shared.api.command_schemas import standalone_schemas

PATH: Final = "/records/disposals/d1"
ANN: Final = "6f1e2d3c-0000-4000-8000-000000000001"
BEN: Final = "6f1e2d3c-0000-4000-8000-000000000002"


def task(
    title: str, *commands: str, role: str = "POLICE", progress: str = "not_started", **more: Any
) -> dict[str, Any]:
    return {
        "title": title,
        "commands": list(commands),
        "roles": [role],
        "progress": progress,
        "about": more.get("about", {}),
    }


def broken(*lifted_by: str, kind: str = "forbids") -> dict[str, Any]:
    return {"answer": "broken", "kind": kind, "lifted_by": list(lifted_by)}


GUIDANCE: Final[Mapping[str, Any]] = {
    "commands": [
        {"type": "IssueDisposal", "rules": [broken("SignDocument", "ProposeCondition"), broken(kind="warns")]},
        {"type": "DecideDisposal", "rules": [broken("DecideEvidence"), broken("RecordAdmission")]},
    ],
    "journeys": [
        {
            "title": "Prepare and give",
            "tasks": [
                task("Agree", "ProposeCondition", role="CASE_MANAGER"),
                task("Assess", "RequestAssessment", "CompleteAssessment", role="CASE_MANAGER"),
                task("Admit", "RecordAdmission", role="YJS"),
                task("Explain", "ExplainEffect"),
                task("Sign", "SignDocument"),
                task("Give", "IssueDisposal", progress="cannot_start"),
                task("Decide", "DecideDisposal", role="DECIDER", progress="cannot_start"),
            ],
        },
        {
            "title": "The victim's side",
            "tasks": [
                task("Tell Ann", "TellVictim", role="VICTIM_WORKER", about={"person_id": ANN}),
                task("Tell Ben", "TellVictim", role="VICTIM_WORKER", about={"person_id": BEN}),
                task("Was told", "TellVictim", role="VICTIM_WORKER", progress="completed"),
            ],
        },
    ],
}


@pytest.mark.parametrize(
    ("role", "turn", "title"),
    [
        ("POLICE", ["ExplainEffect"], "Sign"),
        ("POLICE", ["ExplainEffect", "SignDocument"], "Give"),
        ("POLICE", ["ExplainEffect", "SignDocument", "IssueDisposal"], None),
        ("POLICE", ["SignDocument"], "Explain"),
        ("CASE_MANAGER", ["ProposeCondition"], "Assess"),
        ("CASE_MANAGER", ["ProposeCondition", "CompleteAssessment"], None),
        ("SUPERVISOR", ["ExplainEffect"], None),
        ("DECIDER", ["DecideEvidence"], None),
        ("DECIDER", ["DecideEvidence", "RecordAdmission"], "Decide"),
    ],
)
def test_the_next_step_is_the_first_of_the_person_that_the_turn_lacks(
    role: str, turn: list[str], title: str | None
) -> None:
    """Given what a turn has, then the next step is the person's own, not done, and can start once the turn is recorded."""
    following = step_after([(command, {}) for command in turn], GUIDANCE, [role], PATH, None)
    assert (following and following[0]) == title


def test_of_a_step_with_two_commands_the_second_is_left_and_signing_has_its_page() -> None:
    """Given a step that is half in the turn, then the form of the other half is next; the paper is signed on its own page."""
    requested = step_after(
        [("RequestAssessment", {}), ("ProposeCondition", {})], GUIDANCE, ["CASE_MANAGER"], PATH, "c1"
    )
    assert requested == ("Assess", f"{PATH}/do/CompleteAssessment?case=c1")
    assert step_after([("ExplainEffect", {})], GUIDANCE, ["POLICE"], PATH, None) == ("Sign", f"{PATH}/sign")


def test_the_same_command_about_somebody_else_is_another_step() -> None:
    """Given a victim who is told in the turn, then the other victim is next, filled in; with both in it nothing is."""
    ann, ben = (("TellVictim", {"person_id": [who]}) for who in (ANN, BEN))
    following = step_after([ann], GUIDANCE, ["VICTIM_WORKER"], PATH, None)
    assert following == ("Tell Ben", f"{PATH}/do/TellVictim?person_id={BEN}")
    assert step_after([ann, ben], GUIDANCE, ["VICTIM_WORKER"], PATH, None) is None


def test_my_day_has_one_line_for_a_turn() -> None:
    """Given two drafts of which one follows the other, and a third, then the first of the turn has no line of its own."""
    first, other = (Draft(UUID(id_), "disposal", UUID(BEN), "ExplainEffect", 1, {}) for id_ in (ANN, BEN))
    last = replace(first, id=UUID(int=7), follows=ANN)
    assert last_of_turns([last, other, first]) == [last, other]


def test_what_the_turn_has_said_is_not_asked_again() -> None:
    """Given the time and the tool of an earlier form, then the next one has both; a choice with other codes stays empty."""
    schema = standalone_schemas(service)["CompleteAssessment"]
    fields = fields_of(schema, Drawing(schema["$defs"]))
    said = {"tool": ["PDAT"], "occurred_at.day": ["3"], "programme_plan": ["yes"]}
    draft = Draft(UUID(ANN), "disposal", UUID(BEN), "RequestAssessment", 1, said)
    assert answered_alike(fields, [draft]) == {"tool": ["PDAT"], "occurred_at.day": ["3"]}
    other = Draft(UUID(ANN), "disposal", UUID(BEN), "RequestAssessment", 1, {"tool": ["ANOTHER"]})
    assert not answered_alike(fields, [other])
