"""Databases of a test's own on the PostgreSQL server that all tests share."""

from shared.runtime.privileges import RoleKind, role_name
from shared.servers.database import as_role, database_dsn
from shared.servers.settings import Settings


class IsolatedSettings(Settings):
    """Settings whose databases have names of their own: `prefix`, then the bare name."""

    prefix: str

    def database(self, name: str, role: str) -> str:
        return as_role(database_dsn(self.database_url, f"{self.prefix}_{name}"), role)

    def worker_database(self, name: str) -> str:
        """Return the address of a service's own database for its worker."""
        return self.database(name, role_name(RoleKind.WORKER, name))
