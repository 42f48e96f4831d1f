"""The console as an ASGI application: its routes, the headers of every answer, and the pages of errors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from services.console.analysts import pack, returns
from services.console.apis import Apis, NoAnswer, Problem, sentence
from services.console.auditors import audit, inspection
from services.console.cipher import Cipher
from services.console.directory import Directory
from services.console.everyone import appointments, entrance, public, reasons, rules, service_status
from services.console.everyone.sign_in import CALLBACK, SIGNED_OUT, Provider
from services.console.forms import checks, files, forms
from services.console.officers import (
    case,
    cases,
    causes,
    diary,
    education,
    feedback,
    handover,
    moments,
    my_day,
    panel,
    papers,
    person,
    register,
    signatures,
    sitting,
    victims,
)
from services.console.operators import operations
from services.console.rendering import render
from services.console.routing import Console, changed, console_of, key_in, local, page_route
from services.console.schools import report
from services.console.sessions import Drafts, Links, SeenTimes, Session, Sessions
from services.console.settings import ConsoleSettings
from services.console.supervisors import import_pages as imports
from services.system.addresses import Addresses
from shared.api.boundary import Boundary
from shared.api.metrics import text_of
from shared.api.operations import OpenMetrics
from shared.api.rates import RateLimit
from shared.evidence.witnessed import witness_key_of
from shared.runtime.privileges import RoleKind, role_name
from shared.servers.database import create_pool
from shared.servers.version import version

REQUESTS_OF_A_PAGE: Final = 20
"""About as many as a page asks of one API at most. To an API the console is one address for all its users."""
PUBLIC_RATE: Final = 1 / 600
PUBLIC_BURST: Final = 3000.0
"""Who has no sign-in sends five forms at once from one address, and then one in ten minutes: people read each."""
STATIC: Final = Path(__file__).parent / "static"
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every page. No script runs at all; a form goes to the console alone."""


def routes() -> list[BaseRoute]:
    """Return every route: without a sign-in, then pages, then forms."""
    return [
        Mount("/static", _Static(directory=STATIC), name="static"),
        Route("/health/live", live, methods=["GET"]),
        Route("/health/ready", ready, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
        Route("/status", service_status.status_page, methods=["GET"]),
        Route("/sign-in", entrance.sign_in, methods=["GET"]),
        Route(CALLBACK, entrance.signed_in, methods=["GET"]),
        Route(SIGNED_OUT, entrance.signed_out, methods=["GET"]),
        Route("/next", appointments.give_link, methods=["POST"]),
        Route("/next/{link}", appointments.appointment_page, methods=["GET"]),
        Route("/next/{link}", appointments.cannot_come, methods=["POST"]),
        Route("/accounts/{person}/address", appointments.account_address, methods=["GET"]),
        Route("/diary/{link}.ics", diary.diary_feed, methods=["GET"]),
        Route("/next/of/{person}/{id}", appointments.end_links, methods=["DELETE"]),
        Route("/contact", public.contact_page, methods=["GET"]),
        Route("/feedback", public.feedback_page, methods=["GET"]),
        Route("/feedback", public.take_feedback, methods=["POST"]),
        Route("/report", public.take_report, methods=["POST"]),
        page_route("/", my_day.my_day),
        page_route("/daily-sheet", my_day.daily_sheet),
        page_route("/diary", diary.diary_page),
        page_route("/panel", panel.panel_page),
        page_route("/panel/sittings/{id}", sitting.sitting_page),
        page_route("/panel/sittings/{id}/cases/{disposal}", sitting.considered_page),
        page_route("/victims", victims.victims_page),
        page_route("/sessions", education.sessions_page),
        page_route("/cases", cases.case_list),
        page_route("/search", cases.search_page),
        page_route("/cases/{case}", case.case_page),
        page_route("/people/{id}", person.person_page),
        page_route("/cases/{case}/timeline", case.timeline_page),
        page_route("/cases/{case}/difference", moments.difference_page),
        page_route("/cases/{case}/causes", causes.causes_page),
        page_route("/cases/{case}/officer", handover.handover_page),
        page_route("/cases/{case}/swimlane", audit.swimlane_page),
        page_route("/cases/{case}/proof", audit.proof_page),
        page_route("/cases/{case}/bundle/{kind}", audit.bundle_file),
        page_route("/cases/{case}/looks", case.looks_page),
        page_route("/records/{collection}/{id}", case.record_page),
        page_route("/records/{collection}/{id}/events/{version}", audit.event_page),
        page_route("/records/{collection}/{id}/do/{command}", forms.form_page),
        page_route("/records/{collection}/{id}/duties/{duty}", case.duty_page),
        page_route("/records/{collection}/{id}/documents/{name}", papers.paper),
        page_route("/records/{collection}/{id}/sign", signatures.sign_page),
        page_route("/records/{collection}/{id}/book", education.book_page),
        page_route("/records/sessions/{id}/register", register.register_page),
        page_route("/returns", returns.returns_page),
        page_route("/returns/file/{kind}", returns.file_of_returns),
        page_route("/returns/cases", returns.counted_page),
        page_route("/returns/board", returns.board_page),
        page_route("/returns/pack", pack.pack_page),
        page_route("/returns/pack/paper", pack.pack_file),
        page_route("/returns/inspection", inspection.inspection_file),
        page_route("/returns/frozen", returns.frozen_page),
        page_route("/returns/frozen/{return}", returns.one_frozen_page),
        page_route("/returns/frozen/{return}/extract/{kind}", returns.extract_file),
        page_route("/begin", forms.begin_page),
        page_route("/begin/{collection}/{command}", forms.begin),
        page_route("/drafts/{draft}", checks.check_page),
        page_route("/report", report.report_page, public.report_page),
        page_route("/report/{draft}", report.list_page),
        page_route("/report/{draft}/warning", report.warning_page),
        page_route("/report/{draft}/receipt", report.receipt_page),
        page_route("/report/{draft}/{question}", report.question_page),
        page_route("/feedback/waiting", feedback.waiting_page),
        page_route("/rules", rules.rules_page),
        page_route("/evidence", audit.evidence_page),
        page_route("/import", imports.import_page),
        page_route("/import/{draft}", imports.result_page),
        page_route("/import/{draft}/errors", imports.file_with_errors),
        page_route("/operations", operations.operations_page),
        page_route("/operations/{service}/{kind}/{id}/{action}", operations.decision_page),
        page_route("/reason", reasons.reason_page),
        changed("/records/{collection}/{id}/do/{command}", forms.take_form, files.read_with_file, forms.keep_form),
        changed("/records/sessions/{id}/register", register.take_register, keep=register.keep_register),
        changed("/panel/sittings/{id}/agenda", sitting.fill_agenda),
        changed("/panel/sittings/{id}/members", sitting.take_members),
        changed("/drafts/{draft}/send", checks.send_draft),
        changed("/drafts/{draft}/reasons", checks.give_reasons, keep=checks.keep_reasons),
        changed("/drafts/{draft}/version", checks.take_version),
        changed("/drafts/{draft}/delete", checks.delete_draft),
        changed("/report/{draft}/{question}", report.take_answer, keep=report.keep_answer),
        changed("/feedback/waiting", feedback.link_feedback),
        changed("/import", imports.check_register, imports.read_upload),
        changed("/import/{draft}", imports.import_rows),
        changed("/operations/{service}/{kind}/{id}/{action}", operations.decide),
        changed("/reason", reasons.give_reason),
        changed("/returns/frozen", returns.freeze),
        changed("/diary", diary.make_diary),
        changed("/diary/end", diary.end_diary),
        changed("/search", cases.search),
        changed("/seen", my_day.have_seen),
        changed("/sign-out", entrance.sign_out),
    ]


def console_application(settings: ConsoleSettings, addresses: Addresses) -> Starlette:
    """Build the application. Its keys are read before it starts: raises `InvalidKeyEncryptionKeys` or `BadNote`."""
    witness = witness_key_of(settings)
    cipher = Cipher(settings.read_console_keys())

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        pool = await create_pool(settings.database("console", role_name(RoleKind.API, "console")), max_size=8)
        app.state.pool = pool
        app.state.support = settings.support
        app.state.console = Console(
            apis=Apis(addresses),
            cipher=cipher,
            directory=Directory(pool, cipher),
            drafts=Drafts(pool, cipher),
            provider=Provider(settings),
            seen=SeenTimes(pool, cipher),
            sessions=Sessions(pool, cipher),
            links=Links(pool, cipher),
            secure=settings.console_url.startswith("https:"),
            url=settings.console_url.rstrip("/"),
            witness=witness,
        )
        try:
            yield
        finally:
            await app.state.console.apis.close()
            await pool.close()

    app = Starlette(
        routes=routes(),
        lifespan=lifespan,
        exception_handlers={HTTPException: _http_error, Problem: _problem, NoAnswer: _no_answer},
    )
    by_actor, by_address = settings.rates
    app.state.public_rate = None if by_address is None else RateLimit(PUBLIC_RATE, burst=PUBLIC_BURST)
    app.state.page_rate = None if by_actor is None else RateLimit(by_actor / REQUESTS_OF_A_PAGE)
    app.router.redirect_slashes = False  # it would lead to the host that the browser names
    rate = None if by_address is None else RateLimit(by_address)
    app.add_middleware(Boundary, rate=rate, headers=HEADERS, fault=_fault)
    return app


async def live(_request: Request) -> Response:
    return JSONResponse({"status": "live", "version": version()})


async def ready(request: Request) -> Response:
    """Respond if the database of the sessions answers."""
    await request.app.state.pool.fetchval("select 1")
    return JSONResponse({"status": "ready", "version": version()})


async def metrics(request: Request) -> Response:
    """Report the requests, sign-ins and sessions of the console, for Prometheus."""
    sessions = GaugeMetricFamily("ooc_sessions", "Sessions that have not ended.")
    sessions.add_metric((), await request.app.state.pool.fetchval("select count(*) from session where ends_at > now()"))
    return OpenMetrics(text_of("console", [sessions, *entrance.SIGN_INS.collect()]))


class _Static(StaticFiles):
    def file_response(self, *args: object, **named: object) -> Response:
        response = super().file_response(*args, **named)  # type: ignore[arg-type]  # handed on as they came
        response.headers["Cache-Control"] = "public, max-age=3600"
        return response


def _fault(scope: Scope, reference: str) -> Response:
    return render(Request(scope), "fault.html", None, status=500, reference=reference)


async def _known_session(request: Request) -> Session | None:
    """Return the session for an error page's header; a page of an error must not fail itself."""
    return await console_of(request).sessions.find(key_in(request))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    session = await _known_session(request)
    template = {403: "forbidden.html", 404: "not_found.html", 410: "draft_gone.html"}.get(
        error.status_code, "refused.html"
    )
    why = error.detail if error.status_code not in {404, 405} else ""
    return render(request, template, session, status=error.status_code, why=why, asks_at="")


async def _problem(request: Request, error: Exception) -> Response:
    """Show the answer of an API: a 403 and a 404 are pages, and anything else is no fault of the person's."""
    assert isinstance(error, Problem)
    session = await _known_session(request)
    match error.status:
        case 403:
            here = local(request.url) if error.asks_for_reason else ""
            return render(request, "forbidden.html", session, status=403, why=sentence(error.detail), asks_at=here)
        case 404:
            return render(request, "not_found.html", session, status=404, why="")
        case 410 | 422 | 409:
            return render(request, "refused.html", session, status=error.status, why=sentence(error.detail))
        case _:
            return render(request, "unavailable.html", session, status=503, what=error.service)


async def _no_answer(request: Request, error: Exception) -> Response:
    return render(request, "unavailable.html", await _known_session(request), status=503, what=str(error).split()[0])
