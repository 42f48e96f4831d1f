"""A contact may have a note: of every service that records one, sealed under the key of the person who was contacted."""

import json
from collections.abc import Callable

import pytest

from services.disposal.domain.commands import InformVictimOfRestorativeJustice as InformInDisposal
from services.disposal.domain.commands import RecordContact as DisposalContact
from services.disposal.events import ContactMeans
from services.education.domain.commands import RecordContact as EducationContact
from services.referral.domain.commands import RecordContact as ReferralContact
from services.referral.domain.commands import RecordVictimDetails
from services.trade.vocabulary import Category, Personal, PersonRole, Role
from shared.domain.messages import Command
from shared.domain.sealing import DataKey, Sealed, sealed_fields
from tests.any_sequence import sealed_bytes
from tests.command_spec import CommandSpec
from tests.unit.disposal.stories import AFTER, MOTHER, CaseStory
from tests.unit.education.stories import SessionStory
from tests.unit.referral.stories import ReferralStory, link

NOTE = Sealed("She asked for a later time.")
RECORDS: dict[str, tuple[Callable[[], CommandSpec], Callable[[Sealed[str] | None], Command]]] = {
    "referral": (
        lambda: ReferralStory().received().linked(role=PersonRole.HARMED, category=Category.VICTIM),
        lambda note: ReferralContact(person_id=MOTHER, means="PHONE", reached=True, note=note),
    ),
    "disposal": (
        lambda: CaseStory().opened(),
        lambda note: DisposalContact(person_id=MOTHER, means=ContactMeans.PHONE, reached=True, note=note),
    ),
    "education": (
        lambda: SessionStory().planned(),
        lambda note: EducationContact(person_id=MOTHER, means="PHONE", reached=True, note=note),
    ),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_note_of_a_contact_is_the_persons_own(name: str) -> None:
    """Given a contact with a note, then it is sealed under the person's key; without one, its bytes are those of before."""
    begin, contact = RECORDS[name]
    story = begin()
    for note in (NOTE, None):
        assert story.ask(contact(note), by="SUPERVISOR", at=AFTER) == ["ContactRecorded"]
    noted, plain = story.facts[-2:]
    assert [(path, subject) for path, subject, _ in sealed_fields(noted.event, noted.envelope.home)] == [
        ("note", f"person/{MOTHER}")
    ]
    keys: dict[str, DataKey] = {}
    assert "asked" not in sealed_bytes(noted, keys).decode()
    assert set(json.loads(sealed_bytes(plain, keys))["data"]) == {"person_id", "means", "reached"}


def test_a_victim_worker_records_a_contact_in_a_disposal() -> None:
    """Anyone who works for a victim records their contacts too, as the catalogue has it."""
    assert Role.VICTIM_WORKER in CaseStory().service.roles_for(DisposalContact)


@pytest.mark.parametrize("name", ["referral", "disposal"])
def test_a_note_of_a_contact_with_a_victim_is_of_a_class_of_its_own(name: str) -> None:
    """Given a contact with somebody harmed, then its note is what a victim said, which a victim worker reads; else narrative."""
    begin, contact = RECORDS[name]
    story = begin()
    victim = story.state.victims[0]
    story.ask(contact(NOTE), by="SUPERVISOR", at=AFTER)
    story.ask(contact(NOTE).model_copy(update={"person_id": victim}), by="SUPERVISOR", at=AFTER)
    classes = [story.service.events.class_of(fact.event, "note") for fact in story.facts[-2:]]
    assert classes == [Personal.NARRATIVE, Personal.VICTIM_VIEW]
    reads = story.service.read_model.access[Role.VICTIM_WORKER].opens
    assert Personal.VICTIM_VIEW in reads
    assert Personal.NARRATIVE not in reads


@pytest.mark.parametrize(
    ("name", "making"),
    [
        (
            "referral",
            RecordVictimDetails(person_id=MOTHER, contact_is_safe=True, wants_updates=True, wants_support=False),
        ),
        ("disposal", InformInDisposal(person_id=MOTHER, enhanced_rights=False)),
    ],
)
def test_a_victim_worker_makes_nobody_a_victim_to_read_of_them(name: str, making: Command) -> None:
    """Given the child's mother, linked as such, when a victim worker records her as harmed, then V1 refuses; notes on her stay what they are until an officer says so."""
    begin, contact = RECORDS[name]
    story = begin()
    mother = link(MOTHER, "1985-01-09", role=PersonRole.PARENT_CARER, category=Category.PARENT_CARER)
    linking = story if name == "referral" else ReferralStory().received()
    linking.ask(mother, by="SUPERVISOR", at=AFTER)
    story.kept_events = () if linking is story else linking.facts
    assert story.refused(making, by=Role.VICTIM_WORKER, at=AFTER) == {"V1"}
    story.ask(contact(NOTE), by="SUPERVISOR", at=AFTER)
    assert story.service.events.class_of(story.facts[-1].event, "note") is Personal.NARRATIVE
    says_so = link(MOTHER, role=PersonRole.HARMED, category=Category.VICTIM) if linking is story else making
    assert story.ask(says_so, by="SUPERVISOR", at=AFTER)
    assert story.ask(making, by=Role.VICTIM_WORKER, at=AFTER)
