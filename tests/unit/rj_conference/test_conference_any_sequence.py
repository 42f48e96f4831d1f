"""Whatever is asked in whatever order, and however late: a conference folds, cuts, seals and forgets."""

from datetime import timedelta
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from services.rj_conference.domain.commands import (
    ApproveRisk,
    CloseConference,
    CompleteTerm,
    ConvertToIndirect,
    FailTerm,
    HoldPreparation,
    InformVictim,
    RecordDidNotProceed,
    RecordFollowUp,
    RecordNoAgreement,
    RecordResponsibility,
    WithdrawConsent,
)
from services.rj_conference.events import IndirectMode, NotProceedingReason, ParticipantRole, RiskLevel
from services.trade.vocabulary import ConferenceMode, Role
from shared.domain.messages import Command
from shared.domain.sealing import Sealed
from tests.any_sequence import Correction, Steps, folds_at_any_time, play, sequences, survives_its_bytes
from tests.unit.rj_conference.stories import (
    BUS,
    MANAGER,
    NOAH,
    PREPARING,
    REECE,
    STARTS_AT,
    STRANGER,
    ConferenceStory,
    agreement,
    consent,
    facilitator,
    participant,
    record_conference_held,
    risk,
    schedule,
    term,
)

WHY: Final[dict[str, str]] = {"C10": "They do not answer.", "C5W": "Nobody else."}
ALL: Final = tuple(ConferenceMode)
COMMANDS: Final[tuple[Command, ...]] = (
    *(command for _, _, command in PREPARING.values()),
    consent(REECE, *ALL),
    consent(NOAH, *ALL),
    WithdrawConsent(person_id=NOAH),
    WithdrawConsent(person_id=REECE),
    participant(MANAGER, ParticipantRole.HARMED),
    participant(STRANGER, ParticipantRole.INTERPRETER),
    InformVictim(person_id=MANAGER),
    consent(MANAGER, *ALL),
    HoldPreparation(person_id=MANAGER),
    RecordResponsibility(accepts=False, facts_disputed=True),
    facilitator(person=STRANGER),
    risk(RiskLevel.HIGH),
    ApproveRisk(),
    schedule(),
    schedule(ConferenceMode.SHUTTLE, STARTS_AT + timedelta(days=2)),
    record_conference_held(),
    record_conference_held(),
    RecordDidNotProceed(why=NotProceedingReason.HARMED_ABSENT),
    RecordDidNotProceed(why=NotProceedingReason.RISK),
    ConvertToIndirect(mode=IndirectMode.SHUTTLE),
    agreement(),
    agreement(term(), term(STRANGER)),
    RecordNoAgreement(),
    CompleteTerm(term_id=BUS),
    FailTerm(term_id=STRANGER, why=Sealed("It was too much.")),
    RecordFollowUp(person_id=NOAH, satisfaction=5, comment=Sealed("He says hello now."), rationale=WHY),
    RecordFollowUp(person_id=REECE, satisfaction=1, rationale=WHY),
    CloseConference(rationale=WHY),
)
ROLES: Final = (Role.RJ_FACILITATOR, Role.SUPERVISOR, Role.SYSTEM)

CORRECTIONS: Final[tuple[Correction, ...]] = (
    ("ConferenceProposed", "category", "DRUGS_POSSESSION"),
    ("ConferenceProposed", "harmer", str(STRANGER)),
    ("ParticipantAdded", "role", "SUPPORTER"),
    ("ConsentGiven", "scope", ["SHUTTLE"]),
    ("RiskAssessed", "plan", "Two rooms."),
    ("ConferenceScheduled", "mode", "SHUTTLE"),
    ("ConferenceScheduled", "hours", 1),
    ("ConferenceHeld", "present.1.attended", False),
    ("ConferenceHeld", "present.0.attended", True),
    ("AgreementSigned", "terms.0.due", "2026-03-01"),
    ("AgreementSigned", "terms.0.text", "Sits upstairs."),
    ("FollowUpCompleted", "comment", None),
)
"""What is corrected of the latest event of a name, where there is one."""

steps = sequences(COMMANDS, CORRECTIONS, ROLES, apart=(-6, 48))
starts = st.one_of(
    st.sets(st.sampled_from(sorted(PREPARING)), max_size=2).map(frozenset),
    st.sampled_from(("scheduled", "held", "agreed")),
)
"""What is left out of the preparation, or how far the story has come already."""


def begun(start: frozenset[str] | str) -> ConferenceStory:
    """Return a conference at a stage, or one for which something was left out."""
    conference = ConferenceStory()
    match start:
        case "scheduled":
            return conference.scheduled()
        case "held":
            return conference.held()
        case "agreed":
            return conference.agreed()
    conference.proposed()
    for step, (role, at, command) in PREPARING.items():
        if step not in start:
            conference.answer(command, by=role, at=at)
    return conference


@given(starts, steps)
def test_any_sequence_folds_at_any_time_and_survives_its_bytes(start: frozenset[str] | str, step_list: Steps) -> None:
    """Given any commands in any order, the history folds at any time, and reads back from its bytes, closed or forgotten."""
    story = play(begun(start), step_list)
    folds_at_any_time(story)
    survives_its_bytes(story)
