"""Whatever is asked in whatever order, and however late: a sitting folds, cuts, seals and forgets."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from services.panel.domain.commands import CancelSitting, CorrectRecord, RecordMembers, RemoveFromAgenda
from services.panel.events import EVENTS, CaseConsidered
from services.panel.service import service
from services.trade.vocabulary import MemberKind
from shared.domain.decider import history_at
from shared.domain.duties_by_day import duties_on
from shared.domain.envelope import encode_event
from shared.domain.messages import Command
from shared.domain.sealing import DataKey, Sealed
from tests.any_sequence import Step, play_with_corrections, read_back, sealed_bytes
from tests.unit.panel.stories import (
    ACTION,
    CHAIR,
    CLOSE,
    LEO,
    MEMBERS,
    MIA,
    NURSE,
    START,
    YJS,
    SittingStory,
    action,
    adjournment,
    consideration,
    disposal_of,
    done,
    known,
    listing,
    member,
    plan,
)

COMMANDS: Final[tuple[Command, ...]] = (
    plan(),
    *(listing(child) for child in (LEO, MIA)),
    *(RemoveFromAgenda(disposal_id=disposal_of(child), why=Sealed("Charged.")) for child in (LEO, MIA)),
    RecordMembers(members=MEMBERS),
    RecordMembers(members=(member(YJS, MemberKind.YJS),)),
    *(consideration(child, actions=(action(),), abstaining=(NURSE,)) for child in (LEO, MIA)),
    consideration(LEO, actions=(action(known("second")),)),
    consideration(MIA, child_view=None, rationale={"P4": "Urgent."}),
    *(adjournment(child) for child in (LEO, MIA)),
    done(),
    done(known("second")),
    CLOSE,
    CancelSitting(why=Sealed("Snow.")),
)
CORRECTIONS: Final[tuple[Step, ...]] = (
    ("SittingPlanned", "starts_at", "2026-03-10T08:00:00+00:00"),
    ("SittingPlanned", "place", "The other hall"),
    ("CaseAddedToAgenda", "person_id", str(MIA)),
    ("MembersRecorded", "members.0.present", False),
    ("MembersRecorded", "members.2.kind", "EDUCATION"),
    ("CaseConsidered", "recommended", "YCC"),
    ("CaseConsidered", "parent_view", "We agree."),
    ("CaseConsidered", "abstaining", []),
    ("CaseConsidered", "actions.0.due", "2026-04-01"),
    ("CaseConsidered", "actions.0.action_id", str(known("third"))),
    ("ActionCompleted", "action_id", str(ACTION)),
    ("CaseAdjourned", "why", "She was ill."),
)
"""What is corrected of the latest event of a name, where there is one."""

steps = st.lists(
    st.tuples(
        st.sampled_from(COMMANDS) | st.sampled_from(CORRECTIONS),
        st.integers(min_value=-12, max_value=12).map(lambda quarters: timedelta(minutes=15 * quarters)),
    ),
    max_size=25,
)


def command_of(step: Step, sitting: SittingStory) -> Command:
    """Return the command of a step: a correction of the latest event of its name, or of none."""
    if isinstance(step, Command):
        return step
    name, field, value = step
    corrects = next((fact.event_id for fact in reversed(sitting.facts) if fact.name == name), LEO)
    return CorrectRecord(corrects=corrects, field=field, value=value, why=Sealed("Misread."))


def play(step_list: list[tuple[Step, timedelta]]) -> SittingStory:
    """Return a sitting after some commands around its start, some recorded late."""
    sitting = SittingStory().sitting()
    return play_with_corrections(
        sitting,
        ((step, CHAIR, later) for step, later in step_list),
        lambda step: command_of(step, sitting),
        start=datetime.fromisoformat(START),
    )


@given(steps)
def test_any_sequence_folds_at_any_time(step_list: list[tuple[Step, timedelta]]) -> None:
    """Given any commands in any order, every state by either time can be folded, and a quorum recommended."""
    sitting = play(step_list)
    for fact in history_at(sitting.facts):
        sitting.service.read_model.view_of(sitting.facts, as_of=fact.occurred_at)
        duties_on(sitting.service.read_model, sitting.facts, fact.day)
        if isinstance(fact.event, CaseConsidered):
            assert {member.kind for member in fact.event.present} >= {MemberKind.POLICE, MemberKind.YJS}
            assert fact.event.starts_at == sitting.state.starts_at
    for length in range(1, len(sitting.facts) + 1):
        assert sitting.service.decider.state_at(sitting.facts[:length]) is not None


@given(steps)
def test_any_event_survives_its_bytes_and_forgetting(step_list: list[tuple[Step, timedelta]]) -> None:
    """Given any accepted events, their bytes read back the same, and fold to the same view closed or forgotten."""
    sitting = play(step_list)
    keys: dict[str, DataKey] = {}
    closed, forgotten = [], []
    for fact in sitting.facts:
        body = sealed_bytes(fact, keys)
        assert encode_event(EVENTS.read(body).envelope, EVENTS.read(body).event) == body
        closed.append(read_back(EVENTS, body, None))
        forgotten.append(read_back(EVENTS, body, {}))
    for history in (closed, forgotten):
        state = service.decider.fold(history_at(history))
        assert state is not None
        assert service.read_model.view(state) == sitting.view
