"""Records and folds of whole histories: by both times, with corrections in place, and without a key."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from services.disposal.domain.commands import HandOverCase
from services.disposal.summary import DisposalSummary, SealedTexts
from services.reporting.projection.fold import fold
from services.reporting.queries.ethnicity import keyring_grant
from shared.domain.envelope import Fact
from shared.domain.ids import derived_uuid
from shared.domain.sealing import seal
from shared.privacy.keyring import MemoryKeyring
from tests.in_memory_reporting import measure_facts, play
from tests.unit.disposal.stories import AFTER, DECIDED_AT, LEO, MANAGER, CaseStory

STORIES = Path(__file__).parents[2] / "scenarios"
Q4 = (date(2026, 1, 1), date(2026, 3, 31))


def summary_of(history: Sequence[Fact], **times: Any) -> Any:
    folded = fold(history, **times)
    assert folded is not None
    return folded.summary


def disposal_of(history: list[Fact], **times: Any) -> DisposalSummary:
    summary = summary_of(history, **times)
    assert isinstance(summary, DisposalSummary)
    return summary


def test_a_correction_is_counted_from_when_it_is_known() -> None:
    """Given an outcome entered as 2A and corrected to 2, when read by both times, then each reading has its own."""
    history = play("10-audit.yaml").of("disposal")[0]
    correction = next(fact for fact in history if fact.name == "RecordCorrected")
    before = history[history.index(correction) - 1].recorded_at
    now, then = disposal_of(history), disposal_of(history, known_at=before)
    assert now.outcome is not None
    assert then.outcome is not None
    assert (now.outcome.code.value, then.outcome.code.value) == ("2", "2A")
    assert now.outcome.on == then.outcome.on


def test_a_measure_as_of_a_time_counts_what_had_occurred() -> None:
    """Given a caution that ceased on 22 January, when asked as of the day before, then it has not ended."""
    played = play("05-failed-ycc.yaml")

    def ended(**times: Any) -> Mapping[str, int]:
        columns = measure_facts("kpi6", played.histories.values(), *Q4, **times)["columns"]
        found: Mapping[str, int] = columns["youth_conditional_caution"]
        return found

    assert ended()["not_completed"] == 1
    assert ended(as_of=datetime.fromisoformat("2026-01-21T12:00:00+00:00"))["ended"] == 0
    assert ended(known_at=played.of("disposal")[0][0].recorded_at)["ended"] == 0


def test_workload_is_that_of_the_end_of_the_period() -> None:
    """Given a referral closed on 23 January, when asked before and after, then it is open and then it is not."""
    histories = play("05-failed-ycc.yaml").histories.values()
    before = measure_facts("workload", histories, date(2026, 1, 1), date(2026, 1, 22))
    after = measure_facts("workload", histories, date(2026, 1, 1), date(2026, 1, 23))
    assert (before["by_state"], before["open"]) == ({"WITH_PANEL": 1}, 1)
    assert before["overdue_duties"] >= 1
    assert (after["by_state"], after["open"]) == ({}, 0)


def test_a_diversion_is_open_until_it_has_its_code() -> None:
    """Given a diverted child, when the code 22 is assigned on 23 April, then nothing is left to do."""
    played = play("06-no-admission.yaml")
    history = next(h for h in played.of("disposal") if any(fact.name == "ActivityUndertaken" for fact in h))
    waiting = fold(history, as_of=datetime.fromisoformat("2026-04-22T20:00:00+01:00"))
    done = fold(history)
    assert waiting is not None
    assert done is not None
    assert (waiting.state, waiting.open) == ("DIVERTED", True)
    assert (done.state, done.open) == ("DIVERTED", False)


def test_ethnicity_stays_a_token() -> None:
    """Given a closed history, when it is folded, then the record holds the token and the event that it was sealed for."""
    history = play("01-shoplifting-ycc.yaml").of("disposal")[0]
    sealed = disposal_of(history).ethnicity
    assert sealed is not None
    assert sealed.event_id == history[0].event_id
    assert sealed.token.startswith("s1:person/")


async def test_a_grant_opens_the_words_and_leaves_the_forgotten_out() -> None:
    """Given two sealed words, when one key was destroyed, then the grant opens the other alone."""
    keyring = MemoryKeyring()
    keys = await keyring.keys_for_sealing(["person/a", "person/b"])
    words = [
        SealedTexts(
            event_id=derived_uuid(name), token=seal("White British", key, derived_uuid(name), "details.ethnicity")
        )
        for name, key in keys.items()
    ]
    await keyring.destroy("person/b")
    assert await keyring_grant(keyring, b"").open(words) == {words[0]: "White British"}


def test_a_case_is_with_the_officer_to_whom_it_was_handed() -> None:
    """Given a case handed over twice, when asked before, between and after, then it is with the officer of that time."""
    history = play("93-handed-over.yaml").of("disposal")[0]
    opened, (first, second) = history[0], [fact for fact in history if fact.name == "CaseHandedOver"]
    assert disposal_of(history).officer == second.event.to  # type: ignore[attr-defined]
    assert disposal_of(history, as_of=first.occurred_at).officer == first.event.to  # type: ignore[attr-defined]
    assert disposal_of(history, as_of=opened.occurred_at).officer == opened.actor.id


def test_a_handover_recorded_late_takes_no_case_back() -> None:
    """Given a case handed over, when an earlier handover is recorded late, then it stays with the later officer."""
    story = CaseStory().opened()
    for officer, at in ((LEO, AFTER), (MANAGER, DECIDED_AT)):
        story.ask(HandOverCase(to=officer), by="SUPERVISOR", at=at)
    assert disposal_of(story.facts).officer == LEO
