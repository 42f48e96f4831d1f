"""The three disposals on paper: what a child signs, or is handed, when one is given.

What is printed rests on the facts before the giving alone, so the document that was signed can be printed again, byte
for byte, when its signature is to be proved (CDA 1998 s66E(6) makes it admissible).
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.disposal import events
from services.disposal.documents.words import child, conditions, offence
from services.disposal.domain.state import DisposalState
from services.trade.vocabulary import Disposal, OffenceCategory
from shared.domain.documents import DocumentData, NotAvailable, day_of, latest
from shared.domain.envelope import Fact
from shared.domain.messages import Event

CONTENT: Final = (
    events.DisposalCaseOpened,
    events.AdmissionRecorded,
    events.DisposalDecided,
    events.ConditionProposed,
    events.ConditionWithdrawn,
    events.ConditionsVaried,
)
"""The events that settle the content of a document to be signed."""

LATER_CONTENT: Final = (
    events.DisposalIssued,
    events.ConditionSessionBooked,
    events.ConditionAttended,
    events.ConditionMissed,
    events.ConditionSessionCancelled,
)
"""The events after the giving that change what the notice says: its day, and the sessions ahead."""

PRINTED_FIELDS: Final = (
    "details.name",
    "details.date_of_birth",
    "offence.title",
    "offence.date",
    "crime_number",
    "condition",
    "changes",
    "starts_at",
    "issued_on",
)
"""The fields of these events that are printed, by the beginning of their path."""

Filling = Callable[[DisposalState, Sequence[Fact]], DocumentData | NotAvailable]

NO_ADMISSION: Final = NotAvailable("The child has not admitted the offence: record the admission before printing (R4).")


def conditional_caution(state: DisposalState, facts: Sequence[Fact]) -> DocumentData | NotAvailable:
    """Fill the document of CDA 1998 s66B(6): the offence, the admission, the consent, the conditions, no more (R9)."""
    if (missing := _missing(state)) is not None:
        return missing
    assert state.admitted_at is not None
    values = {
        "child": child(state),
        "offence": offence(state),
        "admitted_on": day_of(state.admitted_at),
        "conditions": conditions(state),
        "number": _number("YCC", facts),
    }
    return DocumentData(values, _settled(facts), _signed(facts))


def conditional_caution_notice(state: DisposalState, facts: Sequence[Fact]) -> DocumentData | NotAvailable:
    """Fill the notice of what a youth conditional caution means, with the sessions that are booked (R8, R23 to R25)."""
    if (missing := _missing(state)) is not None:
        return missing
    values = {
        **_fields_of_every_caution(state),
        "conditions": conditions(state, sessions=True),
        "number": _number("YCC-NOTICE", facts, *LATER_CONTENT),
    }
    return DocumentData(values, latest(facts, *CONTENT, *LATER_CONTENT))


def caution_notice(state: DisposalState, facts: Sequence[Fact]) -> DocumentData | NotAvailable:
    """Fill the notice of what a youth caution means, for child and adult to keep (R8; CDA 1998 s66ZA(4))."""
    if state.disposal is not Disposal.YC:
        return NotAvailable("No youth caution is decided in this case: record that decision first.")
    if state.admitted_at is None:
        return NO_ADMISSION
    prior = state.prior
    values = {**_fields_of_every_caution(state), "cautioned_before": prior is not None and prior.yc + prior.ycc > 0}
    return DocumentData(values, _settled(facts) if state.issue is None else max(_settled(facts), state.issue.at))


def restorative_disposal(state: DisposalState, facts: Sequence[Fact]) -> DocumentData | NotAvailable:
    """Fill the agreement of a youth restorative disposal: responsibility, agreed actions, meaning."""
    if state.disposal is not Disposal.YRD:
        return NotAvailable("No youth restorative disposal is decided in this case: record that decision first.")
    if state.admitted_at is None:
        return NotAvailable("The child has not accepted responsibility: record it before printing (R4).")
    values = {"child": child(state), "offence": offence(state), "actions": conditions(state)}
    return DocumentData(values, _settled(facts))


def _missing(state: DisposalState) -> NotAvailable | None:
    """Return what a youth conditional caution needs before its papers can be printed, else None."""
    if state.disposal is not Disposal.YCC:
        return NotAvailable("No youth conditional caution is decided in this case: record that decision first.")
    if state.admitted_at is None:
        return NO_ADMISSION
    if not conditions(state):
        return NotAvailable("The caution has no condition yet: propose at least one before printing (R14).")
    return None


def _fields_of_every_caution(state: DisposalState) -> dict[str, Any]:
    return {
        "child": child(state),
        "offence": offence(state),
        "given_on": None if state.issue is None else state.issue.on.isoformat(),
        "recordable": state.opened.offence.recordable,
        "may_notify": state.opened.offence.category is OffenceCategory.SEXUAL,
    }


def until_annulled(fill: Filling) -> Filling:
    """Fill a paper as before; once what was given is annulled, with the day and reference of that across each page."""

    def filled(state: DisposalState, facts: Sequence[Fact]) -> DocumentData | NotAvailable:
        data, annulment = fill(state, facts), state.annulment
        if isinstance(data, NotAvailable) or annulment is None:
            return data
        across = {"on": day_of(annulment.at), "reference": annulment.reference}
        return replace(data, values={**data.values, "annulled": across}, at=max(data.at, annulment.at))

    return filled


def _settled(facts: Sequence[Fact]) -> datetime:
    """Return when the content of the document was last settled."""
    return latest(facts, *CONTENT)


def _number(kind: str, facts: Sequence[Fact], *more: type[Event]) -> str:
    """Return the number of a document: its kind, the beginning of the case's id, the version that settled its content.

    Other conditions, or a correction of what is printed, make another number; what is recorded afterwards does not.
    """
    content = {fact.event_id for fact in facts if isinstance(fact.event, (*CONTENT, *more))}
    settled = max(fact.version for fact in facts if fact.event_id in content or _corrects(fact.event, content))
    return f"{kind}-{facts[0].stream_id.hex[:8].upper()}-{settled}"


def _corrects(event: Event, content: Collection[UUID]) -> bool:
    return (
        isinstance(event, events.RecordCorrected)
        and event.corrects in content
        and event.field.startswith(PRINTED_FIELDS)
    )


def _signed(facts: Sequence[Fact]) -> str | None:
    """Return the SHA-256 of the document that was signed last, None if none was, or another than this system's."""
    signatures = [fact.event for fact in facts if isinstance(fact.event, events.DocumentSigned)]
    return signatures[-1].document_sha256 if signatures and signatures[-1].printed_here is not False else None
