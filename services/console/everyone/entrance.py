"""The pages before and after a session: sign-in, the way back from the issuer, sign-out."""

import secrets
from typing import Final

from prometheus_client import Counter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.console.everyone.sign_in import SignInFailed
from services.console.officers.diary import prolong_diary
from services.console.rendering import render
from services.console.routing import Form, console_of, key_in, see
from services.console.sessions import KEPT_AFTER, SESSION_LIFE, Session

ATTEMPT: Final = "ooc_sign_in"
"""The cookie of a sign-in that has begun: sealed, and only for the way back."""
ATTEMPT_SECONDS: Final = 600
PLACE: Final = ATTEMPT.encode()
SIGN_INS: Final = Counter("ooc_sign_ins", "Sign-ins at this process, by how they ended.", ("outcome",), registry=None)
for _outcome in ("SIGNED_IN", "REFUSED", "BROKEN_OFF"):
    SIGN_INS.labels(_outcome)  # counted from nought on


async def sign_in(request: Request) -> Response:
    """Send the browser to the issuer, with a cookie that knows the way back."""
    console = console_of(request)
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    known = await console.sessions.find_kept(key_in(request))
    address = await console.provider.sign_in_address(state, verifier, anew=known is not None)
    response = RedirectResponse(address, status_code=303)
    attempt = {"state": state, "verifier": verifier, "next": local_address(request.query_params.get("next", "/"))}
    sealed = console.cipher.seal_text(attempt, PLACE)
    name, secure = console.cookie(ATTEMPT), console.secure
    response.set_cookie(name, sealed, max_age=ATTEMPT_SECONDS, secure=secure, httponly=True, samesite="lax")
    return response


async def signed_in(request: Request) -> Response:
    """Begin a session with the code that the issuer gave."""
    console = console_of(request)
    attempt = console.cipher.open_text(request.cookies.get(console.cookie(ATTEMPT), ""), PLACE)
    code, state = request.query_params.get("code"), request.query_params.get("state", "")
    if attempt is None or not code or not secrets.compare_digest(attempt["state"].encode(), state.encode()):
        SIGN_INS.labels("BROKEN_OFF").inc()
        return render(
            request, "not_signed_in.html", None, status=400, why="The sign-in took too long, or was broken off."
        )
    try:
        session = await console.provider.session(code, attempt["verifier"])
    except SignInFailed as error:
        SIGN_INS.labels("REFUSED").inc()
        return render(request, "not_signed_in.html", None, status=403, why=str(error))
    SIGN_INS.labels("SIGNED_IN").inc()
    await console.sessions.begin(session)
    await console.directory.keep(session)
    await prolong_diary(console.links, session)
    if old := key_in(request):
        await console.sessions.end(old)
    response = see(attempt["next"])
    response.set_cookie(
        console.cookie(),
        session.key,
        max_age=int((SESSION_LIFE + KEPT_AFTER).total_seconds()),
        secure=console.secure,
        httponly=True,
        samesite="lax",
    )
    response.delete_cookie(console.cookie(ATTEMPT), secure=console.secure)
    return response


async def sign_out(request: Request, session: Session, _form: Form) -> Response:
    """End the session, and lead to where the issuer's ends: by a page, since a form leads to the console alone."""
    console = console_of(request)
    await console.sessions.end(session.key)
    response = render(request, "signed_out.html", None, then=await console.provider.sign_out_address(session))
    response.delete_cookie(console.cookie(), secure=console.secure)
    return response


async def signed_out(request: Request) -> Response:
    return render(request, "signed_out.html", None, then=None)


def local_address(address: str) -> str:
    """Return an address of the console itself; its first page in place of any other."""
    start, *folders = address.partition("?")[0].split("/")
    # A browser takes an empty segment for the beginning of a host, and resolves dots first.
    odd = bool(start) or not folders or "" in folders[:-1] or not {".", ".."}.isdisjoint(folders)
    return "/" if odd or "\\" in address or not address.isprintable() else address
