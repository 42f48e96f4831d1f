"""S1: the state machine's table, and the parts of S1 that a table cannot say."""

from services.rj_conference.domain.closing import comes_too_late
from services.rj_conference.domain.commands import COMMANDS, CloseConference
from services.rj_conference.domain.rules.rulebook import rules
from services.rj_conference.domain.state import BEFORE_HELD, Conference, Stage
from services.rj_conference.domain.state_machine import IN_EVERY_STAGE, SOURCE, STATE_MACHINE
from shared.domain.rules import Context
from shared.domain.state_machine import register

register(rules, STATE_MACHINE, SOURCE, COMMANDS, IN_EVERY_STAGE)


@rules.allowed_in(CloseConference)
def it_can_be_closed(conference: Conference, context: Context) -> bool:
    """A conference is closed before it was held, or in follow-up: record first what was agreed, or that nothing was.

    Source: state machine of a conference (rule S1)
    """
    is_open_to_it = conference.stage in BEFORE_HELD or conference.stage is Stage.FOLLOW_UP
    return is_open_to_it or comes_too_late(conference, context)
