"""The reference page of who may read what, written from the services' access tables."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from services.registry import SERVICES
from services.reporting.access import ACCESS as REPORTING
from services.vocabulary import Personal, Role
from shared.domain.envelope import EventRegistry
from shared.domain.permissions import Permission
from shared.domain.sealing import FieldClass
from shared.domain.service import Service
from tools.reference.markdown import codes, page, prose, table

_TITLES: Final = {entry.name: entry.title for entry in SERVICES}
_CLASSES: Final = """
    A sealed field has a class, which stands with the field on the pages of events. A role reads the classes of its cell in
    `details` of the state and in the history; any other field shows `{"sealed": true}` with its class, and one whose key
    was destroyed `{"forgotten": true}`. Where the state shows some members alone, `details` has only the texts of these
    classes. The access log has a line `OPEN_FIELDS` with the record and the classes, before the answer leaves.
"""
_BOUNDARIES: Final = """
    **For commands and reads alike.** A record of another area than the token's answers as one that does not exist
    (404, the same words), and so does another organisation's where the table says "of the own organisation". A
    declared conflict of interest is 403: it bars every record that mentions the id declared, be it the record itself,
    its case, a person in it or another record that it names; in a session also every case that has a place there, so
    that a colleague takes the whole session. Nobody records an event that mentions what a conflict of theirs names. In
    reporting a conflict in one record of a case bars the case. Who may send a command stands on the pages of commands;
    a role that may send none to a service is told so before the body is read.
"""
_DOORS: Final = """
    **At every door.** The state, the history, the duties and the documents of a record, the reactions that wait (of
    those who read histories, for records within reach), and reporting's cases, lists and daily sheet ask these tables.
    The state shows the members named; without a list, all. Every read is in the access log, given or refused.
"""


def of_access(services: Sequence[Service[Any]]) -> dict[str, str]:
    """Return the page, by path."""
    tables = {service.name: service.permissions for service in services} | {"reporting": REPORTING}
    rows = (
        (f"`{role}`", *(_cell(tables[name].get(role)) for name in tables))
        for role in Role
        if any(role in permissions for permissions in tables.values())
    )
    marks = [(service.name, name, text) for service in services for name, text in _marks(service.events).items()]
    text = page(
        "Who may read what",
        prose(
            "Role by kind of record. A role that is not there, or whose cell is empty, reads nothing. The tables are"
            " `services/<name>/access.py`."
        ),
        table(("Role", *(_TITLES[name] for name in tables)), rows),
        "## Which records",
        prose(
            "A condition names marks, one of which a record needs. Marks follow from its events and are never taken"
            " away, so that work once begun stays in sight. With a service before it, a mark is that of another record"
            " of the same case."
        ),
        table(("Service", "Mark", "Given to"), ((f"`{service}`", f"`{name}`", text) for service, name, text in marks)),
        "## Which sealed fields",
        prose(_CLASSES),
        table(("Class", "What it is"), ((f"`{name}`", meaning) for name, meaning in _members(Personal))),
        table(
            ("Role", *(_TITLES[service.name] for service in services)),
            (
                (f"`{role}`", *(_opened(service.permissions.get(role)) for service in services))
                for role in Role
                if any(role in service.permissions for service in services)
            ),
        ),
        "## Boundaries",
        prose(_BOUNDARIES),
        prose(_DOORS),
    )
    return {"access.md": text}


def _cell(permission: Permission | None) -> str:
    if permission is None:
        return ""
    phrases = [", ".join(sorted(permission.parts))]
    if permission.where:
        phrases.append(f"with {' or '.join(f'`{mark}`' for mark in permission.where)}")
    if permission.own_organisation:
        phrases.append("of the own organisation")
    if permission.fields is not None:
        phrases.append(f"showing {codes(sorted(permission.fields))} alone")
    if permission.needs_reason:
        phrases.append("with a reason")
    return "; ".join(phrases)


def _opened(permission: Permission | None) -> str:
    if permission is None:
        return ""
    opened, closed = permission.opens, frozenset(Personal) - permission.opens
    if not opened or not closed:
        return "all" if opened else ""
    meaning = f"all but {codes(sorted(closed))}" if len(closed) < len(opened) else codes(sorted(opened))
    with_reason = permission.opens_with_reason & closed
    return f"{meaning}; with a reason {codes(sorted(with_reason))} too" if with_reason else meaning


def _members(kind: type[FieldClass]) -> Iterable[tuple[str, str]]:
    """Yield the members of an enumeration, each with the docstring below it in the source."""
    (definition,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(definition, ast.ClassDef)
    for member, text in pairwise(definition.body):
        if isinstance(member, ast.Assign) and isinstance(text, ast.Expr):
            yield ast.unparse(member.targets[0]), str(ast.literal_eval(text.value))


def _marks(book: EventRegistry) -> Mapping[str, str]:
    """Map each mark of a service to its text in the function's docstring: `NAME: what it says. NAME: …`."""
    texts: dict[str, str] = {}
    for mark in dict.fromkeys(book.marks.values()):
        for name, meaning in _sentences(inspect.getdoc(mark) or ""):
            texts[name] = f"{texts[name]}; {meaning}" if name in texts else meaning
    return texts


def _sentences(text: str) -> Iterable[tuple[str, str]]:
    for sentence in " ".join(text.split()).split(". "):
        name, _, meaning = sentence.rstrip(".").partition(": ")
        if meaning:
            yield name, meaning
