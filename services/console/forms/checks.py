"""The check of a person's turn: what its commands would do, by their dry runs; and their sending, each once.

If the record has moved on since a form was opened, the page shows what changed beside the answers, and nothing is sent
until the person says that they have read it.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from hashlib import sha256
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.console.apis import Problem, part_of, sentence
from services.console.forms import turns
from services.console.forms.corrections import VALUE, event_of
from services.console.forms.fields import Field, FieldProblem, answers_in_words, command_of, find_field
from services.console.forms.forms import Drawn, PlaceInTurn, draw_command, show_form
from services.console.forms.next_steps import page_of, work_of
from services.console.forms.special import special_form
from services.console.rendering import address, render, with_query
from services.console.routing import (
    INCOMPLETE,
    Form,
    console_of,
    first,
    query,
    read_case,
    read_count,
    read_day,
    read_draft,
    read_uuid,
    see,
)
from services.console.schools.questions import SENT, known_to, question_of, warnings_for
from services.console.sessions import Draft, Session
from services.console.words import today
from services.system.registry import COLLECTIONS
from shared.domain.dates import LONDON

NOON: Final = time(12)


@dataclass(frozen=True, slots=True)
class Checked:
    """A step as the check page shows it: its answers, and what its command would do or why it would not."""

    draft: Draft
    drawn: Drawn
    body: Mapping[str, Any]
    run: Mapping[str, Any] = field(default_factory=dict)
    """The answer to its dry run; empty if there was none."""
    wrong: Sequence[FieldProblem] = ()
    moved_to: int | None = None
    """The version of the record, if it has moved on since the form was opened."""
    waits_for: Sequence[str] = ()
    """The titles of the earlier steps of the turn that lift what refuses it now."""

    @property
    def is_ready(self) -> bool:
        """Whether it can be sent: it is accepted, or will be judged after the steps that lift its refusal."""
        return self.run.get("outcome") == "accepted" or bool(self.waits_for)

    @property
    def answers(self) -> list[tuple[Field, str]]:
        return list(answers_in_words(self.drawn.fields, self.draft.answers))


async def check_page(request: Request, session: Session) -> Response:
    """Show the answers of a turn, and what each command would do, as its dry run says."""
    draft = await read_draft(request, session)
    if draft.sent:
        return see(draft.sent)
    turn = await turns.turn_of(console_of(request).drafts, session.person, draft)
    steps: list[Checked] = []
    for other in turn:
        if other.sent:
            continue
        step = await _check(request, session, other, steps)
        if step.run.get("outcome") == "repeated":
            where = await _keep_destination(request, session, step.drawn, other, step.body, step.run["receipt"])
            if other is draft:
                return see(where)
            continue
        if step.wrong and not other.guided and not any(problem.name.startswith("rationale") for problem in step.wrong):
            return show_form(
                request,
                session,
                step.drawn,
                PlaceInTurn(last="" if other is draft else str(draft.id)),
                answers=other.answers,
                key=str(other.id),
                version=other.version,
                case_id=other.case_id,
                wrong=step.wrong,
            )
        steps.append(step)
    step = steps[-1]
    moved = next((step for step in steps if step.moved_to is not None), None)
    changed = await part_of(_changes(request, session, moved.draft)) if moved else None
    on = read_day(query(request, "on")["on"]) if len(steps) == 1 else None
    another_day = (
        await part_of(_run_on(request, session, step.drawn, draft, step.body, on)) if on and step.run else None
    )
    problems = [problem for step in steps for problem in _problems(step, draft)]
    titles = await console_of(request).apis.titles(draft.service)
    return render(
        request,
        "check.html",
        session,
        status=409 if moved and not problems else None,
        problem=problems,
        drawn=step.drawn,
        draft=draft,
        steps=steps,
        recorded=[titles.get(step.command, "") for step in turn if step.sent],
        run=step.run,
        problems=problems,
        changed=changed,
        actual=moved.moved_to if moved else draft.version,
        shown=_digest(step.draft for step in steps),
        is_ready=all(step.is_ready for step in steps),
        on=on,
        another_day=another_day,
        edit=f"/report/{draft.id}" if draft.guided else address(step.drawn.path, draft=str(draft.id)),
        address_of=lambda step, name: _field_address(step.drawn, step.draft, name, draft),
        warnings=warnings_for(draft.answers) if draft.guided else (),
        adds=special_form(draft.command).is_repeated,
    )


async def _check(request: Request, session: Session, draft: Draft, earlier: Sequence[Checked]) -> Checked:
    """Try a step of a turn by its dry run, after those that come before it."""
    drawn = await _draw_draft(request, session, draft)
    body, wrong = await _command(request, session, drawn, draft)
    if wrong:
        return Checked(draft, drawn, body, wrong=wrong)
    try:
        run = await _send(request, session, drawn, draft, body, dry_run=True)
    except Problem as problem:
        if problem.status == 409 and problem.body.get("actual_version") is not None:
            return Checked(draft, drawn, body, moved_to=problem.body["actual_version"])
        if problem.status != 422:
            raise
        errors = [FieldProblem(*error) for error in problem.errors]
        return Checked(draft, drawn, body, wrong=errors or [FieldProblem("", sentence(problem.detail))])
    return Checked(draft, drawn, body, run, waits_for=_lifting(run, earlier))


def _lifting(run: Mapping[str, Any], earlier: Sequence[Checked]) -> list[str]:
    """Return the titles of the earlier steps that lift a refusal; none if a rule is left that none of them lifts."""
    rules = run["rules"] if run.get("outcome") == "refused" else ()
    lifting = [[step.drawn.title for step in earlier if step.drawn.command in rule["lifted_by"]] for rule in rules]
    return list(dict.fromkeys(title for titles in lifting for title in titles)) if all(lifting) else []


def _problems(step: Checked, last: Draft) -> list[dict[str, Any]]:
    refused = step.run.get("outcome") == "refused" and not step.waits_for
    return [
        *_linked(step.drawn, step.draft, step.wrong, last),
        *(_rule_links(step.drawn, step.draft, step.run["rules"], last) if refused else ()),
    ]


async def send_draft(request: Request, session: Session, form: Form) -> Response:
    """Send the commands of a turn, each once: its key is its draft's id, so sent again it gives the same receipt.

    Go on as the button says; or back to the check, if its answers are others than the page showed, or one is not accepted.
    """
    draft = await read_draft(request, session)
    drafts, version, where = console_of(request).drafts, None, ""
    body: Mapping[str, Any] = {}
    left = [other for other in await turns.turn_of(drafts, session.person, draft) if not other.sent]
    if draft.sent or _digest(left) != first(form, "shown"):
        return see(draft.sent or f"/drafts/{draft.id}")
    for kept in [await _as_first_sent(request, session, step) if step.guided else step for step in left]:
        changed = kept if version is None else replace(kept, version=version)
        if changed != kept:
            await drafts.save(session.person, changed)
        drawn = await _draw_draft(request, session, changed, offers=False)
        body, wrong = await _command(request, session, drawn, changed)
        if wrong:
            return see(f"/drafts/{draft.id}")
        try:
            receipt = await _send(request, session, drawn, changed, body, dry_run=False)
        except Problem as problem:
            if problem.status in {409, 422}:
                return see(f"/drafts/{draft.id}")  # its dry run says the same, with what to do
            raise
        version = receipt["version"]
        where = await _keep_destination(request, session, drawn, changed, body, receipt)
    case_id = draft.case_id or read_case(str(body.get("case_id", "")))
    match first(form, "then"):
        case "again":
            form_ = f"/records/{COLLECTIONS[draft.service]}/{draft.stream}/{page_of(draft.command)}"
            return see(address(form_, case=case_id, after=draft.command))
        case "next":
            form_ = await _next_form(request, session, draft, case_id)
            return see(with_query(form_, after=draft.command) if form_ else where)
        case _:
            return see(where)


async def _as_first_sent(request: Request, session: Session, draft: Draft) -> Draft:
    """Let a report say of itself what is known when it is sent first: sent again it says the same."""
    known = known_to(session.roles, session.organisation, datetime.now(UTC))

    def sent(kept: Draft) -> Draft:
        return kept if kept.sent or SENT in kept.answers else replace(kept, answers={**kept.answers, **known, SENT: []})

    return await console_of(request).drafts.change(session.person, draft.id, sent) or draft


def _digest(steps: Iterable[Draft]) -> str:
    shown = [(str(step.id), step.answers, step.rationale) for step in steps]
    return sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()


async def _next_form(request: Request, session: Session, draft: Draft, case_id: str | None) -> str:
    """Return the form of the next step of a record, if it is the person's turn; else none."""
    apis, collection = console_of(request).apis, COLLECTIONS[draft.service]
    path = f"{collection}/{draft.stream}"
    guidance, titles = await asyncio.gather(
        part_of(apis.get(session, draft.service, f"/v1/{path}/commands")), part_of(apis.titles(draft.service))
    )
    work = work_of(guidance.value or {"commands": ()}, f"/records/{path}", case_id or "", {}, titles.value or {})
    return work.next.address if work.next else ""


async def give_reasons(request: Request, session: Session, form: Form) -> Response:
    return see(await keep_reasons(request, session, form))


async def keep_reasons(request: Request, session: Session, form: Form) -> str:
    draft = await read_draft(request, session)
    reasons = {
        name.removeprefix("reason."): text.replace("\r\n", "\n")
        for name in form
        if name.startswith("reason.") and (text := first(form, name).strip())
    }
    await console_of(request).drafts.save(session.person, replace(draft, rationale={**draft.rationale, **reasons}))
    return f"/drafts/{read_case(first(form, 'last')) or draft.id}"


async def take_version(request: Request, session: Session, form: Form) -> Response:
    """Take the record as it is now for what the answers are about: the person has read what changed."""
    draft = await read_draft(request, session)
    version = read_count(first(form, "version"), -1)
    if version < 0:
        raise HTTPException(422, INCOMPLETE)
    drafts = console_of(request).drafts
    for other in await turns.turn_of(drafts, session.person, draft):
        if not other.sent:
            await drafts.save(session.person, replace(other, version=version))
    return see(f"/drafts/{draft.id}")


async def delete_draft(request: Request, session: Session, _form: Form) -> Response:
    """Forget a form that was begun, with the earlier ones of its turn."""
    drafts = console_of(request).drafts
    draft = await drafts.find(session.person, read_uuid(request, "draft"))
    for other in await turns.turn_of(drafts, session.person, draft) if draft else ():
        if not other.sent:
            await drafts.remove(session.person, other.id)
    return see("/")


async def _draw_draft(request: Request, session: Session, draft: Draft, *, offers: bool = True) -> Drawn:
    collection, id_ = COLLECTIONS[draft.service], draft.stream
    return await draw_command(
        request,
        session,
        collection,
        id_,
        draft.command,
        draft.answers,
        draft.case_id,
        offers=offers,
        guided=draft.guided,
    )


async def _command(
    request: Request, session: Session, drawn: Drawn, draft: Draft
) -> tuple[dict[str, Any], list[FieldProblem]]:
    """Return the command of the answers. The value of a correction gets the type of the value that it corrects."""
    body, wrong = command_of(drawn.fields, draft.answers)
    if not wrong and any(field.name == VALUE and field.kind == "json" for field in drawn.fields):
        path, apis = f"/v1/{drawn.collection}/{drawn.stream}", console_of(request).apis
        data: Any = (await event_of(apis, session, draft.service, path, draft.answers)).get("data")
        for name in str(body["field"]).split("."):
            data = data.get(name) if isinstance(data, Mapping) else None
        if isinstance(data, str) or (isinstance(data, Mapping) and "sealed" in data):
            body[VALUE] = first(draft.answers, VALUE).strip()
        elif isinstance(data, bool):
            body[VALUE] = {"yes": True, "no": False}.get(str(body[VALUE]).lower(), body[VALUE])
    return body, wrong


async def _run_on(
    request: Request, session: Session, drawn: Drawn, draft: Draft, body: Mapping[str, Any], on: date
) -> dict[str, Any]:
    try:
        clock = datetime.fromisoformat(str(body["occurred_at"])).astimezone(LONDON).time()
    except (KeyError, ValueError):
        clock = NOON
    moment = datetime.combine(on, clock, LONDON).isoformat()
    return await _send(
        request, session, drawn, draft, {**body, "occurred_at": moment}, dry_run=True, as_of=max(on, today())
    )


async def _send(
    request: Request,
    session: Session,
    drawn: Drawn,
    draft: Draft,
    body: Mapping[str, Any],
    *,
    dry_run: bool,
    as_of: date | None = None,
) -> dict[str, Any]:
    command = {
        "type": drawn.command,
        "expected_version": draft.version,
        **({"rationale": draft.rationale} if draft.rationale else {}),
        **body,
    }
    path = f"/v1/{drawn.collection}/{drawn.stream}/commands"
    if dry_run:
        path += "?dry_run=true" + (f"&as_of={as_of}" if as_of and as_of > today() else "")
    return await console_of(request).apis.post(session, draft.service, path, command, str(draft.id))


async def _keep_destination(
    request: Request, session: Session, drawn: Drawn, draft: Draft, body: Mapping[str, Any], receipt: Mapping[str, Any]
) -> str:
    """Keep where a sent draft has led, without its answers, and return that address: its page waits for what was recorded."""
    page = f"/report/{draft.id}/receipt" if draft.guided else _back(drawn, draft, body)
    where = address(page, recorded=receipt["command_id"], draft=str(draft.id))
    done = replace(
        draft,
        answers={},
        rationale={},
        case_id=draft.case_id or (str(body["case_id"]) if draft.guided else None),
        sent=where,
    )
    await console_of(request).drafts.save(session.person, done)
    return where


def _back(drawn: Drawn, draft: Draft, body: Mapping[str, Any]) -> str:
    if drawn.collection == "sittings":
        return f"/panel/sittings/{drawn.stream}"
    if drawn.collection == "people":
        return f"/people/{drawn.stream}"
    case_id = draft.case_id or body.get("case_id")
    return f"/cases/{case_id}" if case_id else f"/records/{drawn.collection}/{drawn.stream}"


async def _changes(request: Request, session: Session, draft: Draft) -> list[Mapping[str, Any]]:
    """List the events of the record after the version from which the form was drawn."""
    apis = console_of(request).apis
    try:
        answer = await apis.get(session, draft.service, f"/v1/{COLLECTIONS[draft.service]}/{draft.stream}/history")
        events = answer["events"]
    except Problem as problem:
        if problem.status != 403 or not draft.case_id:
            raise
        answer = await apis.get_projected(session, f"/v1/cases/{draft.case_id}/timeline", {"order": "recorded_at"})
        events = [event for event in answer["events"] if event["stream"] == str(draft.stream)]
    return [event for event in events if event["version"] > draft.version]


def _linked(drawn: Drawn, draft: Draft, wrong: Sequence[FieldProblem], last: Draft) -> list[dict[str, str]]:
    return [
        {"text": problem.text, "href": _field_address(drawn, draft, problem.name, last), "rule": "", "source": ""}
        for problem in wrong
    ]


def _rule_links(drawn: Drawn, draft: Draft, rules: Sequence[Mapping[str, Any]], last: Draft) -> list[dict[str, Any]]:
    """Return the rules that refuse, each with its source, a link to the field that it looks at, and what lifts it.

    What a conference lacks stands on its page, person by person.
    """
    looked_at = {line["id"]: line["fields"][0] for line in drawn.rules if line["fields"]}
    lacks = f"/records/conferences/{drawn.stream}" if drawn.collection == "conferences" else ""
    return [
        {
            "text": rule["text"],
            "href": (not looked_at.get(rule["id"]) and lacks)
            or _field_address(drawn, draft, looked_at.get(rule["id"], ""), last),
            "rule": rule["id"],
            "source": rule["source"],
            "remedies": drawn.remedies(rule["lifted_by"]),
        }
        for rule in rules
    ]


def _field_address(drawn: Drawn, draft: Draft, name: str, last: Draft) -> str:
    """Return the address of a field, from where its form leads back to the check of the whole turn."""
    field = find_field(drawn.fields, name)
    path = address(drawn.path, draft=str(draft.id), last=None if last.id == draft.id else str(last.id))
    if draft.guided:
        path = f"/report/{draft.id}/{question_of(field.name).name}?then=check" if field else f"/report/{draft.id}"
    return path + (f"#{field.first_id}" if field else "")
