"""When a reaction that would close a conference comes too late to do anything."""

from services.rj_conference.domain.state import BEFORE_HELD, Conference
from services.trade.vocabulary import Role
from shared.domain.rules import Context


def comes_too_late(conference: Conference, context: Context) -> bool:
    """Whether a reaction asks to close what was held or is closed already: then nothing is refused and nothing done.

    A condition that was dropped, or met by another conference, ends one that is still to be held; one that was held its
    facilitator closes.
    """
    return context.actor.role == Role.SYSTEM and conference.stage not in BEFORE_HELD
