"""What the answers of reporting hold, as its API declares them."""

from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, create_model

from services.reporting.projection.read_models import READ_MODELS
from services.reporting.queries.alerts import Alert
from services.reporting.queries.case_list import MOST_COUNTED, CaseLine
from services.reporting.queries.freshness import Projected, StaleService
from services.reporting.queries.other_cases import OtherCase
from shared.api.schemas import DutyLine, state_view


class Measured(BaseModel):
    """A measure of a period; the other members are the measure's own."""

    model_config = ConfigDict(extra="allow")

    measure: str
    first: date = Field(alias="from")
    last: date = Field(alias="to")
    definition_version: str
    positions: dict[str, int]
    stale: list[StaleService]


class ListedDuty(DutyLine):
    """A duty with the record that it belongs to, the cases of that record, its officer and its area."""

    service: str = Field(description="The service of the record.")
    stream: UUID = Field(description="The id of the record.")
    case_ids: list[UUID] = Field(description="The cases that the record belongs to.")
    officer: UUID | None = Field(description="The officer of the record, if it has one.")
    area: str | None = Field(description="The area of the record.")


class Sheet(Projected):
    """The daily sheet: the open duties at the end of a Europe/London day, a page of them."""

    as_of: date = Field(description="The Europe/London day at whose end the duties stand so.")
    duties: list[ListedDuty]
    next: str | None = Field(description="The `after` of the following duties; null after the last.")


class CaseList(Projected):
    """A page of the cases that the reader may see."""

    page: int
    page_size: int
    total: int = Field(
        description=f"How many cases there are: counted to {MOST_COUNTED:,}; beyond that, to the first of the following page."
    )
    more_than_total: bool = Field(description="Whether there are more than were counted.")
    next: str | None = Field(description="The `after` of the following page; null after the last.")
    cases: list[CaseLine]


class CaseHead(Projected):
    """The members of a projected case besides its records, by both times (`as_of`, `known_at`)."""

    case_id: UUID
    as_of: datetime | None
    known_at: datetime | None
    area: str | None = Field(description="The area of the case.")
    panel_queue: bool = Field(description="Whether its referral waits for the panel, without a disposal case yet.")
    alerts: list[Alert] = Field(description="The open alerts on the people of the case, wherever they were raised.")
    other_cases: list[OtherCase] = Field(
        description="The other cases of the same child that the reader may see, as they stand now; none at an earlier time."
    )
    duties: list[ListedDuty]


_STATES: Final[dict[str, Any]] = {model.collection: state_view(model) for model in READ_MODELS.values()}
_MEMBERS: Final[dict[str, Any]] = {
    **{collection: (list[state], ...) for collection, state in _STATES.items()},  # type: ignore[valid-type]
    "referral": (_STATES["referrals"] | None, ...),
}
OneCase: Final[type[CaseHead]] = create_model(
    "OneCase",
    __base__=CaseHead,
    __doc__="The projected case: the streams of each service stand under its collection.",
    **_MEMBERS,
)
