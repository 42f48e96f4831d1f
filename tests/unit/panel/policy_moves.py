"""What each value of policy of the panel moves: see tests/unit/policy/test_policy_moves.py."""

from collections.abc import Mapping
from typing import Any, Final

from services.panel.domain.commands import RecordMembers
from services.trade.vocabulary import MemberKind
from shared.domain.service import Service
from tests.unit.panel import stories as panel
from tests.unit.policy.moves import Moved, answer, under


def quorum(service: Service[Any]) -> Any:
    story: panel.SittingStory = under(panel.SittingStory(), service)
    story.planned().listed().begun(panel.member(panel.POLICE, MemberKind.POLICE))
    return answer(story, panel.consideration(), panel.CHAIR, panel.CONSIDERED)


def second_case(service: Service[Any]) -> Any:
    story: panel.SittingStory = under(panel.SittingStory(), service)
    story.planned().listed()
    return answer(story, panel.listing(panel.MIA), panel.CHAIR, panel.LISTED)


def second_sitting(service: Service[Any]) -> Any:
    story: panel.SittingStory = under(panel.SittingStory(), service)
    case = panel.case_of(panel.LEO)
    story.linked_marks = {case: frozenset({f"{case}:DORSET:{panel.MIA}"})}
    return answer(story.planned(), panel.listing(panel.LEO), panel.CHAIR, panel.LISTED)


def members(service: Service[Any]) -> Any:
    story: panel.SittingStory = under(panel.SittingStory(), service)
    return answer(story.planned(), RecordMembers(members=panel.MEMBERS), panel.CHAIR, panel.LISTED)


MOVES: Final[Mapping[str, Moved]] = {
    "panel_quorum": Moved(["POLICE"], quorum),
    "cases_of_a_sitting": Moved(1, second_case),
    "sittings_of_a_case": Moved(1, second_sitting),
    "panel_organisations": Moved(["Merrowshire Police"], members),
}
