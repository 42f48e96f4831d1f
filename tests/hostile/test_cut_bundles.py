"""A case file from which something was taken: a service, its access lines, a record, an event. The offline check names each."""

import base64
import copy
import hashlib
import os
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import httpx2
import pytest

from services.system.addresses import SERVICES as SERVICE_NAMES
from shared.domain.data_rights import data_rights_id
from shared.evidence.bundle import bundle_of
from shared.evidence.contract import NO_CONTRACT, contract_of
from shared.evidence.log import ACCESS, EVENTS
from shared.evidence.receipts import receipt_signer
from shared.evidence.signer import CheckpointSigner
from shared.evidence.statement import statement_name
from shared.evidence.verify_bundle import Keys, check, not_checked
from shared.privacy.keyring import KeyEncryptionKeys
from shared.privacy.signed_note import SignedNote, SigningKeys, write_note
from shared.runtime.application import service_api
from shared.runtime.privileges import RoleKind, role_name
from shared.runtime.provision import checkpoints_topic, topics
from tests.hostile import partnership as world
from tests.hostile.partnership import SERVICES, Partnership, disposal, opened_disposal, referral
from tests.pdf import pdf_text
from tests.release_before import FIRST_VERSION
from tests.release_before import SERVICES as RELEASE_BEFORE

settings, partnership = world.settings, world.partnership

AUTHORITY: Final = "test.example"
Bundle = dict[str, Any]


class Exporting:
    """A partnership whose signers run, and the keys that an auditor has from elsewhere."""

    def __init__(self, partnership: Partnership, keys: SigningKeys) -> None:
        self.partnership = partnership
        self.keys = keys
        self.services = (*SERVICES, "reporting")

    @property
    def trusted(self) -> Keys:
        names = [f"{AUTHORITY}/{service}/{log}" for service in SERVICES for log in ("events", "access", "statement")]
        names += [f"{AUTHORITY}/reporting/{log}" for log in ("access", "statement")]
        kek = KeyEncryptionKeys.of(self.partnership.settings)
        receipts = [receipt_signer(kek, self.partnership.settings.log_origin, name).key for name in SERVICES]
        keys = [signer.key for name in names for signer in self.keys.signers(name)]
        return Keys([str(key) for key in (*keys, *receipts)])

    async def export(self, case: UUID, area: str = "*", role: str = "AUDITOR") -> Bundle:
        """Export a case as `ooc export case` does; a service that answers otherwise gives no part."""
        token = await self.partnership.token(role, area=area)
        parts = []
        for service in self.services:
            answer = await self.partnership.read(service, f"/v1/evidence/homes/{case}", token)
            if answer.status_code == 200:
                parts.append(answer.json() | {"extends": []})
        return bundle_of(str(case), parts)

    def faults(self, bundle: Bundle, *known: str, receipts: Sequence[dict[str, Any]] = ()) -> list[str]:
        return check(bundle, self.trusted, list(known), None, receipts)


@pytest.fixture
async def exporting(partnership: Partnership, kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[Exporting]:
    """Run the signers of all five services."""
    keys = SigningKeys.read(base64.b64encode(os.urandom(32)).decode())
    async with AsyncExitStack() as stack:
        for service in (*SERVICES, "reporting"):
            topic = f"{topic_prefix}.{service}.checkpoints"
            await topics(kafka_bootstrap, [checkpoints_topic(topic, 1)])
            signer = CheckpointSigner(
                service,
                authority=AUTHORITY,
                logs=(EVENTS, ACCESS) if service in SERVICES else (ACCESS,),
                topic=topic,
                dsn=partnership.settings.database(service, role_name(RoleKind.SIGNER, service)),
                bootstrap=kafka_bootstrap,
                keys=keys,
                contract=contract_of(SERVICES[service]) if service in SERVICES else NO_CONTRACT,
            )
            await stack.enter_async_context(signer)
        yield Exporting(partnership, keys)


async def case_in_two_services(partnership: Partnership) -> UUID:
    """Record a referral and two disposals of one case."""
    case = (await referral(partnership)).case
    await disposal(partnership, case=case)
    await disposal(partnership, case=case)
    await partnership.carry()
    return case


def part_of(bundle: Bundle, service: str) -> dict[str, Any]:
    (part,) = [one for one in bundle["services"] if one["service"] == service]
    found: dict[str, Any] = part
    return found


def without(*services: str) -> Callable[[Bundle], None]:
    def cut(bundle: Bundle) -> None:
        bundle["services"] = [part for part in bundle["services"] if part["service"] not in services]

    return cut


def without_access_lines(bundle: Bundle) -> None:
    for part in bundle["services"]:
        part.pop("access", None)


def without_a_record(bundle: Bundle) -> None:
    events = part_of(bundle, "disposal")["events"]
    gone = events["entries"][-1]["stream"]
    events["entries"] = [entry for entry in events["entries"] if entry["stream"] != gone]


def made(**by: int) -> Callable[[Bundle], None]:
    def redated(bundle: Bundle) -> None:
        bundle["made_at"] = (datetime.fromisoformat(bundle["made_at"]) + timedelta(**by)).isoformat()

    return redated


CUTS: Final[dict[str, tuple[Callable[[Bundle], object], str]]] = {
    "every service": (without(*SERVICES, "reporting"), f"{AUTHORITY}/disposal: its part is missing"),
    "one service": (without("disposal"), f"{AUTHORITY}/disposal: its part is missing"),
    "a service that holds nothing": (without("rj_conference"), f"{AUTHORITY}/rj_conference: its part is missing"),
    "the service with the access lines of readers": (
        without("reporting"),
        f"{AUTHORITY}/reporting: its part is missing",
    ),
    "every access line": (without_access_lines, "referral: its log access is missing, though its statement counts"),
    "a record": (without_a_record, "disposal, events: 1 of 2 entries are missing"),
    "an event": (
        lambda bundle: part_of(bundle, "referral")["events"]["entries"].pop(),
        "referral, events: 1 of 2 entries",
    ),
    "a service, for another in its name": (
        lambda bundle: part_of(bundle, "rj_conference").update(service="disposal"),
        "disposal: its statement is that of test.example/rj_conference",
    ),
    "its age": (made(days=-1), "is not when test.example/referral signed its statement"),
    "its age, the other way": (made(days=1), "lies in the future"),
}


async def test_whatever_is_cut_out_of_a_case_file_is_named(exporting: Exporting) -> None:
    """Given a case in two of the services, then its file holds, and each part of it that is taken away is a fault."""
    bundle = await exporting.export(await case_in_two_services(exporting.partnership))
    assert exporting.faults(bundle) == []
    counted = {part["service"]: len(part.get("events", {}).get("entries", ())) for part in bundle["services"]}
    assert counted == {name: 2 if name in {"referral", "disposal"} else 0 for name in SERVICE_NAMES}
    unnoticed = {}
    for what, (cut, fault) in CUTS.items():
        changed = copy.deepcopy(bundle)
        cut(changed)
        if not any(fault in line for line in exporting.faults(changed)):
            unnoticed[what] = exporting.faults(changed)
    assert unnoticed == {}


async def test_a_case_file_holds_an_event_of_an_older_version(exporting: Exporting) -> None:
    """Given a score of gravity that the release before recorded, then today's case file proves it, and today's pages and papers show it."""
    partnership = exporting.partnership
    await referral(partnership)  # so that the keys of this test sign the log of referrals anew
    scored = await disposal(partnership)
    score = {"type": "ScoreGravity", "offence_score": 2, "final_score": 3, "matrix_version": "2025"}
    (before,) = (service for service in RELEASE_BEFORE if service.name == "disposal")
    app = service_api(before, partnership.settings)
    async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as client:
        earlier = replace(partnership, clients={**partnership.clients, "disposal": client})
        client.base_url = httpx2.URL("http://disposal")
        await earlier.tell(
            "disposal", scored.stream, "POLICE_DECISION_MAKER", {**score, "aggravating": ["planned"], "mitigating": []}
        )
    await partnership.carry()

    bundle = await exporting.export(scored.case)
    assert exporting.faults(bundle) == []
    entries = part_of(bundle, "disposal")["events"]["entries"]
    (body,) = (body for entry in entries if FIRST_VERSION in (body := base64.b64decode(entry["body"]).decode()))
    assert '"line"' not in body
    token = await partnership.token("SUPERVISOR")
    history = (await partnership.read("disposal", f"{scored.path}/history", token)).json()["events"]
    assert history[-1]["data"] | {"line": None, "factors": None, "final_score": 3} == history[-1]["data"]
    assert "Gravity scored 3" in history[-1]["sentence"]
    pack = await partnership.read("disposal", f"{scored.path}/documents/panel-pack", token)
    assert "Aggravating factors planned" in re.sub(r"\s+", " ", pdf_text(pack.content))
    timeline = await partnership.read("reporting", f"/v1/cases/{scored.case}/timeline", token)
    assert "Gravity scored 3" in timeline.text


async def test_a_file_put_together_from_several_exports_is_named(exporting: Exporting) -> None:
    """Given parts of another reader, of a role without access lines, or of another hour, then each is a fault."""
    case = await case_in_two_services(exporting.partnership)
    bundle = await exporting.export(case)
    elsewhere = await exporting.export(case, area="DEVON")
    assert not any(part.get("events", {}).get("entries") for part in elsewhere["services"])
    replaced = copy.deepcopy(bundle)
    replaced["services"] = [*replaced["services"][:-1], part_of(elsewhere, replaced["services"][-1]["service"])]
    assert any("made for different readers" in line for line in exporting.faults(replaced))

    officers = await exporting.export(case, role="SUPERVISOR")
    replaced["services"] = [*bundle["services"][1:], part_of(officers, bundle["services"][0]["service"])]
    assert any("some services count access lines, and some do not" in line for line in exporting.faults(replaced))

    old = copy.deepcopy(bundle)
    part = part_of(old, "disposal")
    text = SignedNote.parse(part["statement"]).text.split("\n")
    text[2] = str(int(text[2]) - 3600)
    (signer,) = exporting.keys.signers(statement_name(AUTHORITY, "disposal"))
    part["statement"] = write_note("\n".join(text), [signer.sign("\n".join(text))])
    assert any("is not when test.example/disposal signed" in line for line in exporting.faults(old))


async def test_an_unknown_and_a_hidden_case_are_answered_alike(exporting: Exporting) -> None:
    """Given an auditor of another area, then no statement counts anything, of a case that is hidden as of none at all."""
    hidden = await exporting.export(await case_in_two_services(exporting.partnership), area="DEVON")
    unknown = await exporting.export(uuid4(), area="DEVON")
    for one in (hidden, unknown):
        assert exporting.faults(one) == []
        assert (
            sum("was not counted for" in line for line in not_checked(one, own_keys=False, known=True, witness=True))
            == 2 * len(SERVICE_NAMES) - 1
        )
    shapes = [{tuple(sorted(part)) for part in one["services"]} for one in (hidden, unknown)]
    assert shapes[0] == shapes[1] == {("contract", "extends", "home", "keys", "service", "statement")}


async def test_a_kept_checkpoint_that_is_not_used_is_a_fault(exporting: Exporting) -> None:
    """Given a checkpoint of a log of which the file has nothing, then that is said; what was not checked is said too."""
    bundle = await exporting.export(await case_in_two_services(exporting.partnership))
    kept = part_of(bundle, "disposal")["events"]["checkpoint"]
    assert exporting.faults(bundle, kept) == []
    without("disposal")(bundle)
    assert any("the checkpoint that you kept was not used" in line for line in exporting.faults(bundle, kept))
    lines = "\n".join(not_checked(bundle, own_keys=True, known=False, witness=False))
    for said in ("whether a service is missing", "no witness was named", "no checkpoint", "Personal values"):
        assert said in lines


async def test_a_receipt_convicts_an_operator_who_signs_a_shorter_case(exporting: Exporting) -> None:
    """Given an operator who takes the last event away and signs that there was none, then the receipt of it shows that."""
    case = (await referral(exporting.partnership)).case
    token = await exporting.partnership.token("YJS_CASE_MANAGER")
    opened = opened_disposal(case, uuid4(), {"name": "Robin Roe", "date_of_birth": "2011-03-14"})
    receipt = (await exporting.partnership.send("disposal", uuid4(), opened, token)).json()
    await exporting.partnership.carry()
    bundle = await exporting.export(case)
    assert exporting.faults(bundle, receipts=[receipt]) == []

    part = part_of(bundle, "disposal")
    part["events"]["entries"].pop()
    text = SignedNote.parse(part["statement"]).text
    size = next(line.split()[1] for line in text.splitlines() if line.startswith("events "))
    forged = re.sub(r"(?m)^events .*$", f"events {size} 0 {hashlib.sha256().hexdigest()}", text)
    (signer,) = exporting.keys.signers(statement_name(AUTHORITY, "disposal"))
    part["statement"] = write_note(forged, [signer.sign(forged)])
    assert exporting.faults(bundle) == []
    (fault,) = exporting.faults(bundle, receipts=[receipt])
    assert "the case has not this event, which the service has signed that it recorded" in fault
    (fault,) = exporting.faults(bundle, receipts=[receipt | {"events": []}])
    assert "it was altered or invented, and proves nothing" in fault


@pytest.mark.parametrize("role", ["SAFE_SCHOOLS_OFFICER", "INTERNET_SAFETY_OFFICER"])
@pytest.mark.parametrize("conflicts", [(), (uuid4(),)], ids=["no conflict", "a conflict"])
async def test_what_is_decided_about_a_persons_data_is_no_evidence_for_officers(
    exporting: Exporting, role: str, conflicts: tuple[UUID, ...]
) -> None:
    """Given a hold on a child's data, whose stream follows from the child's id, then auditors get its events, and an officer none."""
    world_ = exporting.partnership
    child = (await referral(world_)).person
    headers = {"Authorization": f"Bearer {await world_.token('DATA_PROTECTION_OFFICER')}", "Access-Reason": "COMPLAINT"}
    held = await world_.clients["referral"].post(f"/v1/people/{child}/hold?kind=COMPLAINT", headers=headers)
    assert held.status_code == 200, held.text
    path = f"/v1/evidence/homes/{data_rights_id('referral', child)}"
    answers = [
        await world_.read("referral", path, await world_.token(by, area=area, conflicts=conflicts))
        for by, area in ((role, "DORSET"), (role, "DEVON"), ("AUDITOR", "*"))
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200], answers[0].text
    assert [len(answer.json().get("events", {}).get("entries", ())) for answer in answers] == [0, 0, 1]
