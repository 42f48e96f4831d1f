"""Settings, from the environment: every name begins with OOC_."""

from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, FilePath, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.servers.database import as_role, database_dsn
from shared.servers.kafka import Kafka, KafkaLogin

DEFAULT_ORIGIN: Final = "ooc.local"
"""The authority of the logs of a system whose operator has named none."""


class InvalidSetting(ValueError):
    """A wrong setting or settings file; the message names it, and the remedy or line."""


class NoPassword(Exception):
    """A missing password of a database role or Kafka principal; the message names its place."""


def _wrong(error: ErrorDetails) -> str:
    said = error["msg"].removeprefix("Value error, ")
    return f"OOC_{str(error['loc'][0]).upper()}: {said}" if error["loc"] else said


class Settings(BaseSettings):
    """The settings of a process, from environment variables."""

    model_config = SettingsConfigDict(
        env_prefix="OOC_",
        extra="ignore",
        env_ignore_empty=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    def __init__(self, **values: Any) -> None:
        """Read the environment; `values` go before it. Raises `InvalidSetting` with a line for each that is wrong."""
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise InvalidSetting("\n".join(map(_wrong, error.errors()))) from None

    mode: Literal["local", "production"] = "production"
    """`local` lets the development sign-in start, which grants any role; otherwise `production`. Default:
    `production`; a local system sets `local`.
    """
    sandbox: bool = False
    """Whether an API answers `Prefer: example=409` with that problem, and does nothing else. Only with `OOC_MODE=local`.
    Default: `false`; `ooc sandbox` sets `true`.
    """
    database_url: str = "postgresql://127.0.0.1:8120"
    """PostgreSQL for the services, without a role and a database name. Several hosts (`//one:5432,two:5432`) mean the
    one that takes writes. Each process connects with [its own role](database-roles.md). If set, the
    local system and the tests start no PostgreSQL (the tests need a superuser). Default: the server of the local
    system; for a process by itself `postgresql://127.0.0.1:8120`.
    """
    database_passwords: Path | None = None
    """A directory with a file for each database role, named after it, with its password. `ooc migrate` needs all of
    them, and that of the owner if `OOC_ADMIN_DATABASE_URL` has no password; any other process needs its own.
    Default: none: no password, as in a local system. With `OOC_MODE=production`, `ooc migrate` refuses to run
    without it.
    """
    admin_database_url: str | None = None
    """The same server with the owner of the databases, for `ooc migrate` and `ooc keys` only; never give it to a
    service. Default: `OOC_DATABASE_URL`; in a local system the superuser.
    """
    kafka: str = "127.0.0.1:8121"
    """Kafka's bootstrap servers. If set, the local system and the tests start no Kafka, and `make install` does not
    fetch it. Default: the broker of the local system; for a process by itself `127.0.0.1:8121`.
    """
    kafka_passwords: Path | None = None
    """The same for each Kafka login: `kafka_<service>` of each worker, `kafka_verify`, `kafka_provision`.
    `ooc topics` needs all of them ([the rights of each](../adr/0036-kafka-is-closed.md)), and makes a login for each
    `partner_<name>`. Default: in a local system `kafka/passwords` in its directory, created
    once; for another Kafka none. With `OOC_MODE=production`, `ooc topics` does nothing without it.
    """
    kafka_login: str | None = None
    """The name by which this process logs in to Kafka, where another program makes the logins and does not allow ours.
    Default: that of its password.
    """
    kafka_authority: Path | None = None
    """A PEM file with the certificate of the authority that signed the brokers' certificates. If set, connections use
    TLS and check the broker's name. Read only together with passwords. Default: none: no TLS.
    """
    kafka_replication: int = 3
    """The replication factor of the topics that `ooc topics` creates. Default: `3`; with the Kafka of a local system
    `1`.
    """
    issuer: str = "http://127.0.0.1:8100"
    """The OpenID Connect issuer whose tokens are accepted, compared exactly ([identity
    provider](../how-to/identity-provider.md)). If set, the local system starts no development sign-in. Default: the issuer of
    the local system; for a process by itself `http://127.0.0.1:8100`.
    """
    audience: str = "ooc"
    """The audience that a token must have."""
    support: str = ""
    """Where programmers of other agencies ask for help: an e-mail address or the URL of a page. It stands in the OpenAPI
    documents.
    """
    conflicts_claim: bool | None = None
    """Whether a token without the claim [`conflicts`](../how-to/identity-provider.md) is refused (`true` or `false`). Default:
    `true`; with `OOC_MODE=local` `false`.
    """
    kek: str | None = Field(default=None, repr=False)
    """The key-encryption keys: 32 random bytes in base64, or `EPOCH:BASE64` pairs separated by spaces, the newest
    last. Default: none: no process that encrypts or decrypts starts without it or the next one.
    """
    kek_file: Path | None = None
    """A file with the same content; `OOC_KEK` takes precedence. Default: in a local system `keys/kek` in its
    directory, created once.
    """
    epoch_days: int = Field(default=30, gt=0)
    """Days after which key-encryption keys are rotated (`ooc keys rotate`)."""
    epoch_kept_days: int = Field(default=30, gt=0)
    """Days for which a retired key-encryption key is kept, and a [backup](../how-to/back-up.md) that it opens: older ones expire."""
    signing_key_file: Path | None = None
    """A file with the secret from which the keys of checkpoints are derived: 32 random bytes in base64, or
    `EPOCH:BASE64` pairs during a rotation ([evidence](../explanation/evidence.md)). Only workers read it. Default:
    in a local system `keys/signing` in its directory, created once; with `OOC_MODE=production` no worker starts
    without it.
    """
    log_origin: str = DEFAULT_ORIGIN
    """The first part of the names of the logs in checkpoints, such as a domain of the operator; never change it."""
    witness_url: str | None = None
    """The address of the witness that cosigns checkpoints; workers, APIs and `ooc verify` compare the logs with what
    it has seen. If set, the local system starts no witness. Default: the witness of the local system; for a process
    by itself none.
    """
    witness_key: str | None = None
    """The public key of that witness, from its operator; workers and the console check its signatures by it. Default:
    that of the witness of the local system.
    """
    backup_recipient: str | None = None
    """The public key of [age](https://age-encryption.org) to which [backups](../how-to/back-up.md) are encrypted. Default:
    none: `ooc backup` needs it, or `--recipient`.
    """
    backup_folder: Path | None = None
    """The folder of all backups. With it and `OOC_BACKUP_RECIPIENT`, `ooc up` runs `ooc backup follow`. Default: none."""
    host: str = "127.0.0.1"
    """The address on which an API, the console or the development sign-in listens. Default: `127.0.0.1`; in the image
    `0.0.0.0`.
    """
    port: int = 8100
    """The port on which it listens. Default: `8100`; a local system sets one for each process."""
    tls_certificate: FilePath | None = None
    """A PEM file with the certificate by which an API or the console is known; then it speaks TLS, and a new content is
    used without a restart. Default: none: no TLS.
    """
    tls_key: FilePath | None = None
    """A PEM file with its key. Default: `OOC_TLS_CERTIFICATE`, which then holds both."""
    tls_authority: FilePath | None = None
    """A PEM file with an authority whose certificates clients trust besides those of the machine's authorities: that which
    signed `OOC_TLS_CERTIFICATE`.
    """
    heartbeat: Path | None = None
    """A file that a worker touches every five seconds while it runs, for a health check."""
    var: Path = Path("var")
    """The directory of the local system: data, keys, logs, and `system.json`, by which `ooc` finds it. `make reset`
    removes it.
    """
    body_limit: int = 262_144
    """The largest body of a request, in bytes."""
    actor_rate: float | None = Field(default=None, gt=0)
    """How many requests a second one actor may send to one process, with bursts of five times as many; more get 429. A
    body counts once more for each 10,000 bytes.
    Default: `100`; with `OOC_MODE=local` no limit.
    """
    address_rate: float | None = Field(default=None, gt=0)
    """The same for one address, of requests without a valid token. Default: `400`; with `OOC_MODE=local` no limit."""
    connections: int = Field(default=1000, gt=0)
    """The maximum number of connections to an API."""
    connections_per_address: int = Field(default=250, gt=0)
    """The maximum number of connections from one address; no limit if `OOC_TRUSTED_PROXIES` is set."""
    trusted_proxies: str | None = None
    """The addresses of the proxies before the APIs, separated by commas, whose `X-Forwarded-For` is trusted. Default:
    none: the address of the peer counts.
    """

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
        """Return the password of a principal of Kafka; raises `NoPassword`, also if no directory is named."""
        if self.kafka_passwords is None:
            raise NoPassword(
                "the passwords of Kafka's principals are nowhere: name their directory in OOC_KAFKA_PASSWORDS"
            )
        return _read_password(self.kafka_passwords / principal, f"Kafka principal {principal}")

    def kafka_as(self, principal: str) -> Kafka:
        """Return how a principal connects to Kafka; raises `NoPassword`."""
        if self.kafka_passwords is None:
            return self.kafka
        login = self.kafka_login or principal
        return KafkaLogin(self.kafka, login, self.kafka_password_of(principal), self.kafka_authority)

    @property
    def owner_database_url(self) -> str:
        """The address for the owner of the databases; its password from the directory if the address has none."""
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


def secret_in_file(file: Path | None, name: str) -> str:
    """Return the secret in a file that a setting names. Raises `InvalidSetting`."""
    try:
        secret = "" if file is None else file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InvalidSetting(f"{name}: {error}") from error
    if not secret:
        raise InvalidSetting(f"{name}: name a file with the secret in it")
    return secret


def credentials_form(client: str | None, secret_file: Path | None, setting: str, **claims: str) -> dict[str, str]:
    """Return how a program asks the issuer for a token (RFC 6749, section 4.4): by its client's secret, in the file of a setting.

    Without a client the development issuer is asked, by the claims themselves. Raises `InvalidSetting`.
    """
    form = {"grant_type": "client_credentials"}
    if client is None:
        return form | claims
    return form | {"client_id": client, "client_secret": secret_in_file(secret_file, setting)}


class MailSettings(Settings):
    """Settings of a process that sends e-mails."""

    smtp_host: str | None = None
    """A mail server for e-mails, which must offer STARTTLS. Default: none: e-mails go by GOV.UK Notify, or are recorded only."""
    smtp_port: int = Field(default=587, gt=0)
    """Its port."""
    smtp_user: str | None = None
    """The login there. Default: none."""
    smtp_password_file: Path | None = None
    """A file with the password of that login."""
    smtp_authority: Path | None = None
    """A PEM file with the authority that signed its certificate. Default: the authorities of the machine."""
    smtp_from: str | None = None
    """The address from which e-mails come; needed with `OOC_SMTP_HOST`."""
