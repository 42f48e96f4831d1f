"""The people who may be told in a case, by the states of its records: no one who refused, no harmed person without a safe contact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar
from uuid import UUID

from services.disposal.read_model import DisposalState
from services.notifications.news import DISPOSAL, PERSON, REFERRAL, Record
from services.referral.read_model import LinkedPerson, Preferences, Referral, VictimDetails
from services.trade.relations import is_barred_from_any, related_on
from services.trade.vocabulary import PersonRole
from shared.domain.corrections import facts_of
from shared.domain.persons import NOTHING_KNOWN, Known

Said = TypeVar("Said", VictimDetails, Preferences)


@dataclass
class People:
    """The people of one case, by the states of its records."""

    linked: dict[UUID, LinkedPerson] = field(default_factory=dict)
    """The newest link of each person."""
    referrals: dict[UUID, UUID] = field(default_factory=dict)
    """The referral that links each person."""
    details: dict[UUID, VictimDetails] = field(default_factory=dict)
    """The latest details of each person who was harmed, of all referrals."""
    preferences: dict[UUID, Preferences] = field(default_factory=dict)
    """The latest preferences of each person, of all referrals."""
    own_parents: set[UUID] = field(default_factory=set)
    """Those who are the appropriate adult as the child's parent or guardian."""
    known: Known = NOTHING_KNOWN
    """What is known of the people: who may be in contact with whom, and who is one person."""

    @classmethod
    def of(cls, records: Iterable[Record]) -> People:
        people = cls()
        for record in records:
            if record.service == REFERRAL:
                referral: Referral = record.state
                people.linked |= referral.people
                people.referrals |= dict.fromkeys(referral.people, record.history[0].stream_id)
                _keep_latest(people.details, referral.victim_details)
                _keep_latest(people.preferences, referral.preferences)
            elif record.service == DISPOSAL:
                disposal: DisposalState = record.state
                people.own_parents |= disposal.parents
            elif record.service == PERSON:
                people.known = Known([*people.known.facts, *facts_of(record.state)])
        return people

    def may_be_told(self, person: UUID) -> bool:
        """Whether messages may go to a person: a known one, and a harmed one only by a safe contact."""
        preferences, details = self.preferences.get(person), self.details.get(person)
        if person not in self.linked or (preferences is not None and not preferences.messages_wanted):
            return False
        safe = details is not None and details.contact_is_safe and details.wants_updates
        return safe or not self.is_harmed(person)

    def may_be_in_contact(self, adult: UUID, child: UUID, day: date) -> bool:
        """Whether something about a child may go to an adult on a day: contact is barred with no child of the case."""
        return not is_barred_from_any(adult, {child, *self.linked}, self.known, day)

    def told_parents_of(self, child: UUID) -> Sequence[UUID]:
        """Return the child's parents and carers, a second one once somebody has said how they are related to the child."""
        parents = self.parents_of(child)
        return [*parents[:1], *(one for one in parents[1:] if related_on(one, child, self.known) is not None)]

    def is_harmed(self, person: UUID) -> bool:
        linked = self.linked.get(person)
        return person in self.details or (linked is not None and linked.is_harmed)

    def parents_of(self, child: UUID) -> Sequence[UUID]:
        """Return the child's parents and carers.

        If a link does not say whose parent somebody is, they count if the child is the only one of the case, or if they
        stood by the child as parent or guardian: nobody hears of another family's appointment.
        """
        only = self._is_only_child(child)
        return [
            person
            for person, link in self.linked.items()
            if link.role is PersonRole.PARENT_CARER
            and (child in link.parent_of if link.parent_of is not None else only or person in self.own_parents)
        ]

    def _is_only_child(self, child: UUID) -> bool:
        others = [link for person, link in self.linked.items() if person != child and not link.is_organisation]
        parts = {PersonRole.HARMER, PersonRole.HARMED, PersonRole.WITNESS}
        return not any(
            (link.role in parts or link.is_harmed or link.did_harm) and link.child_at_report is not False
            for link in others
        )


def _keep_latest(kept: dict[UUID, Said], said: Mapping[UUID, Said]) -> None:
    """Keep each person's latest statement of all referrals."""
    for person, statement in said.items():
        if person not in kept or kept[person].recorded_at <= statement.recorded_at:
            kept[person] = statement
