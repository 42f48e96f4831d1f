"""Whom a command may name, as referral links the people of the case. A person whom nobody has linked passes."""

from services.rj_conference.domain.commands import AddParticipant, InformVictim
from services.rj_conference.domain.rules.consent import is_under_age
from services.rj_conference.domain.rules.rulebook import rules
from services.rj_conference.domain.state import Conference
from services.trade.people import did_harm
from shared.domain.rules import Context


@rules.forbids("V1", InformVictim, looks_at=("person_id",))
def is_no_harmer(command: InformVictim, conference: Conference, context: Context) -> bool:
    """This is the child who did harm, or somebody who is linked as having done it: choose a person who was harmed.

    Source: Victims' Code: a victim is a person who has suffered harm
    """
    return command.person_id != conference.harmer and not did_harm(command.person_id, context)


@rules.allowed_in(AddParticipant, looks_at=("person_id", "under_16"))
def age_is_known(command: AddParticipant, _conference: Conference, context: Context) -> bool:
    """The case holds no date of birth of this person: say whether they are under sixteen.

    Source: RJC Best Practice Guidance (voluntarism); age 16 by local policy
    """
    return is_under_age(command.person_id, context.day, context) is not None or command.under_16 is not None
