"""Settings, from the environment: every name begins with OOC_."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.database import as_role, database_dsn
from shared.kafka import Kafka, KafkaLogin

DEFAULT_ORIGIN: Final = "ooc.local"
"""The authority of the logs of a system whose operator has named none."""


class InvalidSetting(ValueError):
    """A file of settings that says something wrong; the message names the file, the line and the remedy."""


class NoPassword(Exception):
    """The password of a database role or of a Kafka principal is not where it should be; the message says where."""


class Settings(BaseSettings):
    """The settings of a process, from environment variables."""

    model_config = SettingsConfigDict(env_prefix="OOC_", extra="ignore", env_ignore_empty=True)

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
    kafka_passwords: Path | None = None
    """A directory that holds the password of each principal of Kafka in a file named by it; None: the broker asks for none."""
    kafka_authority: Path | None = None
    """A PEM file of the authority that signed the brokers' certificates; None: connections are not encrypted."""
    kafka_replication: int = 3
    """Replication factor of the topics; 1 on a single machine."""
    issuer: str = "http://127.0.0.1:8100"
    """The OpenID Connect issuer whose tokens are accepted."""
    audience: str = "ooc"
    """The audience that tokens must name."""
    conflicts_claim: bool | None = None
    """Whether a token must say which conflicts of interest are declared; None: outside local mode."""
    kek: str | None = Field(default=None, repr=False)
    """Key-encryption keys: `KeyEncryptionKeys.read` in shared/privacy says how they are written."""
    kek_file: Path | None = None
    """A file that holds them instead."""
    epoch_days: int = Field(default=30, gt=0)
    """Days after which the operator rotates key-encryption keys (`ooc keys rotate`)."""
    epoch_kept_days: int = Field(default=30, gt=0)
    """Days for which a retired key-encryption key is kept: as long as backups of the keyring are to be of use."""
    signing_key_file: Path | None = None
    """A file with the secrets from which the keys of checkpoints are derived: `SigningKeys.read` in shared/evidence."""
    log_origin: str = DEFAULT_ORIGIN
    """The authority in the names of the logs, such as a domain of the operator's; it never changes."""
    witness_url: str | None = None
    """The address of the witness that cosigns checkpoints; None: there is none."""
    witness_key: str | None = None
    """The witness's public key, as its own operator tells it."""
    host: str = "127.0.0.1"
    """Where an API listens."""
    port: int = 8100
    """The port on which an API listens."""
    heartbeat: Path | None = None
    """A file that a worker touches every few seconds while it runs, for whoever watches it; None: none."""
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

    def database(self, name: str, role: str) -> str:
        """Return the address of a database by its bare name (a service's name, or `keyring`), for a role; raises `NoPassword`."""
        address = database_dsn(self.database_url, f"ooc_{name}")
        return as_role(address, role, self.password_of(role))

    def password_of(self, role: str) -> str | None:
        """Return the password of a database role; None if the server asks for none. Raises `NoPassword`."""
        return (
            None
            if self.database_passwords is None
            else _read_password(self.database_passwords / role, f"database role {role}")
        )

    def kafka_password_of(self, principal: str) -> str:
        """Return the password of a principal of Kafka; raises `NoPassword`, also where no directory is named."""
        if self.kafka_passwords is None:
            raise NoPassword(
                "the passwords of Kafka's principals are nowhere: name their directory in OOC_KAFKA_PASSWORDS"
            )
        return _read_password(self.kafka_passwords / principal, f"Kafka principal {principal}")

    def kafka_as(self, principal: str) -> Kafka:
        """Return how a principal connects to Kafka; raises `NoPassword`."""
        if self.kafka_passwords is None:
            return self.kafka
        return KafkaLogin(self.kafka, principal, self.kafka_password_of(principal), self.kafka_authority)

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


def _read_password(file: Path, whose: str) -> str:
    try:
        password = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise NoPassword(f"the password of the {whose} cannot be read: {error}") from error
    if not password:
        raise NoPassword(f"the password of the {whose} is empty: write one into {file}")
    return password
