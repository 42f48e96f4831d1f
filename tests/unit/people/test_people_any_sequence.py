"""Whatever is asked in whatever order, and however late: a person folds, cuts, seals and forgets."""

from datetime import date
from decimal import Decimal
from typing import Final

from hypothesis import given

from services.people.events import Contact, HistoryKind
from shared.domain.messages import Command
from shared.domain.sealing import Sealed
from tests.any_sequence import Correction, Steps, folds_at_any_time, play, sequences, survives_its_bytes
from tests.unit.people.stories import (
    LEO,
    LEO_AGAIN,
    MIA,
    SEPARATION,
    START,
    WHO_MERGES,
    PersonStory,
    circumstance,
    entry,
    merging,
)
from tests.unit.people.stories import relation as related

COMMANDS: Final[tuple[Command, ...]] = (
    merging(),
    merging(MIA),
    merging(LEO_AGAIN),
    SEPARATION,
    entry(),
    entry("conviction", kind=HistoryKind.CONVICTION),
    entry("tomorrow", on=date(2199, 1, 1)),
    related(),
    related(LEO_AGAIN),
    related(contact=Contact.ALLOWED),
    circumstance(),
    circumstance(kind="ACCOMMODATION", accommodation="FOSTER_CARE_LA", until=date(2026, 7, 31)),
    circumstance("school", kind="ETE", provision="COLLEGE", suitable="SUITABLE", hours_offered=Decimal("18.5")),
    circumstance("plan", kind="SEND", description=Sealed("An education plan.")),
    circumstance("plan", kind="SEND", identified=True, formal_plan=False),
    circumstance("care", kind="CARE", care_status="LOOKED_AFTER"),
    circumstance("mind", kind="MENTAL_HEALTH", screened_on=date(2026, 1, 5), attended_from=date(2026, 5, 1)),
)
CORRECTIONS: Final[tuple[Correction, ...]] = (
    ("PersonMerged", "into", str(MIA)),
    ("PersonMerged", "why", "Misread."),
    ("HistoryRecorded", "on", "2025-06-03"),
    ("HistoryRecorded", "kind", "YCC"),
    ("HistoryRecorded", "entry_id", str(LEO)),
    ("RelationRecorded", "contact", "NONE"),
    ("RelationRecorded", "order", "It ended."),
    ("RelationRecorded", "child_id", str(LEO)),
    ("CircumstanceRecorded", "since", "2019-03-14"),
    ("CircumstanceRecorded", "accommodation", None),
    ("CircumstanceRecorded", "description", "Another plan."),
    ("CircumstanceRecorded", "identified", None),
    ("CircumstanceRecorded", "attended_until", "2026-07-31"),
)
"""What is corrected of the latest event of a name, where there is one."""

steps = sequences(COMMANDS, CORRECTIONS, [WHO_MERGES], apart=(-12, 48))


def someone_after(step_list: Steps) -> PersonStory:
    """Return a person of whom a caution is recorded, and what else some commands recorded, some of them late."""
    someone = PersonStory()
    someone.ask(entry("first"), by=WHO_MERGES, at=START)
    return play(someone, step_list)


@given(steps)
def test_any_sequence_folds_at_any_time_and_survives_its_bytes(step_list: Steps) -> None:
    """Given any commands in any order, the history folds at any time and reads back from its bytes, and shows what was last said."""
    someone = someone_after(step_list)
    folds_at_any_time(someone)
    survives_its_bytes(someone)
    merged = [fact.name for fact in someone.facts if fact.name in {"PersonMerged", "PersonSeparated"}]
    assert (someone.view["state"] == "MERGED") == (merged[-1:] == ["PersonMerged"])
