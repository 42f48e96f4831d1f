"""Every role at every door that tells of people, class by class, with a reason and without; and a search that tells nothing else."""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx2
import pytest

from services.trade.vocabulary import Role
from tests.access_table import NEEDS_REASON, SECTION_F, SEES_CASES, cell
from tests.hostile import partnership as world
from tests.hostile.partnership import Partnership
from tests.pdf import pdf_text
from tests.received_referral import received_referral

settings, partnership, pytestmark = world.settings, world.one_partnership, world.ONE_LOOP

CLASSES: Final = ("IDENTITY", "CONTACT", "VICTIM_CONTACT", "CHARACTERISTICS", "NARRATIVE", "VICTIM_VIEW", "REASONS")
IDENTITY, VICTIM_CONTACT = "IDENTITY", "VICTIM_CONTACT"
PRESENT: Final = {
    "referral": frozenset(CLASSES) - {"VICTIM_VIEW"},
    "disposal": frozenset({IDENTITY, "CONTACT", "CHARACTERISTICS", "VICTIM_VIEW"}),
}
"""The classes of which the case has a text, by service."""
RELATIONS: Final = {
    "referral": frozenset({"online", "accepted", "linked"}),
    "disposal": frozenset({"online", "linked"}),
}


def said(marker: str) -> str:
    """Return a text that stands for a class, and nowhere else."""
    return f"Zq{marker.replace('_', '').lower()}zq"


@dataclass(frozen=True)
class Told:
    """The case of the table: a referral with a suspect and a victim, and its disposal."""

    case: UUID
    referral: UUID
    disposal: UUID


async def tell(partnership: Partnership) -> Told:
    """Record a case in which each class has a text of its own in each service; it happened online, so that all may see it."""
    told = Told(uuid4(), uuid4(), uuid4())
    suspect, victim = uuid4(), uuid4()
    born = {"date_of_birth": "2011-03-14"}
    details = {**born, "name": said(IDENTITY), "address": said("CONTACT"), "ethnicity": said("CHARACTERISTICS")}
    officer = "SAFE_SCHOOLS_OFFICER"
    for body in (
        received_referral(told.case, world.WHEN, setting="ONLINE", narrative=said("NARRATIVE")),
        {"type": "LinkPerson", "person_id": str(suspect), "role": "HARMER", "category": "SUSPECT", "details": details},
        {
            "type": "LinkPerson",
            "person_id": str(victim),
            "role": "HARMED",
            "category": "VICTIM",
            "details": {**born, "name": said(IDENTITY), "address": said(VICTIM_CONTACT)},
        },
        {"type": "AcknowledgeReferral"},
        {"type": "TriageReferral", "outcome": "ACCEPT_INTERVENTION", "rationale_text": said("REASONS")},
    ):
        await partnership.tell("referral", told.referral, officer, body)
    opening = world.opened_disposal(told.case, suspect, details, victims=[str(victim)])
    await partnership.tell("disposal", told.disposal, "YJS_CASE_MANAGER", opening)
    view = {"type": "RecordVictimView", "person_id": str(victim), "sought": True, "view": said("VICTIM_VIEW")}
    await partnership.tell("disposal", told.disposal, "VICTIM_WORKER", view | {"before_decision": True})
    await partnership.carry()
    return told


async def read(partnership: Partnership, service: str, path: str, token: str, reason: str | None) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {token}"} | ({} if reason is None else {"Access-Reason": reason})
    return await world.answered(lambda: partnership.clients[service].get(path, headers=headers))


def classes(role: str, service: str, reason: str | None) -> frozenset[str]:
    """Return the sealed classes that the table gives a role, of the case that `tell` records."""
    return cell(role, service).classes(RELATIONS[service], reason=reason is not None)


def classes_in(text: str) -> frozenset[str]:
    """Return the classes of which an answer tells something."""
    return frozenset(one for one in CLASSES if said(one) in text)


@pytest.mark.parametrize("reason", [None, "CASE_REVIEW"])
@pytest.mark.parametrize("role", SECTION_F)
async def test_a_role_reads_the_same_classes_at_every_door(
    partnership: Partnership, role: str, reason: str | None
) -> None:
    """State, history, timeline, changes, case and names show the classes of the table, and no door shows another."""
    told = await tell(partnership)
    await world.conference(partnership, case=told.case, led=world.person_in("RJ_FACILITATOR"))
    await partnership.carry()
    token = await partnership.token(role)
    answers_at_all = reason is not None or role not in NEEDS_REASON
    opens = {
        service: {one.replace("VICTIM_IDENTITY", IDENTITY) for one in classes(role, service, reason)} & PRESENT[service]
        if answers_at_all
        else frozenset[str]()
        for service in PRESENT
    }
    histories = {
        service: opens[service] if cell(role, service).gives(RELATIONS[service], "history") else frozenset[str]()
        for service in PRESENT
    }
    for service, path in (
        ("referral", f"/v1/referrals/{told.referral}"),
        ("disposal", f"/v1/disposals/{told.disposal}"),
    ):
        state = await read(partnership, service, path, token, reason)
        assert classes_in(state.text) == opens[service], (service, "state", state.text)
        history = await read(partnership, service, f"{path}/history", token, reason)
        assert classes_in(history.text) == histories[service], (service, "history", history.text)
    timeline = histories["referral"] | histories["disposal"]
    if role in SEES_CASES - {"VICTIM_WORKER"} and answers_at_all:
        for question in ("timeline", "changes?after=disposal:0"):
            answer = await read(partnership, "reporting", f"/v1/cases/{told.case}/{question}", token, reason)
            assert answer.status_code == 200, answer.text
            by_service = {
                service: classes_in(
                    " ".join(
                        str(e["notes"]) for e in answer.json()["events"] if e["stream"] == str(getattr(told, service))
                    )
                )
                for service in histories
            }
            assert by_service == histories, question
            assert classes_in(answer.text) == timeline
    for path in (
        f"/v1/cases/{told.case}",
        "/v1/cases",
        "/v1/duties",
        f"/v1/cases/{told.case}/timeline?known_at=2020-01-01",
        f"/v1/people/{uuid4()}",
        "/v1/sessions?from=2026-03-01&to=2026-03-31",
        "/v1/measures/workload?from=2026-01-01&to=2026-12-31&group_by=area",
    ):
        assert classes_in((await read(partnership, "reporting", path, token, reason)).text) == frozenset(), path
    headers = {"Authorization": f"Bearer {token}"} | ({} if reason is None else {"Access-Reason": reason})
    names = await partnership.clients["reporting"].post(
        "/v1/names", json={"records": [f"referral/{told.referral}", f"disposal/{told.disposal}"]}, headers=headers
    )
    sees = {IDENTITY} & (opens["referral"] | opens["disposal"])
    assert classes_in(names.text) == (sees if role != "MESSENGER" else frozenset()), names.text


@pytest.mark.parametrize(("field", "value"), [("role", "HARMER"), ("category", "SUSPECT")])
async def test_nobody_reads_where_a_victim_lives_by_a_correction(
    partnership: Partnership, field: str, value: str
) -> None:
    """Given an officer who corrects a victim to a suspect, then no door tells them where the victim lives, nor a victim worker."""
    told = await tell(partnership)
    officer = await partnership.token("SAFE_SCHOOLS_OFFICER")
    path = f"/v1/referrals/{told.referral}"
    events = (await partnership.read("referral", f"{path}/history", officer)).json()["events"]
    linked = next(event for event in events if event["data"].get("category") == "VICTIM")
    correction = {"type": "CorrectReferral", "corrects": linked["event_id"], "field": field, "value": value}
    await partnership.tell(
        "referral", told.referral, "SAFE_SCHOOLS_OFFICER", correction | {"why": "A slip of the pen."}
    )
    await partnership.carry()
    opening = world.opened_disposal(told.case, UUID(linked["data"]["person_id"]), {}, crime_number="55260013999")
    disposal = uuid4()
    await partnership.tell("disposal", disposal, "SAFE_SCHOOLS_OFFICER", opening | {"details": None})
    for role in ("SAFE_SCHOOLS_OFFICER", "INTERNET_SAFETY_OFFICER", "POLICE_DECISION_MAKER", "VICTIM_WORKER"):
        for service, door in (
            ("referral", path),
            ("referral", f"{path}/history"),
            ("disposal", f"/v1/disposals/{disposal}"),
            ("reporting", f"/v1/cases/{told.case}/timeline"),
        ):
            answer = await partnership.read(service, door, await partnership.token(role))
            assert VICTIM_CONTACT not in classes_in(answer.text), (role, door)


async def test_no_earlier_time_tells_who_a_child_was_taken_for(partnership: Partnership) -> None:
    """Given a victim who is linked again as having done harm, then no earlier time shows a victim worker name or address."""
    told = await tell(partnership)
    supervisor, worker = [await partnership.token(role) for role in ("SUPERVISOR", "VICTIM_WORKER")]
    path = f"/v1/referrals/{told.referral}"
    events = (await partnership.read("referral", f"{path}/history", supervisor)).json()["events"]
    victim = next(event["data"]["person_id"] for event in events if event["data"].get("category") == "VICTIM")
    then = {"known_at": events[-1]["recorded_at"], "as_of": events[-1]["occurred_at"]}
    doors = [f"{path}?{name}={quote(time)}" for name, time in then.items()]
    letter = f"{path}/documents/victim-information?item={victim}&known_at={quote(then['known_at'])}"
    safe: dict[str, Any] = {"type": "RecordVictimDetails", "person_id": victim, "contact_is_safe": True}
    await partnership.tell(
        "referral", told.referral, "VICTIM_WORKER", safe | {"wants_updates": True, "wants_support": False}
    )
    seen = [classes_in((await partnership.read("referral", door, worker)).text) for door in doors]
    assert seen == [{IDENTITY, VICTIM_CONTACT}] * 2
    again = {"type": "LinkPerson", "person_id": victim, "role": "HARMER", "category": "SUSPECT"}
    details = {"name": "Somebody", "date_of_birth": "2011-03-14"}
    await partnership.tell("referral", told.referral, "SAFE_SCHOOLS_OFFICER", again | {"details": details})
    for door in (path, *doors):
        answer = await partnership.read("referral", door, worker)
        assert (answer.status_code, classes_in(answer.text)) == (200, frozenset()), door
    printed = await partnership.read("referral", letter, worker)
    assert printed.status_code != 200 or said(IDENTITY) not in pdf_text(printed.content)


async def test_a_referral_opens_no_disposal_of_another_case(partnership: Partnership) -> None:
    """Given a disposal, when an officer who reads online cases alone begins an online referral in its case, then it is refused."""
    disposal, role = await world.disposal(partnership), "INTERNET_SAFETY_OFFICER"
    await partnership.carry()
    token = await partnership.token(role)
    received = received_referral(disposal.case, world.WHEN, setting="ONLINE")
    answer = await partnership.send("referral", uuid4(), received, token)
    assert answer.status_code == 422, answer.text
    assert [rule["id"] for rule in answer.json()["rules"]] == ["S1"]
    await partnership.carry()
    assert (await partnership.read("disposal", disposal.path, token)).status_code == 403


async def propose(partnership: Partnership, case: UUID, by: str, lead: bool = True) -> None:
    """Propose a conference in a case, of which the facilitator takes the lead."""
    conference = await world.conference(partnership, case=case, by=by)
    taking: dict[str, Any] = {"type": "AssignFacilitator", "facilitator_id": str(world.person_in("RJ_FACILITATOR"))}
    taking |= {"rj_trained": True, "sensitive_accredited": True}
    if lead:
        await partnership.tell("rj_conference", conference.stream, "RJ_FACILITATOR", taking)
    await partnership.carry()


async def test_a_facilitator_opens_no_case_to_themselves(partnership: Partnership) -> None:
    """Given a conference that a facilitator proposes and takes, in a case or under the id of a person, then no record is opened."""
    told = await tell(partnership)
    token, officer = [await partnership.token(role) for role in ("RJ_FACILITATOR", "SAFE_SCHOOLS_OFFICER")]
    people = (await partnership.read("referral", f"/v1/referrals/{told.referral}", officer)).json()["people"]
    doors = [
        ("referral", f"/v1/referrals/{told.referral}"),
        ("disposal", f"/v1/disposals/{told.disposal}"),
        ("reporting", f"/v1/cases/{told.case}"),
    ]

    async def seen() -> set[int | bool]:
        answers = [await partnership.read(service, path, token) for service, path in doors[:2]]
        shown = (await partnership.read("reporting", f"/v1/cases/{told.case}", token)).json()
        return {*(answer.status_code for answer in answers), bool(shown.get("referrals") or shown.get("disposals"))}

    for person in people:
        await propose(partnership, UUID(person), "SUPERVISOR")
        assert await seen() == {403, False}, person
    await propose(partnership, told.case, "RJ_FACILITATOR", lead=False)
    assert await seen() == {403, False}
    await propose(partnership, told.case, "RJ_FACILITATOR")
    assert await seen() == {403, False}
    await world.conference(partnership, case=told.case, led=world.person_in("RJ_FACILITATOR"))
    await partnership.carry()
    assert await seen() == {200, True}


async def test_a_case_manager_opens_no_referral_to_themselves(partnership: Partnership) -> None:
    """Given a disposal that a case manager opens beside a referral, then the referral opens to them once the police judge the evidence."""
    made = await world.referral(partnership)
    manager = "YJS_CASE_MANAGER"
    opening = world.opened_disposal(made.case, uuid4(), {"name": "Invented", "date_of_birth": "2011-03-14"})
    disposal, token = uuid4(), await partnership.token(manager)
    await partnership.tell("disposal", disposal, manager, opening | {"referral_id": str(made.stream)})

    async def seen() -> tuple[int, bool]:
        answer = await partnership.read("referral", made.path, token)
        case = (await partnership.read("reporting", f"/v1/cases/{made.case}", token)).json()
        return answer.status_code, bool(case.get("referrals"))

    await partnership.carry()
    assert await seen() == (403, False)
    judged = {"type": "DecideEvidence", "sufficient": True, "standard": "CHARGE"}
    await partnership.tell("disposal", disposal, "POLICE_DECISION_MAKER", judged)
    await partnership.carry()
    assert await seen() == (200, True)


async def test_an_opening_tells_nothing_of_a_case_that_is_not_its_own_or_in_conflict(partnership: Partnership) -> None:
    """Given a linked child, then an opening in another case knows nothing of them, and a conflict is told before any difference."""
    told = await tell(partnership)
    officer = await partnership.token("SAFE_SCHOOLS_OFFICER")
    people = (await partnership.read("referral", f"/v1/referrals/{told.referral}", officer)).json()["people"]
    child = next(person for person, category in people.items() if category == "SUSPECT")
    guessed = world.opened_disposal(told.case, UUID(child), {"name": "Guessed", "date_of_birth": "2011-03-14"})
    manager = await partnership.token("YJS_CASE_MANAGER")
    differs = await partnership.send("disposal", uuid4(), guessed, manager)
    assert [rule["id"] for rule in differs.json()["rules"]] == ["N1", "VC1"], differs.text
    for conflict in (UUID(child), told.case):
        barred = await partnership.token("YJS_CASE_MANAGER", conflicts=(conflict,))
        answer = await partnership.send("disposal", uuid4(), guessed, barred)
        assert (answer.status_code, "N1" in answer.text) == (403, False), answer.text
    elsewhere = guessed | {"case_id": str(uuid4()), "referral_id": str(told.case), "details": None}
    answer = await partnership.send("disposal", uuid4(), elsewhere, manager)
    assert answer.status_code == 422, answer.text
    assert [rule["id"] for rule in answer.json()["rules"]] == ["S1"]


async def test_a_conflict_with_a_victim_bars_the_whole_case(partnership: Partnership) -> None:
    """Given a victim whom one referral of a case names, then who has a conflict with them reads, commands and begins nothing in it."""
    told = await tell(partnership)
    officer = await partnership.token("SAFE_SCHOOLS_OFFICER")
    people = (await partnership.read("referral", f"/v1/referrals/{told.referral}", officer)).json()["people"]
    victim = next(UUID(person) for person, category in people.items() if category == "VICTIM")
    child = next(UUID(person) for person, category in people.items() if category == "SUSPECT")
    other = uuid4()
    received = received_referral(told.case, "2026-03-02T15:20:00+00:00")
    assert (await partnership.send("referral", other, received, officer)).status_code == 201
    torn = await partnership.token("SUPERVISOR", conflicts=(victim,))
    for service, path in (("disposal", f"/v1/disposals/{told.disposal}"), ("referral", f"/v1/referrals/{other}")):
        assert (await partnership.read(service, path, torn)).status_code == 403, path
    body = {"type": "AcknowledgeReferral", "occurred_at": "2026-03-02T16:00:00+00:00"}
    assert (await partnership.send("referral", other, body, torn)).status_code == 403
    torn = await partnership.token("YJS_CASE_MANAGER", conflicts=(victim,))
    opened = world.opened_disposal(told.case, child, {"name": "Robin Roe", "date_of_birth": "2011-03-14"})
    assert (await partnership.send("disposal", uuid4(), opened, torn)).status_code == 403


async def _answer(partnership: Partnership, token: str, by: dict[str, Any]) -> tuple[int, dict[str, str], str]:
    answer = await partnership.search(token, **by)
    headers = {name: value for name, value in answer.headers.items() if name not in {"date", "ooc-stale"}}
    return answer.status_code, headers, answer.text


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.SYSTEM}))
async def test_a_search_for_whom_one_may_not_see_answers_as_one_for_nobody(partnership: Partnership, role: str) -> None:
    """Given a name, school or number of another area, of a conflict, or of a role without names, then the bytes are those for nobody."""
    told = await tell(partnership)
    nobody = {"name": "zqnobodyzq"}
    somebody = {"name": said(IDENTITY)}
    barred = await partnership.token(role, conflicts=(told.case,))
    elsewhere = await partnership.token(role, area="DEVON")
    alone, crime = f"zqalone{uuid4().hex[:8]}", f"5526{uuid4().int % 10**6:07}"
    hidden = {
        "type": "LinkPerson",
        "person_id": str(uuid4()),
        "role": "HARMER",
        "category": "SUSPECT",
        "details": {"name": alone, "date_of_birth": "2011-03-17", "school_urn": "113955"},
    }
    await partnership.tell("referral", told.referral, "SAFE_SCHOOLS_OFFICER", hidden)
    await partnership.tell(
        "referral", told.referral, "SAFE_SCHOOLS_OFFICER", {"type": "RecordCrime", "crime_number": crime}
    )
    await partnership.carry()
    for token, by, absent in (
        (elsewhere, somebody, nobody),
        (elsewhere, {"name": alone}, nobody),
        (elsewhere, {"name": alone, "school": "113955"}, {**nobody, "school": "113956"}),
        (elsewhere, {"school": "113955"}, {"school": "113956"}),
        (elsewhere, {"date_of_birth": "2011-03-17"}, {"date_of_birth": "2011-03-19"}),
        (elsewhere, {"crime_number": crime}, {"crime_number": "55269999999"}),
        (barred, {"name": alone}, nobody),
        (barred, {"crime_number": crime}, {"crime_number": "55269999999"}),
    ):
        assert await _answer(partnership, token, by) == await _answer(partnership, token, absent), by
    for wrong in ({"surname": alone}, {"details.name": alone}):
        refused = await partnership.search(elsewhere, **wrong)
        assert refused.status_code == 422
        assert alone not in refused.text
