"""The way back: a partner's program refers a child to the partnership, over HTTP, and keeps the receipt.

Credentials are a JSON file that only this program may read:

    {"issuer": "http://127.0.0.1:8100", "referral": "http://127.0.0.1:8101",
     "form": {"client_id": "early-help-alert", "client_secret": "…"}}

`form` is sent to the issuer's token endpoint with grant_type=client_credentials (RFC 6749, section 4.4). The development
issuer takes sub, role, organisation and area there instead of a secret.
"""

from __future__ import annotations

import json
import sqlite3
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid5

NAMESPACE: Final = UUID("6f0d3c1e-6a52-4a0e-9a54-0c5b3c8f2b11")
"""The ids of what is sent follow from the alert, so a database that was lost sends the same again, and nothing new."""

MARGIN: Final = 30
"""Seconds before its end at which a token is renewed."""


class TryLater(Exception):
    """The partnership does not answer, or asks to wait: the same request is sent again, with the same key."""


@dataclass
class Partner:
    """A partner's access to the API of referrals."""

    issuer: str
    referral: str
    form: dict[str, str]
    _token: str = ""
    _until: float = 0.0
    _resume_at: float = field(default=0.0)

    @classmethod
    def read(cls, file: Path) -> Partner:
        """Read the credentials."""
        return cls(**json.loads(file.read_text(encoding="utf-8")))

    def send(self, referral_id: str, key: str, command: str) -> tuple[int, dict[str, Any]]:
        """Send a command. Returns the status and the body of an answer that is final; raises `TryLater`."""
        if time.monotonic() < self._resume_at:
            raise TryLater
        request = urllib.request.Request(
            f"{self.referral}/v1/referrals/{referral_id}/commands",
            command.encode(),
            {
                "Authorization": f"Bearer {self._access_token()}",
                "Idempotency-Key": key,
                "Content-Type": "application/json",
            },
        )
        status, answer, headers = _ask(request)
        if status in {401, 429} or status >= 500:
            # A token may have been withdrawn, a server may be down: neither is an answer to the command.
            self._until = 0.0
            self._resume_at = time.monotonic() + float(headers.get("Retry-After", 1))
            raise TryLater
        return status, answer

    def _access_token(self) -> str:
        if time.monotonic() > self._until - MARGIN:
            _, configuration, _ = _ask(urllib.request.Request(f"{self.issuer}/.well-known/openid-configuration"))
            form = urllib.parse.urlencode({"grant_type": "client_credentials", **self.form}).encode()
            status, answer, _ = _ask(urllib.request.Request(configuration.get("token_endpoint", ""), form))
            if status != 200:
                raise TryLater
            self._token, self._until = answer["access_token"], time.monotonic() + answer["expires_in"]
        return self._token


def refer_back(database: sqlite3.Connection, partner: Partner) -> None:
    """Send a referral for each child who has missed two sessions, once, and keep the receipt or the reason against it."""
    database.execute("begin immediate")
    waiting = database.execute(
        "select alert.* from alert left join sent using (because)"
        " where kind = 'MISSED_SESSIONS' and sent.because is null"
    ).fetchall()
    for _, person, urn, because, since in waiting:
        referral = str(uuid5(NAMESPACE, f"referral {because}"))
        database.execute(
            "insert into sent (because, referral_id, request) values (?, ?, ?)",
            (because, referral, json.dumps(_referral(person, urn, because, since))),
        )
    database.execute("commit")
    for because, referral, request in database.execute(
        "select because, referral_id, request from sent where answer = 'WAITING'"
    ).fetchall():
        try:
            status, answer = partner.send(referral, because, request)
        except (TryLater, OSError):
            return
        row = ("RECORDED", json.dumps(answer), None) if status == 201 else ("REFUSED", None, json.dumps(answer))
        database.execute("update sent set answer = ?, receipt = ?, problem = ? where because = ?", (*row, because))


def _referral(person: str, urn: str, because: str, since: str) -> dict[str, Any]:
    """Compose the command from the alert alone: sent again, it is the same to the byte."""
    return {
        "type": "ReceiveReferral",
        "case_id": str(uuid5(NAMESPACE, f"case {because}")),
        "source": "SCHOOL",
        "reported_at": since,
        "incident_type": "BEHAVIOUR",
        "happened_at": since,
        "setting": "SCHOOL",
        "school_urn": urn,
        "on_premises": True,
        "in_school_hours": True,
        "flags": [],
        "narrative": f"The pupil known to you as {person} has missed two sessions without an acceptable reason.",
        "lawful_basis": "public task",
    }


def _ask(request: urllib.request.Request) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Send a request; returns status, JSON body and headers, whatever the status. Raises OSError without an answer."""
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.loads(response.read()), dict(response.headers)
    except urllib.error.HTTPError as error:
        with error:
            text = error.read().decode(errors="replace")
        try:
            return error.code, json.loads(text), dict(error.headers)
        except ValueError:  # a server between us may answer in another form
            return error.code, {"detail": text}, dict(error.headers)
