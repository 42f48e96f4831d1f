"""KPI 10: victims."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from services.disposal.summary import DisposalSummary, VictimSummary
from services.referral.summary import ReferralSummary, VictimWishes
from services.reporting.measures.definition import Dataset, Measure, words_of
from services.reporting.measures.interventions import ended_on, select_interventions
from services.reporting.measures.period import Period
from services.rj_conference.summary import ConferenceSummary


@dataclass(frozen=True, slots=True)
class VictimOf:
    """A victim of one offence, and whether they took part in a conference with the child."""

    summary: DisposalSummary
    victim: VictimSummary
    engaged: bool
    wishes: VictimWishes
    """What the referral says of updates and support."""

    @property
    def person(self) -> UUID:
        """The victim, under one id."""
        return self.summary.kept(self.victim.person_id)

    @property
    def was_told(self) -> bool:
        """Whether they were told how it went on: in the disposal case or in the referral."""
        return self.victim.told or self.wishes.told


def select_victims(dataset: Dataset, period: Period) -> list[VictimOf]:
    return victims_of((intervention.summary for intervention in select_interventions(dataset, period)), dataset)


def victims_of(summaries: Iterable[DisposalSummary], dataset: Dataset) -> list[VictimOf]:
    by_harmer: dict[UUID, list[ConferenceSummary]] = {}
    for conference in dataset.all_of(ConferenceSummary):
        by_harmer.setdefault(conference.subject, []).append(conference)
    referrals = {
        referral.stream: {referral.kept(victim.person_id): victim for victim in referral.victims}
        for referral in dataset.all_of(ReferralSummary)
    }
    victims: list[VictimOf] = []
    for summary in summaries:
        took_part = _took_part(summary, by_harmer.get(summary.subject, ()))
        wishes = referrals.get(summary.follows, {}) if summary.follows is not None else {}
        victims += [
            VictimOf(summary, victim, person in took_part, wishes.get(person, VictimWishes(person_id=person)))
            for victim in summary.victims
            for person in (summary.kept(victim.person_id),)
        ]
    return victims


def _took_part(summary: DisposalSummary, conferences: Sequence[ConferenceSummary]) -> set[UUID]:
    """Return who took part in a conference of this child, in any mode, for this disposal or, naming none, in its case."""
    return {
        conference.kept(person)
        for conference in conferences
        if conference.held_on is not None
        and (
            conference.disposal_id == summary.stream
            or (conference.disposal_id is None and set(conference.cases) & set(summary.cases))
        )
        for person in conference.took_part
    }


def distinct(rows: Iterable[VictimOf]) -> int:
    return len({row.person for row in rows})


def aggregate(rows: Sequence[VictimOf], _dataset: Dataset, _period: Period) -> dict[str, Any]:
    """Count distinct victims, and distinct children with one. A person harmed by two children counts once."""
    consenting = {row.person for row in rows if row.victim.consents_to_contact}
    engaged = {row.person for row in rows if row.engaged}
    return {
        "victims": distinct(rows),
        "children_with_a_victim": len({row.summary.subject for row in rows}),
        "consented_to_contact": len(consenting),
        "engaged_and_consented": len(engaged & consenting),
        "view_sought_before_decision": distinct(row for row in rows if row.victim.view_sought_before_decision),
        "progress_requested": distinct(row for row in rows if row.wishes.wants_updates),
        "progress_given": distinct(row for row in rows if row.wishes.wants_updates and row.was_told),
        "support_requested": distinct(row for row in rows if row.wishes.wants_support),
        "support_given": distinct(row for row in rows if row.wishes.wants_support and row.wishes.supported),
    }


MEASURE: Final = Measure(
    **words_of("kpi10"),
    reads=frozenset({"disposal", "rj_conference", "referral"}),
    days=ended_on,
    select=select_victims,
    aggregate=aggregate,
    needs_subjects=True,
    groupings={"area": lambda row: row.summary.counted_in},
)
