"""The web console without a system: what is pure of it, and what its pages and files must hold."""

import re
import tomllib
from base64 import b64encode
from datetime import date
from hashlib import sha256
from pathlib import Path

import httpx2
import jinja2
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Mount, Route

from services.console.apis import sentence
from services.console.application import HEADERS, STATIC, console_application, routes
from services.console.cipher import Cipher
from services.console.everyone.entrance import local_address
from services.console.navigation import BEGINNERS, navigation
from services.console.officers.my_day import Group, _after, _counts, _groups, group_by_urgency
from services.console.plain_text import moment as exact_moment
from services.console.records import records_in
from services.console.rendering import TEMPLATES, render
from services.console.routing import read_case, read_count
from services.console.settings import ConsoleSettings
from services.console.words import day, distance, duty_in_words, import_note, in_words, moment
from services.system.addresses import Addresses
from services.system.registry import BEGUN_BY_HAND, deciding_services
from services.trade.vocabulary import PROGRAMS
from shared.privacy.keyring import KeyEncryptionKeys


def keys(*digits: str) -> KeyEncryptionKeys:
    """Make keys of epochs that are named by a digit."""
    return KeyEncryptionKeys.read(" ".join(f"{digit}:{b64encode(digit.encode() * 32).decode()}" for digit in digits))


CONSOLE = STATIC.parent
FIRST = keys("1")
BOTH = keys("1", "2")

LINKS = {"/next", "/next/{link}", "/next/of/{person}/{id}", "/diary/{link}.ics", "/accounts/{person}/address"}
"""What whoever has the link to an appointment or a diary reads, and where the program that writes to people makes and ends links."""
WITHOUT_SIGN_IN = {
    "/static",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/status",
    "/contact",
    "/feedback",
    "/report",
    "/sign-in",
    "/signed-in",
    "/signed-out",
    *LINKS,
}
"""Routes that anybody may ask for; `/report` is another page for who is signed in. `/sign-in` sets a cookie, and `/signed-in` begins a session: both by OpenID Connect."""
PAGES = {
    "/",
    "/feedback/waiting",
    "/daily-sheet",
    "/diary",
    "/cases",
    "/cases/{case}",
    "/cases/{case}/timeline",
    "/cases/{case}/looks",
    "/cases/{case}/difference",
    "/records/{collection}/{id}/book",
    "/cases/{case}/causes",
    "/cases/{case}/officer",
    "/records/{collection}/{id}/sign",
    "/cases/{case}/swimlane",
    "/cases/{case}/proof",
    "/cases/{case}/bundle/{kind}",
    "/evidence",
    "/rules",
    "/records/{collection}/{id}/events/{version}",
    "/panel",
    "/people/{id}",
    "/panel/sittings/{id}",
    "/panel/sittings/{id}/cases/{disposal}",
    "/victims",
    "/sessions",
    "/records/{collection}/{id}",
    "/records/{collection}/{id}/documents/{name}",
    "/records/{collection}/{id}/duties/{duty}",
    "/records/sessions/{id}/register",
    "/returns",
    "/returns/file/{kind}",
    "/returns/board",
    "/returns/pack",
    "/returns/pack/paper",
    "/returns/cases",
    "/returns/inspection",
    "/returns/frozen",
    "/returns/frozen/{return}",
    "/returns/frozen/{return}/extract/{kind}",
    "/records/{collection}/{id}/do/{command}",
    "/begin",
    "/begin/{collection}/{command}",
    "/drafts/{draft}",
    "/import",
    "/import/{draft}",
    "/import/{draft}/errors",
    "/operations",
    "/operations/{service}/{kind}/{id}/{action}",
    "/reason",
    "/report",
    "/report/{draft}",
    "/report/{draft}/warning",
    "/report/{draft}/receipt",
    "/report/{draft}/{question}",
    "/search",
}
"""Routes that a signed-in person reads."""
FORMS = {
    "/feedback/waiting",
    "/diary",
    "/diary/end",
    "/records/{collection}/{id}/do/{command}",
    "/records/sessions/{id}/register",
    "/panel/sittings/{id}/agenda",
    "/panel/sittings/{id}/members",
    "/drafts/{draft}/send",
    "/drafts/{draft}/reasons",
    "/drafts/{draft}/version",
    "/drafts/{draft}/delete",
    "/import",
    "/import/{draft}",
    "/operations/{service}/{kind}/{id}/{action}",
    "/reason",
    "/report/{draft}/{question}",
    "/returns/frozen",
    "/search",
    "/seen",
    "/sign-out",
}
"""Routes that a signed-in person sends a form to."""


def test_every_route_is_in_one_list() -> None:
    """A route is open, a page or a form, and never two of them; a page is read only, and a form sent only."""
    found = {"open": set[str](), "page": set[str](), "form": set[str]()}
    for route in routes():
        assert isinstance(route, (Route, Mount))
        if isinstance(route, Mount) or "endpoint" not in route.endpoint.__qualname__:
            found["open"].add(route.path)
        else:
            assert route.methods in ({"GET", "HEAD"}, {"POST"})
            found["form" if route.methods == {"POST"} else "page"].add(route.path)
    listed = {"open": WITHOUT_SIGN_IN, "page": PAGES, "form": FORMS}
    for kind, paths in found.items():
        assert paths == listed[kind], f"tests/unit/console/test_web.py: list {sorted(paths ^ listed[kind])} as it is"


def test_every_page_is_explained() -> None:
    """The console's own page says of each part of it what it shows."""
    explained = set(re.findall(r"`/([\w-]*)", Path("services/console/README.md").read_text(encoding="utf-8")))
    pages = {getattr(route, "path", "") for route in routes()} - FORMS - WITHOUT_SIGN_IN
    missing = {page.split("/")[1] for page in pages} - explained
    assert not missing, f"services/console/README.md: add a line for {sorted(missing)}"


@pytest.mark.parametrize(
    ("address", "destination"),
    [
        ("/cases?page=2", "/cases?page=2"),
        ("//elsewhere.example", "/"),
        ("/\\elsewhere.example", "/"),
        ("https://elsewhere.example", "/"),
        ("", "/"),
        ("/.//elsewhere.example", "/"),
        ("/cases//elsewhere.example", "/"),
        ("/cases/..//elsewhere.example", "/"),
        ("/cases/.", "/"),
        ("/\t/elsewhere.example", "/"),
        ("/cases?next=//elsewhere.example", "/cases?next=//elsewhere.example"),
        ("/cases/", "/cases/"),
    ],
)
def test_the_way_back_leads_to_the_console_alone(address: str, destination: str) -> None:
    """Given an address to go to after the sign-in, when it is elsewhere, then the first page takes its place."""
    assert local_address(address) == destination


@pytest.mark.parametrize("text", ["no id", "../../v1/duties", "%00", "1f0e6b52-3c7d-4f7e-9a53-0d4b1c2a9e11/x"])
def test_a_case_of_an_address_is_an_id_or_nothing_is_there(text: str) -> None:
    """Given a case in an address that is no id, when it is read, then nothing is asked of a service by it."""
    with pytest.raises(HTTPException):
        read_case(text)
    assert read_case("") is None


def test_a_number_that_a_form_carries_is_a_small_one() -> None:
    """Given what a form carries as a number, when it is none, or too long to be one of ours, then another is taken."""
    assert [read_count(text, 7) for text in ("3", "", "x", "9" * 5000, "-1")] == [3, 7, 7, 7, 7]


def test_a_sealed_row_opens_at_its_place_alone() -> None:
    """Given a sealed value, when it is read at another place, changed or by another key, then it is none."""
    cipher = Cipher(FIRST)
    sealed = cipher.seal({"a": 1}, b"row 1")
    assert cipher.open(sealed, b"row 1") == {"a": 1}
    assert cipher.open(sealed, b"row 2") is None
    assert cipher.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), b"row 1") is None
    assert cipher.open(b"", b"row 1") is None
    assert Cipher(keys("3")).open(sealed, b"row 1") is None
    assert cipher.open_text("no text of ours", b"row 1") is None


def test_keys_may_rotate() -> None:
    """Given a second key, when rows of the first are read, then they open, new ones are sealed by it, and owners stay."""
    old, new = Cipher(FIRST), Cipher(BOTH)
    assert new.open(old.seal("x", b"p"), b"p") == "x"
    assert old.open(new.seal("x", b"p"), b"p") is None
    assert new.owner("somebody") == old.owner("somebody") != old.owner("somebody else")


def test_duties_are_grouped_by_how_soon_they_are_due() -> None:
    """Given duties, when my day groups them, then each stands in one group, and a long group is cut with its number kept."""
    duties = [
        {"due": due, "overdue": overdue}
        for due, overdue in (
            ("2026-11-18", True),
            ("2026-11-19", True),
            ("2026-11-26", False),
            ("2026-12-03", False),
            ("2026-12-04", False),
            ("2026-12-05", False),
        )
    ]
    found = {group.id: (len(group.duties), group.total) for group in group_by_urgency(duties, date(2026, 11, 26), 1)}
    assert found == {"long": (1, 1), "overdue": (1, 1), "today": (1, 1), "soon": (1, 1), "later": (1, 2)}


def test_what_is_long_overdue_is_counted_as_overdue() -> None:
    """Given duties that are overdue for more than a week, then the number of the overdue has them, and says if there are more."""
    groups = [Group("long", "", [], 3, more=True), Group("overdue", "", [], 2), Group("today", "", [], 1)]
    assert _counts(groups)["overdue"] == (5, True)
    assert _counts(groups)["today"] == (1, False)
    assert _counts([])["overdue"] == (0, False)


def test_a_sheet_that_was_not_read_to_its_end_says_so_of_its_last_group() -> None:
    """Given more duties than are read, when my day groups them, then the last group says that there are more, and no other."""
    duties = [{"due": due, "overdue": overdue} for due, overdue in (("2026-11-20", True), ("2099-11-26", False))]
    for next_, more in (("2099-11-26:…", [False, True]), (None, [False, False])):
        assert [group.more for group in _groups({"duties": duties, "next": next_}, 1)] == more
    assert list(_after("today")) == ["soon", "later"]
    assert list(_after(None)) == []


def test_an_imported_event_names_row_and_file() -> None:
    """Given the origin of an event, when it is an import, then its row and the file's hash are said; else nothing is."""
    origin = {"kind": "IMPORT", "reference": "ab" * 32 + "#row=12"}
    assert import_note(origin) == f"Imported, row 12 of the file with SHA-256 {'ab' * 32}"
    assert import_note(origin, 12) == "Imported, row 12 of the file with SHA-256 abababababab…"
    assert import_note({"kind": "LIVE", "reference": None}) == import_note(None) == ""


@pytest.mark.parametrize(
    ("role", "pages"),
    [
        ("SCHOOL", ["Your referrals", "Report"]),
        ("ANALYST", ["Returns"]),
        ("VICTIM_WORKER", ["Victims", "My day", "Cases", "Search", "Sessions", "Panel"]),
        ("AUDITOR", ["My day", "Cases", "Search", "Sessions", "Panel", "Returns"]),
    ],
)
def test_the_navigation_has_no_page_that_refuses_the_role(role: str, pages: list[str]) -> None:
    """Given a role, then the navigation has the pages that it may open, and marks the one that is open."""
    assert [item["text"] for item in navigation([role], "/")] == pages
    assert [item["text"] for item in navigation(["SUPERVISOR"], "/cases/c1") if item["active"]] == ["Cases"]


def test_the_navigation_of_two_roles_has_the_pages_of_both_each_once() -> None:
    """Given a facilitator who also works with victims, then the navigation leads to the work of both."""
    both = [item["text"] for item in navigation(["RJ_FACILITATOR", "VICTIM_WORKER"], "/")]
    assert {"Victims", "My day", "Begin", "Returns"} <= set(both)
    assert len(both) == len(set(both))


def test_whoever_begins_a_record_is_led_to_it() -> None:
    """Given the roles of people of all commands that begin a record, then the navigation leads these, and no others, to a page of them."""
    begin = {
        str(role)
        for service in deciding_services()
        for command in service.commands
        if command.opens and service.collection in BEGUN_BY_HAND
        for role in service.roles_for(command)
    }
    assert begin - PROGRAMS == BEGINNERS


def test_a_refusal_names_the_role_in_words() -> None:
    """Given what an API says of a role, when it stands on a page, then no code is on it."""
    assert (
        sentence("the role YJS_CASE_MANAGER may not read duties here")
        == "The role YJS case manager may not read duties here."
    )


def test_codes_and_days_are_in_words() -> None:
    """Codes, days, times and distances read as people write them; what is no code stays as it is."""
    assert in_words("WITH_MASH") == "With MASH"
    assert in_words("YCC") == "Youth conditional caution"
    assert in_words("a text of somebody's") == "a text of somebody's"
    assert duty_in_words("NEW_DUTY_OF_TOMORROW") == "New duty of tomorrow"
    assert day("2026-06-09") == "9 June 2026"
    assert moment("2026-06-09T09:15:00+00:00") == "9 June 2026 at 10:15"
    assert [distance(f"2026-11-{nth}", date(2026, 11, 26)) for nth in (24, 25, 26, 27, 29)] == [
        "2 days ago",
        "yesterday",
        "today",
        "tomorrow",
        "in 3 days",
    ]


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "yesterday", "2026-02-30"])
def test_a_time_beyond_the_calendar_is_no_time(text: str) -> None:
    """Given a time that no clock in London shows, when it is put into words, then there are none."""
    assert (day(text), moment(text), distance(text, date(2026, 11, 26))) == ("", "", "")
    assert exact_moment(text) == text


def test_a_wrong_name_in_a_template_is_an_error() -> None:
    """Given a template with a name that nobody set, when it is rendered, then it fails; a missing key of a macro does not."""
    with pytest.raises(jinja2.UndefinedError):
        TEMPLATES.from_string("{{ nobody_set_this }}").render()
    with pytest.raises(jinja2.UndefinedError):
        TEMPLATES.from_string("{% if nobody_set_this %}x{% endif %}").render()
    assert TEMPLATES.from_string("{{ params.missing }}").render(params={}) == ""


@pytest.mark.parametrize(
    "text", ["\x00", "\x0b", "\x1b", "\x7f", "\x85", "\ud800", "\ufdd0", "\uffff", "\U0010fffe"], ids=ascii
)
def test_a_page_holds_no_code_point_that_is_no_character(text: str) -> None:
    """Given a control, a lone surrogate or a non-character that somebody sent, when a page shows it, then another stands for it."""
    request = Request({"type": "http", "path": "/", "query_string": b"", "headers": []})
    page = render(request, "refused.html", None, status=400, why=f"a{text}b é \U0001f600")
    assert text not in bytes(page.body).decode()
    assert "a\ufffdb é \U0001f600" in bytes(page.body).decode()


def test_every_page_has_route_template_and_link() -> None:
    """Each function that answers a signed-in person is used, each template is there, and something links to each page."""
    texts = {path.relative_to(CONSOLE): path.read_text(encoding="utf-8") for path in CONSOLE.rglob("*.*[yl]")}
    answers = {
        (path, name)
        for path, text in texts.items()
        for name in re.findall(r"^async def ([a-z]\w+)\(request: Request, session: Session\b", text, re.MULTILINE)
    }
    used = {(path, name) for path, name in answers for other, text in texts.items() if other != path and name in text}
    forgotten = sorted(f"{path}: {name}" for path, name in answers - used)
    assert not forgotten, f"services/console/application.py: give a route to {forgotten}"
    shown = {name for text in texts.values() for name in re.findall(r'"(\w+\.html)"', text)}
    there = {path.name for path in texts if path.suffix == ".html"}
    assert shown == there, f"services/console/templates: add or take out {sorted(shown ^ there)}"
    linked = "".join(text for path, text in texts.items() if path != Path("application.py"))
    alone = [page for page in PAGES if "{" not in page and not re.search(rf'"{re.escape(page)}["?{{]', linked)]
    assert not alone, f"services/console/templates: link to {alone} from another page"


@pytest.mark.parametrize("name", [name for name in TEMPLATES.list_templates() if "/" not in name])
def test_a_template_compiles_and_has_no_script_and_no_style(name: str) -> None:
    """No page has a script, a style of its own or an event handler, and none switches escaping off."""
    assert TEMPLATES.loader is not None
    source, _, _ = TEMPLATES.loader.get_source(TEMPLATES, name)
    TEMPLATES.get_template(name)
    for forbidden in ("<script", "style=", "onclick", "| safe", "|safe", "autoescape"):
        assert forbidden not in source


def test_vendored_styles_are_those_that_were_taken() -> None:
    """Each stylesheet of another house has the hash that the file of origins names, and neither its font nor its pictures."""
    origins = tomllib.loads((STATIC / "origin.toml").read_text(encoding="utf-8"))
    assert {path.name for path in STATIC.glob("*.css")} == {*origins, "console.css"}
    for name, origin in origins.items():
        content = (STATIC / name).read_bytes()
        assert sha256(content).hexdigest() == origin["sha256"], f"{name}: run python -m tools.vendor_styles"
        assert b"GDS Transport" not in content
        assert b"url(/" not in content


def test_the_records_of_a_case_stand_before_what_serves_several() -> None:
    """A case's page begins with its referral, disposal and conference; the sessions that served it follow."""
    case = {collection: [{"id": collection}] for collection in ("sessions", "conferences", "referrals", "disposals")}
    assert [collection for collection, _ in records_in(case)] == ["referrals", "disposals", "conferences", "sessions"]


async def test_a_fault_is_a_page_with_a_reference_and_every_header(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Given a console whose database was never opened, its fault is a page that tells no more than a reference."""
    key = tmp_path / "console.key"
    key.write_text(b64encode(bytes(32)).decode(), encoding="ascii")
    app = console_application(ConsoleSettings(console_key_file=key), Addresses(None, {}))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://console") as http:
        answer = await http.get("/health/ready")
    assert answer.status_code == 500
    assert {name: answer.headers[name] for name in HEADERS} == dict(HEADERS)
    (logged,) = [record for record in caplog.records if record.exc_info]
    reference = logged.getMessage().split()[1]
    assert reference in answer.text
    assert "pool" not in answer.text
