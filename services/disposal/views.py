"""What is shown of a disposal case: clear values only, under the catalogue's names."""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

from typing_extensions import TypedDict

from services.disposal.domain.conditions import DEFINITIONS
from services.disposal.domain.state import Attendance, ConditionState, DisposalState, Stage, Transfer, VictimView
from services.disposal.events import ConditionSessionBooked, PriorRecord
from services.trade.victims import Progress, VictimLogLine, log_view
from services.trade.vocabulary import ConditionType
from shared.domain.dates import local_day
from shared.domain.members import described, shown

PROGRESS: Final[Mapping[Stage, Progress]] = {
    Stage.OPENED: Progress.BEING_CONSIDERED,
    Stage.ASSESSED: Progress.BEING_CONSIDERED,
    Stage.RECOMMENDED: Progress.BEING_CONSIDERED,
    Stage.DECIDED: Progress.DECIDED,
    Stage.DEFERRED: Progress.UNDER_WAY,
    Stage.ACTIVE: Progress.UNDER_WAY,
    Stage.AGREED: Progress.UNDER_WAY,
    Stage.DIVERTED: Progress.UNDER_WAY,
    Stage.BREACH_REVIEW: Progress.BEING_CONSIDERED,
    Stage.CHARGED: Progress.CHARGED,
    Stage.CEASED: Progress.CHARGED,
}
"""How far each stage is for a victim; any other has ended."""


@described
class OffenceView(TypedDict):
    """The offence, as the case was opened or corrected."""

    title: str
    code: str
    on: str | None


@described
class DecisionView(TypedDict):
    """What was decided, and the Europe/London day."""

    what: str
    on: str | None


@described
class SessionOfCondition(TypedDict):
    """A session that is booked for a condition."""

    session_id: str
    starts_at: str
    recorded: bool
    """Whether an attendance is recorded."""


@described
class AnnulmentView(TypedDict):
    """The annulment of what was given."""

    on: str | None
    reference: str


@described
class HolderView(TypedDict):
    """An area that holds the case, or has held it."""

    area: str
    kind: str | None
    """How it holds a case that another area opened; null: it opened it."""
    since: str | None
    review_on: str | None
    until: str | None
    """The day on which it ceased to hold it; null: it holds it."""


@described
class ConditionView(TypedDict):
    """What a condition asks, and how far it is."""

    type: str
    by_session: bool
    """Whether places in sessions are booked for it."""
    due: str | None
    hours: int | float | None
    """The hours that it asks for."""
    hours_credited: int | float
    sessions: list[SessionOfCondition]
    """In order of time."""
    last_attendance: str | None
    refused_on: str | None
    """The day on which the child refused it as it now is."""
    told_by: int
    """The version of the event that gave its terms, which has its sealed texts."""
    field: str
    """The path of the terms in that event."""


@described
class StepView(TypedDict):
    """A step of the plan of a deferred prosecution."""

    step_id: str
    kind: str
    due: str


@described
class VictimOfDisposal(TypedDict):
    """What is known of a victim, and what was done for them. Null: nobody has said."""

    enhanced_rights: bool
    """By law, or as recorded."""
    consents_to_contact: bool | None
    wants_rj: bool | None
    view_told_by: int | None
    """The version of the event by which their view was last sought, or was not."""
    log: list[VictimLogLine]


@described
class PriorView(TypedDict):
    """What is recorded against the child before, by number."""

    yc: int
    ycc: int
    convictions: int
    yrd: int


@described
class EarlierView(TypedDict):
    """What was given to the child before."""

    kind: str
    on: str
    disposal_id: str | None
    """The case in which it was given; null: elsewhere."""
    by: str | None
    """Who gave it elsewhere."""


@described
class DisposalView(TypedDict):
    """What is shown of a disposal case."""

    state: str
    offence: OffenceView
    crime_number: str | None
    decided: DecisionView | None
    """Set at the decision, whatever it is."""
    disposal: str | None
    """Set at a decision for a disposal, before its issue; `issued_on` tells whether it was issued."""
    age_at_offence: int | None
    age_at_issue: int | None
    """Set at the issue."""
    issued_on: str | None
    """Set at the issue."""
    ends_on: str | None
    """Set at the issue of a disposal with a period."""
    completed_on: str | None
    """The last day that completion needed; a youth restorative disposal without conditions is complete at its issue."""
    spent_on: str | None
    """Set at the issue: when the disposal is spent as the guidance reads the statute."""
    spent_by_statute: str | None
    """Set at the issue: when it is spent by the words of the statute."""
    outcome: str | None
    """The crime outcome, as last assigned."""
    annulled: AnnulmentView | None
    """Set once what was given is annulled."""
    areas: list[HolderView]
    """First the area that opened it."""
    conditions: dict[str, str]
    """By condition: its standing. Those that were set."""
    condition_terms: dict[str, ConditionView]
    plan: list[StepView]
    """Set at the agreement of a deferred prosecution."""
    steps: dict[str, str]
    """By step of the plan: its status."""
    review_on: str | None
    victims: list[str]
    """Who was harmed, as recorded here or in the referral."""
    harmed: dict[str, VictimOfDisposal]
    """Each of the victims."""
    progress: str
    """How far it is, for a victim."""
    hours_credited: int | float
    """Of all conditions."""
    warnings_issued: int
    prosecution_time_limit: str | None
    """The last day for proceedings, of a summary offence."""
    document_printed_here: bool | None
    """Whether the signed paper was printed by this system; null before a signature."""
    told_by: dict[str, int]
    """The version of the event that counts, of ADMISSION, GRAVITY and ASSESSMENT."""
    prior: PriorView
    """What counts as earlier: what was given here and elsewhere, and what was recorded at the opening besides."""
    prior_known: bool
    """Whether anybody has said what was recorded before, or something is known."""
    earlier: list[EarlierView]
    """What was given to the child before, here and elsewhere, by the day."""


def view(state: DisposalState) -> DisposalView:
    """Return the state as JSON: dates as ISO 8601, hours as numbers, None if there is nothing."""
    issue, deferral, decision, opened = state.issue, state.deferral, state.decision, state.opened
    steps = {} if deferral is None else deferral.steps
    annulled = state.annulment
    return shown(
        DisposalView,
        state,
        state=state.stage,
        offence=shown(OffenceView, opened.offence, on=opened.offence.date),
        crime_number=opened.crime_number,
        decided=decision and shown(DecisionView, decision, on=local_day(decision.at)),
        age_at_offence=opened.age_at_offence,
        age_at_issue=issue and issue.age,
        issued_on=issue and issue.on,
        ends_on=issue and issue.ends_on,
        spent_on=issue and issue.spent_on,
        spent_by_statute=issue and issue.spent_by_statute,
        annulled=annulled and shown(AnnulmentView, annulled, on=local_day(annulled.at)),
        areas=_areas(state),
        conditions={key: condition.standing for key, condition in state.conditions.items()},
        condition_terms=_terms_of_conditions(state),
        plan=[shown(StepView, step.terms) for step in steps.values()],
        steps={key: step.status for key, step in steps.items()},
        review_on=deferral and deferral.review_on,
        victims=[str(victim) for victim in state.everyone_harmed],
        harmed={victim: _victim(state, victim) for victim in state.everyone_harmed},
        progress=PROGRESS.get(state.stage, Progress.ENDED),
        prosecution_time_limit=opened.prosecution_time_limit,
        told_by=_told_by(state),
        prior=shown(PriorView, state.prior or PriorRecord(yc=0, ycc=0, convictions=0, yrd=0)),
        prior_known=state.prior is not None,
        earlier=[shown(EarlierView, given) for given in state.earlier],
    )


def _areas(state: DisposalState) -> list[HolderView]:
    if state.area is None:
        return []
    first = shown(HolderView, None, area=state.area, since=local_day(state.opened_at))
    return [first, *(_holder(transfer) for transfer in state.transfers)]


def _holder(transfer: Transfer) -> HolderView:
    until = None if transfer.ended_at is None else local_day(transfer.ended_at)
    return shown(HolderView, transfer, since=local_day(transfer.at), until=until)


def _told_by(state: DisposalState) -> dict[str, int]:
    assessed = max(state.assessments, key=lambda assessment: assessment.at, default=None)
    versions = {
        "ADMISSION": None if state.admission is None else state.admission_version,
        "GRAVITY": state.gravity_version,
        "ASSESSMENT": None if assessed is None else assessed.version,
    }
    return {name: version for name, version in versions.items() if version is not None}


def _victim(state: DisposalState, victim: UUID) -> VictimOfDisposal:
    """Return what is known of a victim and was done for them. None: nobody has said."""
    said = state.views.get(victim, VictimView())
    return shown(
        VictimOfDisposal,
        said,
        enhanced_rights=state.has_enhanced_rights(victim),
        view_told_by=said.version,
        log=log_view(state.log, victim),
    )


def _terms_of_conditions(state: DisposalState) -> dict[str, ConditionView]:
    bookings: dict[UUID, list[ConditionSessionBooked]] = defaultdict(list)
    attendances: dict[UUID, list[Attendance]] = defaultdict(list)
    for booking in state.bookings.values():
        bookings[booking.condition_id].append(booking)
    for attendance in state.attendances:
        attendances[attendance.condition_id].append(attendance)
    recorded = state.last_attendances
    return {
        str(key): _terms(condition, bookings[key], attendances[key], recorded)
        for key, condition in state.conditions.items()
    }


def _terms(
    condition: ConditionState,
    bookings: Iterable[ConditionSessionBooked],
    attendances: Sequence[Attendance],
    recorded: Container[UUID],
) -> ConditionView:
    """Return what a condition asks and how far it is: the hours credited, its sessions, and the last attendance.

    `by_session`: a place in a session is booked for it.
    """
    terms = condition.terms
    return shown(
        ConditionView,
        terms,
        by_session=terms.type is not ConditionType.RJ_CONFERENCE and DEFINITIONS[terms.type].attendance,
        hours_credited=sum((attendance.hours for attendance in attendances), Decimal(0)),
        sessions=[
            shown(SessionOfCondition, booking, recorded=booking.session_id in recorded)
            for booking in sorted(bookings, key=lambda booking: booking.starts_at)
        ],
        last_attendance=attendances[-1].status if attendances else None,
        refused_on=None if condition.refused_at is None else local_day(condition.refused_at),
        told_by=condition.version,
        field=condition.field,
    )
