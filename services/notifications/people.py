"""Who may be told in a case, as referral's events say: nobody who said no, and nobody harmed without a safe contact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.disposal.events import AppropriateAdultConfirmed
from services.referral.events import PersonLinked, PreferencesRecorded, VictimDetailsRecorded
from services.trade.vocabulary import AppropriateAdultKind, PersonRole
from shared.domain.envelope import Fact, has_event


@dataclass
class People:
    """The people of one case, by the facts of its records, each as corrected."""

    linked: dict[UUID, PersonLinked] = field(default_factory=dict)
    """The newest link of each person."""
    referrals: dict[UUID, UUID] = field(default_factory=dict)
    """The referral that links each person."""
    details: dict[UUID, VictimDetailsRecorded] = field(default_factory=dict)
    """What was recorded last of each person who was harmed."""
    unwanted: set[UUID] = field(default_factory=set)
    """Those who said that they want no messages."""
    own_parents: set[UUID] = field(default_factory=set)
    """Those who are the appropriate adult as the child's parent or guardian."""

    @classmethod
    def of(cls, facts: Iterable[Fact]) -> People:
        """Read the people of a case."""
        people = cls()
        # What somebody said is in order of time, so that a record which comes late takes nothing back; links are as recorded.
        facts = list(facts)
        for fact in sorted(facts, key=lambda fact: fact.occurred_at):
            if has_event(fact, VictimDetailsRecorded):
                people.details[fact.event.person_id] = fact.event
            elif has_event(fact, PreferencesRecorded):
                no = people.unwanted.discard if fact.event.messages_wanted else people.unwanted.add
                no(fact.event.person_id)
        for fact in facts:
            if has_event(fact, PersonLinked):
                people.linked[fact.event.person_id] = fact.event
                people.referrals[fact.event.person_id] = fact.stream_id
            elif has_event(fact, AppropriateAdultConfirmed) and fact.event.kind is AppropriateAdultKind.PARENT_GUARDIAN:
                people.own_parents.add(fact.event.person_id)
        return people

    def may_be_told(self, person: UUID) -> bool:
        """Whether messages may go to somebody: not to who is unknown here, and only by a safe contact to who was harmed."""
        linked, details = self.linked.get(person), self.details.get(person)
        if linked is None or person in self.unwanted:
            return False
        safe = details is not None and details.contact_is_safe and details.wants_updates
        return safe or not self.is_harmed(person)

    def is_harmed(self, person: UUID) -> bool:
        """Whether somebody was harmed, as far as is known here."""
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
        others = [link for person, link in self.linked.items() if person != child and not link.details.is_organisation]
        parts = {PersonRole.HARMER, PersonRole.HARMED, PersonRole.WITNESS}
        return not any(
            (link.role in parts or link.is_harmed or link.did_harm) and link.child_at_report is not False
            for link in others
        )
