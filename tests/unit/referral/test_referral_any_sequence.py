"""Whatever is asked in whatever order, and however late: a referral folds, cuts, seals and forgets."""

from datetime import date
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from services.referral.domain.commands import (
    AcknowledgeReferral,
    AllocateReferral,
    AnswerFeedback,
    CloseReferral,
    ComparePerson,
    ConfirmSchoolLedOutcome,
    EndAlert,
    InformVictimOfRestorativeJustice,
    OverrideSafeguardingHold,
    RaiseAlert,
    RecordCrime,
    RecordMashDecision,
    RecordNrmDecision,
    ReferToNrm,
    ReferToYjs,
    ReopenReferral,
    WithdrawOutcome,
)
from services.referral.events import EVENTS
from services.trade.vocabulary import AlertKind, Category, Flag, PersonRole, TriageOutcome
from shared.domain.messages import Command
from shared.domain.sealing import Sealed
from tests.any_sequence import Correction, Steps, folds_at_any_time, play, sequences, survives_its_bytes
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
    complaint,
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
CORRECTIONS: Final[tuple[Correction, ...]] = (
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
    ComparePerson(person_id=LEO, another_than=MIA, why=Sealed("Seen.")),
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
    ReferToNrm(reference="NRM/2026/1", first_responder="POLICE"),
    RecordNrmDecision(stage="REASONABLE_GROUNDS", positive=True),
    RecordNrmDecision(stage="CONCLUSIVE_GROUNDS", positive=False),
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
    complaint(),
    AnswerFeedback(feedback_id=LEO, answer=Sealed("We are sorry.")),
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
    WithdrawOutcome(disposal_id=carried().disposal_id, person_id=carried().person_id),
    carried("1"),
    put_right("2A", "2"),
    CloseReferral(reason="DISPOSED"),
    ReopenReferral(why=Sealed("The school has more to say.")),
)
steps = sequences(COMMANDS, CORRECTIONS, [SYSTEM], apart=(-4, 30))
flagged = st.sets(st.sampled_from((Flag.NUDE_IMAGERY, Flag.HATE, Flag.WEAPON, Flag.KNIFE)), max_size=2)


def referral_after(flags: set[Flag], step_list: Steps) -> ReferralStory:
    """Return a referral after some commands, each some hours after the last, or before it where it is recorded late."""
    return play(ReferralStory().acknowledged(*sorted(flags)), step_list, start=NOON)


@given(flagged, steps)
def test_any_sequence_folds_at_any_time_and_survives_its_bytes(flags: set[Flag], step_list: Steps) -> None:
    """Given any commands in any order, the history folds at any time, and reads back from its bytes, closed or forgotten."""
    story = referral_after(flags, step_list)
    folds_at_any_time(story)
    survives_its_bytes(story)


def test_every_event_of_the_contract_is_law_enforcement() -> None:
    """Each event of referral says under which law it is processed."""
    assert {EVENTS.labels(event)["regime"] for event in EVENTS.events} == {"LE_PART3"}
