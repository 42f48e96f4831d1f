"""What a correction may not go around: rules that hold for the record as corrected."""

from services.rj_conference.domain.commands import CorrectRecord
from services.rj_conference.domain.corrections import CORRECTIONS
from services.rj_conference.domain.rules.rulebook import rules, was_held
from services.rj_conference.domain.state import Conference
from services.rj_conference.events import AgreementSigned, ConferenceHeld, RiskLevel
from shared.domain.corrections import OF_A_CORRECTION, facts_of
from shared.domain.messages import Event
from shared.domain.rules import Context

CORRECTIONS.guard(rules, CorrectRecord)


def _target(command: CorrectRecord, after: Conference | None) -> Event | None:
    """Return the corrected event, with the correction in place."""
    return next((fact.event for fact in facts_of(after) if fact.event_id == command.corrects), None)


@rules.forbids("C4", CorrectRecord, looks_at=OF_A_CORRECTION)
def no_approved_risk_becomes_high(command: CorrectRecord, conference: Conference, _context: Context) -> bool:
    """This risk was approved as a lower one: assess it again, and have another supervisor approve it.

    Source: RJC Best Practice Guidance (safety); local policy
    """
    before, after = conference.risk, CORRECTIONS.as_corrected(command, conference)
    if after is None or after.risk is None or before is None or after.risk.level is before.level:
        return True
    return after.risk.approved_at is None or after.risk.level is not RiskLevel.HIGH


@rules.forbids("C8", CorrectRecord, looks_at=OF_A_CORRECTION)
def stays_held_by_both_sides(command: CorrectRecord, conference: Conference, _context: Context) -> bool:
    """Held means that each harmer, a harmed party or representative, and the facilitator attended: this would take one away.

    Source: RJC Best Practice Guidance (a restorative conference)
    """
    after = CORRECTIONS.as_corrected(command, conference)
    event = _target(command, after)
    return after is None or not isinstance(event, ConferenceHeld) or was_held(event, after.harmers)


@rules.forbids("C9", CorrectRecord, looks_at=OF_A_CORRECTION)
def stays_signed_by_both_sides(command: CorrectRecord, conference: Conference, _context: Context) -> bool:
    """An agreement is signed by each harmer and, where one took part, by one of the harmed side: this would take one away.

    Source: RJC Best Practice Guidance (outcome agreements)
    """
    after = CORRECTIONS.as_corrected(command, conference)
    event = _target(command, after)
    return after is None or not isinstance(event, AgreementSigned) or after.signed_by_both(event.signed_by)


@rules.forbids("E1", CorrectRecord, looks_at=OF_A_CORRECTION)
def stays_held_after_its_start(command: CorrectRecord, conference: Conference, _context: Context) -> bool:
    """The conference was held at a time that is recorded: it cannot have been scheduled to begin after that.

    Source: rule E1 of this house; DPA 2018 s38 (accuracy)
    """
    after = CORRECTIONS.as_corrected(command, conference)
    return after is None or after.held is None or after.has_begun(after.held.at)
