"""The three disposals on paper: what a child signs, or is handed, when one is given.

What is printed rests on the facts before the giving alone, so the document that was signed can be printed again, byte
for byte, when its signature is to be proved (CDA 1998 s66E(6) makes it admissible).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from services.disposal.documents.words import child, conditions, offence
from services.disposal.domain.state import DisposalState
from services.disposal.events import (
    AdmissionRecorded,
    ConditionProposed,
    ConditionsVaried,
    ConditionWithdrawn,
    DisposalCaseOpened,
    DisposalDecided,
)
from services.vocabulary import Disposal
from shared.domain.envelope import Fact
from shared.printing.documents import (
    DocumentData,
    NotAvailable,
    day_of,
    latest,
)

NO_ADMISSION: Final = NotAvailable("The child has not admitted the offence: record the admission before printing (R4).")


def conditional_caution(state: DisposalState, facts: Sequence[Fact]) -> DocumentData | NotAvailable:
    """Fill the document of CDA 1998 s66B(6): the offence, the admission, the consent, the conditions, no more (R9)."""
    if state.disposal is not Disposal.YCC:
        return NotAvailable("No youth conditional caution is decided in this case: record that decision first.")
    if state.admission is None or not state.admission.facts_accepted:
        return NO_ADMISSION
    attached = conditions(state)
    if not attached:
        return NotAvailable("The caution has no condition yet: propose at least one before printing (R14).")
    values = {
        "child": child(state),
        "offence": offence(state),
        "admitted_on": day_of(state.admission.at),
        "conditions": attached,
    }
    return DocumentData(values, _settled(facts))


def caution_notice(state: DisposalState, facts: Sequence[Fact]) -> DocumentData | NotAvailable:
    """Fill the notice of what a youth caution means, for child and adult to keep (R8; CDA 1998 s66ZA(4))."""
    if state.disposal is not Disposal.YC:
        return NotAvailable("No youth caution is decided in this case: record that decision first.")
    if state.admission is None or not state.admission.facts_accepted:
        return NO_ADMISSION
    prior = state.opened.prior
    values = {
        "child": child(state),
        "offence": offence(state),
        "given_on": None if state.issue is None else state.issue.on.isoformat(),
        "recordable": state.opened.offence.recordable,
        "cautioned_before": prior is not None and prior.yc + prior.ycc > 0,
    }
    return DocumentData(values, _settled(facts) if state.issue is None else max(_settled(facts), state.issue.at))


def restorative_disposal(state: DisposalState, facts: Sequence[Fact]) -> DocumentData | NotAvailable:
    """Fill the agreement of a youth restorative disposal: responsibility, agreed actions, meaning."""
    if state.disposal is not Disposal.YRD:
        return NotAvailable("No youth restorative disposal is decided in this case: record that decision first.")
    if state.admission is None or not state.admission.facts_accepted:
        return NotAvailable("The child has not accepted responsibility: record it before printing (R4).")
    values = {"child": child(state), "offence": offence(state), "actions": conditions(state)}
    return DocumentData(values, _settled(facts))


def _settled(facts: Sequence[Fact]) -> datetime:
    """Return when the content of the document was last settled."""
    return latest(
        facts,
        DisposalCaseOpened,
        AdmissionRecorded,
        DisposalDecided,
        ConditionProposed,
        ConditionWithdrawn,
        ConditionsVaried,
    )
