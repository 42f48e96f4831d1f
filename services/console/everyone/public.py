"""The pages that anybody uses without a sign-in: whom to ring, a report of an incident, and feedback.

A report is recorded at once, under the token by which the console shows appointments: it may begin a referral whose source
is the public, in the area that the partnership names, and read none. Feedback waits here, encrypted, until an officer links it
to a case: nobody else can tell which it is about.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from starlette.requests import Request
from starlette.responses import Response

from services.console.apis import Problem
from services.console.forms.fields import (
    Answers,
    Drawing,
    Field,
    FieldProblem,
    Option,
    command_of,
    fields_of,
    problem_links,
)
from services.console.records import SERVICES
from services.console.rendering import render
from services.console.routing import console_of, is_above_public_rate, read_key, read_public_form
from services.console.schools import questions
from services.console.words import today
from services.trade.partnership import partnership_on
from services.trade.vocabulary import Role
from shared.domain.ids import derived_uuid

COLLECTION: Final = "referrals"
ANYBODY: Final = (Role.INVITED,)
SAYING: Final = "RecordFeedback"
WAITING: Final = "feedback"
"""Whose the waiting feedback is among the links, and its kind."""
LONGEST_WAIT: Final = timedelta(days=365)
TOO_OFTEN: Final = (
    "You have sent several forms already: press again in ten minutes, or ring us. Nothing was recorded now."
)


async def contact_page(request: Request) -> Response:
    return render(request, "contact.html", None)


async def feedback_page(request: Request) -> Response:
    return _form(request, "public_feedback.html", await fields_asked(request, SAYING), {}, str(uuid4()))


async def take_feedback(request: Request) -> Response:
    """Keep what anybody says of us until an officer links it to a case."""
    form = await read_public_form(request)
    key, fields = read_key(form), await fields_asked(request, SAYING)
    answers = {field.name: form.get(field.name, []) for field in fields} | {"feedback_id": [str(key)]}
    _, wrong = command_of(fields, answers)
    if wrong := wrong or _too_often(request):
        return _form(request, "public_feedback.html", fields, answers, str(key), wrong)
    now, links = datetime.now(UTC), console_of(request).links
    if [str(key)] not in [one["answers"]["feedback_id"] for one in (await links.of(WAITING, WAITING)).values()]:
        value = {"answers": answers, "at": now.isoformat(timespec="seconds")}
        await links.make(WAITING, value, now + LONGEST_WAIT, WAITING)
    return render(request, "public_receipt.html", None, number="", warnings=())


async def report_page(request: Request) -> Response:
    """Ask anybody what happened; where no area takes such reports, say whom to ring."""
    fields = await fields_asked(request, questions.COMMAND) if partnership_on(today()).area else []
    return _form(request, "public_report.html", fields, {}, str(uuid4()))


async def take_report(request: Request) -> Response:
    """Record what anybody reports, once, and give the number of its case."""
    form = await read_public_form(request)
    key, fields = read_key(form), await fields_asked(request, questions.COMMAND)
    known = questions.known_to(ANYBODY, "", datetime.now(UTC))
    ids = {field.name: [str(derived_uuid("public", key, field.name))] for field in fields if field.is_new_id}
    answers = {**form, **known, **ids}
    body, wrong = command_of(fields, answers)
    if wrong := wrong or _too_often(request) or await _send(request, key, body):
        return _form(request, "public_report.html", fields, answers, str(key), wrong)
    number = ids["case_id"][0][:8].upper()
    return render(request, "public_receipt.html", None, number=number, warnings=questions.warnings_for(answers))


def _too_often(request: Request) -> list[FieldProblem]:
    return [FieldProblem("", TOO_OFTEN)] if is_above_public_rate(request) else []


async def _send(request: Request, key: UUID, body: dict[str, object]) -> list[FieldProblem]:
    """Begin the referral. Returns what a rule says against it; nothing if it stands, also from an earlier press."""
    console, stream = console_of(request), derived_uuid("public", key)
    command, path = {"type": questions.COMMAND, **body}, f"/v1/{COLLECTION}/{stream}/commands"
    try:
        await console.apis.post(await console.provider.invited(), SERVICES[COLLECTION], path, command, str(key))
    except Problem as problem:
        if problem.status != 422:
            raise
        if not str(problem.body.get("type")).endswith("key-reused"):
            return [FieldProblem("", text) for text in problem.rules or [problem.why]]
    return []


async def fields_asked(request: Request, command: str) -> list[Field]:
    """Return what anybody is asked of an incident, or of how a case was handled."""
    schema = await console_of(request).apis.schema(SERVICES[COLLECTION], command)
    schools = [Option(urn, name) for urn, name in partnership_on(today()).schools.items()]
    fields = fields_of(schema, Drawing(schema.get("$defs", {})))
    asked = (
        questions.in_words(fields, questions.FEEDBACK)
        if command == SAYING
        else questions.fields_for(ANYBODY, "", fields)
    )
    return [
        # Nobody knows a school's number.
        replace(field, kind="choice", options=schools) if field.name == "school_urn" else field
        for field in asked
        if field.name != questions.FOLLOWS
    ]


def _form(
    request: Request,
    template: str,
    fields: Sequence[Field],
    answers: Answers,
    key: str,
    wrong: Sequence[FieldProblem] = (),
) -> Response:
    return render(
        request,
        template,
        None,
        problem=wrong,
        fields=[field for field in fields if field.title and not field.is_new_id],
        answers=answers,
        key=key,
        errors={problem.name: problem.text for problem in wrong},
        wrong=problem_links(fields, wrong),
        new_id=uuid4,
    )
