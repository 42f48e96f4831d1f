"""Templates: GOV.UK's components as macros, and our pages on top of them."""

import re
from typing import Any, Final
from urllib.parse import urlencode

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse

from services.console import words
from services.console.navigation import lists_of, navigation
from services.console.sessions import Session
from services.system.registry import COLLECTIONS, RECORD_TITLES
from services.trade.partnership import partnership_on

PACKAGE: Final = "services.console"
QUIET: Final = frozenset({"caller", "undefined"})
"""Names that GOV.UK's macros use where nothing is meant."""


PLANES: Final = "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17))
NO_CHARACTER: Final = re.compile(f"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{PLANES}]")
"""Code points that no page may hold (HTML, 13.2.2), which somebody may send all the same."""


class NameStrict(jinja2.Undefined):
    """Raises for an unknown variable of a template, and stays quiet for a missing key, as macros need.

    GOV.UK's macros read keys that a caller may leave out, so jinja2's StrictUndefined cannot render them.
    """

    __slots__ = ()

    def _check(self) -> None:
        if self._undefined_obj is jinja2.utils.missing and self._undefined_name not in QUIET:
            self._fail_with_undefined_error()

    def __str__(self) -> str:
        self._check()
        return ""

    def __iter__(self) -> Any:
        self._check()
        return iter(())

    def __bool__(self) -> bool:
        self._check()
        return False

    def __len__(self) -> int:
        self._check()
        return 0


def environment() -> jinja2.Environment:
    made = jinja2.Environment(
        autoescape=True,
        auto_reload=False,  # the templates are the program's own: restart it after a change
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=NameStrict,
        loader=jinja2.ChoiceLoader(
            [
                jinja2.PackageLoader(PACKAGE),
                jinja2.PrefixLoader({"govuk_frontend_jinja": jinja2.PackageLoader("govuk_frontend_jinja")}),
            ]
        ),
    )
    made.globals |= {
        "address": address,
        "navigation": navigation,
        "lists_of": lists_of,
        "partnership": lambda: partnership_on(words.today()),
    }
    made.filters |= {
        "in_words": words.in_words,
        "collection": COLLECTIONS.get,
        "record_title": lambda service: RECORD_TITLES[COLLECTIONS[service]],
        "command_in_words": words.command_in_words,
        "duty_in_words": words.duty_in_words,
        "list_turns": words.list_turns,
        "paper_in_words": words.paper_in_words,
        "day": words.day,
        "moment": words.moment,
        "distance": words.distance,
        "import_note": words.import_note,
    }
    return made


def address(path: str, **parameters: Any) -> str:
    """Return an address with its query; a parameter without a value is left out."""
    present = {name: value for name, value in parameters.items() if value}
    return f"{path}?{urlencode(present)}" if present else path


def with_query(page: str, **more: str) -> str:
    return f"{page}{'&' if '?' in page else '?'}{urlencode(more)}"


TEMPLATES: Final = environment()


def render(
    request: Request,
    template: str,
    session: Session | None,
    *,
    problem: object = False,
    status: int | None = None,
    **context: Any,
) -> HTMLResponse:
    """Render a page for a person, or for nobody who is known. A page with a problem has the status 422, if no other is given."""
    text = TEMPLATES.get_template(template).render(
        **{"session": session, "path": request.url.path, "today": words.today(), "problem": bool(problem), **context}
    )
    return HTMLResponse(
        NO_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", text), status_code=status or (422 if problem else 200)
    )
