"""A victim worker at every door: the victim's own, and never the child's name, address, needs, assessment or admission."""

from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest

from services.console.routing import COOKIE
from tests.hostile import partnership as world
from tests.hostile.partnership import Partnership, Recorded, opened_disposal
from tests.hostile.test_console_requests import console_on, sign_in
from tests.pdf import pdf_text
from tests.received_referral import received_referral

settings, partnership = world.settings, world.partnership

ROLE: Final = "VICTIM_WORKER"
CHILD: Final = ("Jory Penrose", "17 Quay Terrace", "01305 550444", "dyscalculia", "Cornish", "2010-09-19")
"""What the records say of the child, field by field."""
OF_THE_CHILD: Final = (
    *CHILD,
    "A shove at the bus stop.",
    "She seems cruel.",
    "A risk of drink.",
    "Older than she is.",
    "Sorry at once.",
    "No programme, she moves away.",
    "It is her second.",
    "It serves the public.",
)
OF_FACTS: Final = ("ASSESSMENT", "AdmissionRecorded", "facts_accepted", "PDAT", "PROSECUTION_TIME_LIMIT", "final_score")
"""What tells that there is an admission, an assessment or a score."""
VICTIM: Final = {
    "name": "Merryn Tregear",
    "date_of_birth": "2012-02-03",
    "address": "2 Chapel Row",
    "needs": ["asthma"],
}
HER_NOTE: Final = "Her aunt answers after tea."
OWN: Final = ("Merryn Tregear", "2 Chapel Row", "07700 900 458", "After the bell", "Kernewek", "Young Victims")


async def harm(partnership: Partnership) -> tuple[Recorded, Recorded, str]:
    """Record a referral and its disposal, with everything that may be sealed of the child, and a victim with safe contact."""
    case, child, victim = uuid4(), uuid4(), str(uuid4())
    referral, disposal = (Recorded(service, uuid4(), case, child) for service in ("referral", "disposal"))
    details: dict[str, Any] = dict(
        zip(("name", "address", "contact", "needs", "ethnicity", "date_of_birth"), CHILD, strict=True)
    )
    details["needs"] = [details["needs"]]
    received = received_referral(case, world.WHEN, setting="SCHOOL")
    received |= {"narrative": OF_THE_CHILD[6], "assessment": OF_THE_CHILD[7]}
    linked = {
        "type": "LinkPerson",
        "person_id": str(child),
        "role": "HARMER",
        "category": "SUSPECT",
        "details": details,
    }
    harmed = {"type": "LinkPerson", "person_id": victim, "role": "HARMED", "category": "VICTIM", "details": VICTIM}
    told = {
        "type": "RecordVictimDetails",
        "person_id": victim,
        "contact": "07700 900 458",
        "contact_is_safe": True,
        "safe_times": "After the bell",
        "language": "Kernewek",
        "wants_updates": True,
        "wants_support": True,
    }
    officer = "SAFE_SCHOOLS_OFFICER"
    for role, body in (
        (officer, received),
        (officer, linked),
        (officer, harmed),
        (ROLE, told),
        (ROLE, {"type": "ReferVictimToSupport", "person_id": victim, "service": "Young Victims"}),
        (officer, {"type": "RaiseSafeguardingConcern", "concern": "A risk of drink.", "dsl_informed": True}),
    ):
        await partnership.tell("referral", referral.stream, role, body)
    opening = opened_disposal(case, child, details, victims=[victim], referral_id=str(referral.stream))
    opening["offence"] |= {"trial_mode": "SUMMARY"}
    score = {
        "type": "ScoreGravity",
        "offence_score": 3,
        "final_score": 3,
        "aggravating": ["Older than she is."],
        "mitigating": ["Sorry at once."],
        "matrix_version": "2025",
    }
    assessed = {"type": "CompleteAssessment", "tool": "PDAT", "programme_plan": False}
    decided = {"type": "DecideDisposal", "decision": "YC", "prosecution_inappropriate": True, "ycc_inappropriate": True}
    called = {"type": "RecordContact", "means": "PHONE", "reached": True}
    manager, police = "YJS_CASE_MANAGER", "POLICE_DECISION_MAKER"
    for role, body in (
        (manager, opening),
        (manager, {"type": "RecordAdmission", "appropriate_adult_present": True, "facts_accepted": True}),
        (police, {"type": "DecideEvidence", "sufficient": True, "standard": "CHARGE"}),
        (manager, {"type": "RequestAssessment", "tool": "PDAT"}),
        (manager, {**assessed, "programme_inappropriate_reason": "No programme, she moves away."}),
        (manager, {"type": "RequestAssessment", "tool": "PDAT"}),
        (police, score),
        (police, {**decided, "rationale_text": "It is her second.", "public_interest": "It serves the public."}),
        (manager, {**called, "person_id": str(child), "note": OF_THE_CHILD[-1]}),
        (ROLE, {**called, "person_id": victim, "note": HER_NOTE}),
    ):
        await partnership.tell("disposal", disposal.stream, role, body)
    await partnership.carry()
    return referral, disposal, victim


def leaks(text: str) -> list[str]:
    """Return what an answer tells of the child."""
    return [value for value in (*OF_THE_CHILD, *OF_FACTS) if value in text]


async def test_no_door_tells_a_victim_worker_of_the_child(
    postgres_url: str, partnership: Partnership, tmp_path: Path
) -> None:
    """Given a child and a victim of one case, when a victim worker asks every API and page, then no field of the child is there."""
    referral, disposal, victim = await harm(partnership)
    token, case = await partnership.token(ROLE), referral.case
    doors = [
        (record.service, record.path + tail)
        for record in (referral, disposal)
        for tail in ("", "/duties", "/history", "/commands", "/documents/yc", "/documents/panel-pack?item=" + victim)
    ]
    doors += [
        ("reporting", path)
        for path in (
            "/v1/cases",
            f"/v1/cases/{case}",
            f"/v1/cases/{case}/timeline",
            f"/v1/cases/{case}/changes?after=disposal:0",
            "/v1/duties?as_of=2027-12-31",
            "/v1/victims",
            "/v1/measures/kpi9/records?from=2026-01-01&to=2026-12-31&cell=cases",
            f"/v1/access?case={case}",
        )
    ]
    answers = {path: await partnership.read(service, path, token) for service, path in doors}
    names = await partnership.names(token, f"referral/{referral.stream}", f"disposal/{disposal.stream}")
    searches = {word: await partnership.search(token, name=word) for word in ("Penrose", "Tregear")}
    answers |= {"names": names, **searches}
    told = {path: leaks(answer.text) for path, answer in answers.items()}
    assert not {path: values for path, values in told.items() if values}
    assert [(person["id"], person["name"]) for person in names.json()["people"]] == [
        (str(referral.stream), "Merryn Tregear")
    ]
    opened = {path for path, answer in answers.items() if answer.status_code == 200}
    assert opened >= {referral.path, disposal.path, "/v1/cases", f"/v1/cases/{case}", "/v1/victims", "Tregear"}
    assert answers["Penrose"].json()["total"] == 0
    assert [found["case_id"] for found in answers["Tregear"].json()["cases"]] == [str(case)]

    shown = answers[referral.path].json()
    assert [value for value in OWN if value not in answers[referral.path].text] == []
    assert shown["details"]["people"].keys() == {victim}
    assert "asthma" not in answers[referral.path].text
    assert {duty["duty"] for duty in answers["/v1/duties?as_of=2027-12-31"].json()["duties"]} == {
        "VICTIM_RJ_INFORMATION"
    }
    (line,) = answers["/v1/victims"].json()["victims"]
    assert (line["person_id"], line["enhanced_rights"], line["contact_is_safe"]) == (victim, True, True)

    letter = await partnership.read("referral", f"{referral.path}/documents/victim-information?item={victim}", token)
    assert "2 Chapel Row" in pdf_text(letter.content)
    assert not leaks(pdf_text(letter.content))
    officer = await partnership.token("SAFE_SCHOOLS_OFFICER")
    by_hand = await partnership.read("referral", f"{referral.path}/documents/victim-information?item={victim}", officer)
    assert "Merryn Tregear" in pdf_text(by_hand.content)
    assert "2 Chapel Row" not in pdf_text(by_hand.content)  # VICTIM_CONTACT is not this officer's to read
    of_child = f"{referral.path}/documents/victim-information?item={referral.person}"
    assert (await partnership.read("referral", of_child, token)).status_code == 404

    pages = [
        "/",
        "/daily-sheet",
        "/cases",
        f"/cases/{case}",
        f"/cases/{case}/timeline",
        "/victims",
        f"/victims?case={case}",
        f"/records/referrals/{referral.stream}",
        f"/records/disposals/{disposal.stream}",
        f"/records/disposals/{disposal.stream}/do/TellVictim?case={case}&person_id={victim}",
        f"/records/referrals/{referral.stream}/do/RecordVictimDetails?case={case}&person_id={victim}",
        "/panel",
        "/sessions",
        "/returns",
    ]
    async with console_on(postgres_url, partnership, tmp_path, []) as (console, http):
        session = await sign_in(console, partnership, ROLE, None)
        http.cookies.set(COOKIE, session.key)
        read = {page: (await http.get(page)).text for page in pages}
        found = await http.post("/search", data={"csrf": session.csrf, "kind": "name", "words": "Tregear"})
    told = {page: [value for value in OF_THE_CHILD if value in text] for page, text in read.items()}
    assert not {page: values for page, values in told.items() if values}
    assert all(value in read["/victims"] for value in ("Merryn Tregear", "tel:07700900458", "After the bell", HER_NOTE))
    assert f"/victims?case={case}" in found.text
    for page in ("/", "/cases", next(page for page in pages if "TellVictim" in page)):
        assert "Merryn Tregear (victim)" in read[page], page


@pytest.mark.parametrize(
    "changes", [{"contact_is_safe": False}, {"wants_updates": False}], ids=["not safe", "wants no contact"]
)
async def test_a_contact_that_is_not_wanted_or_not_safe_is_no_link(
    postgres_url: str, partnership: Partnership, tmp_path: Path, changes: dict[str, bool]
) -> None:
    """Given a victim whose contact is not safe, or who wants no updates, then the page has no link to call them."""
    referral, _, victim = await harm(partnership)
    details = {"contact": "07700 900 458", "contact_is_safe": True, "wants_updates": True, "wants_support": True}
    body = {"type": "RecordVictimDetails", "person_id": victim, **details, **changes}
    await partnership.tell("referral", referral.stream, ROLE, body)
    await partnership.carry()
    async with console_on(postgres_url, partnership, tmp_path, []) as (console, http):
        session = await sign_in(console, partnership, ROLE, None)
        http.cookies.set(COOKIE, session.key)
        page = (await http.get(f"/victims?case={referral.case}")).text
    assert "Merryn Tregear" in page
    assert "tel:" not in page
    assert ("Does not want contact" in page) is ("wants_updates" in changes)
    assert ("07700 900 458" in page) is ("contact_is_safe" in changes)
