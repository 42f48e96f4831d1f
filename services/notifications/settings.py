"""Settings of notifications, beside those of every process."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Final, Self

from pydantic import model_validator

from shared.servers.settings import InvalidSetting, MailSettings, secret_in_file

SHORTEST_KEY: Final = 43
"""Characters of 32 bytes in base64, at least."""


class NotificationsSettings(MailSettings):
    """The settings of the program that writes to people."""

    url: str | None = None
    """Where the services are, as for the console."""
    console_url: str | None = None
    """The console's address: what goes to a screen then has a link to the page of its appointment. Default: none, and no
    links; in a local system its address.
    """
    messenger_client: str | None = None
    """The client id of notifications at the issuer, whose tokens have the role `MESSENGER`. Default: none, as with the
    development issuer.
    """
    messenger_secret_file: Path | None = None
    """A file with the secret of that client."""
    notify_key_file: Path | None = None
    """A file with an API key of GOV.UK Notify. Default: none: texts and letters are recorded only, if no mail server is
    set either.
    """
    notify_url: str = "https://api.notifications.service.gov.uk"
    """The address of GOV.UK Notify."""
    notify_templates: str = ""
    """The ids of its templates, one for each channel that it is to carry: `sms=ID email=ID letter=ID`. Each consists of
    `((text))`, with the subject or heading `((subject))`.
    """
    messages_of_the_past: bool = False
    """Whether messages count from the days of the story that is played; `make run` sets it. It needs `OOC_MODE=local`, and
    neither a mail server nor GOV.UK Notify.
    """

    webhook_key_file: Path | None = None
    """A file with the secret from which those of [webhooks](../how-to/react-from-outside.md) follow: 32 random bytes in
    base64. Default: none, and no webhooks; in a local system `keys/webhooks` in its directory, created once.
    """
    webhook_networks: str = ""
    """Networks, such as `10.20.0.0/16`, separated by spaces, whose addresses webhooks may reach beside public ones: that of a
    gateway, say.
    """

    @model_validator(mode="after")
    def _can_send(self) -> Self:
        if self.smtp_host is not None and self.smtp_from is None:
            raise InvalidSetting("OOC_SMTP_HOST is set: name the address from which e-mails come in OOC_SMTP_FROM")
        if self.messages_of_the_past and (self.mode != "local" or self.smtp_host or self.notify_key_file):
            raise InvalidSetting(
                "OOC_MESSAGES_OF_THE_PAST is for a local system from which nothing is sent: leave it out"
            )
        try:
            self.networks  # noqa: B018 - asked, so that a wrong one ends the process before it starts
        except ValueError as error:
            raise InvalidSetting(f"OOC_WEBHOOK_NETWORKS: {error}: write networks such as 10.20.0.0/16") from error
        return self

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks that webhooks may reach beside public ones."""
        return tuple(map(ip_network, self.webhook_networks.split()))

    @property
    def templates(self) -> dict[str, str]:
        """The ids of Notify's templates by channel. Raises `InvalidSetting`."""
        pairs = [pair.partition("=") for pair in self.notify_templates.split()]
        if any(channel not in {"sms", "email", "letter"} or not id_ for channel, _, id_ in pairs):
            raise InvalidSetting("OOC_NOTIFY_TEMPLATES: write sms=ID email=ID letter=ID, each one that you use")
        return {channel.upper(): id_ for channel, _, id_ in pairs}


def webhook_key(file: Path) -> bytes:
    """Return the secret in the file of `OOC_WEBHOOK_KEY_FILE`. Raises `InvalidSetting`."""
    secret = secret_in_file(file, "OOC_WEBHOOK_KEY_FILE").encode()
    if len(secret) < SHORTEST_KEY:
        raise InvalidSetting("OOC_WEBHOOK_KEY_FILE must name a file with 32 random bytes in base64")
    return secret
