"""What each value of policy of people moves: see tests/unit/policy/test_policy_moves.py."""

from collections.abc import Mapping
from typing import Any, Final

from shared.domain.service import Service
from tests.unit.people.stories import START, PersonStory, circumstance
from tests.unit.policy.moves import Moved, answer, under


def says_it_is_suitable(service: Service[Any]) -> Any:
    story: PersonStory = under(PersonStory(), service)
    return answer(story, circumstance(), "YJS_CASE_MANAGER", START)


MOVES: Final[Mapping[str, Moved]] = {"never_suitable": Moved(["LIVING_WITH_PARENT_S"], says_it_is_suitable)}
