"""Made-up children as events: what is recorded of them in a year, drawn at random from a seed."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, Final, get_args
from uuid import UUID

from services.people.events import (
    Accommodation,
    CareStatus,
    MentalHealthIntervention,
    Provision,
    SubstancesIntervention,
)
from services.reporting.projection.read_models import READ_MODELS
from shared.domain.envelope import Envelope, Fact, Origin, PolicyStamp
from shared.domain.messages import Actor

Data = dict[str, Any]

FIRST: Final = date(2026, 2, 16)
OFFICER: Final = Actor(id=UUID(int=7), role="YJS_CASE_MANAGER", organisation="TEST", labels={"area": "DORSET"})
KINDS: Final = (
    "YCC",
    "YRD",
    "YRD_PLAIN",
    "YC_PLAN",
    "YC_PLAN",
    "YC",
    "OUTCOME_22",
    "OUTCOME_21",
    "DEFERRED_PROSECUTION",
)
CATEGORIES: Final = ("THEFT", "DRUGS", "VIOLENCE", "ROBBERY", "DAMAGE")


def age_on(born: date, on: date) -> int:
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


@dataclass
class MadeUp:
    """A year of children: their events as JSON in the order of each stream, `type`, `stream`, `on` (its day) and data."""

    seed: int
    histories: dict[str, list[Data]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.victims: list[UUID] = []

    def id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)

    def maybe(self, share: float) -> bool:
        return self.random.random() < share

    def day(self, first: date, days: int) -> date:
        return first + timedelta(days=self.random.randrange(days + 1))

    def add(self, stream: str, type_: str, on: date, **data: Any) -> None:
        """Record an event at noon of a day, each a minute after the one before it in the stream."""
        history = self.histories.setdefault(stream, [])
        given = json.dumps({name: value for name, value in data.items() if value is not None}, default=str)
        history.append({"type": type_, "stream": stream, "on": on.isoformat(), "data": json.loads(given)})

    def child(self) -> None:
        """Record a child with cases, circumstances, and sometimes a second id."""
        born, ids = self.day(date(2007, 9, 1), 3600), [self.id()]
        if self.maybe(0.15):
            ids.append(self.id())
            self.add(f"people/{ids[1]}", "PersonMerged", self.day(FIRST, 200), person_id=ids[1], into=ids[0], why="So.")
        for _ in range(self.random.choice((1, 1, 2, 3))):
            self.case(self.random.choice(ids), born)
        for _ in range(self.random.randrange(9)):
            self.circumstance(self.random.choice(ids))

    def circumstance(self, person: UUID) -> None:
        pick, since = self.random.choice, self.day(date(2025, 10, 1), 400)
        until = self.day(since, 200) if self.maybe(0.4) else None
        kind = pick(("ACCOMMODATION", "ACCOMMODATION", "ETE", "ETE", "SEND", "MENTAL_HEALTH", "SUBSTANCES", "CARE"))
        said: Data = {}
        if kind in {"ACCOMMODATION", "ETE"}:
            said = {"suitable": pick(("SUITABLE", "SUITABLE", "UNSUITABLE", "UNKNOWN", None))}
            if kind == "ETE":
                said |= {"provision": pick(_codes(Provision)), "hours_offered": pick((0, 5, 16, 18, 25, None))}
                said |= {"hours_attended": pick((0, 4, 15, 16, 25, None))}
            else:
                said["accommodation"] = pick(_codes(Accommodation))
        elif kind == "SEND":
            said = {"identified": self.maybe(0.8), "formal_plan": pick((True, False, None))}
        elif kind == "CARE":
            said = {"care_status": pick(_codes(CareStatus))}
        else:
            offered = self.day(since, 60) if self.maybe(0.7) else None
            began = self.day(offered, 30) if offered and self.maybe(0.6) else None
            name, codes = {
                "MENTAL_HEALTH": ("mental_health_intervention", MentalHealthIntervention),
                "SUBSTANCES": ("substances_intervention", SubstancesIntervention),
            }[kind]
            said = {"screened_on": self.day(since, 90) if self.maybe(0.7) else None, "offered_on": offered}
            said |= {name: pick((None, *_codes(codes))), "attended_from": began}
            said["attended_until"] = self.day(began, 90) if began and self.maybe(0.5) else None
            if not any(said.values()):
                said["screened_on"] = since
        ids: Data = {"person_id": person, "circumstance_id": self.id(), "kind": kind}
        self.add(f"people/{person}", "CircumstanceRecorded", since, **ids, since=since, until=until, **said)

    def case(self, child: UUID, born: date) -> None:
        """Record a disposal case from its opening to its end, if it ends."""
        pick, kind = self.random.choice, self.random.choice(KINDS)
        offence, stream, case = self.day(FIRST, 240), f"disposal/{self.id()}", self.id()
        referral = self.id() if self.maybe(0.7) else None
        opened, decided = offence + timedelta(days=2), offence + timedelta(days=9)
        given = self.day(decided, 14)
        age, score = age_on(born, given), pick((None, 2, 4, 5, 6, 7, 8))
        harmed = [self.victim() for _ in range(pick((0, 1, 1, 2)))]
        about: Data = {"person_id": child, "case_id": case, "referral_id": referral}
        priors = {"yc": pick((0, 0, 0, 1)), "ycc": 0, "convictions": 0, "yrd": pick((0, 1))}
        category = pick(CATEGORIES)
        crime = {"code": "04601", "title": "Made up", "date": offence, "trial_mode": "EITHER_WAY", "recordable": True}
        school_until = date(born.year + 16, 6, 26) if self.maybe(0.9) else None
        details = {"name": "Made Up", "date_of_birth": born}
        more: Data = {"age_at_offence": age_on(born, offence), "prior": None if self.maybe(0.2) else priors}
        if harmed:
            more["victims"] = list(dict.fromkeys(harmed))
        self.add(
            stream,
            "DisposalCaseOpened",
            opened,
            **about,
            **more,
            details=details,
            crime_number="55260000001",
            offence=crime | {"category": category},
            reported_at=f"{offence}T12:00:00Z",
            school_age_until=school_until,
        )
        if score is not None:
            scored = {"offence_score": 3, "final_score": 3, "aggravating": [], "mitigating": [], "matrix_version": "1"}
            self.add(stream, "GravityScored", opened, **scored, yjb_seriousness_score=score)
        if kind in {"YC_PLAN", "OUTCOME_21"} or self.maybe(0.3):
            self.add(stream, "AssessmentCompleted", opened, person_id=child, tool="PDAT", programme_plan=True)
        self.listen(stream, case, referral, child, harmed, decided)
        what = kind.removesuffix("_PLAN").removesuffix("_PLAIN")
        words = {"rationale_text": "So.", "public_interest": "So."}
        self.add(stream, "DisposalDecided", decided, **about, decision=what, age=age_on(born, decided), **words)
        facts: Data = {"age_at_offence": more["age_at_offence"], "offence_category": category}
        facts |= {"trial_mode": "EITHER_WAY", "yjb_seriousness_score": score}
        if what == "DEFERRED_PROSECUTION":
            step = {"step_id": self.id(), "kind": "OTHER", "text": "Talk.", "due": given}
            agreed = {"plan": [step], "review_on": given, "child_agrees": True, "appropriate_adult_present": True}
            self.add(stream, "ProsecutionDeferred", given, **about, **facts, **agreed, age=age)
        elif what in {"YC", "YCC", "YRD"}:
            terms = {"condition_id": self.id(), "type": "LETTER_OF_APOLOGY", "object": "REPARATION", "due": given}
            conditions = [terms] if kind in {"YCC", "YRD"} else []
            for condition in conditions:
                self.add(stream, "ConditionProposed", decided, condition=condition)
            offence_said = {"offence_code": "04601", "offence_date": offence, "recordable": True}
            issue = {"disposal": what, "issued_on": given, "age_at_issue": age, "conditions": conditions}
            self.add(stream, "DisposalIssued", given, **about, **facts, **issue, **offence_said, deciding_officer=case)
        else:
            given = decided
        self.end(stream, about, what, born, given, conditions=kind in {"YCC", "YRD"})
        if what in {"YC", "YCC", "YRD"} and self.maybe(0.06):
            annulled = {"by": "COURT", "reference": "R1", "why": "So.", "disposal": what, "issued_on": given}
            self.add(stream, "DisposalAnnulled", given + timedelta(days=250), **about, **annulled, age_at_issue=age)

    def end(  # noqa: C901 - one choice a line
        self, stream: str, about: Data, what: str, born: date, given: date, *, conditions: bool
    ) -> None:
        ends, completed = self.day(given, 200) if self.maybe(0.85) else None, self.maybe(0.7)
        residence = "OTHER" if self.maybe(0.1) else self.random.choice(("LOCAL", None))
        said: Data = {"residence": residence} if residence else {}
        if what == "DEFERRED_PROSECUTION" and ends:
            words = {"rationale_text": "So.", "deferred_on": given}
            if completed:
                self.add(stream, "DeferralCompleted", ends, **about, **words, completed_on=ends)
            else:
                then = {"why": "NOT_ENGAGED", "then": "PROSECUTE", "ended_on": ends}
                self.add(stream, "DeferralEnded", ends, **about, **words, **then)
        elif conditions and ends:
            of = {"disposal": what, "issued_on": given, "age_at_issue": age_on(born, given)}
            if completed:
                self.add(stream, "DisposalCompleted", ends, **about, **of, completed_on=ends)
            else:
                self.add(stream, "DisposalCeased", ends, **about, **of, ceased_on=ends)
        elif what != "DEFERRED_PROSECUTION" and not conditions:
            activity = self.day(given, 20) if self.maybe(0.4) else None
            starts = self.day(given, 10) if self.maybe(0.3) else None
            if activity:
                self.add(stream, "ActivityUndertaken", activity, session_id=self.id(), provider="A club")
            if ends and self.maybe(0.9):
                said |= {"ends_on": max(ends, activity or ends), "completed": completed if self.maybe(0.9) else None}
            if starts:
                said["starts_on"] = starts
            said["age"] = age_on(born, starts or activity or given)
            if what.startswith("OUTCOME") and self.maybe(0.8):
                on, code = max(filter(None, (given, activity, ends))), what.removeprefix("OUTCOME_")
                ages = {"age": age_on(born, on), "age_at_offence": age_on(born, given)}
                self.add(stream, "OutcomeAssigned", on, **about, code=code, **ages)
        if said:
            self.add(stream, "ProgrammeRecorded", max(ends or given, given), **said)

    def victim(self) -> UUID:
        """Return a victim, who may have been harmed by another child before."""
        if not self.victims or self.maybe(0.8):
            self.victims.append(self.id())
        return self.random.choice(self.victims[-20:])

    def listen(
        self, stream: str, case: UUID, referral: UUID | None, child: UUID, harmed: Sequence[UUID], on: date
    ) -> None:
        """Record what victims said, what they were told, and the conferences in which they took part."""
        for person in dict.fromkeys(harmed):
            if self.maybe(0.7):
                said = {"sought": True, "before_decision": self.maybe(0.6), "child_id": child, "case_id": case}
                consents = self.random.choice((True, True, False, None))
                self.add(stream, "VictimViewSought", on, person_id=person, **said, consents_to_contact=consents)
            if self.maybe(0.3):
                informed = {"person_id": person, "enhanced_rights": False, "case_id": case}
                self.add(stream, "VictimInformedOfRestorativeJustice", on, **informed)
            if self.maybe(0.4):
                how = {"means": "PHONE", "reasons_given": True, "review_explained": True}
                self.add(stream, "VictimTold", on, person_id=person, **how)
        if referral is not None:
            of = f"referral/{referral}"
            incident: Data = {
                "source": "OFFICER",
                "incident_type": "OTHER",
                "setting": "COMMUNITY",
                "on_premises": False,
            }
            times = {"reported_at": f"{on}T11:00:00Z", "happened_at": f"{on}T10:00:00Z", "in_school_hours": False}
            words = {"narrative": "So.", "lawful_basis": "law enforcement", "flags": []}
            self.add(of, "ReferralReceived", on, case_id=case, **incident, **times, **words)
            for person in dict.fromkeys(harmed):
                if self.maybe(0.3):
                    self.add(of, "VictimReferredToSupport", on, person_id=person, service="A charity")
        if harmed and self.maybe(0.4):
            of, disposal = f"rj_conference/{self.id()}", stream.partition("/")[2]
            with_whom: Data = {"disposal_id": disposal, "category": "OTHER", "harmer": child}
            self.add(of, "ConferenceProposed", on, **with_whom, case_id=case, sensitive="NONE", harmer_age=14)
            if self.maybe(0.7):
                mode: Data = {"mode": "SHUTTLE", "hours": 1}
                self.add(of, "ConferenceScheduled", on, **mode, starts_at=f"{on}T15:00:00Z", place="A room")
                due = {"follow_up_due": on, **mode, "facilitator_attended": True, "present": []}
                met = {"harmed_took_part": 1, "harmed_ids": harmed[:1]}
                self.add(of, "ConferenceHeld", on + timedelta(days=20), **with_whom, **due, **met)


def _codes(literal: Any) -> list[str]:
    """Return the codes of a literal type, also of those that it is made of."""
    return [code for one in get_args(literal) for code in ([one] if isinstance(one, str) else _codes(one))]


def facts_of(histories: dict[str, list[Data]]) -> Iterator[list[Fact]]:
    """Yield the events of each stream as reporting reads them."""
    position = 0
    for stream, history in histories.items():
        registry, facts = READ_MODELS[stream.partition("/")[0]].events, []
        for version, told in enumerate(history, 1):
            position += 1
            cls = next(cls for cls in registry.events if cls.__name__ == told["type"])
            at = datetime.combine(date.fromisoformat(told["on"]), datetime.min.time(), UTC) + timedelta(hours=12)
            at += timedelta(minutes=version)
            first = history[0]["data"]
            envelope = Envelope(
                event_id=UUID(int=position),
                type=f"{stream.partition('/')[0]}.x.{told['type']}",
                stream=stream,
                version=version,
                home=UUID(first.get("case_id", stream.partition("/")[2])),
                command_id=UUID(int=position),
                occurred_at=at,
                actor=OFFICER,
                correlation_id=UUID(int=position),
                causation_id=None,
                traceparent=None,
                policy=PolicyStamp(edition="2026-01-01", day=at.date()),
                rules=(),
                rationale={},
                labels={"area": "DORSET"},
                origin=Origin(),
            )
            event = cls.model_validate_json(json.dumps(told["data"]))
            facts.append(Fact(envelope, event, position, at))
        yield facts
