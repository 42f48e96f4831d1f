"""What the public says of us, which waits until an officer links it to a case."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.console.directory import ROLES
from services.console.everyone.public import COLLECTION, SAYING, WAITING, fields_asked
from services.console.forms.fields import answers_in_words, command_of
from services.console.officers.cases import find_cases, questions_of
from services.console.records import SERVICES
from services.console.rendering import render
from services.console.routing import Form, console_of, first, see
from services.console.sessions import Session
from services.trade.vocabulary import Role, SearchKind

LINKERS: Final = ROLES["officer"] | {Role.YJS_CASE_MANAGER, Role.VICTIM_WORKER}
"""Who may record feedback."""


async def waiting_feedback(request: Request, session: Session) -> Mapping[str, Any]:
    """Return the feedback that waits, by its row; none for who may not record it."""
    return {} if LINKERS.isdisjoint(session.roles) else await console_of(request).links.of(WAITING, WAITING)


async def link_feedback(request: Request, session: Session, form: Form) -> Response:
    """Record feedback, as of when it came, in the referral of the one case that the words find. It waits no longer."""
    console, row, words = console_of(request), first(form, "row"), first(form, "words").strip()
    said = (await waiting_feedback(request, session)).get(row)
    if said is None:
        raise HTTPException(410)
    found = (await find_cases(console.apis, session, questions_of(SearchKind.NAME, words)))["cases"] if words else []
    if len(found) != 1:
        wrong = f"{len(found)} cases have this: enter the number of one" if found else "Enter what finds one case"
        return await waiting_page(request, session, wrong=wrong, row=row, words=words)
    case = await console.apis.get_projected(session, f"/v1/cases/{found[0]['case_id']}")
    referral = next(iter(case.get(COLLECTION) or ()), None)
    if referral is None:
        return await waiting_page(request, session, wrong="This case has no referral", row=row, words=words)
    body, _ = command_of(await fields_asked(request, SAYING), said["answers"])
    command = {"type": SAYING, "occurred_at": said["at"], **body}
    path = f"/v1/{COLLECTION}/{referral['id']}/commands"
    await console.apis.post(session, SERVICES[COLLECTION], path, command, body["feedback_id"])
    await console.links.end(WAITING, WAITING, row)
    return see(f"/cases/{found[0]['case_id']}")


async def waiting_page(request: Request, session: Session, wrong: str = "", row: str = "", words: str = "") -> Response:
    """Show the feedback that waits for a case; with what is wrong with the words of one row."""
    if LINKERS.isdisjoint(session.roles):
        raise HTTPException(403, "Officers who record feedback link it to its case.")
    said = await waiting_feedback(request, session)
    fields = [field for field in await fields_asked(request, SAYING) if not field.is_new_id]
    waiting = [(id_, one["at"], list(answers_in_words(fields, one["answers"]))) for id_, one in said.items()]
    return render(request, "feedback.html", session, problem=wrong, waiting=waiting, wrong=wrong, row=row, words=words)
