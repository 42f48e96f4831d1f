"""Words for stories about referrals: who, when, and the usual commands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid5

from services.referral.domain.commands import (
    AcknowledgeReferral,
    AllocateReferral,
    AssignCrimeOutcome,
    AttachDocument,
    CarryOutcome,
    CloseReferral,
    CompleteNudesScreening,
    CorrectCarriedOutcome,
    GiveAdvice,
    LinkPerson,
    RaiseSafeguardingConcern,
    ReceiveReferral,
    RecordActivityUndertaken,
    RecordContact,
    RecordCrime,
    RecordFeedback,
    RecordMashReferral,
    RecordVictimDetails,
    RecordVictimPreference,
    ReferVictimToSupport,
    TellVictim,
    TriageReferral,
)
from services.referral.events import FeedbackGiver, FeedbackKind, Preference
from services.referral.service import service
from services.trade.vocabulary import (
    Category,
    Flag,
    IncidentType,
    OutcomeCode,
    PersonDetails,
    PersonRole,
    Topic,
    TriageOutcome,
)
from shared.domain.messages import Command
from shared.domain.sealing import Sealed
from tests.command_spec import CommandSpec

OFFICER, SUPERVISOR, SYSTEM = "SAFE_SCHOOLS_OFFICER", "SUPERVISOR", "SYSTEM"
NAMES = UUID("6d0fbb0e-0f5a-4a39-8f51-5a2f0e0f7a12")

HAPPENED = datetime(2026, 2, 21, 21, 15, tzinfo=UTC)
REPORTED = datetime(2026, 2, 24, 9, 30, tzinfo=UTC)
RECEIVED = "2026-02-24T09:40:00+00:00"
SOON = "2026-02-24T10:00:00+00:00"
NOON = "2026-02-24T12:00:00+00:00"
NEXT_DAY = "2026-02-25T09:30:00+00:00"
LATER = "2026-03-10T16:00:00+00:00"
LATEST = "2026-03-12T09:30:00+00:00"


def named(name: str) -> UUID:
    """Return the id of somebody or something, by name."""
    return uuid5(NAMES, name)


LEO, MIA, MOTHER = named("leo"), named("mia"), named("mother")
CASE, SESSION, DISPOSAL = named("case"), named("session"), named("disposal")


class ReferralStory(CommandSpec):
    """A referral about Saturday 21 February 2026, reported on Tuesday 24 February."""

    def __init__(self) -> None:
        super().__init__(service)

    def does(self, command: Command, at: str = NOON, by: str = OFFICER) -> Sequence[str]:
        """Ask, to be accepted."""
        return self.ask(command, by=by, at=at)

    def problems(self, command: Command, at: str = NOON, by: str = OFFICER) -> set[str]:
        """Ask, to be refused."""
        return self.refused(command, by=by, at=at)

    def received(self, *flags: Flag, **more: Any) -> ReferralStory:
        """Given: it was taken in."""
        self.does(receipt(*flags, **more), RECEIVED)
        return self

    def acknowledged(self, *flags: Flag) -> ReferralStory:
        """Given: it was taken in and acknowledged."""
        self.received(*flags).does(AcknowledgeReferral(), SOON)
        return self

    def linked(self, who: UUID = LEO, born: str = "2011-06-30", **more: Any) -> ReferralStory:
        """Given: somebody has a part in it."""
        self.does(link(who, born, **more), SOON)
        return self

    def recorded(self) -> ReferralStory:
        """Given: it is a crime."""
        self.does(RecordCrime(crime_number="55260027303"), SOON)
        return self

    def triaged(self, outcome: TriageOutcome = TriageOutcome.ACCEPT_INTERVENTION, at: str = NOON) -> ReferralStory:
        """Given: it was triaged."""
        self.does(triage(outcome), at)
        return self

    def allocated(self) -> ReferralStory:
        """Given: it was triaged for an intervention, and an officer has it."""
        self.triaged().does(AllocateReferral(officer_id=named("officer")), NOON, SUPERVISOR)
        return self

    def closed(self) -> ReferralStory:
        """Given: it was triaged for advice and closed."""
        self.triaged(TriageOutcome.ADVICE_ONLY).does(CloseReferral(reason="ADVICE_GIVEN"), LATER)
        return self

    @property
    def stage(self) -> str:
        """The state as it is shown."""
        return str(self.view["state"])


def receipt(*flags: Flag, **more: Any) -> ReceiveReferral:
    """Return a report that a school makes online."""
    fields: dict[str, Any] = {
        "case_id": CASE,
        "source": "SCHOOL",
        "reported_at": REPORTED,
        "incident_type": IncidentType.ONLINE_SAFETY,
        "happened_at": HAPPENED,
        "setting": "ONLINE",
        "school_urn": "113911",
        "on_premises": False,
        "in_school_hours": False,
        "flags": flags,
        "narrative": Sealed("A friend told a teacher."),
        "lawful_basis": "law enforcement",
    }
    return ReceiveReferral(**{**fields, **more})


def link(
    who: UUID = LEO,
    born: str = "2011-06-30",
    role: PersonRole = PersonRole.HARMER,
    category: Category = Category.SUSPECT,
    parent_of: tuple[UUID, ...] | None = None,
) -> LinkPerson:
    """Somebody has a part in the incident."""
    details = PersonDetails(name=Sealed("Leo Hart"), date_of_birth=Sealed(date.fromisoformat(born)))
    return LinkPerson(person_id=who, role=role, category=category, details=details, parent_of=parent_of)


def triage(
    outcome: TriageOutcome, *, reviewed: bool | None = None, rationale: dict[str, str] | None = None
) -> TriageReferral:
    """Return a decision of triage."""
    return TriageReferral(
        outcome=outcome,
        rationale_text=Sealed("Same age; teach both."),
        supervisor_reviewed=reviewed,
        rationale=rationale or {},
    )


def concern() -> RaiseSafeguardingConcern:
    """Return the concern that a child may be at risk."""
    return RaiseSafeguardingConcern(concern=Sealed("Alone every evening."), dsl_informed=True)


def complaint() -> RecordFeedback:
    """Return a complaint, that asks for an answer."""
    return RecordFeedback(
        feedback_id=LEO,
        kind=FeedbackKind.COMPLAINT,
        giver=FeedbackGiver.PARENT,
        text=Sealed("Nobody rang us back."),
        wants_answer=False,
    )


def mash() -> RecordMashReferral:
    """MASH was told."""
    return RecordMashReferral(mash_ref="MASH-26-01187")


def screening(**yes: bool) -> CompleteNudesScreening:
    """Return the five questions, each No unless said."""
    answers = {
        "adult_involved": False,
        "coercion": False,
        "atypical_or_violent": False,
        "under_13_sexual_act": False,
        "immediate_risk": False,
    }
    return CompleteNudesScreening.model_validate({**answers, **yes, "type": "CompleteNudesScreening"})


def outcome(code: str, who: UUID | None = LEO, **more: Any) -> AssignCrimeOutcome:
    """Return a crime outcome with everything that it may need."""
    fields: dict[str, Any] = {
        "code": OutcomeCode(code),
        "person_id": who,
        "named_suspect": True,
        "rationale_text": Sealed("More inquiry would serve nobody."),
        "victim_informed": True,
        "parent_informed": True,
    }
    return AssignCrimeOutcome(**{**fields, **more})


def put_right(code: str = "2A", was: str = "2") -> CorrectCarriedOutcome:
    """Return the correction of a carried outcome, as a reaction brings it."""
    return CorrectCarriedOutcome(
        code=OutcomeCode(code),
        was=OutcomeCode(was),
        disposal_id=DISPOSAL,
        person_id=LEO,
        assigned_at=datetime.fromisoformat(NEXT_DAY),
    )


def carried(code: str = "2") -> CarryOutcome:
    """Return a disposal's outcome."""
    return CarryOutcome(code=OutcomeCode(code), disposal_id=DISPOSAL, person_id=LEO)


def wish(preference: Preference = "SCHOOL_LED", who: UUID = MIA) -> RecordVictimPreference:
    """Return the preference of a parent."""
    return RecordVictimPreference(person_id=who, preference=preference, given_by="PARENT")


def victim_details(who: UUID = MIA, **more: Any) -> RecordVictimDetails:
    """Return how Mia can be reached: her mother's telephone, which is safe."""
    fields: dict[str, Any] = {
        "person_id": who,
        "contact": Sealed("07700 900 321"),
        "contact_is_safe": True,
        "safe_times": Sealed("After four o'clock"),
        "language": Sealed("Polish"),
        "wants_updates": True,
        "wants_support": True,
    }
    return RecordVictimDetails(**{**fields, **more})


def tells(who: UUID = MIA) -> TellVictim:
    """Return that Mia was told, with reasons."""
    return TellVictim(person_id=who, means="PHONE", reasons_given=True, review_explained=True)


def support(who: UUID = MIA) -> ReferVictimToSupport:
    """Return the referral of Mia to support."""
    return ReferVictimToSupport(person_id=who, service=Sealed("Young Victims"))


def document() -> AttachDocument:
    """Return a note of the school."""
    return AttachDocument(
        document_id=named("note"), media_type="application/pdf", sha256="0" * 64, title=Sealed("Note of the school")
    )


def advice() -> GiveAdvice:
    """Advice to the mother."""
    return GiveAdvice(to="PARENT_CARER", person_id=MOTHER, topic=Topic.ONLINE_SAFETY)


def activity() -> RecordActivityUndertaken:
    """Leo took part in a session."""
    return RecordActivityUndertaken(session_id=SESSION, person_id=LEO)


def contact(*, reached: bool = True) -> RecordContact:
    """Return a telephone call."""
    return RecordContact(person_id=LEO, means="PHONE", reached=reached)
