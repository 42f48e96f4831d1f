"""Settings, from the environment: every name begins with OOC_."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.database import database_dsn
from shared.privacy.keyring import KeyEncryptionKeys


class Settings(BaseSettings):
    """What a process needs to know of its surroundings."""

    model_config = SettingsConfigDict(env_prefix="OOC_", extra="ignore")

    mode: Literal["local", "production"] = "production"
    """`local` allows the development issuer and a single broker's replication."""
    database_url: str = "postgresql://ooc_app@127.0.0.1:8120"
    """Server-level address for the application's role; databases are named ooc_<service> and ooc_keyring."""
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

    def read_kek(self) -> KeyEncryptionKeys:
        """The key-encryption keys; raises `BadKek`."""
        return (
            KeyEncryptionKeys.from_file(self.kek_file)
            if self.kek is None and self.kek_file is not None
            else KeyEncryptionKeys.read(self.kek or "")
        )

    def database(self, name: str) -> str:
        """The address of a database by its bare name (`referral`, `keyring`)."""
        return database_dsn(self.database_url, f"ooc_{name}")
