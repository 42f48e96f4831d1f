"""S1: the state machine's table, and the parts of S1 that a table cannot say: the calendar, and corrections."""

from collections.abc import Mapping
from typing import Final

from services.referral.domain.commands import COMMANDS, CorrectReferral, ReceiveReferral
from services.referral.domain.corrections import CORRECTIONS
from services.referral.domain.rules.rulebook import rules
from services.referral.domain.state import Referral, born_on, fits_its_kind
from services.referral.domain.state_machine import IN_EVERY_STAGE, PRACTICE, STATE_MACHINE
from services.referral.events import PersonLinked
from services.trade.vocabulary import Role
from shared.domain.corrections import OF_A_CORRECTION, facts_of
from shared.domain.dates import BeyondCalendar, add_working_days, local_day
from shared.domain.rules import Context
from shared.domain.state_machine import register

register(rules, STATE_MACHINE, PRACTICE, COMMANDS, IN_EVERY_STAGE)

_OWN_SOURCE: Final[Mapping[str, str]] = {Role.SCHOOL: "SCHOOL", Role.AGENCY: "OTHER_AGENCY", Role.INVITED: "PUBLIC"}
"""Role outside the partnership -> the source that its own report must name."""


@rules.allowed_in(ReceiveReferral, looks_at=("reported_at",))
def within_the_calendar(command: ReceiveReferral, _state: Referral | None, context: Context) -> bool:
    """The report lies outside the years whose bank holidays are known: check its date.

    Source: gov.uk/bank-holidays (England and Wales), as vendored
    """
    try:
        add_working_days(local_day(command.reported_at), context.policy.number("close_working_days"))
    except BeyondCalendar:
        return False
    return True


@rules.allowed_in(ReceiveReferral, looks_at=("source",))
def comes_from_its_sender(command: ReceiveReferral, _state: Referral | None, context: Context) -> bool:
    """Say that the report comes from you, a school, another agency or the public: what the police took in, an officer enters.

    Source: state machine of a referral (rule S1); DPA 2018 s38 (accuracy)
    """
    return command.source == _OWN_SOURCE.get(context.actor.role, command.source)


@rules.allowed_in(ReceiveReferral, looks_at=("case_id",))
def opens_no_disposal_to_its_sender(command: ReceiveReferral, _state: Referral | None, context: Context) -> bool:
    """This case has a disposal already: report the incident as a case of its own, or ask a safe schools officer to.

    An internet safety officer reads the disposals of online cases alone.

    Source: state machine of a referral (rule S1); DPA 2018 s35
    """
    begins = context.actor.role == Role.INTERNET_SAFETY_OFFICER
    return not begins or "disposal.OPENED" not in context.linked(command.case_id)


CORRECTIONS.guard(rules, CorrectReferral)


@rules.allowed_in(CorrectReferral, looks_at=("field", "value"))
def opens_no_referral_to_its_corrector(command: CorrectReferral, _state: Referral, context: Context) -> bool:
    """Ask a safe schools officer to correct this: an internet safety officer reads what happened online alone.

    Source: state machine of a referral (rule S1); DPA 2018 s35
    """
    makes_online = (command.field, command.value) == ("setting", "ONLINE")
    return context.actor.role != Role.INTERNET_SAFETY_OFFICER or not makes_online


@rules.allowed_in(CorrectReferral, looks_at=OF_A_CORRECTION)
def corrects_to_a_time_that_can_be(command: CorrectReferral, state: Referral, _context: Context) -> bool:
    """With this value somebody would be born after the incident, a person never or an organisation at all, or it would be reported before it happened: check it.

    Source: DPA 2018 s38 (accuracy)
    """
    after = CORRECTIONS.as_corrected(command, state)
    if after is None:
        return True  # another of these functions refuses it
    links = (fact.event for fact in facts_of(after) if isinstance(fact.event, PersonLinked))
    if not all(map(fits_its_kind, links)):
        return False
    if CORRECTIONS.correction(command, state).field not in {"details.date_of_birth", "reported_at", "happened_at"}:
        return True
    births = [born_on(person.date_of_birth) for person in after.people.values()]
    ordered = after.happened_at <= after.reported_at <= after.received_at
    return ordered and all(born <= after.happened_on for born in births if born is not None)
