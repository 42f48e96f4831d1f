"""Who is offered before somebody is linked: each person once, whatever ids name them."""

from typing import Any, cast
from uuid import uuid4

from services.console.apis import Apis
from services.console.forms.known_people import find_people
from services.console.sessions import Session

KEPT, GIVEN_UP = str(uuid4()), str(uuid4())
NAMES = {KEPT: "Zoe Ward", GIVEN_UP: "Zoe Warde"}


class OfTwoCases:
    """A partnership that knows a girl by two ids, of which one is merged into the other."""

    async def search(self, _session: Session, _asked: object) -> dict[str, Any]:
        kept: dict[str, dict[str, str]] = {GIVEN_UP: {GIVEN_UP: KEPT}}
        records = [
            {"service": "referral", "id": person, "person_ids": [person], "kept": kept.get(person, {})}
            for person in NAMES
        ]
        return {"cases": [{"case_id": record["id"], "records": [record]} for record in records]}

    async def get(self, _session: Session, _service: str, path: str) -> dict[str, Any]:
        person = path.rpartition("/")[2]
        return {"people": {person: "SUSPECT"}, "details": {"people": {person: {"name": NAMES[person]}}}}

    async def get_projected(self, _session: Session, path: str) -> dict[str, Any]:
        id_ = path.rpartition("/")[2]
        return {"case_id": id_, "referrals": [{"id": id_, "updated_at": "2026-03-02T09:00:00+00:00"}]}


async def test_a_merged_person_is_offered_once_under_the_id_that_is_kept() -> None:
    """Given two cases that name one girl by two ids, when she is looked for, then she is offered once, by the id that is kept."""
    answers = {"details.name": ["Zoe Ward"]}
    found = await find_people(cast("Apis", OfTwoCases()), cast("Session", None), answers)
    assert list(found) == [KEPT]
