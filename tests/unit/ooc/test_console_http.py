"""Talking to the system over HTTP: addresses, tokens, patience, and what answers mean. The server is a real one."""

import asyncio
import base64
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from typer.testing import CliRunner

from ooc.cases.reading import timeline_of
from ooc.main import app
from ooc.system import alarms
from services.system.addresses import SERVICES, Addresses, NoSystem, find_addresses
from services.system.lags import SOURCES, lags_of
from tests import loopback
from tools.client.http import Client, NoAnswer, Reply
from tools.client.idle import NotIdle, wait_until_idle
from tools.client.tokens import NoToken, Tokens, officer_id
from tools.scenario.backend import BackendError, Request
from tools.scenario.over_http import Http, response_from
from tools.scenario.story import Officer, Result

STREAM = UUID(int=1)


@dataclass
class Answers:
    """What a server answers, in turn, and what it was asked; the last answer is given for ever."""

    answers: list[tuple[int, Any, Mapping[str, str]]]
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def next(self) -> tuple[int, Any, Mapping[str, str]]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def serving(*answers: tuple[int, Any] | tuple[int, Any, Mapping[str, str]]) -> Iterator[tuple[str, Answers]]:
    """Yield a server on a port of its own: POST /token gives a token, everything else the next answer."""
    http_server = Answers([(answer[0], answer[1], answer[2] if len(answer) > 2 else {}) for answer in answers])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path == "/token":
                answer: tuple[int, Any, Mapping[str, str]] = (200, {"access_token": "t", "expires_in": 300}, {})
            else:
                http_server.requests.append((self.command, self.path, dict(self.headers), body))
                answer = http_server.next()
            status, content, headers = answer
            raw = json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(raw)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", http_server
    finally:
        server.shutdown()
        server.server_close()


def client(url: str, patience: float = 5.0) -> Client:
    return Client(Addresses(url, dict.fromkeys(SERVICES, url)), patience=patience)


def request() -> Request:
    return Request("disposal", STREAM, Officer("SUPERVISOR"), {"type": "ReferToYot"}, "a-key")


# --- addresses ------------------------------------------------------------------------------------


def test_addresses_come_from_the_command_line_the_environment_or_the_file(tmp_path: Path) -> None:
    """Given several places that name addresses, when they are looked for, then the nearest one wins."""
    (tmp_path / "system.json").write_text(
        json.dumps({"issuer": "http://i", "services": {"disposal": "http://file"}}), encoding="utf-8"
    )
    assert find_addresses([], {}, tmp_path).of("disposal") == "http://file"
    by_environment = find_addresses([], {"OOC_URL": "disposal=http://e/", "OOC_ISSUER": "http://other"}, tmp_path)
    assert (by_environment.of("disposal"), by_environment.issuer) == ("http://e", "http://other")
    assert (
        find_addresses(["disposal=http://c"], {"OOC_URL": "disposal=http://e"}, tmp_path).of("disposal") == "http://c"
    )
    assert find_addresses(["https://gateway"], {}, tmp_path / "none").of("reporting") == "https://gateway/reporting"


@pytest.mark.parametrize(
    ("urls", "sentence"),
    [
        ([], "ooc up"),
        (["ftp://x"], "no address"),
        (["prison=http://x"], "no service 'prison'"),
        (["disposal=x"], "no address"),
    ],
)
def test_addresses_that_make_no_sense_are_said(tmp_path: Path, urls: list[str], sentence: str) -> None:
    """Given no system, or an address that is none, when it is looked for, then the message says what to do."""
    with pytest.raises(NoSystem, match=sentence):
        find_addresses(urls, {}, tmp_path)


def test_a_service_without_an_address_is_said(tmp_path: Path) -> None:
    """Given the address of one service only, when another is asked for, then the message names it."""
    with pytest.raises(NoSystem, match="No address of referral"):
        find_addresses(["disposal=http://x"], {}, tmp_path).of("referral")


# --- tokens ---------------------------------------------------------------------------------------


def test_a_token_of_the_environment_is_used_with_its_person() -> None:
    """Given a token in the environment, when its role acts, then it is used and its `sub` is the officer's id."""
    claims = base64.urlsafe_b64encode(json.dumps({"sub": str(STREAM)}).encode()).rstrip(b"=").decode()
    tokens = Tokens(None, loopback.blocking_client(), {"OOC_TOKEN_SUPERVISOR_2": f"head.{claims}.signature"})
    assert tokens.token("SUPERVISOR", 2).person == STREAM
    with pytest.raises(NoToken, match="set OOC_TOKEN_SUPERVISOR"):
        tokens.token("SUPERVISOR")


def test_a_token_that_is_none_is_said_without_being_shown() -> None:
    """Given rubbish in the environment, when it is to be used, then the message names the variable, not its content."""
    with pytest.raises(NoToken) as error:
        Tokens(None, loopback.blocking_client(), {"OOC_TOKEN_AUDITOR": "secret"}).token("AUDITOR")
    assert "OOC_TOKEN_AUDITOR" in str(error.value)
    assert "secret" not in str(error.value)


def test_the_development_issuer_gives_the_same_person_every_time() -> None:
    """Given the development issuer, when a role's token is asked for twice, then the person is the same."""
    with serving((200, {})) as (url, _):
        first, second = Tokens(url, loopback.blocking_client(), {}), Tokens(url, loopback.blocking_client(), {})
        assert first.token("SUPERVISOR").person == second.token("SUPERVISOR").person == officer_id("SUPERVISOR", 1)


# --- searching ------------------------------------------------------------------------------------


def test_a_search_takes_its_words_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given words on standard input, when they are searched for, then they stand in the body and in no address."""
    claims = base64.urlsafe_b64encode(json.dumps({"sub": str(STREAM)}).encode()).rstrip(b"=").decode()
    monkeypatch.setenv("OOC_TOKEN_SUPERVISOR", f"head.{claims}.signature")
    record = {"service": "referral", "id": str(STREAM), "matched": ["name"], "person_ids": [str(UUID(int=7))]}
    with serving((200, {"total": 1, "cases": [{"case_id": str(UUID(int=5)), "records": [record]}]})) as (
        url,
        http_server,
    ):
        result = CliRunner().invoke(app, ["search", "--url", url], input="Robin Roe\n")
        empty = CliRunner().invoke(app, ["search", "--url", url], input="\n")
    ((method, path, _, body),) = http_server.requests
    assert (method, path, json.loads(body)) == ("POST", "/reporting/v1/search", {"name": "Robin Roe"})
    assert result.exit_code == 0
    assert str(UUID(int=5)) in result.output
    assert empty.exit_code == 1


# --- sending --------------------------------------------------------------------------------------


def test_a_command_carries_token_key_and_reason() -> None:
    """Given a command, when it is sent, then its headers and body are as agreed."""
    with serving((201, {"events": [{"type": "ooc.disposal.YotReferred.v1"}]})) as (url, http_server):
        got = Http(client(url)).send(request())
    assert (got.word, got.events) == (Result.ACCEPTED, ("YotReferred",))
    (method, path, headers, body) = http_server.requests[0]
    assert (method, path) == ("POST", f"/v1/disposals/{STREAM}/commands")
    assert headers["Authorization"] == "Bearer t"
    assert headers["Idempotency-Key"] == "a-key"
    assert headers["Access-Reason"] == "SCENARIO"
    assert json.loads(body) == {"type": "ReferToYot"}


def test_a_service_that_restarts_is_asked_again_with_the_same_key() -> None:
    """Given a service that is not ready at first, when a command is sent, then it arrives, with the key it began with."""
    receipt = {"events": [{"type": "ooc.disposal.YotReferred.v1"}]}
    with serving((503, {}), (201, receipt, {"Idempotency-Replayed": "true"})) as (url, http_server):
        got = Http(client(url)).send(request())
    assert got.attempts > 1
    assert {headers["Idempotency-Key"] for _, _, headers, _ in http_server.requests} == {"a-key"}


def test_a_service_that_stays_away_is_said() -> None:
    """Given nobody at an address, when it is asked, then the message names the service and says what to do."""
    with serving((200, {})) as (url, _):
        pass
    with pytest.raises(NoAnswer, match=r"disposal at .*: it does not answer .*ooc status"):
        client(url, patience=0.3).open("disposal", "/status")


def test_a_token_that_ended_is_renewed_once() -> None:
    """Given a token that is no longer accepted, when something is read, then a new one is tried, and only once."""
    with serving((401, {}), (200, {"state": "ACTIVE"})) as (url, _):
        assert Http(client(url)).state("disposal", STREAM, as_of=None, known_at=None) == {"state": "ACTIVE"}
    with serving((401, {})) as (url, http_server):
        with pytest.raises(BackendError, match="not accepted"):
            Http(client(url)).state("disposal", STREAM, as_of=None, known_at=None)
        assert len(http_server.requests) == 2


@pytest.mark.parametrize(
    ("status", "body", "word", "rules"),
    [
        (422, {"rules": [{"id": "R6", "text": "An adult."}], "needs_rationale": False}, Result.REFUSED, ("R6",)),
        (422, {"rules": [{"id": "A1", "text": "Why?"}], "needs_rationale": True}, Result.NEEDS_RATIONALE, ("A1",)),
        (422, {"rules": [], "errors": [{"field": "due", "message": "a date"}]}, Result.INVALID, ()),
        (403, {"detail": "not yours"}, Result.FORBIDDEN, ()),
        (404, {}, Result.UNKNOWN, ()),
        (409, None, Result.CONFLICT, ()),
    ],
)
def test_each_answer_has_its_word(status: int, body: Any, word: Result, rules: tuple[str, ...]) -> None:
    """Given an HTTP answer, when it is read, then its status and problem details make one word and the rules."""
    got = response_from(Reply(status, body))
    assert (got.word, got.rules) == (word, rules)


def test_an_answer_that_was_not_agreed_is_said() -> None:
    """Given an internal error, when it is read, then playing ends with a sentence, not with a difference."""
    with pytest.raises(BackendError, match="HTTP 500"):
        response_from(Reply(500, None))


# --- waiting --------------------------------------------------------------------------------------


def status(position: int, relayed: int, offset: int, consumed: Mapping[str, int]) -> dict[str, Any]:
    return {
        "position": position,
        "relayed": {"position": relayed, "offsets": {"0": offset, "1": 0}},
        "reacts_to": [f"ooc.{topic}.events" for topic in consumed],
        "consumed": {f"ooc.{topic}.events": {"0": reached} for topic, reached in consumed.items() if reached},
    }


def test_what_is_not_relayed_or_consumed_is_behind() -> None:
    """Given statuses, when a relay or a consumer lags, then it is named; partitions without records do not count."""
    statuses = {
        "referral": status(3, 2, 2, {"disposal": 4}),
        "disposal": status(5, 5, 5, {}),
        "reporting": {"consumed": {"ooc.disposal.events": {"0": 5}, "ooc.referral.events": {"0": 2}}},
    }
    assert [lag.words for lag in lags_of("referral", statuses)] == [
        "the relay of referral is at 2 of 3",
        "referral is 1 behind on ooc.disposal.events",
    ]
    assert lags_of("reporting", statuses) == []


def test_a_consumer_that_has_consumed_nothing_yet_is_behind() -> None:
    """Given a service that reacts to a topic and has no checkpoint, when something is relayed, then it is behind."""
    statuses = {
        "referral": status(0, 0, 0, {"disposal": 0}),
        "disposal": status(2, 2, 2, {}),
        "reporting": {"consumed": {}},
    }
    assert [len(lags_of(name, statuses)) for name in ("referral", "reporting")] == [1, 1]
    statuses["disposal"] = status(0, 0, 0, {})
    assert not lags_of("referral", statuses)
    assert not lags_of("reporting", statuses)


def test_the_wait_ends_when_nothing_can_follow() -> None:
    """Given a system at rest, when one waits for it, then one look is enough; given one that lags, then it says what does."""
    at_rest = status(2, 2, 2, dict.fromkeys(SOURCES, 2))
    with serving((200, at_rest)) as (url, asked):
        wait_until_idle(client(url), patience=5)
    assert len(asked.requests) == len(SERVICES)
    with (
        serving((200, at_rest | {"position": 3})) as (url, _),
        pytest.raises(NotIdle, match="the relay of referral is at 2 of 3"),
    ):
        wait_until_idle(client(url), patience=0.2)


def test_only_who_lags_is_asked_again() -> None:
    """Given one service that lags for three looks, when one waits, then the others are asked once."""
    at_rest = status(2, 2, 2, dict.fromkeys(SOURCES, 2))
    lagging = (200, at_rest | {"relayed": None})
    with serving(lagging, lagging, lagging, (200, at_rest)) as (url, late), serving((200, at_rest)) as (other, others):
        wait_until_idle(Client(Addresses(other, dict.fromkeys(SERVICES, other) | {"disposal": url})), patience=5)
    assert len(late.requests) == 4
    assert len(others.requests) == len(SERVICES) - 1


def test_what_followed_meanwhile_is_waited_for() -> None:
    """Given a service that recorded more while it was waited for, when one waits, then that is waited for too."""
    at_rest = status(2, 2, 2, dict.fromkeys(SOURCES, 2))
    late, more, most = (
        at_rest | {"relayed": None},
        at_rest | {"position": 3},
        status(3, 3, 2, dict.fromkeys(SOURCES, 2)),
    )
    answers = [(200, answer) for answer in (late, more, more, most)]
    with serving(*answers) as (url, asked), serving((200, at_rest)) as (other, others):
        wait_until_idle(Client(Addresses(other, dict.fromkeys(SERVICES, other) | {"disposal": url})), patience=5)
    assert len(asked.requests) == len(answers)
    assert len(others.requests) == 2 * (len(SERVICES) - 1)


# --- a case ---------------------------------------------------------------------------------------


def line(n: int) -> dict[str, Any]:
    return {"service": "disposal", "position": n}


def test_a_timeline_is_read_page_for_page() -> None:
    """Given a timeline of two pages, when it is asked for by both times, then every event comes, in order, and no page more."""
    pages = [{"total": 3, "events": [line(1), line(2)]}, {"total": 3, "events": [line(3)]}]
    with serving(*((200, page) for page in pages)) as (url, http_server):
        times = {"as_of": "2026-02-02", "known_at": None}
        events = list(timeline_of(client(url), STREAM, "SUPERVISOR", params=times))
    assert [event["position"] for event in events] == [1, 2, 3]
    assert [requests[1].rpartition("?")[2] for requests in http_server.requests] == [
        "as_of=2026-02-02&page=1",
        "as_of=2026-02-02&page=2",
    ]


# --- alarms ---------------------------------------------------------------------------------------


async def test_alarms_are_told_and_cleared_whatever_a_service_answers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a service of another version, an alarm, and none, when `ooc up` watches, then it says both and goes on."""
    monkeypatch.setattr(alarms, "LOOK_SECONDS", 0.01)
    alarm = {"name": "event_store_gap", "consumer": "relay", "place": "p", "meaning": "Lost.", "runbook": "page.md"}
    rounds: list[tuple[int, Any]] = (
        [(200, {"alarms": 7})] + [(200, {"alarms": [alarm]})] * len(SERVICES) + [(200, {"alarms": []})]
    )
    output = ""
    with serving(*rounds) as (url, _):
        watching = asyncio.create_task(alarms.tell_alarms(client(url)))
        async with asyncio.timeout(20):
            while "Cleared" not in output:
                await asyncio.sleep(0.01)
                output += capsys.readouterr().err
        assert not watching.done()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert "ALARM event_store_gap of disposal (relay, p): Lost. More: `ooc verify`. What to do: page.md" in output
