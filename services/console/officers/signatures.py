"""Print, sign, confirm: the document of a disposal, its signature by hand, and the record of it, on one page.

The form carries the SHA-256 of the document as it is printed from here, and goes on to the check of every command.
"""

import hashlib
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.console.forms.forms import draw_command, place_in_turn, title_after
from services.console.forms.turns import answered_alike
from services.console.rendering import address, render
from services.console.routing import console_of, query, read_case, read_collection, read_uuid
from services.console.sessions import Session
from services.disposal.domain.signing import document_to_sign

COMMAND: Final = "SignDocument"
DIGEST: Final = "document_sha256"
LANGUAGES: Final = {"en": "English", "cy": "Welsh"}


async def sign_page(request: Request, session: Session) -> Response:
    apis, id_ = console_of(request).apis, read_uuid(request, "id")
    if read_collection(request) != "disposals":
        raise HTTPException(404)
    path, question = f"/v1/disposals/{id_}", query(request, "lang", "case")
    language = question["lang"] or "en"
    if language not in LANGUAGES:
        raise HTTPException(404)
    case_id = read_case(question["case"])
    state = await apis.get(session, "disposal", path)
    name = document_to_sign(str(state.get("state")), state.get("disposal"))
    if name is None:
        raise HTTPException(
            422, "There is no document to sign yet: decide a disposal, or agree the plan of a deferral."
        )
    drawn = await draw_command(request, session, "disposals", id_, COMMAND, {}, case_id)
    place = await place_in_turn(request, session)
    answers = answered_alike(drawn.fields, place.before)
    # The printed document is that of this moment, also if the record moves on before it is printed.
    known_at = datetime.now(UTC).isoformat()
    printed = await apis.document(
        session, "disposal", f"{path}/documents/{name}", {"lang": language, "known_at": known_at}
    )
    return render(
        request,
        "sign.html",
        session,
        drawn=drawn,
        place=place,
        answers=answers,
        next_step=title_after(drawn, session, place, answers, case_id),
        fields=[field for field in drawn.fields if field.name != DIGEST],
        id=str(id_),
        case_id=case_id,
        name=name,
        digest=hashlib.sha256(printed).hexdigest(),
        document=address(f"/records/disposals/{id_}/documents/{name}", lang=language, known_at=known_at),
        language=language,
        languages=LANGUAGES,
        key=str(uuid4()),
    )
