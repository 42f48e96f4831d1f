"""Waiting until everything recorded so far has passed through relays, reactions and projections."""

import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from services.system.addresses import SERVICES
from services.system.lags import SOURCES, Lag, Statuses, consumer_lags, relay_lags, relayed_offsets
from tools.client.http import Client, Ended, NoAnswer

LONGEST_CHAIN: Final = len(SOURCES) + 2
"""Rounds after which whatever was recorded before the first has had all its consequences: a reaction of a reaction
goes through each service at most once, so a busy system need not fall silent."""

PATIENCE: Final = 90.0
"""Seconds to wait: enough for a broker that is being restarted."""

GLANCE: Final = 0.03


class NotIdle(Exception):
    """Something recorded has not passed through everything in time: says what lags."""


def statuses(client: Client, services: Collection[str] = SERVICES) -> dict[str, Mapping[str, Any]]:
    """Return the status of each service, asked all at once; raises `NoAnswer`."""

    def status(service: str) -> Mapping[str, Any]:
        return client.open(service, "/status").body or {}

    with ThreadPoolExecutor(max(1, len(services))) as pool:
        return dict(zip(services, pool.map(status, services), strict=True))


def wait_until_idle(client: Client, patience: float = PATIENCE) -> None:
    """Return when everything recorded so far has had its consequences; raises `NotIdle`."""
    deadline = time.monotonic() + patience
    before: Mapping[str, int] | None = None
    for _ in range(LONGEST_CHAIN):
        goal, answers = _round(client, deadline)
        if goal == before or _is_idle(answers):
            return
        before = goal


def _round(client: Client, deadline: float) -> tuple[Mapping[str, int], Statuses]:
    """Wait until all recorded events are relayed and consumed; return the positions at the start, and the last answers."""
    answers = _wait_for_statuses(client, deadline, SERVICES)
    goal = _positions(answers)
    while lags := list(relay_lags(answers, goal)):
        answers = _look_again(client, deadline, answers, lags)
    offsets = relayed_offsets(answers)
    while lags := list(consumer_lags(answers, offsets)):
        answers = _look_again(client, deadline, answers, lags)
    return goal, answers


def _is_idle(answers: Statuses) -> bool:
    """Whether everything in each answer is relayed and consumed in the others.

    Then nothing can follow any more, though the services were not asked at the same moment: a service says first what it
    has consumed and then its position, so an event that followed from another is in the answer that says it consumed that.
    """
    return not any((*relay_lags(answers, _positions(answers)), *consumer_lags(answers, relayed_offsets(answers))))


def _positions(answers: Statuses) -> dict[str, int]:
    return {service: int(answers[service]["position"]) for service in SOURCES}


def _wait_for_statuses(client: Client, deadline: float, services: Collection[str]) -> Statuses:
    while True:
        try:
            answers = statuses(client, services)
            if all("position" in answers[service] for service in SOURCES if service in answers):
                return answers
            why = "a service's status tells no position: is it of this version?"
        except Ended:
            raise
        except NoAnswer as error:
            why = str(error)
        _pause(deadline, [why])


def _look_again(client: Client, deadline: float, answers: Statuses, lags: list[Lag]) -> Statuses:
    """Pause, and ask those that lag once more."""
    _pause(deadline, [lag.words for lag in lags])
    return {**answers, **_wait_for_statuses(client, deadline, sorted({lag.service for lag in lags}))}


def _pause(deadline: float, lagging: list[str]) -> None:
    if time.monotonic() >= deadline:
        raise NotIdle(f"The system has not come to rest: {'; '.join(lagging)}. Ask `ooc status`.")
    time.sleep(GLANCE)
