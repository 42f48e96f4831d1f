"""Playing scenarios in memory: the runner finds what differs, and the memory answers as the system does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import pytest

from services.education.service import service as education
from services.referral.service import service as referral
from services.rj_conference.service import service as rj_conference
from shared.domain.envelope import Fact
from tools.scenario.backend import Request, Response
from tools.scenario.in_memory import Memory
from tools.scenario.parser import read_scenario
from tools.scenario.runner import Difference, Played, Run
from tools.scenario.story import Officer, Result

HEAD = """
id: a-story
title: A pupil is talked to
people:
  mia: {name: Mia Holloway, date_of_birth: 2012-05-20}
steps:
"""

PLAN = """
  - {at: 2026-05-04T09:00:00+01:00, by: SAFE_SCHOOLS_OFFICER, do: education.PlanSession, to: s1, key: plan,
     with: {kind: ONE_TO_ONE, topic: WEAPONS, starts_at: 2026-05-06T10:00:00+01:00, hours: 1, place: Library}}
"""

RECEIVE = """
  - {at: 2026-05-04T09:30:00+01:00, by: SAFE_SCHOOLS_OFFICER, do: referral.ReceiveReferral, to: r1,
     with: {case_id: $case, source: SCHOOL, reported_at: 2026-05-04T09:20:00+01:00, incident_type: BEHAVIOUR,
            happened_at: 2026-05-04T08:50:00+01:00, setting: SCHOOL, on_premises: true, in_school_hours: true, flags: [],
            narrative: Showed a penknife., lawful_basis: law enforcement}}
"""

ATTEND = """
  - {at: 2026-05-05T09:00:00+01:00, by: SAFE_SCHOOLS_OFFICER, do: education.BookPlace, to: s1,
     with: {person_id: $mia, case_id: $case, referral_id: $r1}}
  - {at: 2026-05-06T11:00:00+01:00, by: SAFE_SCHOOLS_OFFICER, do: education.DeliverSession, to: s1, with: {headcount: 1}}
  - {at: 2026-05-06T11:05:00+01:00, by: SAFE_SCHOOLS_OFFICER, do: education.RecordAttendance, to: s1,
     with: {person_id: $mia, status: ATTENDED, hours_credited: 1, complied: true}}
"""


def memory(counting: Any = None) -> Memory:
    return Memory((referral, education, rj_conference), counting)


def play(tmp_path: Path, steps: str, system: Memory | None = None) -> Played:
    file = tmp_path / "story.yaml"
    file.write_text(HEAD + steps, encoding="utf-8")
    return Run(read_scenario(file), system or memory()).play()


def test_the_memory_keeps_the_boundaries_of_the_system(tmp_path: Path) -> None:
    """In memory too, a stream of another area is unknown, and one with a declared conflict forbidden."""
    system = memory()
    play(tmp_path, PLAN, system)
    ((_, facts),) = system.histories
    dorset = system.area
    body = {"type": "CancelSession", "by": "SERVICE", "why": "Snow."}
    plan_request = Request("education", facts[0].stream_id, Officer("SUPERVISOR", 1), body, "once")
    system.area = {"area": "DEVON"}
    assert system.send(plan_request).word is Result.UNKNOWN
    system.area, system.conflicts = dorset, frozenset({facts[0].stream_id})
    assert system.send(plan_request).word is Result.FORBIDDEN
    nobody = Request("education", uuid4(), Officer("ANALYST", 1), {"type": "Nonsense"}, "once")
    assert system.send(nobody).word is Result.FORBIDDEN
    assert [len(facts) for _, facts in system.histories] == [1]
    system.conflicts = frozenset()
    assert system.send(plan_request).word is Result.ACCEPTED


def test_who_declares_a_conflict_records_nothing_that_mentions_the_person(tmp_path: Path) -> None:
    """Given an officer with a conflict about a pupil, when the officer books a place for the pupil, then it is forbidden."""
    system, pupil = memory(), uuid4()
    play(tmp_path, PLAN, system)
    ((_, facts),) = system.histories
    body = {
        "type": "BookPlace",
        "occurred_at": "2026-05-05T09:00:00+01:00",
        "person_id": str(pupil),
        "case_id": str(uuid4()),
        "referral_id": str(uuid4()),
    }
    booking = Request("education", facts[0].stream_id, Officer("SAFE_SCHOOLS_OFFICER", 1), body, "booking")
    system.conflicts = frozenset({pupil})
    assert system.send(booking).word is Result.FORBIDDEN
    system.conflicts = frozenset()
    assert system.send(booking).word is Result.ACCEPTED


def test_a_rationale_must_name_a_rule(tmp_path: Path) -> None:
    """Given a rationale under an id that is no rule's, when the command is sent, then it is invalid, as the API answers."""
    system = memory()
    play(tmp_path, PLAN, system)
    ((_, facts),) = system.histories
    body = {"type": "CancelSession", "by": "SERVICE", "why": "Snow.", "rationale": {"R99": "Because."}}
    answer = system.send(Request("education", facts[0].stream_id, Officer("SUPERVISOR", 1), body, "once"))
    assert answer.word is Result.INVALID
    assert "give each reason under the id of a rule of education" in answer.why


def differs(tmp_path: Path, steps: str, system: Memory | None = None) -> str:
    with pytest.raises(Difference) as error:
        play(tmp_path, steps, system)
    return str(error.value)


def test_a_difference_says_step_expected_and_got(tmp_path: Path) -> None:
    """Given a state that is not as told, when the story is played, then it ends there and says what differs."""
    difference = differs(tmp_path, PLAN + "  - {check: education/s1, is: {state: DELIVERED, topic: WEAPONS}}\n")
    assert difference.splitlines() == [
        "step 2, check education/s1:",
        "  state",
        "    expected: DELIVERED",
        "    got:      PLANNED",
    ]


def test_ids_in_a_difference_are_shown_by_name(tmp_path: Path) -> None:
    """Given a register with a person, when it differs, then the person stands there by the story's own name."""
    steps = PLAN + ATTEND.split("\n  -", 2)[0] + "\n  -" + ATTEND.split("\n  -", 2)[1]
    difference = differs(tmp_path, f"{steps}\n  - {{check: education/s1, is: {{register: {{}}}}}}\n")
    assert "got:      {'mia': 'BOOKED'}" in difference


def test_a_stream_that_never_began_is_unknown(tmp_path: Path) -> None:
    """Given a command that opens nothing, when its stream has not begun, then it is unknown, and that differs."""
    step = "{at: 2026-05-04T10:00:00+01:00, by: SUPERVISOR, do: education.DeliverSession, to: s9, with: {}}"
    assert "unknown stream" in differs(tmp_path, f"{PLAN}  - {step}\n")


class Noting(Memory):
    """Notes the commands, and where the story waited for what follows from them."""

    noted: ClassVar[list[str]] = []

    def send(self, request: Request) -> Response:
        self.noted.append(request.service)
        return super().send(request)

    def settle(self) -> None:
        self.noted.append("waited")


def test_what_follows_elsewhere_has_happened_by_the_next_step(tmp_path: Path) -> None:
    """Given commands to one record after another's, then the story waits for what follows in between, and only there."""
    Noting.noted.clear()
    play(tmp_path, PLAN + RECEIVE + ATTEND, Noting((referral, education, rj_conference)))
    assert Noting.noted == ["education", "waited", "referral", "waited", "education", "education", "education"]
    Noting.noted.clear()
    play(tmp_path, RECEIVE + RECEIVE.replace("r1", "r2"), Noting((referral,)))
    assert Noting.noted == ["referral", "waited", "referral"]


def test_checks_in_a_row_wait_once(tmp_path: Path) -> None:
    """Given several checks after a command, then the story waits for what follows before the first of them is done, and only there."""
    Noting.noted.clear()
    check = "  - {check: education/s1, is: {state: PLANNED}}\n"
    play(tmp_path, PLAN + check + check, Noting((education,)))
    assert Noting.noted == ["education", "waited"]


def test_a_refused_reaction_waits_until_its_stream_moves(tmp_path: Path) -> None:
    """Given an attendance whose referral is not there yet, when the referral comes, then the reaction is tried again."""
    system = memory()
    early = RECEIVE.replace("{at: 2026-05-04T09:30:00+01:00,", "{late: true, at: 2026-05-04T09:30:00+01:00,")
    steps = f"""{PLAN}{ATTEND}
  - {{check: education/s1, is: {{state: DELIVERED}}}}
{early}
  - {{at: 2026-05-06T12:00:00+01:00, by: SAFE_SCHOOLS_OFFICER, do: referral.AcknowledgeReferral, to: r1, with: {{}}}}
  - {{at: 2026-05-06T12:05:00+01:00, by: SAFE_SCHOOLS_OFFICER, do: referral.TriageReferral, to: r1,
     with: {{outcome: ACCEPT_INTERVENTION, rationale_text: A talk.}}}}
"""
    play(tmp_path, PLAN + ATTEND, system)
    assert len(system.parked) == 1
    played = memory()
    play(tmp_path, steps, played)
    assert not played.parked


def test_a_measure_is_skipped_where_nothing_counts(tmp_path: Path) -> None:
    """Given no reporting, when a measure is checked, then the check is skipped and said to be."""
    check = "  - {check: measures/education, with: {from: 2026-04-01, to: 2026-06-30}, adds: {sessions: 1}}\n"
    assert play(tmp_path, PLAN + check).skipped == 1


class Sessions:
    """Counts the sessions that were planned; three had been before."""

    def __init__(self) -> None:
        self.count = 3

    def record(self, service: str, fact: Fact) -> None:
        self.count += (service, fact.name) == ("education", "SessionPlanned")

    def measure(self, name: str, params: Mapping[str, str]) -> Mapping[str, Any]:
        return {"measure": name, "sessions": self.count, **params}


def test_a_measure_is_compared_with_its_value_before_the_first_step(tmp_path: Path) -> None:
    """Given something that counts, when a story adds to it, then only what the story added is compared."""
    check = "  - {check: measures/education, with: {from: 2026-04-01, to: 2026-06-30}, adds: {sessions: %d}}\n"
    play(tmp_path, PLAN + check % 1, memory(Sessions()))
    assert "1 added (3 before, 4 now)" in differs(tmp_path, PLAN + check % 2, memory(Sessions()))


def test_an_event_that_is_not_there_cannot_be_pointed_at(tmp_path: Path) -> None:
    """Given no such event in the stream, when a step points at it, then that is the difference."""
    step = """  - {at: 2026-05-04T10:00:00+01:00, by: SUPERVISOR, do: referral.CorrectReferral, to: r1,
     with: {corrects: $r1.ReferralTriaged, field: outcome, value: ADVICE_ONLY, why: A slip.}}
"""
    assert "an event ReferralTriaged of r1" in differs(tmp_path, RECEIVE + step)
