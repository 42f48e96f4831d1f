"""Settings of the console, beside those of every process."""

from pathlib import Path

from shared.privacy.keyring import InvalidKeyEncryptionKeys, KeyEncryptionKeys
from shared.servers.settings import Settings


class ConsoleSettings(Settings):
    """What the console needs to know of its surroundings."""

    url: str | None = None
    """Where `ooc` and the console find the services: `SERVICE=http://host:port`, several separated by spaces, or the
    address of a gateway alone; `--url` takes precedence. Default: the addresses in `system.json` in `OOC_VAR`.
    """
    console_url: str = "http://127.0.0.1:8118"
    """The console's own address in a browser, to which the sign-in returns; with `https` its cookies are sent over TLS
    only. Default: `http://127.0.0.1:8118`; in a local system its address.
    """
    console_client: str = "ooc-people"
    """The console's client id at the issuer: a public client with PKCE."""
    invited_client: str | None = None
    """The client id by which the console acts for a holder of a link to an appointment (role `INVITED`). Default: none,
    as with the development issuer; another issuer needs it.
    """
    invited_secret_file: Path | None = None
    """A file with the secret of that client."""
    console_key_file: Path | None = None
    """A file with the key by which the console encrypts sessions and drafts: 32 random bytes in base64, or
    `EPOCH:BASE64` pairs, the newest last. Default: in a local system `keys/console` in its directory, created once;
    the console does not start without it.
    """

    def read_console_keys(self) -> KeyEncryptionKeys:
        """Return the keys of sessions and drafts. Raises `InvalidKeyEncryptionKeys`."""
        how = "write 32 random bytes in base64 (`openssl rand -base64 32`) into a file, and name it in OOC_CONSOLE_KEY_FILE"
        if self.console_key_file is None:
            raise InvalidKeyEncryptionKeys(f"no key for sessions and drafts is set: {how}")
        try:
            return KeyEncryptionKeys.from_file(self.console_key_file)
        except InvalidKeyEncryptionKeys as error:
            raise InvalidKeyEncryptionKeys(
                f"{self.console_key_file} holds no key for sessions and drafts: {how}"
            ) from error
