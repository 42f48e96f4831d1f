"""A report of an incident, one question a page: the list of questions, each question, the warnings, and the receipt.

Its answers are a draft as of any form, so the check page, the dry run and the sending are those of every command.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.console.apis import part_of
from services.console.forms.fields import Answers, FieldProblem, command_of, problem_links
from services.console.forms.forms import OWN, Drawn, draw_command
from services.console.forms.next_steps import steps_of
from services.console.records import SERVICES
from services.console.rendering import address, render
from services.console.routing import Form, console_of, first, read_draft, read_name, read_uuid, see
from services.console.schools import questions
from services.console.sessions import Draft, Session

COLLECTION: Final = "referrals"
CHECK: Final = "check"
OWN_FIELDS: Final = OWN | {"then"}


async def report_page(request: Request, session: Session) -> Response:
    """Say what is needed for a report, and lead to its first question under an id of its own."""
    return render(request, "report.html", session, questions=questions.questions_for(session.roles), draft=str(uuid4()))


async def list_page(request: Request, session: Session) -> Response:
    """Show the questions, and which of them are answered."""
    draft = await _draft(request, session)
    if draft.sent:
        return see(draft.sent)
    drawn = await _draw(request, session, draft)
    return render(
        request,
        "report_list.html",
        session,
        draft=draft,
        tasks=[
            (question, questions.is_complete(question, drawn.fields, draft.answers))
            for question in questions.questions_for(session.roles)
        ],
        warnings=questions.warnings_for(draft.answers),
    )


async def question_page(request: Request, session: Session) -> Response:
    """Show a question, with the answer that was given before."""
    draft, question = await _draft(request, session), _question(request, session)
    if draft.sent:
        return see(draft.sent)
    drawn = await _draw(request, session, draft)
    return _page(request, session, draft, drawn, question, draft.answers, request.query_params.get("then", ""))


async def take_answer(request: Request, session: Session, form: Form) -> Response:
    """Keep the answer, and go on: to a warning that it calls for, to the next question, or to the check."""
    draft, question = await _draft(request, session), _question(request, session)
    if draft.sent:
        return see(draft.sent)
    drawn = await _draw(request, session, draft)
    new = {name: values for name, values in form.items() if name not in OWN_FIELDS}
    answers = questions.answers_with(question, drawn.fields, draft.answers, new)
    answers |= questions.known_to(session.roles, session.organisation, datetime.now(UTC))
    then = first(form, "then")
    _, wrong = command_of(questions.fields_asked(question, drawn.fields), answers)
    if wrong:
        return _page(request, session, draft, drawn, question, answers, then, wrong)
    for field in drawn.fields:
        if field.is_new_id and not answers.get(field.name):
            answers[field.name] = [str(uuid4())]
    changed = replace(draft, answers={name: list(values) for name, values in answers.items()})
    await console_of(request).drafts.save(session.person, changed)
    if "flags" in question.fields and questions.warnings_for(answers):
        return see(address(f"/report/{draft.id}/warning", then=then))
    return see(_next(session, draft, question, then))


async def keep_answer(request: Request, session: Session, form: Form) -> str:
    draft = await _draft(request, session)
    new = {name: list(values) for name, values in form.items() if name not in OWN_FIELDS}
    if not draft.sent:
        await console_of(request).drafts.save(session.person, replace(draft, answers={**draft.answers, **new}))
    return address(request.url.path, then=first(form, "then"))


async def warning_page(request: Request, session: Session) -> Response:
    """Show what must be known before going on."""
    draft = await _draft(request, session)
    warnings = questions.warnings_for(draft.answers)
    after = _next(session, draft, questions.BY_NAME["gravity"], request.query_params.get("then", ""))
    return render(request, "report_warning.html", session, warnings=warnings, after=after) if warnings else see(after)


async def receipt_page(request: Request, session: Session) -> Response:
    """Show what was recorded, with its proof, and what comes next."""
    console = console_of(request)
    draft = await read_draft(request, session)
    if not draft.sent:
        raise HTTPException(410)
    service = SERVICES[COLLECTION]
    sent = parse_qs(urlsplit(draft.sent).query)
    command, guidance = await asyncio.gather(
        part_of(console.apis.get(session, service, f"/v1/commands/{sent['recorded'][0]}")),
        part_of(console.apis.get(session, service, f"/v1/{COLLECTION}/{draft.stream}/commands")),
    )
    steps = steps_of(guidance.value, await console.apis.titles(service)).shown if guidance.value else []
    return render(
        request,
        "report_receipt.html",
        session,
        draft=draft,
        receipt=(command.value or {}).get("receipt"),
        steps=[step for step in steps if step.is_open],
    )


async def _draft(request: Request, session: Session) -> Draft:
    """Return the draft of a report; an empty one if none was kept under its id yet."""
    id_ = read_uuid(request, "draft")
    draft = await console_of(request).drafts.find(session.person, id_)
    if draft is None:
        return Draft(id_, SERVICES[COLLECTION], uuid4(), questions.COMMAND, 0, {}, guided=True)
    if not draft.guided:
        raise HTTPException(404)
    return draft


def _question(request: Request, session: Session) -> questions.Question:
    question = questions.BY_NAME.get(read_name(request, "question"))
    if question not in questions.questions_for(session.roles):
        raise HTTPException(404)
    return question


async def _draw(request: Request, session: Session, draft: Draft) -> Drawn:
    return await draw_command(
        request, session, COLLECTION, draft.stream, questions.COMMAND, draft.answers, None, guided=True
    )


def _next(session: Session, draft: Draft, question: questions.Question, then: str) -> str:
    asked = questions.questions_for(session.roles)
    place = asked.index(question) + 1
    if then == CHECK or place == len(asked):
        return f"/drafts/{draft.id}"
    return f"/report/{draft.id}/{asked[place].name}"


def _page(
    request: Request,
    session: Session,
    draft: Draft,
    drawn: Drawn,
    question: questions.Question,
    answers: Answers,
    then: str,
    wrong: Sequence[FieldProblem] = (),
) -> Response:
    asked = questions.questions_for(session.roles)
    place = asked.index(question)
    before = f"/report/{draft.id}/{asked[place - 1].name}" if place else "/report"
    return render(
        request,
        "report_question.html",
        session,
        problem=wrong,
        draft=draft,
        question=question,
        number=place + 1,
        total=len(asked),
        fields=questions.fields_asked(question, drawn.fields),
        answers=answers,
        errors={problem.name: problem.text for problem in wrong},
        wrong=problem_links(drawn.fields, wrong),
        then=then if then == CHECK else "",
        back=f"/drafts/{draft.id}" if then == CHECK else before,
        warnings=questions.warnings_for(answers),
        new_id=uuid4,
    )
