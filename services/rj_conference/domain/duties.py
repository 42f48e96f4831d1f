"""What is due after a conference: its terms, and asking the parties how it was."""

from collections.abc import Sequence

from services.rj_conference.domain.state import Conference
from shared.domain.duties import Duty, duty_after
from shared.domain.policy import PolicyOn


def duties(conference: Conference, policy_on: PolicyOn) -> Sequence[Duty]:
    """Every duty of a conference. A term that failed is settled as well; one follow-up duty stands for all parties.

    The follow-up's date was reckoned by the policy of the day of the conference and stands in its event.

    Duties:
        ASSIGN_FACILITATOR: a reaction proposes the conference; `facilitator_days`; somebody is assigned to lead it; the conference is closed.
        TERM: an agreement is signed, for each of its terms; the term's own date; the term is recorded as kept or as not kept.
        RJ_FOLLOW_UP: the conference is held; `follow_up_weeks`; the harmer and each harmed party who took part are asked how it was; the conference is closed.
    """
    opened = [
        Duty("TERM", term.agreed_on, term.due, met_on=term.settled_on, item=str(term_id))
        for term_id, term in conference.terms.items()
    ]
    proposed_on = conference.needs_facilitator_from
    if proposed_on is not None:
        opened.append(duty_after("ASSIGN_FACILITATOR", proposed_on, policy_on, "facilitator_days", conference.led_from))
    if conference.held is not None:
        due = conference.held.follow_up_due
        opened.append(Duty("RJ_FOLLOW_UP", conference.held.on, due, met_on=conference.followed_up_on))
    return [duty.lapsing(conference.closed_on) for duty in opened]
