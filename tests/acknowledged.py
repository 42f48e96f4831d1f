"""People who use a system while it is harmed, and the receipts that they have been given."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import httpx2

from services.system.addresses import Addresses, find_addresses
from tests import loopback
from tools.client.http import Client

STREAMS: Final = {
    "referral": [
        "ReferralReceived",
        "ReferralAcknowledged",
        "ReferralTriaged",
        "ReferralAllocated",
        "ActivityUndertaken",
    ],
    "education": ["SessionPlanned", "PlaceBooked", "SessionDelivered", "AttendanceRecorded"],
}
"""What a story records, by service. The last of the referral is the reaction to the last of the session."""


@dataclass
class Story:
    """What one person has been promised: the receipts of a story's two streams."""

    case: UUID
    referral: UUID
    session: UUID
    receipts: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {service: [] for service in STREAMS})

    def stream(self, service: str) -> UUID:
        """Return the stream of a service."""
        return self.referral if service == "referral" else self.session


class Writers:
    """People who play one story after the other, and send a command again until it is answered.

    Args:
        system: its directory, or its addresses.
        count: how many.
        patience: how many seconds each waits for one answer.

    """

    def __init__(self, system: Path | Addresses, count: int, patience: float = 120) -> None:
        self.stories: list[Story] = []
        """Those that were told to their end."""
        self.answered: list[tuple[float, str, dict[str, Any]]] = []
        """When each command was acknowledged, by the monotonic clock, with its service and receipt."""
        self.statuses: Counter[int] = Counter()
        """The answers by HTTP status, those to repeats among them."""
        self.failures: list[BaseException] = []
        self._system, self._patience = system, patience
        self._ended = threading.Event()
        self._at_work = threading.Event()
        self._at_work.set()
        self._threads = [threading.Thread(target=self._write, name=f"writer-{n}", daemon=True) for n in range(count)]
        for thread in self._threads:
            thread.start()

    def rest(self) -> None:
        """Let each end its story, and begin none: nothing catches up with who works on."""
        self._at_work.clear()

    def work(self) -> None:
        """Go on after a rest."""
        self._at_work.set()

    def end(self, within: float | None = None) -> None:
        """Let each end its story, within some seconds. Raises what went wrong for one of them."""
        self._ended.set()
        self.work()
        for thread in self._threads:
            thread.join(2 * self._patience if within is None else within)
            assert not thread.is_alive(), "a writer hangs"
        self.require_success()

    def require_success(self) -> None:
        """Raise what went wrong for one of them."""
        assert not self.failures, repr(self.failures[0])

    def longest_pause(self, since: float) -> float:
        """Return the longest time in seconds in which nobody was answered since then, to now."""
        times = [since, *(moment for moment, *_ in self.answered if moment > since), time.monotonic()]
        return max(later - earlier for earlier, later in itertools.pairwise(times))

    def _write(self) -> None:
        try:
            hooks = {"response": [self._note]}
            with loopback.blocking_client(timeout=30.0, event_hooks=hooks) as http:
                addresses = find_addresses((), {}, self._system) if isinstance(self._system, Path) else self._system
                client = Client(addresses, http=http, patience=self._patience, reason="TEST")
                while not self._ended.is_set():
                    self.stories.append(tell_story(client, self._receive))
                    self._at_work.wait()
        except BaseException as error:  # noqa: BLE001 - a writer's failure is the test's
            self.failures.append(error)

    def _receive(self, service: str, receipt: dict[str, Any]) -> None:
        self.answered.append((time.monotonic(), service, receipt))

    def _note(self, response: httpx2.Response) -> None:
        self.statuses[response.status_code] += 1


def tell_story(client: Client, answered: Callable[[str, dict[str, Any]], object]) -> Story:
    """Return a referral that is answered with a session, whose attendance reaches the referral by itself."""
    story = Story(uuid4(), uuid4(), uuid4())
    person = uuid4()
    start = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
    officer, supervisor = "SAFE_SCHOOLS_OFFICER", "SUPERVISOR"

    def say(service: str, after: int, type_: str, role: str = officer, **fields: Any) -> None:
        collection = "referrals" if service == "referral" else "sessions"
        path = f"/v1/{collection}/{story.stream(service)}/commands"
        body = {"type": type_, "occurred_at": (start + timedelta(hours=after)).isoformat(), **fields}
        reply = client.post(service, path, role=role, body=body, key=str(uuid4()))
        assert reply.status == 201, f"{type_}: {reply.status} {reply.body}"
        story.receipts[service].append(reply.body)
        answered(service, reply.body)

    say(
        "referral", 0, "ReceiveReferral",
        case_id=str(story.case), source="OFFICER", reported_at=start.isoformat(), incident_type="ASB", happened_at=start.isoformat(),
        setting="COMMUNITY", on_premises=False, in_school_hours=False, flags=[], narrative="Stones at a bus.", lawful_basis="law enforcement",
    )  # fmt: skip
    say("referral", 1, "AcknowledgeReferral")
    say("referral", 2, "TriageReferral", outcome="ACCEPT_INTERVENTION", rationale_text="A talk will do.")
    say("referral", 3, "AllocateReferral", role=supervisor, officer_id=str(uuid4()))
    say(
        "education", 4, "PlanSession",
        kind="ONE_TO_ONE", topic="ANTI_SOCIAL_BEHAVIOUR", starts_at=(start + timedelta(hours=5)).isoformat(), hours=1, place="School",
    )  # fmt: skip
    say(
        "education", 4, "BookPlace",
        person_id=str(person), case_id=str(story.case), referral_id=str(story.referral),
    )  # fmt: skip
    say("education", 6, "DeliverSession", headcount=1)
    say("education", 6, "RecordAttendance", person_id=str(person), status="ATTENDED", hours_credited=1, complied=True)
    return story


def check_histories(client: Client, story: Story) -> None:
    """Each receipt stands in the history where it says, and the histories are what was said, once and in order."""
    for service, collection in (("referral", "referrals"), ("education", "sessions")):
        stream = story.stream(service)
        reply = client.get(service, f"/v1/{collection}/{stream}/history", role="AUDITOR")
        assert reply.status == 200, reply.body
        events = reply.body["events"]
        assert [event["type"] for event in events] == STREAMS[service], f"{service}/{stream}"
        placed = {event["position"]: (event["version"], event["hash"]) for event in events}
        for receipt in story.receipts[service]:
            assert placed[receipt["position"]] == (receipt["version"], receipt["hash"])
    case = client.get("reporting", f"/v1/cases/{story.case}", role="SUPERVISOR")
    assert case.status == 200, case.body
    assert str(story.referral) in str(case.body)
    assert str(story.session) in str(case.body)
