"""The reference page of who may read what, written from the services' access tables."""

import ast
import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import pairwise
from typing import Any

from services.reporting.access import ACCESS as REPORTING
from services.trade.vocabulary import Personal, Role
from shared.domain.envelope import EventRegistry
from shared.domain.permissions import Permission, Permissions
from shared.domain.service import Service
from tools.reference.markdown import TITLES, codes, fill


def of_access(services: Sequence[Service[Any]]) -> dict[str, str]:
    tables = {service.name: service.permissions for service in services} | {"reporting": REPORTING}
    text = fill(
        "access",
        titles=[TITLES[name] for name in tables],
        readable=_by_role(tables.values(), _cell),
        marks=[
            (f"`{service.name}`", f"`{name}`", text)
            for service in services
            for name, text in _marks(service.events).items()
        ],
        classes=member_texts(Personal),
        deciding_titles=[TITLES[service.name] for service in services],
        opened=_by_role([service.permissions for service in services], _opened),
    )
    return {"access.md": text}


def _by_role(tables: Collection[Permissions], cell: Callable[[Permission | None], str]) -> Iterator[tuple[str, ...]]:
    for role in Role:
        if any(role in permissions for permissions in tables):
            yield f"`{role}`", *(cell(permissions.get(role)) for permissions in tables)


def _cell(permission: Permission | None) -> str:
    if permission is None:
        return ""
    phrases = [", ".join(sorted(permission.parts))]
    if permission.where:
        phrases.append(f"with {' or '.join(f'`{mark}`' for mark in permission.where)}")
    phrases += [f"not by `{mark}` once there is `{end}`" for mark, end in permission.until]
    if permission.own_organisation:
        phrases.append("of the own organisation")
    if permission.fields is not None:
        phrases.append(f"showing {codes(sorted(permission.fields))} alone")
    if permission.duties is not None:
        phrases.append(f"of the duties {codes(sorted(permission.duties))} alone")
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


def member_texts(kind: type[Enum]) -> Iterator[tuple[str, str]]:
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
