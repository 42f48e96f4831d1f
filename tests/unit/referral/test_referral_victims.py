"""The victim's side of a referral: rights, duties, log, and who may read what of it."""

from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from services.referral.domain.commands import CloseReferral, InformVictimOfRestorativeJustice, ReopenReferral
from services.referral.events import EVENTS, PersonLinked
from services.referral.service import service
from services.trade.vocabulary import Category, Personal, PersonRole, TriageOutcome
from shared.domain.documents import ITEMS, Items, facts_by_item
from shared.domain.duties import Duty
from shared.domain.duties_by_day import duties_on
from shared.domain.sealing import Sealed
from tests.unit.referral.stories import (
    LATER,
    LATEST,
    LEO,
    MIA,
    NEXT_DAY,
    NOON,
    SUPERVISOR,
    ReferralStory,
    carried,
    contact,
    outcome,
    support,
    tells,
    victim_details,
    wish,
)

WORKER = "VICTIM_WORKER"
INFORM = InformVictimOfRestorativeJustice(person_id=MIA)
TUESDAY, WEDNESDAY, THURSDAY = date(2026, 2, 24), date(2026, 2, 25), date(2026, 2, 26)


def harmed(referral: ReferralStory, born: str = "2009-03-14", child: str = "2011-06-30") -> ReferralStory:
    """Given: Leo harmed Mia, and it is a crime; reported on Tuesday."""
    referral.acknowledged().linked(LEO, child)
    return referral.linked(MIA, born, role=PersonRole.HARMED, category=Category.VICTIM).recorded()


def of(story: ReferralStory, name: str, as_of: date = date(2026, 4, 1)) -> list[Duty]:
    """Return the duties of a name to Mia."""
    shown = duties_on(story.service.read_model, story.facts, as_of)
    return [duty for duty in shown if duty.duty == name and duty.item.startswith(str(MIA))]


@pytest.mark.parametrize(
    ("born", "due"), [("2008-02-25", WEDNESDAY), ("2008-02-24", date(2026, 3, 3)), ("1980-01-01", date(2026, 3, 3))]
)
def test_a_victim_under_age_at_the_report_hears_of_restorative_justice_in_a_day(
    referral: ReferralStory, born: str, due: date
) -> None:
    """Given a victim who turns 18 the day after the report, it is due in a day; at 18 on that day, in five."""
    harmed(referral, born)
    assert not of(referral, "VICTIM_RJ_INFORMATION")
    referral.triaged(TriageOutcome.ADVICE_ONLY)
    assert [duty.due for duty in of(referral, "VICTIM_RJ_INFORMATION")] == [due]
    assert referral.does(INFORM, NEXT_DAY, WORKER) == ["VictimInformedOfRestorativeJustice"]
    assert [duty.met_on for duty in of(referral, "VICTIM_RJ_INFORMATION")] == [WEDNESDAY]


def test_enhanced_rights_may_be_recorded_and_are_kept(referral: ReferralStory) -> None:
    """Given a grown victim whose rights are recorded as enhanced, then it is due in a day, and later details keep that."""
    harmed(referral, "1980-01-01").triaged(TriageOutcome.ADVICE_ONLY)
    referral.does(victim_details(enhanced_rights=True), NOON, WORKER)
    referral.does(victim_details(), NEXT_DAY, WORKER)
    assert [duty.due for duty in of(referral, "VICTIM_RJ_INFORMATION")] == [WEDNESDAY]


def test_nobody_is_informed_where_no_child_is_suspected_or_the_panel_has_it(referral: ReferralStory) -> None:
    """Given a grown suspect, or a case for the panel, then the referral has no duty to inform of restorative justice."""
    harmed(referral, child="1990-01-01").triaged(TriageOutcome.REFER_INVESTIGATION)
    assert not of(referral, "VICTIM_RJ_INFORMATION")
    panel = harmed(ReferralStory()).triaged(TriageOutcome.REFER_DISPOSAL_PANEL)
    assert not of(panel, "VICTIM_RJ_INFORMATION")
    moved = harmed(ReferralStory()).closed()
    moved.does(ReopenReferral(why=Sealed("More.")), LATER, SUPERVISOR)
    assert of(moved, "VICTIM_RJ_INFORMATION")
    moved.triaged(TriageOutcome.REFER_DISPOSAL_PANEL, LATEST)
    assert not of(moved, "VICTIM_RJ_INFORMATION")


def test_support_that_is_wanted_is_due_in_two_days_until_it_is_not_wanted(referral: ReferralStory) -> None:
    """Given a victim who wants support, then a referral is due two days after the report; unwanted, it falls away."""
    harmed(referral).does(victim_details(), NOON, WORKER)
    assert [duty.due for duty in of(referral, "VICTIM_SUPPORT_REFERRAL")] == [THURSDAY]
    referral.does(victim_details(wants_support=False), NEXT_DAY, WORKER)
    assert not of(referral, "VICTIM_SUPPORT_REFERRAL", WEDNESDAY)
    referral.does(victim_details(), LATER, WORKER)
    referral.does(support(), LATEST, WORKER)
    assert [duty.late for duty in of(referral, "VICTIM_SUPPORT_REFERRAL")] == [True]


def test_a_victim_is_told_of_each_outcome_that_no_disposal_decided(referral: ReferralStory) -> None:
    """Given an outcome assigned here, then telling is due in a day, also after the closing; one carried over opens nothing."""
    carried_over = harmed(ReferralStory())
    carried_over.does(carried(), NOON, "SYSTEM")
    assert not of(carried_over, "VICTIM_TOLD")
    harmed(referral).triaged(TriageOutcome.ADVICE_ONLY)
    referral.does(tells(), NOON, WORKER)
    referral.does(outcome("10"), NEXT_DAY)
    referral.does(CloseReferral(reason="ADVICE_GIVEN"), NEXT_DAY)
    (duty,) = of(referral, "VICTIM_TOLD")
    assert (duty.item, duty.due, duty.is_open(date(2026, 3, 1))) == (str(MIA), THURSDAY, True)
    referral.does(tells(), LATER, WORKER)
    assert [duty.met_on for duty in of(referral, "VICTIM_TOLD")] == [date(2026, 3, 10)]


def test_the_view_shows_each_victim_with_the_log_and_nobody_else(referral: ReferralStory) -> None:
    """Given what was done for Mia and for Leo, then the victims' part of the state has Mia's alone, and a stage in a few words."""
    harmed(referral).does(wish(), NOON)
    referral.does(contact(), NOON)
    referral.does(victim_details(contact_is_safe=False), NOON, WORKER)
    shown: dict[str, Any] = referral.view["victims"]
    assert shown.keys() == {str(MIA)}
    mia = shown[str(MIA)]
    assert [line["event"] for line in mia.pop("log")] == ["VictimPreferenceRecorded", "VictimDetailsRecorded"]
    assert mia == {
        "enhanced_rights": True,
        "contact_is_safe": False,
        "wants_updates": True,
        "wants_support": True,
        "preference": "SCHOOL_LED",
        "details_told_by": 8,
    }
    assert referral.view["progress"] == "BEING_CONSIDERED"


def test_a_corrected_birth_date_moves_the_duty(referral: ReferralStory) -> None:
    """Given a victim whose birth date, or the day of the report, was misheard, then the correction moves what is due."""
    harmed(referral, "2008-02-25").triaged(TriageOutcome.ADVICE_ONLY)
    referral.does(referral.corrects("PersonLinked", "details.date_of_birth", "2008-02-24"), NEXT_DAY)
    assert [duty.due for duty in of(referral, "VICTIM_RJ_INFORMATION")] == [date(2026, 3, 3)]
    referral.does(referral.corrects("ReferralReceived", "reported_at", "2026-02-23T09:30:00+00:00"), NEXT_DAY)
    assert [duty.due for duty in of(referral, "VICTIM_RJ_INFORMATION")] == [date(2026, 2, 24)]


@pytest.mark.parametrize(
    ("role", "category", "classes"),
    [
        (PersonRole.HARMED, Category.VICTIM, (Personal.VICTIM_IDENTITY, Personal.VICTIM_CONTACT)),
        (PersonRole.SUPPORTER, Category.VICTIM, (Personal.VICTIM_IDENTITY, Personal.VICTIM_CONTACT)),
        (PersonRole.HARMER, Category.VICTIM, (Personal.IDENTITY, Personal.CONTACT)),
        (PersonRole.HARMED, Category.SUSPECT, (Personal.IDENTITY, Personal.CONTACT)),
        (PersonRole.WITNESS, Category.WITNESS, (Personal.IDENTITY, Personal.CONTACT)),
    ],
)
def test_who_did_harm_is_no_victim(
    referral: ReferralStory, role: PersonRole, category: Category, classes: tuple[Personal, Personal]
) -> None:
    """Given a part and a category, then name and address are a victim's only of who was harmed and did no harm."""
    referral.acknowledged().linked(MIA, "2009-03-14", role=role, category=category)
    event = referral.last(PersonLinked)
    assert (EVENTS.class_of(event, "details.name"), EVENTS.class_of(event, "details.address")) == classes
    assert event.is_harmed is (classes[0] is Personal.VICTIM_IDENTITY)


@pytest.mark.parametrize("command", [INFORM, victim_details(), support(), tells()], ids=lambda command: command.type)
def test_whoever_did_harm_is_no_victim(referral: ReferralStory, command: Any) -> None:
    """Given Leo harmed Mia, then nothing of a victim is recorded of him, and everything of her and of one whom nobody has linked."""
    harmed(referral).triaged(TriageOutcome.ADVICE_ONLY)
    for by in (WORKER, SUPERVISOR):
        assert referral.problems(command.model_copy(update={"person_id": LEO}), LATER, by) == {"V1"}
    assert referral.does(command, LATER, WORKER)
    unlinked = command.model_copy(update={"person_id": UUID(int=5)})
    assert referral.does(unlinked, LATER, WORKER)


@pytest.mark.parametrize("category", [Category.SUSPECT, Category.CONVICTED, Category.DISPOSED_OOC])
def test_a_suspect_is_no_victim_whatever_the_part(referral: ReferralStory, category: Category) -> None:
    """Given a witness who is a suspect, then nothing of a victim is recorded of them."""
    referral.acknowledged().linked(MIA, "2009-03-14", role=PersonRole.WITNESS, category=category)
    assert referral.problems(victim_details(), LATER, WORKER) == {"V1"}


def test_of_how_many_victims_a_document_is_asked_is_bounded(referral: ReferralStory) -> None:
    """Given more victims than are asked whether a letter to them can be printed, then those whom the question names come first."""
    document, asked = service.documents["victim-information"], [UUID(int=n) for n in range(ITEMS * 2)]
    items: Items[Any] = Items(lambda _: asked, lambda facts, _: facts)
    facts = harmed(referral).facts
    found = [item for item, _ in facts_by_item(replace(document, items=items), referral.state, facts, asked[-1:])]
    assert found == [asked[-1], *asked[: ITEMS - 1]]
