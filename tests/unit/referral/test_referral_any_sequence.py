"""Whatever is asked in whatever order, and however late: a referral folds, cuts, seals and forgets."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from services.referral.domain.commands import (
    AcknowledgeReferral,
    AllocateReferral,
    CloseReferral,
    ConfirmSchoolLedOutcome,
    EndAlert,
    InformVictimOfRestorativeJustice,
    OverrideSafeguardingHold,
    RaiseAlert,
    RecordCrime,
    RecordMashDecision,
    ReferToYjs,
    ReopenReferral,
)
from services.referral.events import EVENTS
from services.referral.service import service
from services.trade.vocabulary import AlertKind, Category, Flag, PersonRole, TriageOutcome
from shared.domain.decider import history_at
from shared.domain.duties_by_day import duties_on
from shared.domain.envelope import encode_event
from shared.domain.messages import Command
from shared.domain.sealing import (
    DataKey,
    Sealed,
)
from tests.any_sequence import Step, play_with_corrections, read_back, sealed_bytes
from tests.unit.referral.messages import absence, failed, preferences, receipt_of, sent, written
from tests.unit.referral.stories import (
    LEO,
    MIA,
    NOON,
    SYSTEM,
    ReferralStory,
    activity,
    advice,
    carried,
    concern,
    contact,
    document,
    link,
    mash,
    outcome,
    put_right,
    receipt,
    screening,
    support,
    tells,
    triage,
    victim_details,
    wish,
)

WHY: Final = {"B3": "The supervisor is ill.", "O21W": "A single insult."}
CORRECTIONS: Final = (
    ("ReferralReceived", "flags", ["NUDE_IMAGERY"]),
    ("ReferralReceived", "happened_at", "2026-02-22T10:00:00+00:00"),
    ("ReferralReceived", "reported_at", "2026-02-24T08:00:00+00:00"),
    ("VictimDetailsRecorded", "wants_support", False),
    ("PersonLinked", "details.date_of_birth", "2016-02-22"),
    ("PersonLinked", "details.name", "Leo Hart-Smith"),
    ("ReferralTriaged", "outcome", "REFER_DISPOSAL_PANEL"),
    ("CrimeRecorded", "crime_number", "55260027999"),
    ("ReferralCorrected", "value", 1),
)
COMMANDS: Final[tuple[Command, ...]] = (
    receipt(),
    link(),
    link(MIA, "2016-02-22", category=Category.CHILD_UNDER_10),
    link(MIA, "2009-03-14", PersonRole.HARMED, Category.VICTIM),
    victim_details(),
    victim_details(wants_support=False, enhanced_rights=True),
    InformVictimOfRestorativeJustice(person_id=MIA),
    support(),
    tells(),
    AcknowledgeReferral(),
    concern(),
    mash(),
    RecordMashDecision(decision="EARLY_HELP"),
    OverrideSafeguardingHold(reason=Sealed("Her social worker knows.")),
    screening(),
    screening(coercion=True),
    ReferToYjs(),
    RecordCrime(crime_number="55260027303"),
    wish(),
    wish("POLICE"),
    document(),
    *(triage(step_list, rationale=WHY) for step_list in TriageOutcome),
    AllocateReferral(officer_id=LEO),
    advice(),
    activity(),
    *(
        RaiseAlert(alert_id=key, person_id=LEO, kind=AlertKind.SELF_HARM, review_on=date(2026, 4, 1))
        for key in (LEO, MIA)
    ),
    EndAlert(alert_id=LEO, why=Sealed("She is well.")),
    preferences(),
    written(),
    sent(),
    failed(),
    receipt_of("DELIVERED"),
    receipt_of("NOT_DELIVERED"),
    absence(),
    contact(),
    ConfirmSchoolLedOutcome(action=Sealed("A day in the reset room.")),
    *(outcome(code, rationale=WHY) for code in ("10", "11", "21", "22", "23", "2", "6")),
    carried("2"),
    carried("1"),
    put_right("2A", "2"),
    CloseReferral(reason="DISPOSED"),
    ReopenReferral(why=Sealed("The school has more to say.")),
)
steps = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(COMMANDS), st.sampled_from(CORRECTIONS)),
        st.integers(min_value=-4, max_value=30).map(lambda hours: timedelta(hours=hours)),
    ),
    max_size=25,
)
flagged = st.sets(st.sampled_from((Flag.NUDE_IMAGERY, Flag.HATE, Flag.WEAPON, Flag.KNIFE)), max_size=2)


def play(flags: set[Flag], step_list: list[tuple[Step, timedelta]]) -> ReferralStory:
    """Return a referral after some commands, each some hours after the last, or before it where it is recorded late."""
    referral = ReferralStory().acknowledged(*sorted(flags))

    def command_of(step: Step) -> Command | None:
        if isinstance(step, Command):
            return step
        event, field, value = step
        return referral.corrects(event, field, value) if event in {fact.name for fact in referral.facts} else None

    steps = ((step, SYSTEM, later) for step, later in step_list)
    return play_with_corrections(referral, steps, command_of, start=datetime.fromisoformat(NOON))


@given(flagged, steps)
def test_any_sequence_folds_at_any_time(flags: set[Flag], step_list: list[tuple[Step, timedelta]]) -> None:
    """Given any commands in any order, every state by either time can be folded, shown and asked for duties."""
    referral = play(flags, step_list)
    for fact in referral.facts:
        referral.service.read_model.view_of(referral.facts, as_of=fact.occurred_at)
        duties_on(referral.service.read_model, referral.facts, fact.day)
    for length in range(1, len(referral.facts) + 1):
        state = referral.service.decider.state_at(referral.facts[:length])
        assert state is not None
        assert set(referral.service.read_model.view(state)) == set(referral.view)


@given(flagged, steps)
def test_any_event_survives_its_bytes_and_forgetting(flags: set[Flag], step_list: list[tuple[Step, timedelta]]) -> None:
    """Given any accepted events, their bytes read back the same, and fold to the same view closed or forgotten."""
    referral = play(flags, step_list)
    keys: dict[str, DataKey] = {}
    closed, forgotten, opened = [], [], []
    for fact in referral.facts:
        body = sealed_bytes(fact, keys)
        closed.append(read_back(EVENTS, body, None))
        assert encode_event(closed[-1].envelope, closed[-1].event) == body
        opened.append(read_back(EVENTS, body, keys))
        forgotten.append(read_back(EVENTS, body, {}))
    for history in (closed, opened, forgotten):
        state = service.decider.fold(history_at(history))
        assert state is not None
        assert service.read_model.view(state) == referral.view


def test_every_event_of_the_contract_is_law_enforcement() -> None:
    """Each event of referral says under which law it is processed."""
    assert {EVENTS.labels(event)["regime"] for event in EVENTS.events} == {"LE_PART3"}
