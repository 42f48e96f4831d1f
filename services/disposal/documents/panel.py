"""The pack that the weekly panel reads before it recommends. It says what is recorded, and recommends nothing (R26)."""

from collections.abc import Sequence
from typing import Any, Final

from services.disposal.documents.words import child, offence
from services.disposal.domain.state import BEFORE_ISSUE, DisposalState
from services.disposal.events import (
    AssessmentCompleted,
    Direction,
    Factors,
    GravityScored,
    PanelRecommended,
    ProsecutorDecisionRecorded,
    VictimViewSought,
)
from services.disposal.matrices import factors_in_words, line_in_words
from shared.domain.documents import DocumentData, NotAvailable, day_of, personal_value
from shared.domain.envelope import Fact
from shared.domain.sealing import Sealed

TOO_LATE: Final = NotAvailable(
    "The case is past the panel: ask for the pack as it was with as_of, the day that the panel sat."
)


def panel_pack(state: DisposalState, facts: Sequence[Fact]) -> DocumentData | NotAvailable:
    """Fill the pack for the panel with everything that is recorded until now."""
    if state.stage not in BEFORE_ISSUE:
        return TOO_LATE
    details = state.opened.details
    values = {
        "child": {
            **child(state),
            "age_at_offence": state.opened.age_at_offence,
            "school_urn": details.school_urn,
            "needs": personal_value(details.needs),
        },
        "offence": {
            **offence(state),
            "trial_mode": state.opened.offence.trial_mode.value,
            "time_limit": None
            if state.opened.prosecution_time_limit is None
            else state.opened.prosecution_time_limit.isoformat(),
        },
        "admission": None
        if state.admission is None or state.asked_at is None
        else {
            "facts_accepted": state.admission.facts_accepted,
            "adult_present": state.admission.appropriate_adult_present,
            "on": day_of(state.asked_at),
        },
        "evidence": None
        if state.evidence is None
        else {"sufficient": state.evidence.sufficient, "standard": state.evidence.standard.value},
        "gravity": _gravity(facts),
        "prior": None if state.prior is None else state.prior.model_dump(),
        "harmed": _harmed(state, facts),
        "assessments": [_assessment(fact, fact.event) for fact in facts if isinstance(fact.event, AssessmentCompleted)],
        "prosecutor": [
            {"reference": fact.event.reference, "decision": fact.event.decision.value, "on": day_of(fact.occurred_at)}
            for fact in facts
            if isinstance(fact.event, ProsecutorDecisionRecorded)
        ],
        "recommended": next(
            (fact.event.recommended.value for fact in reversed(facts) if isinstance(fact.event, PanelRecommended)), None
        ),
    }
    return DocumentData(values, max(fact.occurred_at for fact in facts))


def _gravity(facts: Sequence[Fact]) -> dict[str, Any] | None:
    scored = next((fact.event for fact in reversed(facts) if isinstance(fact.event, GravityScored)), None)
    if scored is None:
        return None

    def factors(direction: Direction, others: Sealed[Factors]) -> list[str]:
        """Return the factors of a direction: those that are ticked, then those in words."""
        ticked = factors_in_words(scored.matrix_version, scored.line, scored.factors or (), direction)
        words = personal_value(others)
        return [*ticked, *([words] if isinstance(words, str) else words)]

    return {
        "line": line_in_words(scored.matrix_version, scored.line),
        "offence_score": scored.offence_score,
        "final_score": scored.final_score,
        "matrix": scored.matrix_version,
        "aggravating": factors(Direction.UP, scored.aggravating),
        "mitigating": factors(Direction.DOWN, scored.mitigating),
    }


def _harmed(state: DisposalState, facts: Sequence[Fact]) -> list[dict[str, Any]]:
    """Each victim's last view, in the order of the case; a victim has no name here."""
    views = {fact.event.person_id: fact.event for fact in facts if isinstance(fact.event, VictimViewSought)}
    people = tuple(dict.fromkeys((*state.victims, *views)))
    return [
        {"sought": view.sought, "view": personal_value(view.view), "wants_rj": view.wants_rj}
        if (view := views.get(person)) is not None
        else {"sought": False, "view": None, "wants_rj": None}
        for person in people
    ]


def _assessment(fact: Fact, event: AssessmentCompleted) -> dict[str, Any]:
    return {
        "tool": event.tool.value,
        "on": day_of(fact.occurred_at),
        "programme_plan": event.programme_plan,
        "why_none": personal_value(event.programme_inappropriate_reason),
    }
