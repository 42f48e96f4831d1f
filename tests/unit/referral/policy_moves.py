"""What each value of policy of referral moves: see tests/unit/policy/test_policy_moves.py."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

from services.referral.domain.commands import InformVictimOfRestorativeJustice, RecordPreferences, ReferToNrm
from services.trade.vocabulary import Category, Flag, Language, PersonRole, TriageOutcome
from shared.domain.persons import Alike
from shared.domain.service import Service
from tests.unit.policy.moves import Moved, answer, due, under
from tests.unit.referral import stories as referral
from tests.unit.referral.messages import MESSENGER, failed


def report(service: Service[Any], *flags: Flag) -> referral.ReferralStory:
    story: referral.ReferralStory = under(referral.ReferralStory(), service)
    return story.acknowledged(*flags)


def duty_of_referral(duty: str) -> Callable[[Service[Any]], Any]:
    def observe(service: Service[Any]) -> Any:
        story = report(service)
        if duty == "MASH_DECISION":
            story.does(referral.mash(), referral.NOON)
        elif duty == "NRM_DECISION":
            story.does(ReferToNrm(reference="NRM/2026/1", first_responder="POLICE"), referral.NOON)
        elif duty == "MASH_REFERRED":
            story.does(referral.concern(), referral.SOON)
        elif duty == "FEEDBACK_ANSWERED":
            story.does(referral.complaint(), referral.NOON)
        elif duty == "RING_INSTEAD":
            story.linked().does(failed(), referral.SOON, MESSENGER)
        elif duty in {"FIRST_CONTACT", "INTERVENTION_DELIVERED"}:
            story.triaged()
        return due(story, duty, date(2026, 2, 24))

    return observe


def duty_of_likeness(service: Service[Any]) -> Any:
    story = report(service)
    story.alike = Alike(unseen=frozenset({referral.MIA}))
    return due(story.linked(), "PERSON_COMPARED", date(2026, 2, 24))


def duty_of_relations(service: Service[Any]) -> Any:
    story = report(service).linked()
    for parent in (referral.MIA, referral.named("father")):
        story.linked(parent, "1980-06-30", role=PersonRole.PARENT_CARER, category=Category.PARENT_CARER)
    return due(story, "RELATION_ANSWERED", date(2026, 2, 24))


def duty_of_languages(service: Service[Any]) -> Any:
    story = report(service).linked()
    said = RecordPreferences(person_id=referral.LEO, messages_wanted=True, language=Language.ANOTHER_LANGUAGE)
    story.does(said, referral.SOON)
    return due(story, "INTERPRETER_ARRANGED", date(2026, 2, 24))


def duty_to_victim(duty: str, born: str) -> Callable[[Service[Any]], Any]:
    def observe(service: Service[Any]) -> Any:
        story = report(service).linked().recorded()
        story.linked(referral.MIA, born, role=PersonRole.HARMED, category=Category.VICTIM)
        story.does(referral.victim_details(), referral.SOON)
        story.triaged().does(referral.outcome("10"), referral.NOON)
        return due(story, duty, date(2026, 2, 24))

    return observe


def told_of_a_girl(service: Service[Any]) -> Any:
    """Return when the duty to inform a girl of 14 is met, if her mother is told."""
    story, mother = report(service).linked().recorded(), referral.named("mother")
    harmed, parent = (PersonRole.HARMED, Category.VICTIM), (PersonRole.PARENT_CARER, Category.PARENT_CARER)
    story.linked(referral.MIA, "2012-01-01", role=harmed[0], category=harmed[1])
    story.linked(mother, "1980-06-30", role=parent[0], category=parent[1], parent_of=(referral.MIA,))
    story.triaged().does(referral.outcome("10"), referral.NOON)
    story.does(InformVictimOfRestorativeJustice(person_id=mother), referral.NOON)
    return story.duties(date(2026, 2, 24))["VICTIM_RJ_INFORMATION"].met_on


def triages(flag: Flag) -> Callable[[Service[Any]], Any]:
    return lambda service: answer(
        report(service, flag), referral.triage(TriageOutcome.ACCEPT_INTERVENTION), referral.OFFICER, referral.NOON
    )


def assigns(code: str, *flags: Flag) -> Callable[[Service[Any]], Any]:
    def observe(service: Service[Any]) -> Any:
        story = report(service, *flags).linked().recorded()
        if Flag.NUDE_IMAGERY in flags:
            story.does(referral.screening(), referral.SOON)
        return answer(story, referral.outcome(code), referral.OFFICER, referral.NOON)

    return observe


def outcome_of_the_crime(service: Service[Any]) -> Any:
    story = report(service).linked(referral.LEO).linked(referral.MOTHER).recorded()
    story.does(referral.outcome("10", referral.MOTHER))
    story.does(referral.carried("2"), by=referral.SYSTEM)
    return story.state.outcome(service.read_model.policy.on)


MOVES: Final[Mapping[str, Moved]] = {
    "age_of_criminal_responsibility": Moved(
        15, lambda service: answer(report(service), referral.link(), referral.OFFICER, referral.SOON)
    ),
    "adult_age": Moved(14, assigns("3")),
    "acknowledge_working_days": Moved(2, duty_of_referral("REFERRAL_ACKNOWLEDGED")),
    "triage_working_days": Moved(3, duty_of_referral("REFERRAL_TRIAGED")),
    "first_contact_working_days": Moved(6, duty_of_referral("FIRST_CONTACT")),
    "intervention_working_days": Moved(21, duty_of_referral("INTERVENTION_DELIVERED")),
    "feedback_answer_days": Moved(21, duty_of_referral("FEEDBACK_ANSWERED")),
    "answer_working_days": Moved(2, duty_of_referral("RING_INSTEAD")),
    "person_compared_days": Moved(3, duty_of_likeness),
    "interpreter_days": Moved(3, duty_of_languages),
    "relation_answered_days": Moved(3, duty_of_relations),
    "close_working_days": Moved(31, duty_of_referral("REFERRAL_CLOSED")),
    "mash_referral_working_days": Moved(1, duty_of_referral("MASH_REFERRED")),
    "mash_decision_working_days": Moved(2, duty_of_referral("MASH_DECISION")),
    "nrm_referral_working_days": Moved(
        2, lambda service: due(report(service, Flag.EXPLOITATION), "NRM_REFERRAL", date(2026, 2, 24))
    ),
    "nrm_decision_working_days": Moved(6, duty_of_referral("NRM_DECISION")),
    "yjs_referral_working_days": Moved(
        2, lambda service: due(report(service, Flag.KNIFE), "YJS_REFERRAL", date(2026, 2, 24))
    ),
    "outcomes_of_a_knife": Moved(["ACCEPT_INTERVENTION"], triages(Flag.KNIFE)),
    "flags_too_serious_for_education": Moved([], triages(Flag.WEAPON)),
    "flags_for_supervisor_review": Moved([], triages(Flag.HATE)),
    "flags_barring_outcome_21_on_nudes": Moved([], assigns("21", Flag.NUDE_IMAGERY, Flag.EXPLOITATION)),
    "flags_warning_of_outcome_21": Moved([], assigns("21", Flag.DOMESTIC)),
    "victim_information_days": Moved(6, duty_to_victim("VICTIM_RJ_INFORMATION", "1980-01-01")),
    "victim_information_enhanced_days": Moved(2, duty_to_victim("VICTIM_RJ_INFORMATION", "2012-01-01")),
    "victim_support_days": Moved(3, duty_to_victim("VICTIM_SUPPORT_REFERRAL", "2012-01-01")),
    "victim_told_days": Moved(6, duty_to_victim("VICTIM_TOLD", "1980-01-01")),
    "victim_told_enhanced_days": Moved(2, duty_to_victim("VICTIM_TOLD", "2012-01-01")),
    "victim_told_themselves_age": Moved(10, told_of_a_girl),
    "outcomes_for_adults_only": Moved([], assigns("3")),
    "outcomes_of_a_disposal": Moved([], assigns("2")),
    "outcome_order": Moved(["10", "2"], outcome_of_the_crime),
}
