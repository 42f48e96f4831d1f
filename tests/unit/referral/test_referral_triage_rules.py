"""The rules of triage, of people and of documents: each where it refuses and where it lets through."""

from datetime import UTC, datetime

import pytest

from services.referral.domain.commands import AcknowledgeReferral, OverrideSafeguardingHold
from services.trade.vocabulary import Category, Flag, PersonRole, TriageOutcome
from shared.domain.decisions import NeedsRationale
from shared.domain.sealing import Sealed
from tests.unit.referral.stories import (
    LEO,
    MIA,
    NEXT_DAY,
    NOON,
    SOON,
    SUPERVISOR,
    SYSTEM,
    ReferralStory,
    carried,
    concern,
    document,
    link,
    mash,
    outcome,
    receipt,
    screening,
    triage,
    wish,
)

ACCEPT, SCHOOL, PANEL = TriageOutcome.ACCEPT_INTERVENTION, TriageOutcome.SCHOOL_LED, TriageOutcome.REFER_DISPOSAL_PANEL
MASH, INVESTIGATION = TriageOutcome.REFER_MASH, TriageOutcome.REFER_INVESTIGATION
SERIOUS = (
    Flag.WEAPON,
    Flag.SEXUAL,
    Flag.EXPLOITATION,
    Flag.DRUG_SUPPLY,
    Flag.DRUG_CLASS_A,
    Flag.INJURY_SERIOUS,
    Flag.INDICTABLE_ONLY,
)


@pytest.mark.parametrize("triage_outcome", list(TriageOutcome))
def test_a_concern_holds_every_outcome(referral: ReferralStory, triage_outcome: TriageOutcome) -> None:
    """Given a safeguarding concern, no triage is possible, to MASH neither, until MASH was told."""
    referral.acknowledged().does(concern())
    assert "B1" in referral.problems(triage(triage_outcome))
    referral.does(mash())
    assert referral.stage == "ACKNOWLEDGED"
    assert referral.does(triage(ACCEPT)) == ["ReferralTriaged"]


def test_a_concern_holds_the_crimes_outcome(referral: ReferralStory) -> None:
    """Given a hold, neither an officer nor a disposal gives an outcome; after a supervisor lifts it both may."""
    referral.acknowledged().recorded().does(concern())
    assert referral.problems(outcome("10")) == {"B1"}
    assert referral.problems(carried(), by=SYSTEM) == {"B1"}
    referral.does(OverrideSafeguardingHold(reason=Sealed("Her social worker knows.")), by=SUPERVISOR)
    assert referral.does(outcome("10")) == ["CrimeOutcomeAssigned"]
    assert referral.does(carried(), by=SYSTEM) == ["CrimeOutcomeAssigned"]


@pytest.mark.parametrize("flag", SERIOUS)
def test_serious_matters_go_further(referral: ReferralStory, flag: Flag) -> None:
    """Given something serious, neither education nor the school alone answers it; the panel may have it."""
    referral.acknowledged(flag).does(wish())
    assert referral.problems(triage(ACCEPT)) == {"B2"}
    assert referral.problems(triage(SCHOOL)) == {"B2"}
    assert referral.does(triage(PANEL)) == ["ReferralTriaged"]


@pytest.mark.parametrize("flag", [Flag.HATE, Flag.DOMESTIC, Flag.AGE_GAP, Flag.PATTERN])
def test_what_aggravates_is_reviewed(referral: ReferralStory, flag: Flag) -> None:
    """Given an aggravating flag, a supervisor's review or a reason lets triage through."""
    referral.acknowledged(flag)
    answer = referral.answer(triage(ACCEPT), by=SUPERVISOR, at=NEXT_DAY)
    assert isinstance(answer, NeedsRationale)
    assert answer.ids == ("B3",)
    assert referral.warned(triage(ACCEPT, reviewed=False), by=SUPERVISOR, at=NEXT_DAY) == {"B3"}
    assert referral.does(triage(ACCEPT, reviewed=True)) == ["ReferralTriaged"]


def test_a_reason_stands_for_the_review(referral: ReferralStory) -> None:
    """Given a pattern, a written reason is enough and is kept with the event."""
    referral.acknowledged(Flag.PATTERN)
    referral.does(triage(ACCEPT, rationale={"B3": "The supervisor is ill."}))
    assert referral.facts[-1].envelope.rationale["B3"].value == "The supervisor is ill."


@pytest.mark.parametrize("triage_outcome", [o for o in TriageOutcome if o not in {MASH, INVESTIGATION, SCHOOL}])
def test_nudes_are_screened_first(referral: ReferralStory, triage_outcome: TriageOutcome) -> None:
    """Given a nude image, only MASH and the investigation need no screening; after five times No the rest is open."""
    referral.acknowledged(Flag.NUDE_IMAGERY)
    assert referral.problems(triage(triage_outcome)) == {"B4"}
    referral.does(screening())
    assert referral.does(triage(triage_outcome)) == ["ReferralTriaged"]


@pytest.mark.parametrize("triage_outcome", [MASH, INVESTIGATION])
def test_nudes_may_go_to_others_at_once(referral: ReferralStory, triage_outcome: TriageOutcome) -> None:
    """Given a nude image and no screening, MASH or the investigation may have it."""
    assert referral.acknowledged(Flag.NUDE_IMAGERY).does(triage(triage_outcome)) == ["ReferralTriaged"]


@pytest.mark.parametrize(
    "question", ["adult_involved", "coercion", "atypical_or_violent", "under_13_sexual_act", "immediate_risk"]
)
def test_each_yes_goes_to_others(referral: ReferralStory, question: str) -> None:
    """Given one Yes, education is refused, also after a second screening without it; MASH is not."""
    referral.acknowledged(Flag.NUDE_IMAGERY).does(screening(**{question: True}))
    assert referral.problems(triage(ACCEPT)) == {"B4"}
    referral.does(screening())
    assert referral.problems(triage(ACCEPT)) == {"B4"}
    assert referral.does(triage(MASH)) == ["ReferralTriaged"]


def test_nothing_is_attached_to_nudes(referral: ReferralStory) -> None:
    """Given a nude image, no document of any kind is taken."""
    assert referral.received(Flag.NUDE_IMAGERY).problems(document()) == {"B5"}


def test_a_document_is_attached_elsewhere(referral: ReferralStory) -> None:
    """Given no nude image, a note of the school is taken."""
    assert referral.received().does(document()) == ["DocumentAttached"]


def test_the_school_deals_with_it_only_if_wished(referral: ReferralStory) -> None:
    """Given no preference, or one for the police, the school may not keep it; the newest word of each counts."""
    referral.acknowledged()
    assert referral.problems(triage(SCHOOL)) == {"B7"}
    referral.does(wish("POLICE"))
    assert referral.problems(triage(SCHOOL)) == {"B7"}
    referral.does(wish("SCHOOL_LED"))
    assert referral.does(triage(SCHOOL)) == ["ReferralTriaged"]


def test_a_wish_recorded_late_takes_back_no_later_one(referral: ReferralStory) -> None:
    """Given a wish for the police, when an earlier one for the school is recorded late, then the school may not keep it."""
    referral.acknowledged().does(wish("POLICE"), NOON)
    referral.does(wish("SCHOOL_LED"), SOON)
    assert referral.problems(triage(SCHOOL)) == {"B7"}


def test_every_harmed_person_is_heard(referral: ReferralStory) -> None:
    """Given two harmed children of whom one insists on the police, the school may not keep it."""
    referral.acknowledged().does(wish("SCHOOL_LED", MIA))
    referral.does(wish("POLICE", LEO))
    assert referral.problems(triage(SCHOOL)) == {"B7"}


@pytest.mark.parametrize("category", [Category.SUSPECT, Category.WITNESS])
def test_a_child_under_ten_is_never_a_suspect(referral: ReferralStory, category: Category) -> None:
    """Given a boy ten the day after, he did it as CHILD_UNDER_10 and as nothing else."""
    referral.received()
    assert referral.problems(link(born="2016-02-22", category=category)) == {"B8"}
    assert referral.does(link(born="2016-02-22", category=Category.CHILD_UNDER_10)) == ["PersonLinked"]


def test_a_child_of_ten_may_be_a_suspect(referral: ReferralStory) -> None:
    """Given a boy ten on the day, he is a suspect and not a child under ten."""
    referral.received()
    assert referral.problems(link(born="2016-02-21", category=Category.CHILD_UNDER_10)) == {"B8"}
    assert referral.does(link(born="2016-02-21")) == ["PersonLinked"]


def test_a_small_child_may_be_harmed(referral: ReferralStory) -> None:
    """Given a harmed girl of six, she is a victim, and never a suspect."""
    referral.received()
    assert referral.problems(link(MIA, "2019-05-01", PersonRole.HARMED, Category.SUSPECT)) == {"B8"}
    assert referral.does(link(MIA, "2019-05-01", PersonRole.HARMED, Category.VICTIM)) == ["PersonLinked"]


def test_every_broken_rule_is_named(referral: ReferralStory) -> None:
    """Given a hold, exploitation and a Yes, triage to the school names all that stands against it."""
    referral.acknowledged(Flag.NUDE_IMAGERY, Flag.EXPLOITATION)
    referral.does(screening(coercion=True))
    referral.does(concern())
    assert referral.problems(triage(SCHOOL)) == {"B1", "B2", "B4", "B7"}


@pytest.mark.parametrize("triage_outcome", list(TriageOutcome))
def test_a_knife_goes_to_the_panel_the_investigation_or_mash(
    referral: ReferralStory, triage_outcome: TriageOutcome
) -> None:
    """Given a knife, then triage leads to one of three places, and K1 refuses every other."""
    referral.acknowledged(Flag.KNIFE)
    if triage_outcome in {PANEL, INVESTIGATION, MASH}:
        referral.triaged(triage_outcome)
    else:
        assert "K1" in referral.problems(triage(triage_outcome))


def test_a_knife_before_the_guidance_is_judged_by_its_own_day() -> None:
    """Given a knife in January 2026, when it is triaged for an intervention on 11 February, then K1 is not asked; the day after it is."""
    for day, answer in ((11, None), (12, {"K1"})):
        early = ReferralStory()
        january = datetime(2026, 1, 26, 9, tzinfo=UTC)
        early.does(receipt(Flag.KNIFE, happened_at=january, reported_at=january), "2026-01-26T10:00:00+00:00")
        early.does(AcknowledgeReferral(), "2026-01-26T11:00:00+00:00")
        at = f"2026-02-{day}T10:00:00+00:00"
        if answer is None:
            early.does(triage(ACCEPT), at)
        else:
            assert early.problems(triage(ACCEPT), at) == answer
