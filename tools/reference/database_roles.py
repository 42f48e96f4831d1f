"""The page of the database roles, from the same data by which they are granted."""

from collections.abc import Iterator

from services.system.registry import DECIDING, databases_without_events
from shared.runtime import privileges
from shared.runtime.provision import KEYRING_DATABASE, service_database
from tools.reference.markdown import page, prose, table

_MEANINGS = {
    privileges.RoleKind.API: "a service's API; one that decides appends events and makes keys, reporting's opens keys; `ooc_console_api`: the web console",
    privileges.RoleKind.WORKER: "a service's consumer: its reactions append events and make keys, or it projects",
    privileges.RoleKind.SIGNER: "grows the trees of a service's logs and signs checkpoints, from its worker's process on a connection of its own",
    privileges.RoleKind.RELAY: "publishes a service's events, from its worker's process on a connection of its own",
    privileges.RoleKind.VERIFY: "`ooc verify`; reads everything but wrapped keys, and writes nothing",
    privileges.RoleKind.ERASURE: "destroys a person's or a home's key by hand; its name is kept in the tombstone. No process connects by it",
    privileges.RoleKind.SEALING: "no login: makes a first key if there is none, and opens keys; the roles of deciding services are members",
    privileges.RoleKind.OPENING: "no login: opens keys; the role of reporting's API is a member",
}


def of_database_roles() -> dict[str, str]:
    """Return what each role may do in each database."""
    service = service_database("<service>")[1]
    parts = [
        prose(
            "Every process connects to PostgreSQL by a role of its own, which owns nothing, and may do what stands here and"
            " nothing else: `ooc migrate` grants it anew from `shared/runtime/privileges.py` each time, and takes away the rest. No"
            " role may connect to a database that is not listed for it, such as `postgres` or a template. What is in no table cell"
            " is refused by the server, and so are large objects and messages in the write-ahead log."
        ),
        table(("Role", "Who connects by it", "Connections at most"), _roles(service)),
        prose(
            f"Each session begins with {' and '.join(f'`{name} = {value}`' for name, value in privileges.SETTINGS.items())}. PostgreSQL lets"
            " every role change its settings and its password: `ooc verify` names what"
            " a role has set, and `ooc migrate` takes it back. Who may update or delete in all columns of a table may lock it"
            " whole; nobody may lock one that `append` reads."
        ),
        prose(
            "A role changes the event store through `append` alone, which refuses bytes that are no event of the database's"
            " service; the access log through `log_access`, which notes the role beside the actor; the keyring through"
            " `create_keys` and `destroy_keys`. The embedded server of a local system trusts all users of the machine, so"
            " there a role is a guard against mistakes; elsewhere each has a password"
            " ([OOC_DATABASE_PASSWORDS](environment.md))."
        ),
    ]
    deciding = ", ".join(f"`{service_database(entry.name)[0]}`" for entry in DECIDING)
    for title, schema in [
        (f"{deciding}: each deciding service", service),
        *((f"`{name}`", schema) for name, schema in (*databases_without_events(), KEYRING_DATABASE)),
    ]:
        parts += [f"## {title}", table(("Table or function", "Role", "May"), _grants(schema))]
    return {"database-roles.md": page("Database roles", *parts)}


def _roles(service: privileges.Schema) -> Iterator[tuple[str, str, str]]:
    for kind in privileges.RoleKind:
        name = f"`{service.roles.get(kind) or privileges.role_name(kind)}`" + " (group)" * (kind in privileges.GROUPS)
        yield name, _MEANINGS[kind], str(privileges.CONNECTIONS.get(kind, ""))


def _grants(schema: privileges.Schema) -> Iterator[tuple[str, str, str]]:
    for name, granted in sorted(schema.privileges.items()):
        roles = [(f"`{schema.roles[kind]}`", may) for kind, may in granted.items() if kind in schema.roles]
        for nth, (role, may) in enumerate(roles or [("nobody", "")]):
            yield f"`{name}`" if nth == 0 else "", role, may
