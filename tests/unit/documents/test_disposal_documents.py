"""What a child and family are handed: the caution's four parts, the notice, the agreement, the pack, the warning."""

import re
from datetime import date, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from services.disposal.documents import FOLDER
from services.disposal.domain.commands import (
    CorrectRecord,
    DecideAbsence,
    DecideDisposal,
    EndDeferral,
    IssueDisposal,
    IssueWarning,
    RecordDeferralStep,
    RecordVictimView,
    SignDocument,
    WithdrawAdmission,
    WithdrawCondition,
    WithdrawConsent,
)
from services.disposal.events import AfterDeferral, Condition, DeferralEndReason, PlanStepKind, PriorRecord, StepResult
from services.trade.vocabulary import AttendanceStatus, ConditionObject, ConditionType, OffenceCategory, Recommendation
from shared.domain.dates import LONDON
from shared.domain.sealing import Sealed
from shared.printing.documents import text_file
from tests.unit.disposal.stories import (
    AFTER,
    ANNULLED,
    DECIDED_AT,
    FIRST,
    ISSUED_AT,
    MANAGER,
    POLICE,
    PROPOSED_AT,
    SECOND,
    SUPERVISOR,
    VICTIM_WORKER,
    WORK,
    WORKSHOP,
    YJS,
    CaseStory,
    absence,
    adding,
    attendance,
    booking,
    condition,
    decision,
    deferral,
    letter,
    offence,
    omitting,
    opening,
    penalty,
    proposed,
    scored,
    step,
    variation,
)
from tests.unit.documents.paper import LEO, contains_in_order, headings, printed, text_of, why_not

pytestmark = pytest.mark.slow


def signed(digest: str) -> SignDocument:
    """Return the command by which the child signs the document with this digest, and consents."""
    return SignDocument(document_sha256=digest, consent=True, signed_by_child=True)


def printed_here(case: CaseStory) -> object:
    """Return whether the state says that the signed document was printed here."""
    return case.view["document_printed_here"]


def workshop(**other: Any) -> Condition:
    """Return the retail workshop, with its place and time."""
    place = {
        "place": Sealed("Weymouth Police Station\nRadipole Lane"),
        "starts_at": datetime(2026, 4, 18, 10, 30, tzinfo=LONDON),
    }
    return condition(ConditionType.RETAIL_WORKSHOP, WORKSHOP, ConditionObject.REHABILITATION, **{**place, **other})


LEOS = opening(details=LEO)
BY_NOW = "2026-03-12T16:15:00+00:00"


def test_the_conditional_caution_has_exactly_its_four_statutory_parts() -> None:
    """CDA 1998 s66B(6): the offence, the admission, the consent, the conditions; nothing else but who signs, where and when."""
    case = CaseStory().prepared("YCC", workshop(), penalty(), command=LEOS)
    document = printed(case, "ycc")
    assert headings(document, 1) == 1
    assert headings(document, 2) == 4
    assert headings(document, 3) == 0
    number = f"YCC-{case.facts[0].stream_id.hex[:8].upper()}-9"
    assert text_of(document).strip() == (
        f"Dorset Police Document number: {number} Youth conditional caution "
        "1. Details of the offence Name Leo Hartnell Date of birth 14 March 2011 Offence Theft from a shop "
        "Date of the offence 2 March 2026 Crime number 55260013127 "
        "2. My admission I admit that I committed this offence. I admitted it on 4 March 2026, and I admit it now. "
        "3. My consent I agree to be given a youth conditional caution for this offence. "
        "4. The conditions These are the conditions attached to my caution. "
        "1. Go to the workshop about shops and theft Where to go Weymouth Police Station Radipole Lane "
        "When to be there 18 April 2026 at 10:30 To be done by 28 May 2026 "
        f"Youth conditional caution Page 1 of 2 Dorset Police Document number: {number} "
        "2. Pay a financial penalty Amount £50 To be paid to HMCTS How to pay By card To be done by 28 May 2026 "
        "Place Date Time Signed by me, the young person named in part 1: Leo Hartnell Signature "
        "Appropriate adult, who was there when the young person signed Full name in capitals Signature "
        "Authorised person, who gives the caution Full name in capitals Rank or role, and number Signature "
        "Youth conditional caution Page 2 of 2"
    )


def test_where_and_when_to_come_is_recorded_or_written_by_hand() -> None:
    """Given a condition to attend without place and time, when it is printed, then it has lines for them; one to pay has none."""
    case = CaseStory().prepared("YCC", condition(), command=LEOS)
    assert contains_in_order(
        printed(case, "ycc"), "Hours 4 To be done by 28 May 2026 Where to go When to be there Place Date Time"
    )
    case = CaseStory().prepared("YCC", letter(), command=LEOS)
    assert "Where to go" not in text_of(printed(case, "ycc"))


def test_a_condition_starts_by_its_due_date() -> None:
    """Given a time after the due date, when a condition is proposed, then it is malformed, with what to do."""
    assert workshop(starts_at=datetime.fromisoformat("2026-05-28T22:30:00+00:00")).starts_at is not None
    with pytest.raises(ValidationError, match="give an earlier time, or a later due"):
        workshop(starts_at=datetime.fromisoformat("2026-05-28T23:30:00+00:00"))


def test_the_number_of_a_document_changes_with_its_content_alone() -> None:
    """Given a printed document, when another condition or a corrected name changes it, then it has another number; a session does not."""
    case = CaseStory().prepared("YCC", condition(), command=LEOS)
    proposed_at, opened = case.facts[-4].version, case.facts[0].event_id
    assert text_of(printed(case, "ycc")).count(f"-{proposed_at} Youth") == 1
    case.ask(IssueDisposal(), by=POLICE, at=ISSUED_AT)
    case.ask(booking(hours="4"), by=YJS, at=AFTER)
    for field, value in (("details.needs", ["dyslexia"]), ("details.name", "Leo Hartwell")):
        assert f"-{proposed_at} Youth" in text_of(printed(case, "ycc"))
        case.ask(CorrectRecord(corrects=opened, field=field, value=value, why=Sealed("Misheard.")), by=SUPERVISOR)
    assert f"-{case.facts[-1].version} Youth" in text_of(printed(case, "ycc"))
    case.ask(variation(adding(letter())), by=SUPERVISOR, at=AFTER)
    assert f"-{case.facts[-1].version} Youth" in text_of(printed(case, "ycc"))


def test_the_notice_names_the_sessions_ahead() -> None:
    """Given booked sessions, when the notice is printed, then those without an attendance stand there, and it has another number."""
    case = CaseStory().issued("YCC", condition(), command=LEOS)
    before = text_of(printed(case, "ycc-notice"))
    case.ask(booking(), by=YJS, at=AFTER)
    case.ask(booking(SECOND, "2026-04-18T09:30:00+00:00"), by=YJS, at=AFTER)
    case.ask(attendance(), by=YJS, at="2026-03-18T18:30:00+00:00")
    after = printed(case, "ycc-notice")
    assert contains_in_order(after, "Caution given on 12 March 2026", "Booked for you 18 April 2026 at 10:30")
    assert "18 March 2026" not in text_of(after)
    assert re.findall(r"YCC-NOTICE-\S+", before) != re.findall(r"YCC-NOTICE-\S+", text_of(after))


@pytest.mark.parametrize("language", ["en", "cy"])
def test_what_was_signed_in_an_earlier_layout_prints_as_it_was_signed(language: str) -> None:
    """Given a document printed in the first layout, when it is signed, then it is known again and printed in that layout, to the same bytes."""
    case = CaseStory().prepared("YCC", condition(), without=("signature",), command=LEOS)
    now, earlier = printed(case, "ycc", language), printed(case, "ycc", language, layout=1)
    assert now.sha256 != earlier.sha256
    case.ask(signed(earlier.sha256), by=POLICE, at=BY_NOW)
    assert printed_here(case) is True
    assert printed(case, "ycc", language).sha256 == earlier.sha256
    case.ask(signed(now.sha256), by=POLICE, at=BY_NOW)
    assert printed_here(case) is True
    assert printed(case, "ycc", language).sha256 == now.sha256


def test_what_was_signed_can_be_printed_again_for_ever() -> None:
    """Given the document that is signed by its digest, when the caution runs to its end, then it prints as it was."""
    case = CaseStory().prepared("YCC", condition(), without=("signature",), command=LEOS)
    digest = printed(case, "ycc").sha256
    case.ask(SignDocument(document_sha256=digest, consent=True, signed_by_child=True), by=POLICE, at=BY_NOW)
    case.ask(IssueDisposal(), by=POLICE, at=ISSUED_AT)
    case.ask(booking(hours="4"), by=YJS, at=AFTER)
    case.ask(attendance(hours="4"), by=YJS, at="2026-03-18T20:30:00+00:00")
    assert case.view["state"] == "COMPLETED"
    assert printed(case, "ycc").sha256 == digest


@pytest.mark.parametrize("language", ["en", "cy"])
@pytest.mark.parametrize("what", ["YCC", "YC", "YRD"])
def test_the_document_that_was_printed_here_is_known_again(what: str, language: str) -> None:
    """Given the document of a disposal in either language, when its digest is signed in any case, then it is the one printed here, also after the giving."""
    case = CaseStory().prepared(what, *(() if what == "YC" else (condition(),)), without=("signature",), command=LEOS)
    assert printed_here(case) is None
    case.ask(signed(printed(case, what.lower(), language).sha256.upper()), by=POLICE, at=BY_NOW)
    assert printed_here(case) is True
    case.ask(IssueDisposal(), by=POLICE, at=ISSUED_AT)
    assert printed_here(case) is True


@pytest.mark.parametrize("digest", ["9f2c" * 16, "0" * 64, "f" * 64])
def test_another_document_is_signed_and_known_as_such(digest: str) -> None:
    """Given a digest that is of nothing printed here, when it is signed, then the signature binds and the state says so."""
    case = CaseStory().prepared("YCC", condition(), without=("signature",), command=LEOS)
    case.ask(signed(digest), by=POLICE, at=BY_NOW)
    assert printed_here(case) is False
    case.ask(IssueDisposal(), by=POLICE, at=ISSUED_AT)


def test_a_document_of_other_conditions_is_not_the_one_printed_here() -> None:
    """Given a document printed before its last condition, when it is signed, then it is another; one without a document is too."""
    case = CaseStory().prepared("YCC", condition(), without=("signature",), command=LEOS)
    digest = printed(case, "ycc").sha256
    case.ask(proposed(letter()), by=YJS, at="2026-03-12T16:12:00+00:00")
    case.ask(signed(digest), by=POLICE, at=BY_NOW)
    assert printed_here(case) is False
    case.ask(signed(printed(case, "ycc").sha256), by=POLICE, at=BY_NOW)
    assert printed_here(case) is True
    case.ask(WithdrawAdmission(), by=YJS, at=BY_NOW)
    case.ask(signed(digest), by=POLICE, at=BY_NOW)
    assert printed_here(case) is False


def test_a_name_that_no_font_shows_is_signed_on_another_paper() -> None:
    """Given a name that cannot be printed here, when a document is signed, then it is not the one printed here."""
    nameless = LEO.model_copy(update={"name": Sealed("Leo \U00013000")})
    case = CaseStory().prepared("YCC", condition(), without=("signature",), command=opening(details=nameless))
    case.ask(signed("0" * 64), by=POLICE, at=BY_NOW)
    assert printed_here(case) is False


def test_a_new_decision_or_withdrawn_consent_leaves_nothing_signed() -> None:
    """Given a signature, when the child withdraws consent before the giving, or it is decided anew, then nothing is signed."""
    for after, by in ((WithdrawConsent(), YJS), (decision("YCC"), POLICE)):
        case = CaseStory().prepared("YCC", condition(), command=LEOS)
        assert printed_here(case) is False
        case.ask(after, by=by, at=BY_NOW if isinstance(after, DecideDisposal) else ISSUED_AT)
        assert printed_here(case) is None


def test_a_digest_that_was_typed_wrongly_is_judged_again() -> None:
    """Given a wrong digest, when it is corrected to that of the printed document, or away from it, then the state follows; it is never said by hand."""
    case = CaseStory().prepared("YCC", condition(), without=("signature",), command=LEOS)
    digest = printed(case, "ycc").sha256
    case.ask(signed("0" * 64), by=POLICE, at=BY_NOW)
    signature = case.facts[-1].event_id
    case.ask(IssueDisposal(), by=POLICE, at=ISSUED_AT)
    for right, is_ours in ((digest, True), ("1" * 64, False)):
        correction = CorrectRecord(corrects=signature, field="document_sha256", value=right, why=Sealed("Misread."))
        case.ask(correction, by=SUPERVISOR, at=AFTER)
        assert printed_here(case) is is_ours
    by_hand = CorrectRecord(corrects=signature, field="printed_here", value=True, why=Sealed("It looks the same."))
    assert case.refused(by_hand, by=SUPERVISOR, at=AFTER) == {"S1"}


def test_another_condition_makes_another_document() -> None:
    """What is signed names the conditions: a change of them is another document, and an omitted one is not in it."""
    case = CaseStory().issued("YCC", condition(), command=LEOS)
    before = printed(case, "ycc")
    case.ask(variation(adding(letter()), omitting(WORK)), by=SUPERVISOR, at=AFTER)
    after = printed(case, "ycc")
    assert after.sha256 != before.sha256
    assert "Write a letter of apology" in text_of(after)
    assert "unpaid work" not in text_of(after)


def test_a_correction_is_printed() -> None:
    """A name that was misheard is printed as corrected."""
    case = CaseStory().prepared("YCC", condition(), command=LEOS)
    opened = case.facts[0].event_id
    case.ask(
        CorrectRecord(corrects=opened, field="details.name", value="Leo Hartwell", why=Sealed("Misheard.")), by=YJS
    )
    assert "Leo Hartwell" in text_of(printed(case, "ycc"))


def test_no_document_of_a_caution_that_is_not_one_yet() -> None:
    """A case without decision, admission or condition has no caution to print, and the message says what to do."""
    assert "record that decision" in why_not(CaseStory().ready("YCC"), "ycc")
    assert "record that decision" in why_not(CaseStory().issued("YC"), "ycc")
    case = CaseStory().decided("YCC")
    assert "at least one" in why_not(case, "ycc")
    case.ask(proposed(condition()), by=YJS, at=PROPOSED_AT)
    assert "Theft" in text_of(printed(case, "ycc"))
    case.ask(WithdrawCondition(condition_id=WORK), by=YJS, at=BY_NOW)
    assert "at least one" in why_not(case, "ycc")
    case.ask(proposed(condition()), by=YJS, at=BY_NOW)
    case.ask(WithdrawAdmission(), by=YJS, at=BY_NOW)
    assert "has not admitted" in why_not(case, "ycc")


@pytest.mark.parametrize("name", ["yc", "yrd"])
def test_notice_and_agreement_belong_to_their_own_disposal(name: str) -> None:
    """The notice of a caution is not printed for another disposal, nor the agreement."""
    assert "record that decision" in why_not(CaseStory().issued("YCC"), name)


def test_the_notice_after_an_earlier_caution_says_that_help_will_come() -> None:
    """R13: after an earlier caution the service must assess and arrange a programme."""
    before = opening(details=LEO, prior=PriorRecord(yc=1, ycc=0, convictions=0, yrd=0))
    case = CaseStory().ready("YC", command=before)
    case.ask(decision("YC", rationale={"R10": "Long ago."}), by=POLICE, at=DECIDED_AT)
    assert contains_in_order(printed(case, "yc"), "will arrange a programme")


def test_an_agreement_names_its_actions() -> None:
    """What was agreed stands with its day."""
    document = printed(CaseStory().prepared("YRD", letter(), command=LEOS), "yrd")
    assert contains_in_order(document, "Write a letter of apology", "To be done by 28 May 2026")


def test_a_plan_says_in_plain_words_what_it_asks_and_what_follows() -> None:
    """The plan of a deferral: each step and its day, no admission, both ends; child, adult and officer sign, and it is known again."""
    case = CaseStory().deferred(step(), step(WORK, PlanStepKind.HEALTH, date(2026, 4, 10)), command=LEOS)
    document = printed(case, "deferral-plan")
    assert contains_in_order(
        document, "Leo Hartnell", "Theft from a shop", "You do not have to say that you did it", "no further action"
    )
    assert contains_in_order(
        document, "Mentoring", "Meet Ms Ali eight times.", "29 May 2026", "Health", "10 April 2026"
    )
    assert contains_in_order(
        document, "12 June 2026", "may then be taken to court", "Young person: Leo Hartnell", "Officer"
    )
    case.ask(signed(document.sha256), by=YJS, at="2026-03-13T09:30:00+00:00")
    assert printed_here(case) is True
    case.ask(RecordDeferralStep(step_id=WORK, result=StepResult.DONE), by=YJS, at="2026-04-01T09:30:00+00:00")
    assert printed(case, "deferral-plan").sha256 == document.sha256


def test_a_plan_is_printed_once_it_is_agreed_and_signed_while_it_runs() -> None:
    """Given a decided deferral, then there is no paper and nothing to sign; after its end nothing is signed any more."""
    case = CaseStory().decided("DEFERRED_PROSECUTION", command=LEOS)
    assert "agree the plan" in why_not(case, "deferral-plan")
    assert case.refused(signed("0" * 64), by=YJS, at=AFTER) == {"S1"}
    case.ask(deferral(), by=YJS, at=AFTER)
    assert case.refused(signed("0" * 64), by=YJS, at=DECIDED_AT) == {"T1"}
    case.ask(signed("0" * 64), by=YJS, at=AFTER)
    assert printed_here(case) is False
    failed = EndDeferral(
        why=DeferralEndReason.WITHDRAWN, then=AfterDeferral.PROSECUTE, rationale_text=Sealed("He says no.")
    )
    case.ask(failed, by=POLICE, at="2026-04-01T09:30:00+00:00")
    assert case.refused(signed("0" * 64), by=YJS, at="2026-04-02T09:30:00+00:00") == {"S1"}


def test_the_panel_reads_what_is_recorded_and_no_more() -> None:
    """The panel pack shows recorded scores, views and assessment, names what is missing, and recommends nothing."""
    case = CaseStory().ready("YCC", without=("assessment", "panel", "evidence"), command=LEOS)
    case.ask(
        RecordVictimView(
            person_id=MANAGER,
            sought=True,
            view=Sealed("He should hear it from me."),
            wants_rj=True,
            before_decision=True,
        ),
        by=VICTIM_WORKER,
        at="2026-03-09T12:00:00+00:00",
    )
    document = printed(case, "panel-pack")
    assert contains_in_order(document, "Age at the offence 14", "School (URN) 113911", "Needs dyslexia")
    assert contains_in_order(document, "Evidence Not recorded")
    assert contains_in_order(document, "Final score 4")
    assert contains_in_order(
        document, "Person 1", "He should hear it from me.", "Interested in restorative justice Yes"
    )
    assert contains_in_order(document, "No assessment is completed")
    assert contains_in_order(document, "The system recommends nothing")


def test_the_panel_reads_line_and_factors_by_title_and_may_recommend_anything(sample_matrix: str) -> None:
    """Given a score by a loaded matrix, then the pack has its line and factors by title, and a box for each recommendation."""
    case = CaseStory().ready("YCC", without=("panel",), command=LEOS)
    score = scored(2, 3, "He laughed.", line="TH68010", ticked=["+A1", "-M1"])
    case.ask(score.model_copy(update={"matrix_version": sample_matrix}), by=POLICE, at="2026-03-09T12:30:00+00:00")
    document = printed(case, "panel-pack")
    assert contains_in_order(
        document,
        "Line of the matrix Theft from a shop (made-up sample) (TH68010)",
        "Aggravating factors It was planned (A1); He laughed.",
        "Mitigating factors The goods were returned (M1)",
        "Version of the matrix 2023-10-01",
    )
    words = text_file(FOLDER / "en.toml")
    # a printed layout never changes: what was added to the recommendations since stands in none of it
    asked = set(Recommendation) - {Recommendation.ADULT_PROCESS}
    assert all(words[f"recommendation.{one}"] in text_of(document) for one in asked)


def test_after_the_panel_its_pack_is_asked_for_by_day() -> None:
    """After the issue, the panel pack is printed only with `as_of` before it."""
    case = CaseStory().issued("YCC")
    assert "as_of" in why_not(case, "panel-pack")
    then = [fact for fact in case.facts if fact.occurred_at.astimezone(LONDON).day < 10]
    assert "Joint decision-making panel: pack" in text_of(printed(case, "panel-pack", facts=then))


def test_a_warning_tells_the_child_what_was_missed_and_what_follows() -> None:
    """The first warning names the session and offers a way back; the second announces the meeting."""
    case = CaseStory().issued("YCC", command=LEOS)
    assert "No warning" in why_not(case, "warning-letter")
    case.ask(booking(), by=YJS, at=AFTER)
    case.ask(absence(), by=YJS, at="2026-03-18T18:00:00+00:00")
    case.ask(IssueWarning(session_id=FIRST), by=YJS, at="2026-03-19T10:00:00+00:00")
    first = printed(case, "warning-letter")
    assert contains_in_order(first, "Leo Hartnell", "12 Wollaston Road", "19 March 2026")
    assert contains_in_order(
        first, "18 March 2026 at 16:00", "unpaid work", "warning number 1", "If you miss another session"
    )
    case.ask(absence(AttendanceStatus.DNA_PENDING, session=SECOND), by=YJS, at="2026-03-25T18:00:00+00:00")
    case.ask(DecideAbsence(session_id=SECOND, acceptable=False), by=YJS, at="2026-03-26T10:00:00+00:00")
    case.ask(IssueWarning(session_id=SECOND), by=YJS, at="2026-03-26T11:00:00+00:00")
    second = printed(case, "warning-letter")
    assert contains_in_order(second, "25 March 2026", "warning number 2", "We will now ask you")


def test_a_child_who_was_sent_out_is_not_told_of_an_absence() -> None:
    """An exclusion for conduct is named as what it was."""
    case = CaseStory().issued("YCC", command=LEOS)
    sent_out = attendance(AttendanceStatus.EXCLUDED_CONDUCT, "0", complied=False)
    case.ask(sent_out, by=YJS, at="2026-03-18T18:00:00+00:00")
    case.ask(IssueWarning(session_id=FIRST), by=YJS, at="2026-03-19T10:00:00+00:00")
    assert contains_in_order(printed(case, "warning-letter"), "could not stay at your session on 18 March 2026")


@pytest.mark.parametrize(("category", "notifies"), [(OffenceCategory.SEXUAL, True), (OffenceCategory.THEFT, False)])
def test_a_caution_for_a_sexual_offence_speaks_of_notification(category: OffenceCategory, *, notifies: bool) -> None:
    """Given a sexual offence, then both notices say what Schedule 3 brings; for another offence they do not."""
    of = opening(details=LEO, offence=offence(category=category))
    for name, story in (
        ("yc", CaseStory().issued("YC", command=of)),
        ("ycc-notice", CaseStory().prepared("YCC", condition(), command=of)),
    ):
        assert ("Schedule 3 to the Sexual Offences Act 2003" in text_of(printed(story, name))) is notifies


@pytest.mark.parametrize(("name", "what"), [("yc", "YC"), ("ycc", "YCC"), ("ycc-notice", "YCC"), ("yrd", "YRD")])
def test_a_paper_printed_after_the_annulment_says_so_across(name: str, what: str) -> None:
    """Given a paper of what was annulled since, then it bears day and reference of that, and as of before it is the same as ever."""
    story = CaseStory().issued(what, command=LEOS)
    before = printed(story, name)
    story.ask(ANNULLED, by=SUPERVISOR, at="2026-03-20T10:00:00+00:00")
    assert "Annulled on 20 March 2026, CO/1212/2026" in text_of(printed(story, name))
    assert printed(story, name, facts=story.facts[:-1]).body == before.body
    assert "has been annulled" in text_of(printed(story, "victim-letter"))
