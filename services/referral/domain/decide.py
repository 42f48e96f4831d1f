"""The events of an accepted command: those of its own fields, unless it has a branch."""

from dataclasses import replace
from typing import Final

from services.referral import events
from services.referral.domain import commands
from services.referral.domain.corrections import decide_carried_outcome, decide_correction, of_triage
from services.referral.domain.evolve import evolve
from services.referral.domain.rules import people, rules
from services.referral.domain.state import Referral
from services.trade.victims.informed import told_elsewhere
from shared.domain.decider import Decider
from shared.domain.decisions import NewEvents
from shared.domain.messages import Command, event_that_it_records, model_from
from shared.domain.persons import Known
from shared.domain.rules import Context


def decide(command: Command, state: Referral | None, context: Context) -> NewEvents:
    """Return the events of a command that no rule refuses."""
    if state is None:
        return [event_that_it_records(command)]
    match command:
        case commands.LinkPerson():
            resembles = context.known.others(command.person_id, context.alike.unseen)
            aged = people.of_age(command, state, context)
            return [model_from(events.PersonLinked, command, **aged, resembles=resembles or None)]
        case commands.InformVictimOfRestorativeJustice(person_id=person):
            told = people.told_for(person, state, context)
            return [model_from(events.VictimInformedOfRestorativeJustice, command, in_place_of=told)]
        case commands.TellVictim(person_id=person):
            return [model_from(events.VictimTold, command, in_place_of=people.told_for(person, state, context))]
        case commands.RecordContact(person_id=person):
            return [model_from(events.ContactRecorded, command, with_victim=state.is_victim(person) or None)]
        case commands.RecordMessage(person_id=person):
            return [model_from(events.MessageSent, command, with_victim=state.is_victim(person))]
        case commands.RecordMessageDelivery(message_id=id_, outcome=outcome):
            sent = state.messages[id_]
            if outcome == "DELIVERED":
                return [model_from(events.MessageDelivered, command, person_id=sent.person_id)]
            return [
                events.MessageFailed(
                    message_id=id_,
                    person_id=sent.person_id,
                    about=sent.about,
                    channel=sent.channel,
                    template=sent.template,
                    template_version=sent.template_version,
                    why=outcome,
                )
            ]
        case commands.TriageReferral():
            return [model_from(events.ReferralTriaged, command, **of_triage(state))]
        case commands.CorrectCarriedOutcome():
            return decide_carried_outcome(command, state)
        case commands.CorrectReferral():
            return [decide_correction(command, state, context)]
        case _:
            return [event_that_it_records(command)]


def completed(state: Referral, known: Known) -> Referral:
    assert state.record is not None
    return replace(state, known=known, elsewhere=told_elsewhere(known, state.record.latest.envelope.home))


decider: Final[Decider[Referral]] = Decider(rules, decide, evolve, completed)
