"""Other cases of the same child that the reader may see."""

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from pydantic import Field

from services.reporting.projection.knowledge import same_as
from services.reporting.projection.snapshot import Connection
from services.reporting.queries.visibility import Reader, visible
from services.trade.vocabulary import Category
from shared.api.schemas import Schema

OF_A_CHILD: Final = frozenset({Category.SUSPECT, Category.CONVICTED, Category.DISPOSED_OOC, Category.CHILD_UNDER_10})
"""The categories of a referral's child."""

MOST: Final = 2_000
"""How many records of the child's other cases are looked at, the latest."""

_OTHERS: Final = f"""
    select s.service, s.stream, s.home, s.state, s.opened_at, s.subject, s.view -> 'people' as people,
        s.view -> 'disposal' as disposal, s.view -> 'issued_on' as issued_on, s.view -> 'annulled' as annulled,
        s.view -> 'decided' as decided from stream as s
    where s.mentions && $1::uuid[] and s.home <> $2 and coalesce(s.home = any(s.cases), false) and {visible(3)}
    order by s.opened_at desc, s.stream limit {MOST}
"""  # noqa: S608 - the clause above, and no value


class GivenDisposal(Schema):
    """A disposal that was given in a case, or what was decided in its place."""

    kind: str
    on: date = Field(description="The day of the issue, or of the decision if nothing is issued.")
    is_annulled: bool


class OtherCase(Schema):
    """Another case of the child, as its latest record stands."""

    case_id: UUID
    person_id: UUID = Field(description="The child.")
    service: str = Field(description="The service of its latest record that the reader may see.")
    id: UUID = Field(description="The id of that record.")
    state: str
    given: GivenDisposal | None = Field(description="What the child was given in the case; null: nothing is decided.")
    opened_at: datetime = Field(description="When that record began.")


async def other_cases(
    connection: Connection, reader: Reader, case_id: UUID, rows: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """List the other cases of the children of these streams of a case, the latest first, each once, as they stand now."""
    children = {child for row in rows for child in children_of(row["subject"], json.loads(row["view"]).get("people"))}
    if not children:
        return []
    children = await same_as(connection, children)
    cases: dict[UUID, dict[str, Any]] = {}
    for row in await connection.fetch(_OTHERS, list(children), case_id, *reader.reach("state").parameters):
        # Who is shown some members of a record alone does not learn here that it is there.
        if reader.fields(row["service"]) is not None:
            continue
        if same := children & children_of(row["subject"], json.loads(row["people"] or "{}")):
            of_case = cases.setdefault(
                row["home"],
                {
                    "case_id": str(row["home"]),
                    "person_id": str(min(same)),
                    "service": row["service"],
                    "id": str(row["stream"]),
                    "state": row["state"],
                    "given": None,
                    "opened_at": row["opened_at"].isoformat(),
                },
            )
            of_case["given"] = of_case["given"] or _read_given(row)
    return list(cases.values())


def _read_given(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what was given or decided in a disposal case; None for another record, and before the decision."""
    kind, on, annulled, decided = (
        json.loads(row[name] or "null") for name in ("disposal", "issued_on", "annulled", "decided")
    )
    if not decided:
        return None
    issued = {"kind": kind, "on": on} if on else {"kind": decided["what"], "on": decided["on"]}
    return {**issued, "is_annulled": annulled is not None}


def children_of(subject: UUID | None, people: Mapping[str, str] | None) -> set[UUID]:
    """Return the children whose record a stream is: the subject of its summary, or the children of a referral."""
    of_referral = {UUID(id_) for id_, category in (people or {}).items() if category in OF_A_CHILD}
    return of_referral if subject is None else of_referral | {subject}
