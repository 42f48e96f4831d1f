"""Sends alarms to the people on call: to a webhook (https://www.standardwebhooks.com) and by e-mail.

It looks at every service, as monitoring does, and keeps nothing. So it sends standing alarms again when it starts; the id of a
notice follows from its alarm, by which a receiver knows what it has. What cannot be sent is sent again until it was.
"""

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final, Protocol

import aiosmtplib
import httpx2
import structlog

from ooc.system.alarms import COMMANDS, DETAILS
from shared.domain.ids import derived_uuid
from shared.evidence.verification.problems import one_line
from shared.messaging.consumer.alarms import kind_of
from shared.messaging.signed_webhook import secret_bytes, signed_headers
from shared.servers.settings import InvalidSetting, MailSettings, secret_in_file
from tools.client.http import Client, NoAnswer

LOOK_SECONDS: Final = 3.0
SILENT_LOOKS: Final = 5
"""Looks in a row after which a service that does not answer is an alarm."""

SECONDS: Final = 10.0
"""How long a receiver may take for a step; for all of them three times as long, however slowly its answer comes."""

MOST_OF_A_KIND: Final = 6
"""Alarms of a kind of a service that are told within `WITHIN`: a role may raise any number, and on-call has to read them."""
WITHIN: Final = 3600.0
"""Seconds."""

LONGEST_PAUSE: Final = 300.0
"""Seconds between two tries at most."""

_log = structlog.get_logger("alarms")


class ForwardingSettings(MailSettings):
    """Where alarms go; with neither a webhook nor a mail address nothing is sent."""

    alarm_webhook: str | None = None
    """The address to which `ooc alarms forward` sends each alarm, as a Standard Webhook. Default: none."""
    alarm_webhook_secret_file: Path | None = None
    """A file with the secret by which the receiver checks it: `whsec_` and at least 24 bytes in base64."""
    alarm_mail_to: str = ""
    """The addresses, separated by commas, to which it writes e-mails, by the server in `OOC_SMTP_HOST`. Default: none."""


@dataclass(frozen=True, slots=True)
class AlarmNotice:
    """An alarm, or its end, as it is sent: nothing of it names a person, a case or a stream."""

    service: str
    name: str
    consumer: str
    place: str
    meaning: str
    runbook: str
    raised_at: str
    ended: bool = False

    @property
    def id(self) -> str:
        """The id of the message, the same however often it is sent."""
        return str(
            derived_uuid("alarm", self.service, self.name, self.consumer, self.place, self.raised_at, str(self.ended))
        )

    @property
    def sentence(self) -> str:
        """What is said in one line."""
        return f"{'Cleared' if self.ended else 'ALARM'}: {self.name} of {self.service}"

    def body(self) -> bytes:
        data = {name: value for name, value in asdict(self).items() if name != "ended"}
        kind = "alarm.cleared" if self.ended else "alarm.raised"
        at = datetime.now(UTC).isoformat() if self.ended else self.raised_at
        return json.dumps({"type": kind, "timestamp": at, "data": data}).encode()


class Receiver(Protocol):
    """A receiver of notices of alarms."""

    async def send(self, notice: AlarmNotice) -> None:
        """Send one; whatever is raised has it sent again."""


class Webhook:
    """A receiver of Standard Webhooks."""

    def __init__(self, address: str, secret: bytes, http: httpx2.AsyncClient) -> None:
        self._address, self._secret, self._http = address, secret, http

    async def send(self, notice: AlarmNotice) -> None:
        """Post an alarm; raises unless the receiver answers with 2xx."""
        body = notice.body()
        headers = signed_headers(self._secret, notice.id, body)
        async with self._http.stream("POST", self._address, content=body, headers=headers) as answer:
            answer.raise_for_status()  # what else it says is not read


class Mail:
    """People who get e-mails."""

    def __init__(self, settings: ForwardingSettings) -> None:
        self._settings = settings

    async def send(self, notice: AlarmNotice) -> None:
        """Send an e-mail, over TLS alone; raises if it is not taken."""
        at, message = self._settings, EmailMessage()
        message["From"], message["To"], message["Subject"] = at.smtp_from or "", at.alarm_mail_to, notice.sentence
        message["Message-ID"] = f"<{notice.id}@{(at.smtp_from or '').rpartition('@')[2]}>"
        message["Date"] = datetime.now(UTC)
        message.set_content(
            f"{notice.meaning}\n\n{notice.consumer}, {notice.place}, since {notice.raised_at}.\n\n"
            f"More: {COMMANDS.get(notice.name, DETAILS)}\nWhat to do: {notice.runbook}\n"
        )
        authority = None if at.smtp_authority is None else str(at.smtp_authority)
        await aiosmtplib.send(
            message,
            hostname=at.smtp_host,
            port=at.smtp_port,
            username=at.smtp_user,
            password=at.smtp_user and secret_in_file(at.smtp_password_file, "OOC_SMTP_PASSWORD_FILE"),
            start_tls=True,
            tls_context=ssl.create_default_context(cafile=authority),
            timeout=SECONDS,
        )


def receivers_of(settings: ForwardingSettings, http: httpx2.AsyncClient) -> list[Receiver]:
    """Return who gets notices, as the settings say. Raises `InvalidSetting`."""
    receivers: list[Receiver] = []
    if settings.alarm_webhook is not None:
        receivers.append(Webhook(settings.alarm_webhook, _secret(settings.alarm_webhook_secret_file), http))
    if settings.alarm_mail_to:
        if not settings.smtp_host or not settings.smtp_from:
            raise InvalidSetting("OOC_ALARM_MAIL_TO is set: name the mail server in OOC_SMTP_HOST, and OOC_SMTP_FROM")
        receivers.append(Mail(settings))
    if not receivers:
        raise InvalidSetting("nobody is to be told: set OOC_ALARM_WEBHOOK or OOC_ALARM_MAIL_TO")
    return receivers


def _secret(file: Path | None) -> bytes:
    remedy = "OOC_ALARM_WEBHOOK_SECRET_FILE must name a file with whsec_ and at least 24 bytes in base64"
    if file is None:
        raise InvalidSetting(remedy)
    try:
        return secret_bytes(file.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise InvalidSetting(f"{remedy}: {error}") from error


Look = Callable[[], Mapping[str, Iterable[Mapping[str, Any]] | None]]
"""Asks all that answer for its standing alarms; None: it does not answer."""


def look_by(client: Client) -> Look:
    """Look at each service through its API."""

    def look() -> dict[str, Iterable[Mapping[str, Any]] | None]:
        alarms: dict[str, Iterable[Mapping[str, Any]] | None] = {}
        for service in client.addresses.watched:
            try:
                status = client.open(service, "/status")
                alarms[service] = status.body["alarms"] if status.status == 200 else None
            except (NoAnswer, KeyError, TypeError):
                alarms[service] = None
        return alarms

    return look


class Forwarder:
    """Sends each receiver, in order, each alarm that was raised or has ended since the last look."""

    def __init__(self, look: Look, receivers: Iterable[Receiver], heartbeat: Path | None = None) -> None:
        self._look = look
        self._heartbeat = heartbeat
        self._queues = [(receiver, asyncio.Queue[AlarmNotice]()) for receiver in receivers]
        self._standing: dict[str, set[AlarmNotice]] = {}
        self._silent: dict[str, int] = {}
        self._told: set[AlarmNotice] = set()
        self._times: dict[tuple[str, str], list[float]] = {}

    async def run(self, pause: float = LOOK_SECONDS, first_pause: float = 1.0) -> None:
        """Look and send until cancelled."""
        async with asyncio.TaskGroup() as group:
            for receiver, queue in self._queues:
                group.create_task(_deliver(receiver, queue, first_pause))
            while True:
                self._note(await asyncio.to_thread(self._look))
                if self._heartbeat is not None:
                    self._heartbeat.touch()
                await asyncio.sleep(pause)

    def _note(self, alarms_of: Mapping[str, Any]) -> None:
        for service, listed in alarms_of.items():
            alarms = _read(service, listed)
            before = self._standing.get(service, set())
            if alarms is None:
                self._silent[service] = self._silent.get(service, 0) + 1
                if self._silent[service] != SILENT_LOOKS:
                    continue
                now = before | {_silence(service)}
            else:
                self._silent[service] = 0
                now = alarms
            self._standing[service] = now
            for notice in sorted(now - before, key=lambda alarm: alarm.raised_at):
                if alarms is None or self._may_tell(notice):
                    self._told.add(notice)
                    self._queue(notice)
            for notice in (before - now) & self._told:
                self._told.remove(notice)
                self._queue(AlarmNotice(**asdict(notice) | {"ended": True}))

    def _may_tell(self, notice: AlarmNotice) -> bool:
        """Whether few enough of the kind were told lately; of the first one beyond them it is told that there are more."""
        place, now = kind_of(notice.name).name, time.monotonic()
        times = [at for at in self._times.get((notice.service, place), ()) if now - at < WITHIN]
        if len(times) == MOST_OF_A_KIND:
            more = "More alarms of this kind stand than are told: list them."
            self._queue(replace(notice, name="more_alarms", place=place, meaning=more))
        if len(times) <= MOST_OF_A_KIND:
            times.append(now)
        self._times[notice.service, place] = times
        return len(times) <= MOST_OF_A_KIND

    def _queue(self, notice: AlarmNotice) -> None:
        _log.warning("alarm_told", alarm=notice.name, service=notice.service, ended=notice.ended)
        for _, queue in self._queues:
            queue.put_nowait(notice)


_OF_AN_ALARM: Final = ("name", "consumer", "place", "meaning", "runbook", "raised_at")


def _read(service: str, listed: Any) -> set[AlarmNotice] | None:
    """Read what a service lists, which a hostile role may have written; None if it is no list of alarms."""
    try:
        return {
            AlarmNotice(service, **dict[str, Any]((name, one_line(alarm[name])) for name in _OF_AN_ALARM))
            for alarm in listed
        }
    except (TypeError, KeyError, AttributeError):
        return None


def _silence(service: str) -> AlarmNotice:
    return AlarmNotice(
        service,
        "no_answer",
        "alarms",
        service,
        "Its API does not answer.",
        "docs/how-to/runbook/full_disk.md",
        datetime.now(UTC).isoformat(),
    )


async def _deliver(receiver: Receiver, queue: asyncio.Queue[AlarmNotice], first_pause: float) -> None:
    while True:
        notice, pause = await queue.get(), first_pause
        while True:
            try:
                async with asyncio.timeout(3 * SECONDS):
                    await receiver.send(notice)
                break
            except Exception as error:  # noqa: BLE001 - whatever is wrong there, an alarm is sent once it can be
                _log.warning("alarm_not_told", to=type(receiver).__name__, why=repr(error))
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)


async def forward_alarms(client: Client, settings: ForwardingSettings) -> None:
    """Send notices of alarms until cancelled. Raises `InvalidSetting`."""
    async with httpx2.AsyncClient(timeout=SECONDS) as http:
        with suppress(asyncio.CancelledError):
            await Forwarder(look_by(client), receivers_of(settings, http), settings.heartbeat).run()
