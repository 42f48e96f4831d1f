"""The rules of a sitting: quorum, agenda, abstention, the child's voice, the end; and what they let pass."""

from datetime import date
from uuid import UUID

import pytest
from pydantic import ValidationError

from services.panel.domain.commands import (
    AddToAgenda,
    CancelSitting,
    CorrectRecord,
    PlanSitting,
    RecordMembers,
    RemoveFromAgenda,
)
from services.panel.events import CaseConsidered, Member, RecordCorrected
from services.panel.read_model import READ_MODEL
from services.panel.service import service
from services.trade.vocabulary import MemberKind
from shared.domain.messages import Command
from shared.domain.sealing import Sealed, sealed_fields
from shared.evidence.verification.streams import claims_after
from tests.policy_books import with_entry
from tests.unit.panel.stories import (
    ACTION,
    AFTERWARDS,
    CHAIR,
    CLOSE,
    CONSIDERED,
    DUE,
    IVY,
    LATER,
    LEO,
    LISTED,
    MEMBERS,
    MIA,
    NURSE,
    PLANNED,
    POLICE,
    START,
    YJS,
    SittingStory,
    action,
    adjournment,
    case_of,
    consideration,
    disposal_of,
    done,
    known,
    listing,
    member,
    plan,
)


def removal(child: UUID = LEO) -> RemoveFromAgenda:
    return RemoveFromAgenda(disposal_id=disposal_of(child), why=Sealed("Charged meanwhile."))


def test_a_full_agenda_takes_a_case_once_another_is_taken_off(sitting: SittingStory) -> None:
    """Given an agenda with as many cases as one may have, then a further one is refused P6, until one is taken off."""
    sitting.planned().listed(*(known(f"child {number}") for number in range(100)))
    assert sitting.problems(listing(LEO), LISTED) == {"P6"}
    sitting.does(removal(known("child 7")), LISTED)
    assert sitting.does(listing(LEO), LISTED) == ["CaseAddedToAgenda"]


def test_a_sitting_of_three_cases(sitting: SittingStory) -> None:
    """Given three cases, when two are considered and one is adjourned, then the sitting closes and shows what became of each."""
    sitting.planned().listed(LEO, MIA, IVY).begun()
    sitting.considered(LEO, actions=(action(),)).considered(MIA, abstaining=(NURSE,))
    assert sitting.does(adjournment(IVY), CONSIDERED) == ["CaseAdjourned"]
    assert sitting.does(CLOSE, LATER) == ["SittingClosed"]
    assert sitting.view["state"] == "CLOSED"
    assert sitting.view["agenda"] == {
        str(disposal_of(LEO)): "CONSIDERED",
        str(disposal_of(MIA)): "CONSIDERED",
        str(disposal_of(IVY)): "ADJOURNED",
    }
    assert sitting.view["actions"] == {str(ACTION): "OPEN"}


def test_the_stages_of_a_sitting(sitting: SittingStory) -> None:
    """It sits once a member is there; a list of those who are expected does not begin it."""
    sitting.planned()
    assert sitting.view["state"] == "PLANNED"
    sitting.begun(member(POLICE, MemberKind.POLICE, present=False), at=LISTED)
    assert sitting.view["state"] == "PLANNED"
    sitting.begun()
    assert sitting.view["state"] == "SITTING"


@pytest.mark.parametrize("typed", ["Zeb Markername Care", "Kevin O'Neil Work", "Merrowshire Council"])
def test_a_member_comes_from_an_organisation_of_the_partnership(typed: str) -> None:
    """Given a partnership that has named them, then no name fits where an organisation is asked, which is read in clear."""
    named = [MEMBERS[0].organisation, "Barnardo's", "NSPCC", "Turning Point"]
    sitting = SittingStory(with_entry(READ_MODEL.policy, "panel_organisations", date(2026, 1, 1), named))
    stranger = member(NURSE, MemberKind.HEALTH).model_copy(update={"organisation": typed})
    sitting.planned()
    assert sitting.problems(RecordMembers(members=(*MEMBERS[:2], stranger)), LISTED) == {"S1"}
    for charity in ("Barnardo's", "NSPCC", "Turning Point"):
        theirs = stranger.model_copy(update={"organisation": charity})
        assert sitting.does(RecordMembers(members=(*MEMBERS[:2], theirs)), LISTED) == ["MembersRecorded"]


@pytest.mark.parametrize(
    "members",
    [
        (member(POLICE, MemberKind.POLICE), member(NURSE, MemberKind.HEALTH)),
        (member(YJS, MemberKind.YJS),),
        (member(POLICE, MemberKind.POLICE), member(YJS, MemberKind.YJS, present=False)),
    ],
)
def test_a_panel_without_its_quorum_recommends_nothing(sitting: SittingStory, members: tuple[Member, ...]) -> None:
    """P1: police and youth justice service are recorded as present; an adjournment needs neither."""
    sitting.planned().listed().begun(*members)
    assert sitting.problems(consideration(), CONSIDERED) == {"P1"}
    assert sitting.does(adjournment(), CONSIDERED) == ["CaseAdjourned"]


def test_the_quorum_is_that_of_the_time(sitting: SittingStory) -> None:
    """P1: a case that was considered before a member left is recorded late, and one after that is refused."""
    sitting.planned().listed(LEO, MIA).begun()
    sitting.begun(member(POLICE, MemberKind.POLICE), at="2026-03-10T11:00:00+00:00")
    assert sitting.problems(consideration(MIA), LATER) == {"P1"}
    sitting.considered(LEO)
    event = sitting.last(CaseConsidered)
    assert event.voting == (MemberKind.POLICE, MemberKind.YJS, MemberKind.HEALTH)


def test_a_case_is_considered_from_the_agenda_and_once(sitting: SittingStory) -> None:
    """P2: neither a case that is not on the agenda, nor one that the sitting considered already."""
    sitting.sitting()
    assert sitting.problems(consideration(MIA), CONSIDERED) == {"P2"}
    sitting.considered()
    assert sitting.problems(consideration(), LATER) == {"P2"}


def test_an_adjourned_case_may_be_taken_up_again(sitting: SittingStory) -> None:
    """P2: what was adjourned has not been considered."""
    sitting.sitting().does(adjournment(), CONSIDERED)
    sitting.considered(at=LATER)
    assert sitting.view["agenda"] == {str(disposal_of(LEO)): "CONSIDERED"}


def test_a_case_is_on_so_many_agendas(sitting: SittingStory) -> None:
    """Given as many sittings as a case may have, then it is put on no further agenda (P7), and it counts once for each."""
    case = case_of(LEO)
    sitting.planned()
    sitting.linked_marks = {case: frozenset(f"{case}:DORSET:{known(str(number))}" for number in range(50))}
    assert sitting.problems(listing(LEO), LISTED) == {"P7"}
    sitting.linked_marks = {}
    sitting.listed(LEO, MIA)
    assert claims_after(service, sitting.facts) == {f"{case_of(one)}:DORSET:{sitting.stream}" for one in (LEO, MIA)}


@pytest.mark.parametrize("part", ["INVESTIGATES", "DECIDES"])
def test_who_has_a_part_in_the_case_abstains(sitting: SittingStory, part: str) -> None:
    """P3: a member who investigates or decides the case is named as abstaining; elsewhere they vote."""
    sitting.planned().listed(LEO, MIA).begun()
    sitting.linked_marks = {case_of(LEO): frozenset({f"disposal.{part}:{POLICE}", "disposal.OPENED"})}
    for abstaining in (None, (), (NURSE,)):
        assert sitting.problems(consideration(LEO, abstaining=abstaining), CONSIDERED) == {"P3"}
    sitting.considered(MIA)
    sitting.considered(LEO, abstaining=(POLICE,))
    assert sitting.problems(sitting.corrects("CaseConsidered", "abstaining", []), AFTERWARDS) == {"P3"}


def test_who_is_absent_need_not_abstain(sitting: SittingStory) -> None:
    """P3: an investigator who is not there does not vote anyway."""
    others = (member(NURSE, MemberKind.POLICE), member(YJS, MemberKind.YJS))
    sitting.planned().listed().begun(*others, member(POLICE, MemberKind.POLICE, present=False))
    sitting.linked_marks = {case_of(LEO): frozenset({f"disposal.INVESTIGATES:{POLICE}"})}
    assert sitting.does(consideration(), CONSIDERED) == ["CaseConsidered"]


def test_the_child_is_heard_or_it_is_said_why_not(sitting: SittingStory) -> None:
    """P4: words of the child, a reason why there are none, or a rationale."""
    sitting.sitting()
    unheard = consideration(child_view=None)
    assert sitting.warned(unheard, by=CHAIR, at=CONSIDERED) == {"P4"}
    with_reason = unheard.model_copy(update={"no_child_view_because": Sealed("He did not come.")})
    story = SittingStory().sitting()
    assert story.does(with_reason, CONSIDERED) == ["CaseConsidered"]
    assert sitting.does(unheard.model_copy(update={"rationale": {"P4": "Urgent."}}), CONSIDERED) == ["CaseConsidered"]


def test_a_sitting_closes_once_each_case_is_dealt_with(sitting: SittingStory) -> None:
    """P5: a case that waits keeps it open; one that is taken off the agenda does not."""
    sitting.planned().listed(LEO, MIA).begun().considered(MIA)
    assert sitting.problems(CLOSE, LATER) == {"P5"}
    sitting.does(removal(), CONSIDERED)
    assert sitting.does(CLOSE, LATER) == ["SittingClosed"]


def test_only_members_abstain(sitting: SittingStory) -> None:
    """S1: somebody whom nobody recorded as a member cannot abstain."""
    sitting.sitting()
    assert sitting.problems(consideration(abstaining=(known("stranger"),)), CONSIDERED) == {"S1"}


@pytest.mark.parametrize(
    ("command", "at"),
    [
        (plan(), LATER),
        (listing(LEO), LATER),
        (removal(), LATER),
        (adjournment(), LATER),
        (adjournment(MIA), LATER),
        (done(known("another")), LATER),
        (consideration(MIA, actions=(action(),)), LATER),
        (CancelSitting(why=Sealed("Snow.")), LATER),
    ],
    ids=lambda it: type(it).__name__,
)
def test_what_the_stage_does_not_allow(sitting: SittingStory, command: Command, at: str) -> None:
    """S1: of a sitting that has considered a case."""
    sitting.planned().listed(LEO).begun().considered(LEO, actions=(action(),))
    if isinstance(command, type(consideration())):
        sitting.listed(MIA)
    assert sitting.problems(command, at) == {"S1"}


def test_nothing_follows_the_end_but_actions(sitting: SittingStory) -> None:
    """S1: a closed sitting takes the end of its actions and corrections alone."""
    sitting.sitting().considered(actions=(action(),)).does(CLOSE, LATER)
    for command in (listing(MIA), RecordMembers(members=MEMBERS), adjournment(), CLOSE):
        assert sitting.problems(command, AFTERWARDS) == {"S1"}
    assert sitting.does(done(), AFTERWARDS) == ["ActionCompleted"]
    assert sitting.problems(done(), AFTERWARDS) == {"S1"}


def test_a_sitting_is_cancelled_before_it_considers(sitting: SittingStory) -> None:
    """A sitting that considered nothing may be called off; then nothing follows."""
    sitting.sitting()
    assert sitting.does(CancelSitting(why=Sealed("Snow.")), LATER) == ["SittingCancelled"]
    assert sitting.view["state"] == "CANCELLED"
    assert sitting.problems(listing(MIA), AFTERWARDS) == {"S1"}


@pytest.mark.parametrize(
    ("command", "at"),
    [
        (listing(MIA), "2026-03-02T08:59:00+00:00"),
        (consideration(), "2026-03-02T09:04:00+00:00"),
        (adjournment(), "2026-03-02T09:04:00+00:00"),
        (removal(), "2026-03-02T09:04:00+00:00"),
    ],
    ids=lambda it: type(it).__name__,
)
def test_nothing_before_its_cause(sitting: SittingStory, command: Command, at: str) -> None:
    """T1: not before the planning, nor before the case was on the agenda."""
    sitting.planned().listed().begun(at=PLANNED)
    assert sitting.problems(command, at) == {"T1"}


def test_the_ends_not_before_what_they_end(sitting: SittingStory) -> None:
    """T1: an action not done before it was agreed, a sitting not closed before its last case, a case not listed again early."""
    sitting.planned().listed(LEO, MIA).begun().considered(MIA, actions=(action(),))
    assert sitting.problems(done(), START) == {"T1"}
    sitting.does(removal(), LATER)
    assert sitting.problems(listing(LEO), CONSIDERED) == {"T1"}
    assert sitting.problems(CLOSE, START) == {"T1"}


def test_an_action_is_due_on_its_own_day(sitting: SittingStory) -> None:
    """PANEL_ACTION opens when the case is considered, outlives the sitting, and is met by its completion."""
    sitting.sitting().considered(actions=(action(),)).does(CLOSE, LATER)
    duty = sitting.duties(date(2026, 3, 18))["PANEL_ACTION"]
    assert (duty.opened_on, duty.due, duty.met_on, duty.item) == (date(2026, 3, 10), DUE, None, str(ACTION))
    assert duty.overdue(date(2026, 3, 18))
    sitting.does(done(), AFTERWARDS)
    assert sitting.duties(date(2026, 3, 18))["PANEL_ACTION"].met_on == date(2026, 3, 16)


def test_each_text_is_sealed_under_the_case_that_it_is_about(sitting: SittingStory) -> None:
    """What is said of a child has the key of the child's case, rationales and corrections included; the place has the sitting's."""
    sitting.planned().listed(LEO, MIA).begun()
    unheard = consideration(child_view=None, actions=(action(),), parent_view=Sealed("Fine."), dissent=Sealed("No."))
    sitting.does(unheard.model_copy(update={"rationale": {"P4": "He would not say."}}), CONSIDERED)
    considered = sitting.facts[-1]
    sitting.does(done(), AFTERWARDS)
    sitting.does(removal(MIA), AFTERWARDS)
    sitting.does(
        CorrectRecord(corrects=considered.event_id, field="reasons", value="She is sorry.", why=Sealed("Misheard.")),
        AFTERWARDS,
    )
    assert isinstance(sitting.facts[-1].event, RecordCorrected)
    owners = {
        (fact.name, path): subject
        for fact in sitting.facts
        for part in (fact.event, fact.envelope)
        for path, subject, _ in sealed_fields(part, fact.sealing_home)
    }
    leo, mia = f"home/{case_of(LEO)}", f"home/{case_of(MIA)}"
    assert owners == {
        ("SittingPlanned", "place"): f"home/{sitting.stream}",
        **{
            ("CaseConsidered", path): leo
            for path in ("reasons", "parent_view", "dissent", "actions.0.text", "rationale.P4")
        },
        ("ActionCompleted", "note"): leo,
        ("CaseRemovedFromAgenda", "why"): mia,
        ("RecordCorrected", "sealed"): leo,
        ("RecordCorrected", "why"): leo,
    }
    assert {fact.envelope.home for fact in sitting.facts} == {sitting.stream}


def test_a_corrected_plan_reaches_the_record_of_the_case(sitting: SittingStory) -> None:
    """Given a considered case, when the start of the sitting is corrected, then its copy there is too."""
    sitting.sitting().considered()
    sitting.does(sitting.corrects("SittingPlanned", "starts_at", "2026-03-10T10:30:00+00:00"), AFTERWARDS)
    event = sitting.last(RecordCorrected)
    assert [(one.field, one.value) for one in event.also] == [("starts_at", "2026-03-10T10:30:00Z")]
    assert event.recommendations == ()
    assert sitting.state.starts_at.hour == 10


def test_corrected_members_reach_the_recommendation(sitting: SittingStory) -> None:
    """Given a considered case, when it turns out that a member was absent, then the disposal learns who recommended."""
    sitting.sitting().considered()
    sitting.does(sitting.corrects("MembersRecorded", "members.2.present", value=False), AFTERWARDS)
    event = sitting.last(RecordCorrected)
    assert [one.field for one in event.also] == ["present"]
    (told,) = event.recommendations
    assert told.voting == (MemberKind.POLICE, MemberKind.YJS)
    assert told.disposal_id == disposal_of(LEO)


def test_a_corrected_recommendation_supersedes_what_was_told_before(sitting: SittingStory) -> None:
    """Given a recommendation corrected twice, then the second names both events that told the disposal otherwise."""
    sitting.sitting().considered()
    considered = sitting.facts[-1].event_id
    sitting.does(sitting.corrects("CaseConsidered", "recommended", "YCC"), AFTERWARDS)
    first = sitting.facts[-1].event_id
    sitting.does(sitting.corrects("CaseConsidered", "recommended", "YRD"), AFTERWARDS)
    event = sitting.last(RecordCorrected)
    (told,) = event.recommendations
    assert (told.recommended, told.told_by) == ("YRD", (considered, first))


@pytest.mark.parametrize(
    ("name", "field", "value", "rules"),
    [
        ("CaseConsidered", "starts_at", "2026-03-10T10:30:00+00:00", {"COR1"}),
        ("CaseConsidered", "present.0.kind", "HEALTH", {"COR1"}),
        ("MembersRecorded", "members.1.present", False, {"P1"}),
        ("CaseAddedToAgenda", "case_id", str(case_of(MIA)), {"S1"}),
        ("CaseConsidered", "disposal_id", str(disposal_of(MIA)), {"S1"}),
    ],
)
def test_corrections_go_around_no_rule(
    sitting: SittingStory, name: str, field: str, value: object, rules: set[str]
) -> None:
    """A copy is corrected at its source, a quorum stays one, and a case keeps its key."""
    sitting.sitting().considered()
    assert sitting.problems(sitting.corrects(name, field, value), AFTERWARDS) == rules


def test_each_member_and_action_stands_once() -> None:
    """A list in which somebody or something stands twice is malformed."""
    with pytest.raises(ValidationError, match="once only"):
        RecordMembers(members=(MEMBERS[0], MEMBERS[0]))
    with pytest.raises(ValidationError, match="once only"):
        consideration(actions=(action(), action()))


def test_others_may_not_command_it() -> None:
    """Nobody but police decision-makers, case managers and supervisors sends a command."""
    assert {command.roles for command in (PlanSitting, AddToAgenda)} == {None}
    assert SittingStory().service.default_roles == {"POLICE_DECISION_MAKER", "YJS_CASE_MANAGER", "SUPERVISOR"}
