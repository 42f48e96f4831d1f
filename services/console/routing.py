"""What is at hand for each page, and the checks that every page shares: who asks, and that a form is the console's own."""

import hmac
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from python_multipart.multipart import parse_options_header
from starlette.datastructures import URL
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Message

from services.console.apis import Apis, Problem
from services.console.cipher import Cipher
from services.console.directory import Directory
from services.console.everyone.sign_in import Provider, SessionEnded, fresh
from services.console.rendering import address, render
from services.console.sessions import Draft, Drafts, Links, SeenTimes, Session, Sessions
from services.system.registry import COLLECTIONS
from shared.api.parameters import DAY
from shared.api.rates import RateLimit, network_of
from shared.privacy.signed_note import VerifierKey

COOKIE: Final = "ooc_session"
CSRF: Final = "csrf"
MAX_BODY: Final = 262_144
"""The largest form in bytes, as large as the largest body of an API."""
MAX_FIELDS: Final = 2000
TOO_LARGE: Final = "This form is too large: shorten its texts."
NOT_DRAWN: Final = "This form was not drawn for you, or in an earlier session: open the page again."
NAME: Final = re.compile(r"[A-Za-z0-9-]{1,80}")
COUNT: Final = re.compile(r"[0-9]{1,9}")

Form = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Console:
    """What the console holds while it runs."""

    apis: Apis
    cipher: Cipher
    directory: Directory
    drafts: Drafts
    provider: Provider
    seen: SeenTimes
    sessions: Sessions
    links: Links
    secure: bool
    """Whether its cookies are sent over TLS alone."""
    url: str
    """The console's own address, whatever a browser calls it."""
    witness: VerifierKey | None = None
    """The public key of the witness that cosigns checkpoints; None: its signatures are shown, and not checked."""

    def cookie(self, name: str = COOKIE) -> str:
        """Return a cookie's name, by default that of the session; over TLS one that no other host can set (RFC 6265bis, section 4.1.3.2)."""
        return f"__Host-{name}" if self.secure else name


Page = Callable[[Request, Session], Awaitable[Response]]
PublicPage = Callable[[Request], Awaitable[Response]]
Change = Callable[[Request, Session, Form], Awaitable[Response]]
Read = Callable[[Request, Session | None], Awaitable[Form]]
Keep = Callable[[Request, Session, Form], Awaitable[str]]
"""Keeps what a form says as a draft, and returns the address at which it goes on."""


def console_of(request: Request) -> Console:
    console: Console = request.app.state.console
    return console


def key_in(request: Request) -> str:
    """Return the key of a session that a browser sends; empty if it sends none."""
    return request.cookies.get(console_of(request).cookie(), "")


def page_route(path: str, page: Page, otherwise: PublicPage | None = None) -> Route:
    """Return the route of a page that a signed-in person reads; anybody else signs in, or reads another. It changes nothing."""

    async def endpoint(request: Request) -> Response:
        try:
            return await page(request, await _session(request))
        except (SessionEnded, Problem) as error:
            _reraise_unless_ended(error)
        if otherwise is not None:
            return await otherwise(request)
        here = local(request.url)
        # It may have come by a form with the method GET, whose redirects a browser confines to the console.
        if request.headers.get("sec-fetch-site") == "same-origin":
            return _sign_in_page(request, here)
        return see(address("/sign-in", next=here))

    return Route(path, endpoint, methods=["GET"], name=page.__name__)


async def read_form(request: Request, _session: Session | None = None) -> dict[str, list[str]]:
    """Read the fields of a form, each with its values. Raises `HTTPException` if it is too large."""
    form = await bounded(request, MAX_BODY, TOO_LARGE).form(max_fields=MAX_FIELDS, max_files=0, max_part_size=MAX_BODY)
    fields: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        fields.setdefault(name, []).append(str(value))
    return fields


async def read_public_form(request: Request) -> dict[str, list[str]]:
    """Read a form that anybody sends. Raises `HTTPException` for that of another site, which no cookie would betray."""
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise HTTPException(403, "This form comes from another site: open the page here, and fill it in.")
    return await read_form(request)


def is_above_public_rate(request: Request) -> bool:
    """Count a form that is taken from somebody without a sign-in. Tell whether their address has sent too many."""
    rate: RateLimit | None = request.app.state.public_rate
    return rate is not None and bool(rate.take(network_of(request.client)))


def bounded(request: Request, limit: int, too_large: str) -> Request:
    """Return a request whose body has at most so many bytes, counted as they come. Raises `HTTPException`, also while it is read.

    A form is in UTF-8, as browsers send it: Python has encodings that take quadratic time to read.
    """
    _, options = parse_options_header(request.headers.get("content-type"))
    if options.get(b"charset", b"utf-8").lower() != b"utf-8":
        raise HTTPException(415, "Send the form in UTF-8.")
    if int(request.headers.get("content-length") or 0) > limit:
        raise HTTPException(413, too_large)
    read = 0

    async def receive() -> Message:
        nonlocal read
        message = await request.receive()
        read += len(message.get("body", b""))
        if read > limit:
            raise HTTPException(413, too_large)
        return message

    return Request(request.scope, receive)


def changed(path: str, change: Change, read: Read = read_form, keep: Keep | None = None) -> Route:
    """Return the route of a form that a signed-in person sends. A form of another site changes nothing.

    Args:
        path: the route's.
        change: what the form does.
        read: reads it, for a session if there is one.
        keep: where it goes when the session has ended: the sign-in is a page of its own, since a browser
            lets no redirect of a form lead elsewhere (Content-Security-Policy, form-action).

    """

    async def endpoint(request: Request) -> Response:
        try:
            session = await _session(request)
        except SessionEnded:
            return await _ended(request)
        form = await read(request, session)
        _check_own(form, session)
        before = dict(session.writes.positions)
        try:
            return await change(request, session, form)
        except (SessionEnded, Problem) as error:
            _reraise_unless_ended(error)
            return await _keep_the_form(request, session, form)
        finally:
            if session.writes.positions != before:
                await console_of(request).sessions.keep_writes(session)

    async def _ended(request: Request) -> Response:
        sessions = console_of(request).sessions
        session = await sessions.find_kept(key_in(request))
        if session is None and (keep is None or "content-length" not in request.headers):
            page = _sign_in_page(request, _came_from(request))
            page.headers["Connection"] = "close"  # a body without a sign-in is not read
            return page
        form = await read(request, session)
        session = session or await sessions.find_of_form(first(form, CSRF))
        if session is None:
            return _sign_in_page(request, _came_from(request))
        _check_own(form, session)
        return await _keep_the_form(request, session, form)

    async def _keep_the_form(request: Request, session: Session, form: Form) -> Response:
        if keep is None:
            return _sign_in_page(request, _came_from(request))
        return _sign_in_page(request, await keep(request, session, form), kept=True)

    return Route(path, endpoint, methods=["POST"], name=change.__name__)


def _check_own(form: Form, session: Session) -> None:
    """Raise `HTTPException` 403 for a form that another site, or an earlier session, has drawn."""
    if not hmac.compare_digest(first(form, CSRF).encode(), session.csrf.encode()):
        raise HTTPException(403, NOT_DRAWN)


def _reraise_unless_ended(error: SessionEnded | Problem) -> None:
    """Go on if the session is over, by the issuer's word or by a service that takes its token no longer."""
    if isinstance(error, Problem) and error.status != 401:
        raise error


def _sign_in_page(request: Request, then: str, *, kept: bool = False) -> Response:
    return render(request, "session_ended.html", None, then=address("/sign-in", next=then), kept=kept)


def _came_from(request: Request) -> str:
    """Return the page of the console on which a form stood."""
    page = urlsplit(request.headers.get("referer", ""))
    return local(page) if page.netloc == request.url.netloc else "/"


def local(url: SplitResult | URL) -> str:
    """Return an address within the console, with its query."""
    return url.path + (f"?{url.query}" if url.query else "")


async def _session(request: Request) -> Session:
    """Return the session of the person who asks, with a token that lives for a while.

    Raises `SessionEnded`, `NoAnswer`, or `HTTPException` 429 above the rate of pages of a person.
    """
    console = console_of(request)
    session = await console.sessions.find(key_in(request))
    if session is None:
        raise SessionEnded
    _count_page(request, session.person)
    return await fresh(console.sessions, console.provider, session)


async def opened_by_link(request: Request, kind: str = "") -> Any:
    """Return what the link of the path opens; None if there is none. Raises `HTTPException` 429 above the rate of pages."""
    link = str(request.path_params["link"])
    given = await console_of(request).links.find(link, kind)
    if given is not None:
        _count_page(request, link)
    return given


def _count_page(request: Request, reader: str) -> None:
    """Count a page of a person or of a holder of a link: to the APIs they all have the console's address."""
    rate: RateLimit | None = request.app.state.page_rate
    if rate is not None and rate.take(reader):
        raise HTTPException(
            429, "You ask for pages faster than people read: wait a few seconds, and open the page again."
        )


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise HTTPException(404) from None


def read_uuid(request: Request, name: str) -> UUID:
    """Return an id of the path. Raises `HTTPException` 404 for another text."""
    return _uuid(request.path_params[name])


async def read_draft(request: Request, session: Session, id_: str = "") -> Draft:
    """Return a draft, by default that of the path. Raises `HTTPException` 404 for no id, and 410 for a draft that is gone."""
    id_ = id_ or request.path_params["draft"]
    draft = await console_of(request).drafts.find(session.person, _uuid(id_))
    if draft is None:
        raise HTTPException(410)
    return draft


def read_collection(request: Request) -> str:
    """Return the collection of the path. Raises `HTTPException` 404 if there is none of that name."""
    collection = str(request.path_params["collection"])
    if collection not in COLLECTIONS.values():
        raise HTTPException(404)
    return collection


def read_name(request: Request, name: str) -> str:
    """Return a name of the path, of letters, digits and hyphens. Raises `HTTPException` 404 if it is something else."""
    text = str(request.path_params[name])
    if not NAME.fullmatch(text):
        raise HTTPException(404)
    return text


def read_day(text: str | None) -> date | None:
    """Return a date of an address, such as 2026-11-26, from 1900 to 2199 as the APIs take it; None if it is none."""
    try:
        return date.fromisoformat(text) if text and DAY.fullmatch(text) else None
    except ValueError:
        return None


def read_case(text: str | None) -> str | None:
    """Return the id of a case from an address or a form; None if there is none. Raises `HTTPException` 404 for no id."""
    return str(_uuid(text)) if text else None


INCOMPLETE: Final = "This form is not complete: open it again."


def read_key(form: Mapping[str, Sequence[str]]) -> UUID:
    """Return the idempotency key that a form of ours carries. Raises `HTTPException` 422 for what none of them sends."""
    try:
        return UUID(first(form, "key"))
    except ValueError:
        raise HTTPException(422, INCOMPLETE) from None


def read_count(text: str, otherwise: int) -> int:
    """Return a number that a form of ours has carried; another if it is none."""
    return int(text) if COUNT.fullmatch(text) else otherwise


def first(form: Mapping[str, Sequence[str]], name: str, default: str = "") -> str:
    return next(iter(form.get(name, ())), default)


def see(address: str) -> Response:
    """Send the browser to a page (303), so that reloading it sends no form again."""
    return RedirectResponse(address, status_code=303)


def query(request: Request, *names: str) -> dict[str, Any]:
    """Return the query parameters of these names, a day perhaps from its three boxes; None if one is missing or empty."""
    return {name: request.query_params.get(name) or _day_of_boxes(request, name) for name in names}


def _day_of_boxes(request: Request, name: str) -> str | None:
    """Return a day of three boxes in ISO 8601, also one that does not exist; None if they are empty."""
    year, month, day = (request.query_params.get(f"{name}-{part}", "").strip() for part in ("year", "month", "day"))
    return f"{year:0>4}-{month:0>2}-{day:0>2}" if year or month or day else None


def read_page(text: str | None) -> int:
    """Return the number of a page as an address has it: the first if it is none."""
    return max(1, int(text)) if text and text.isascii() and text.isdecimal() and len(text) < 7 else 1
