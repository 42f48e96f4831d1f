"""Settings, from the environment: every name begins with OOC_."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.database import as_role, database_dsn
from shared.privacy.keyring import KeyEncryptionKeys


class NoPassword(Exception):
    """The password of a database role is not where it should be; the message says where."""


class Settings(BaseSettings):
    """What a process needs to know of its surroundings."""

    model_config = SettingsConfigDict(env_prefix="OOC_", extra="ignore")

    mode: Literal["local", "production"] = "production"
    """`local` allows the development issuer and a single broker's replication."""
    database_url: str = "postgresql://127.0.0.1:8120"
    """Server-level address; databases are named ooc_<service> and ooc_keyring, and each process has a role of its own."""
    database_passwords: Path | None = None
    """A directory that holds each role's password in a file named by the role; None: the server asks for none."""
    admin_database_url: str | None = None
    """The owner's address, for migrations only; never given to a service."""
    kafka: str = "127.0.0.1:8121"
    """Bootstrap servers."""
    kafka_replication: int = 3
    """Replication factor of the topics; 1 on a single machine."""
    issuer: str = "http://127.0.0.1:8100"
    """The OpenID Connect issuer whose tokens are accepted."""
    audience: str = "ooc"
    """The audience that tokens must name."""
    conflicts_claim: bool | None = None
    """Whether a token must say which conflicts of interest are declared; None: outside local mode."""
    kek: str | None = Field(default=None, repr=False)
    """Key-encryption keys, see `KeyEncryptionKeys.read`."""
    kek_file: Path | None = None
    """A file that holds them instead."""
    host: str = "127.0.0.1"
    """Where an API listens."""
    port: int = 8100
    """The port on which an API listens."""
    var: Path = Path("var")
    """Where a bare machine keeps its servers' data."""
    body_limit: int = 262_144
    """Largest request body in bytes."""
    actor_rate: float | None = Field(default=None, gt=0)
    """Requests a second that one actor may send to a process; see `rates` where it is not set."""
    address_rate: float | None = Field(default=None, gt=0)
    """Requests a second that may come from one address."""
    connections: int = Field(default=1000, gt=0)
    """How many connections an API holds."""
    connections_per_address: int = Field(default=250, gt=0)
    """How many of them may come from one address; not counted behind trusted proxies."""
    trusted_proxies: str | None = None
    """Addresses of the proxies whose X-Forwarded-For is believed, separated by commas; none by default."""

    @property
    def rates(self) -> tuple[float | None, float | None]:
        """Requests a second of an actor and of an address; None: no limit.

        Unless they are set: 100 and 400 in production, and no limit in local mode, where a scenario, a benchmark or a
        test sends all that it can from one token.
        """
        usual = (None, None) if self.mode == "local" else (100.0, 400.0)
        return self.actor_rate or usual[0], self.address_rate or usual[1]

    def read_kek(self) -> KeyEncryptionKeys:
        """The key-encryption keys; raises `BadKek`."""
        return (
            KeyEncryptionKeys.from_file(self.kek_file)
            if self.kek is None and self.kek_file is not None
            else KeyEncryptionKeys.read(self.kek or "")
        )

    def database(self, name: str, role: str) -> str:
        """The address of a database by its bare name (`referral`, `keyring`), for a role; raises `NoPassword`."""
        address = database_dsn(self.database_url, f"ooc_{name}")
        return as_role(address, role, self.password_of(role))

    def password_of(self, role: str) -> str | None:
        """The password of a database role; None where the server asks for none. Raises `NoPassword`."""
        if self.database_passwords is None:
            return None
        file = self.database_passwords / role
        try:
            password = file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise NoPassword(f"the password of the database role {role} cannot be read: {error}") from error
        if not password:
            raise NoPassword(f"the password of the database role {role} is empty: write one into {file}")
        return password

    @property
    def owner_database_url(self) -> str:
        """The address for the owner of the databases; its password from the directory where the address has none."""
        address = self.admin_database_url or self.database_url
        parts = urlsplit(address)
        if self.database_passwords is None or not parts.username or parts.password:
            return address
        return as_role(address, parts.username, self.password_of(parts.username))

    @property
    def needs_conflicts(self) -> bool:
        """Whether a token without the claim `conflicts` is refused."""
        return self.mode != "local" if self.conflicts_claim is None else self.conflicts_claim
