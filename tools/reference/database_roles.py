"""The page of the database roles, from the same data by which they are granted."""

from collections.abc import Iterator

from services.system.registry import DECIDING, databases_without_events
from shared.runtime import privileges
from shared.runtime.privileges import CONNECTIONS, GROUPS, RoleKind, role_name
from shared.runtime.provision import KEYRING_DATABASE, service_database
from tools.reference.access_page import member_texts
from tools.reference.markdown import fill


def of_database_roles() -> dict[str, str]:
    service = service_database("<service>")[1]
    deciding = ", ".join(f"`{service_database(entry.name)[0]}`" for entry in DECIDING)
    databases = [(f"`{name}`", _grants(schema)) for name, schema in (*databases_without_events(), KEYRING_DATABASE)]
    text = fill(
        "database-roles",
        roles=_roles(service),
        settings=[f"`{name} = {value}`" for name, value in privileges.SETTINGS.items()],
        databases=[(f"{deciding}: each deciding service", _grants(service)), *databases],
    )
    return {"database-roles.md": text}


def _roles(service: privileges.Schema) -> Iterator[tuple[str, str, str]]:
    for (_, meaning), kind in zip(member_texts(RoleKind), RoleKind, strict=True):
        name = f"`{service.roles.get(kind) or role_name(kind)}`" + " (group)" * (kind in GROUPS)
        yield name, meaning, str(CONNECTIONS.get(kind, ""))


def _grants(schema: privileges.Schema) -> Iterator[tuple[str, str, str]]:
    for name, granted in sorted(schema.privileges.items()):
        roles = [(f"`{schema.roles[kind]}`", may) for kind, may in granted.items() if kind in schema.roles]
        for nth, (role, may) in enumerate(roles or [("nobody", "")]):
            yield f"`{name}`" if nth == 0 else "", role, may
