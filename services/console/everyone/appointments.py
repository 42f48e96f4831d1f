"""The page of one appointment, for a holder of its link: when and where it is, whom to ring, and "I can't come".

It names nobody, and says nothing of why. A link comes from the program that writes to people, and ends with the
appointment. What it shows is asked anew each time, so a place or time that was moved is right.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.types import AwareDatetime
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.console.apis import NoAnswer, Problem
from services.console.records import place_of
from services.console.rendering import render
from services.console.routing import console_of, opened_by_link, read_uuid
from services.console.words import today
from services.system.registry import COLLECTIONS
from services.trade.languages import day_of_week
from services.trade.partnership import partnership_on
from services.trade.vocabulary import Language
from shared.api.authentication import InvalidToken, IssuerUnavailable
from shared.domain.dates import LONDON
from shared.domain.declared import read_beside
from shared.domain.ids import derived_uuid

WORDS: Final[Mapping[str, Mapping[str, Any]]] = read_beside(__file__)
"""What the page says, by language."""
LONGEST: Final = timedelta(days=200)
"""The longest life of a link."""
MAX_BODY: Final = 2_000
STANDS: Final = frozenset({"PLANNED", "SCHEDULED"})
"""The states of an appointment that takes place as far as anybody knows."""
CALLED_OFF: Final = frozenset({"CANCELLED", "DID_NOT_PROCEED"})
AFTER: Final = timedelta(days=1)
"""How long after its beginning an appointment is still shown."""


class Given(BaseModel):
    """A link's appointment, recipient, event and end."""

    model_config = ConfigDict(extra="forbid")

    service: Literal["education", "rj_conference"]
    id: UUID
    referral_id: UUID
    person_id: UUID
    about: UUID
    ring: Literal["yjs", "victims"] = "yjs"
    language: Language = Language.ENGLISH
    until: AwareDatetime


@dataclass(frozen=True, slots=True)
class Appointment:
    """What the page says of an appointment."""

    starts_at: datetime
    place: str
    stands: bool

    def when(self, language: Language) -> str:
        at = self.starts_at.astimezone(LONDON)
        text = str(WORDS[language]["at"]).format(day=day_of_week(at, language), year=at.year, time=f"{at:%H:%M}")
        return text[:1].upper() + text[1:]


async def give_link(request: Request) -> Response:
    await _check_messenger(request)
    body = await request.body() if int(request.headers.get("content-length") or MAX_BODY + 1) <= MAX_BODY else b""
    try:
        given = Given.model_validate_json(body)
    except ValidationError as error:
        raise HTTPException(422, "A link needs service, id, referral_id, person_id, about and until.") from error
    ends_at = min(given.until, datetime.now(UTC) + LONGEST)
    value = given.model_dump(mode="json", exclude={"until"})
    link = await console_of(request).links.make(f"{given.person_id} {given.id}", value, ends_at)
    return JSONResponse({"path": f"/next/{link}"}, status_code=201)


async def end_links(request: Request) -> Response:
    """End every link to an appointment that was given to a person, for the program that writes to people."""
    await _check_messenger(request)
    await console_of(request).links.end(f"{read_uuid(request, 'person')} {read_uuid(request, 'id')}")
    return Response(status_code=204)


async def account_address(request: Request) -> Response:
    """Answer the e-mail address of an account, for the program that writes to people; empty if none is known."""
    await _check_messenger(request)
    email = await console_of(request).directory.email_of(str(read_uuid(request, "person")))
    return JSONResponse({"email": email})


async def appointment_page(request: Request) -> Response:
    given = await opened_by_link(request)
    if given is None:
        return _ended(request)
    try:
        appointment = await _appointment(request, given)
    except (Problem, NoAnswer):
        return _ended(request, status=503)
    return _ended(request) if appointment is None else _page(request, given, appointment)


async def cannot_come(request: Request) -> Response:
    """Record that the invited person cannot come, once: staff ring them."""
    given = await opened_by_link(request)
    if given is None:
        return _ended(request)
    console = console_of(request)
    body = {"type": "AnnounceAbsence", "person_id": given["person_id"], "about": given["about"]}
    key = str(derived_uuid("absence", given["person_id"], given["about"]))
    path = f"/v1/{COLLECTIONS['referral']}/{given['referral_id']}/commands"
    try:
        await console.apis.post(await console.provider.invited(), "referral", path, body, key)
    except NoAnswer:
        return _ended(request, status=503)
    except Problem as problem:
        if problem.status not in {409, 422}:  # they have said so already
            return _ended(request, status=503)
    return _page(request, given, None)


async def _appointment(request: Request, given: Mapping[str, Any]) -> Appointment | None:
    """Return the appointment as it stands now; None if it is over. Raises `Problem` or `NoAnswer`."""
    console = console_of(request)
    path = f"/v1/{COLLECTIONS[given['service']]}/{given['id']}"
    state = await console.apis.get(await console.provider.invited(), given["service"], path)
    if state["starts_at"] is None or state["state"] not in STANDS | CALLED_OFF:
        return None
    starts_at = datetime.fromisoformat(state["starts_at"])
    over = starts_at + AFTER < datetime.now(UTC)
    return None if over else Appointment(starts_at, place_of(state), state["state"] in STANDS)


def _page(request: Request, given: Mapping[str, Any], appointment: Appointment | None) -> Response:
    ring = getattr(partnership_on(today()), given["ring"]).telephone
    language = Language(given.get("language", Language.ENGLISH))
    when = appointment and appointment.when(language)
    says = WORDS[language]
    return render(request, "appointment.html", None, appointment=appointment, when=when, ring=ring, says=says)


def _ended(request: Request, status: int = 404) -> Response:
    """Say that there is nothing behind a link, or nothing at the moment, and whom to ring."""
    ring = partnership_on(today()).yjs.telephone
    return render(request, "appointment_over.html", None, status=status, ring=ring, later=status != 404)


async def _check_messenger(request: Request) -> None:
    """Let the program that writes to people pass. Raises `HTTPException` 403 for anybody else, or 503."""
    try:
        allowed = await console_of(request).provider.messenger(request.headers.get("authorization"))
    except InvalidToken as error:
        raise HTTPException(403, str(error)) from error
    except IssuerUnavailable as error:
        raise HTTPException(503, "The sign-in does not answer.") from error
    if not allowed:
        raise HTTPException(403, "Only the program that writes to people may ask for this.")
