"""Whatever is asked in whatever order, and however late: a sitting folds, cuts, seals and forgets."""

from datetime import timedelta
from typing import Final

from hypothesis import given

from services.panel.domain.commands import CancelSitting, RecordMembers, RemoveFromAgenda
from services.panel.events import CaseConsidered
from services.trade.vocabulary import MemberKind
from shared.domain.decider import history_at
from shared.domain.messages import Command
from shared.domain.sealing import Sealed
from tests.any_sequence import Correction, Steps, folds_at_any_time, play, sequences, survives_its_bytes
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
CORRECTIONS: Final[tuple[Correction, ...]] = (
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

steps = sequences(COMMANDS, CORRECTIONS, [CHAIR], apart=(-12, 12), unit=timedelta(minutes=15))


def sitting_after(step_list: Steps) -> SittingStory:
    """Return a sitting after some commands around its start, some recorded late."""
    return play(SittingStory().sitting(), step_list, start=START)


@given(steps)
def test_any_sequence_folds_at_any_time_and_survives_its_bytes(step_list: Steps) -> None:
    """Given any commands in any order, the history folds at any time and reads back from its bytes, and a quorum recommended."""
    sitting = sitting_after(step_list)
    folds_at_any_time(sitting)
    survives_its_bytes(sitting)
    for fact in history_at(sitting.facts):
        if isinstance(fact.event, CaseConsidered):
            assert {member.kind for member in fact.event.present} >= {MemberKind.POLICE, MemberKind.YJS}
            assert fact.event.starts_at == sitting.state.starts_at
