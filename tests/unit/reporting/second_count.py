"""The figures of a pack counted a second time, from the JSON of events and the text of the Youth Justice Board's inclusion alone.

It shares no code with the measures, and none of their tables: what is listed here is written from the Board's public SQL.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

Data = dict[str, Any]
Row = dict[str, Any]

ORDERS: Final = {
    "YCC": "youth_conditional_caution",
    "YC": "youth_caution",
    "YRD": "community_resolution",
    "OUTCOME_22": "outcome_22",
    "DEFERRED_PROSECUTION": "outcome_22_deferred",
    "OUTCOME_21": "outcome_20_21",
}
"""From the most serious to the least."""
ACCOMMODATION: Final = {
    "parents": "LIVING_WITH_PARENT_S AT_HOME",
    "family": "LIVING_WITH_FAMILY_NOT_PARENTS",
    "friends": "LIVING_WITH_FRIENDS",
    "foster_care": "FOSTER_CARE_LA FOSTER_CARE_PRIVATE",
    "residential": "RESIDENTIAL_UNIT_LA RESIDENTIAL_UNIT_PRIVATE RESIDENTIAL_UNIT_SECURE",
    "supported": "SUPPORTED_ACCOMMODATION_SUPPORTED_LODGINGS",
    "temporary": "TEMPORARY_ACCOMMODATION BAIL_HOSTEL",
    "independent": "INDEPENDENT_LIVING",
    "custody": "YOI STC SCH",
    "other": "OTHER HOSPITAL TRAVELLER_SITE",
    "bed_and_breakfast": "BED_AND_BREAKFAST",
    "no_fixed_abode": "NO_FIXED_ABODE",
    "unknown": "UNKNOWN",
}
PRU = "ALTERNATIVE_PROVISION_PRU"
PROVISION: Final = {
    "school": "MAINSTREAM_SCHOOL SCHOOL_FULL_TIME SCHOOL_PART_TIME",
    "pupil_referral_unit": f"PUPIL_REFERRAL_UNIT {PRU}_FULL_TIME {PRU}_PART_TIME",
    "alternative": "ALTERNATIVE_PROVISION ALTERNATIVE_PROVISION_ABOVE_SCHOOL_AGE ALTERNATIVE_PROVISION_OTHER_FULL_TIME "
    "ALTERNATIVE_PROVISION_OTHER_PART_TIME OTHER",
    "educated_at_home": "ELECTIVELY_HOME_EDUCATED",
    "college": "COLLEGE",
    "university": "UNIVERSITY",
    "re_engagement": "EDUCATION_RE_ENGAGEMENT_PROGRAMME",
    "traineeship": "TRAINEESHIP",
    "training_or_apprenticeship": "TRAINING_COURSE_APPRENTICESHIP",
    "supported_internship": "SUPPORTED_INTERNSHIP",
    "mentoring_circle": "MENTORING_CIRCLE",
    "employment": "EMPLOYMENT FULL_TIME_EMPLOYMENT PART_TIME_EMPLOYMENT",
    "self_employment": "SELF_EMPLOYMENT",
    "voluntary_work": "VOLUNTARY_WORK",
    "none": "NONE",
}
OFFERS: Final = {
    "mental_health_intervention": ["GETTING_ADVICE", "GETTING_HELP", "GETTING_ADDITIONAL_HELP", "GETTING_RISK_SUPPORT"],
    "substances_intervention": ["TARGETED_INTERVENTION", "SPECIALIST_SUBSTANCE_MISUSE_TREATMENT", "COMPLEX_CARE"],
}
SERVICES: Final = ("LOOKED_AFTER", "CHILD_PROTECTION_PLAN", "CHILD_IN_NEED", "EARLY_HELP_PLAN")
VERDICTS: Final = ("suitable", "unsuitable", "not_recorded")


def day(text: Any) -> date | None:
    return None if text is None else date.fromisoformat(text)


def age_on(born: date, on: date) -> int:
    """Return completed years; who is born on 29 February is a year older on 1 March."""
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


class SecondCount:
    """All that is counted of some histories in a period of days, both included."""

    def __init__(self, histories: Mapping[str, Sequence[Data]], first: date, last: date) -> None:
        self.first, self.last = first, last
        self.of: dict[str, list[tuple[str, Sequence[Data]]]] = defaultdict(list)
        for stream, history in histories.items():
            self.of[stream.partition("/")[0]].append((stream.partition("/")[2], history))
        merges = [event["data"] for _, history in self.of["people"] for event in self.named(history, "PersonMerged")]
        self.kept = {merge["person_id"]: merge["into"] for merge in merges}
        self.life: dict[str, list[Data]] = defaultdict(list)
        for stream, history in self.of["people"]:
            for event in self.named(history, "CircumstanceRecorded"):
                self.life[self.kept.get(stream, stream)].append(event["data"])
        self.cases = [self.case(stream, history) for stream, history in self.of["disposal"]]
        self.programmes = [
            case
            for case in self.cases
            if case["programme"] and not case["annulled"] and case["here"] and self.within(case["end"])
            if 10 <= age_on(case["born"], case["start"]) <= 17
        ]

    def within(self, on: date | None) -> bool:
        return on is not None and self.first <= on <= self.last

    @staticmethod
    def named(history: Iterable[Data], *names: str) -> list[Data]:
        return [event for event in history if event["type"] in names]

    def case(self, stream: str, history: Sequence[Data]) -> Row:
        """Read a disposal case: what was given, its programme, and whether it counts."""
        opened: Data = history[0]["data"]
        said: Data = {}
        for event in self.named(history, "ProgrammeRecorded"):
            said |= event["data"]
        issued = next(iter(self.named(history, "DisposalIssued", "ProsecutionDeferred")), None)
        decided = self.named(history, "DisposalDecided")[0]
        what = decided["data"]["decision"]
        begun = date.fromisoformat((issued or decided)["on"])
        scores = [event["data"]["yjb_seriousness_score"] for event in self.named(history, "GravityScored")]
        by_events = what == "DEFERRED_PROSECUTION" or bool(self.named(history, "ConditionProposed"))
        done = [on for event in self.named(history, "ActivityUndertaken") if (on := day(event["on"])) and on >= begun]
        start = begun if by_events else day(said.get("starts_on")) or min(done, default=begun)
        ends = {"DisposalCompleted": True, "DeferralCompleted": True, "DisposalCeased": False, "DeferralEnded": False}
        end, completed = day(said.get("ends_on")), said.get("completed")
        if by_events:
            end, completed = None, None
        for event in self.named(history, *ends):
            end, completed = day(event["on"]), ends[event["type"]]
        planned = any(event["data"]["programme_plan"] for event in self.named(history, "AssessmentCompleted"))
        worked = [on for on in done if on >= start]
        outcome = next(iter(self.named(history, "OutcomeAssigned")), None)
        prior = opened.get("prior")
        return {
            "stream": stream,
            "child": self.kept.get(opened["person_id"], opened["person_id"]),
            "born": date.fromisoformat(opened["details"]["date_of_birth"]),
            "order": what,
            "given": begun if what in {"YRD", "YC", "YCC"} else None,
            "annulled": bool(self.named(history, "DisposalAnnulled")),
            "here": said.get("residence") != "OTHER",
            "programme": bool(by_events or planned or worked or said.get("starts_on") or said.get("ends_on")),
            "start": start,
            "end": end,
            "completed": completed,
            "outcome": day(outcome["on"]) if outcome else None,
            "offence": date.fromisoformat(opened["offence"]["date"]),
            "category": opened["offence"]["category"],
            "score": scores[-1] if scores else None,
            "prior": None if prior is None else prior["yc"] + prior["ycc"] + prior["convictions"],
            "school": day(opened.get("school_age_until")),
            "victims": opened.get("victims", []),
            "referral": opened.get("referral_id"),
            "history": history,
        }

    @property
    def children(self) -> list[Row]:
        """Return one programme of each child: the most serious, of the latest outcome, of the latest end, then by id."""
        ranked = sorted(self.programmes, key=lambda row: row["stream"])
        ranked.sort(key=lambda row: (row["outcome"] or row["end"], row["end"]), reverse=True)
        ranked.sort(key=lambda row: list(ORDERS).index(row["order"]))
        return list({row["child"]: row for row in reversed(ranked)}.values())

    def living(self, row: Row, name: str, first: date, last: date) -> list[Data]:
        """Return what is recorded of a child in a field, for any of some days."""
        return [
            one
            for one in self.life[row["child"]]
            if one.get(name) is not None and date.fromisoformat(one["since"]) <= last
            if first <= (day(one.get("until")) or date.max)
        ]

    def verdict(self, row: Row, name: str, when: str) -> str:
        there = self.living(row, name, row[when], row[when])
        if not there:
            return "not_recorded"
        return "suitable" if all(one.get("suitable") == "SUITABLE" for one in there) else "unsuitable"

    def by_order(self, count: Callable[[list[Row]], Any]) -> dict[str, Any]:
        return {name: count([row for row in self.children if row["order"] == order]) for order, name in ORDERS.items()}

    def lived(self, name: str, tables: Mapping[str, Callable[[Row, str], Mapping[str, bool]]]) -> dict[str, Any]:
        def count(rows: list[Row]) -> dict[str, int]:
            found = [(when, self.verdict(row, name, when)) for row in rows for when in ("start", "end")]
            every = {f"{said}_at_{when}": found.count((when, said)) for when in ("start", "end") for said in VERDICTS}
            return {"children": len(rows)} | every

        def cell(table: Callable[[Row, str], Mapping[str, bool]], when: str) -> dict[str, dict[str, int]]:
            cells: dict[str, dict[str, int]] = {}
            for row in self.children:
                for label, has in table(row, when).items():
                    one = cells.setdefault(label, {"children": 0, "suitable": 0, "unsuitable": 0})
                    one["children"] += has
                    if (said := self.verdict(row, name, when)) in one:
                        one[said] += has
            return cells

        shown = {title: {when: cell(table, when) for when in ("start", "end")} for title, table in tables.items()}
        return {**count(self.children), **shown, "by_order": self.by_order(count)}

    def in_groups(self, name: str, groups: Mapping[str, str]) -> Callable[[Row, str], dict[str, bool]]:
        return lambda row, when: {
            group: any(one[name] in codes.split() for one in self.living(row, name, row[when], row[when]))
            for group, codes in groups.items()
        }

    def hours(self, row: Row, when: str, name: str) -> float:
        there = self.living(row, "provision", row[when], row[when])
        return sum(float(one.get(name) or 0) for one in there)

    def kpi1(self) -> dict[str, Any]:
        return self.lived("accommodation", {"by_type": self.in_groups("accommodation", ACCOMMODATION)})

    def kpi2(self) -> dict[str, Any]:
        def school(row: Row, when: str) -> dict[str, bool]:
            until, on = row["school"], row[when]
            known = until is not None
            return {
                "school_age": known and on <= until,
                "above_school_age": known and on > until,
                "not_known": not known,
            }

        def offered(row: Row, when: str) -> dict[str, bool]:
            hours, at = self.hours(row, when, "hours_offered"), school(row, when)
            full = (at["school_age"] and hours >= 25) or (at["above_school_age"] and hours >= 16)
            return {"full_time": full, "part_time": hours > 0 and not full and not at["not_known"]}

        def band(name: str) -> Callable[[Row, str], dict[str, bool]]:
            def bands(row: Row, when: str) -> dict[str, bool]:
                hours = self.hours(row, when, name)
                return {"1-15": 1 <= hours < 16, "16-24": 16 <= hours < 25, "25-or-more": hours >= 25}

            return bands

        tables: dict[str, Callable[[Row, str], dict[str, bool]]] = {"by_school_age": school, "by_time_offered": offered}
        tables |= {"by_provision": self.in_groups("provision", PROVISION)}
        return self.lived(
            "provision", tables | {f"hours_{which}": band(f"hours_{which}") for which in ("offered", "attended")}
        )

    def kpi3(self) -> dict[str, Any]:
        def count(rows: list[Row]) -> dict[str, int]:
            needs = [
                [one for one in self.living(row, "identified", row["end"], row["end"]) if one["identified"]]
                for row in rows
            ]
            planned = sum(any(one.get("formal_plan") for one in need) for need in needs)
            return {"children": len(rows), "identified": sum(map(bool, needs)), "with_formal_plan": planned}

        rows = self.children
        ete = {said: [row for row in rows if self.verdict(row, "provision", "end") == said] for said in VERDICTS}
        return {
            **count(rows),
            "by_ete": {said: count(those) for said, those in ete.items()},
            "by_age": {band: count(those) for band, those in self.by_age(rows).items()},
            "by_order": self.by_order(count),
        }

    def by_age(self, rows: list[Row]) -> dict[str, list[Row]]:
        ages = [(row, age_on(row["born"], row["start"])) for row in rows]
        return {
            "10-14": [row for row, age in ages if 10 <= age <= 14],
            "15-17": [row for row, age in ages if 15 <= age <= 17],
        }

    def need(self, kind: str, name: str) -> dict[str, Any]:
        def of(row: Row) -> tuple[bool, bool, set[str], set[str]]:
            items = [one for one in self.life[row["child"]] if one["kind"] == kind]
            start, end = row["start"], row["end"]
            spans = [(day(one.get("attended_from")), day(one.get("attended_until")) or date.max) for one in items]
            treated = any(began is not None and began <= start <= ended for began, ended in spans)
            screened = any((on := day(one.get("screened_on"))) is not None and on <= end for one in items)
            offers = [
                (one[name], day(one.get("attended_from")))
                for one in items
                if one.get(name) in OFFERS[name]
                if (on := day(one.get("offered_on"))) is not None and start <= on <= end
            ]
            begun = {type_ for type_, began in offers if began is not None and began <= end}
            return treated or screened, treated, {type_ for type_, _ in offers}, begun

        def count(rows: list[Row]) -> dict[str, int]:
            needs = [found for row in rows if (found := of(row))[0]]
            return {
                "children": len(rows),
                "need": len(needs),
                "in_treatment_at_start": sum(treated for _, treated, _, _ in needs),
                "offered": sum(bool(offered) for _, _, offered, _ in needs),
                "offered_or_in_treatment": sum(treated or bool(offered) for _, treated, offered, _ in needs),
            }

        def types() -> dict[str, dict[str, int]]:
            needs = [found for row in self.children if (found := of(row))[0]]
            cells = {}
            for type_ in OFFERS[name]:
                offered = sum(type_ in offers for _, _, offers, _ in needs)
                begun = sum(type_ in begins for _, _, _, begins in needs)
                cells[type_] = {"offered": offered, "attended": begun, "not_attended": offered - begun}
            return cells

        return {**count(self.children), "by_type": types(), "by_order": self.by_order(count)}

    def kpi4(self) -> dict[str, Any]:
        return self.need("MENTAL_HEALTH", "mental_health_intervention")

    def kpi5(self) -> dict[str, Any]:
        return self.need("SUBSTANCES", "substances_intervention")

    def kpi6_yjb(self) -> dict[str, Any]:
        def count(rows: list[Row]) -> dict[str, int]:
            ways = {"children": (True, False, None), "completed": (True,), "not_completed": (False,)}
            return {
                name: len({row["child"] for row in rows if row["completed"] in those}) for name, those in ways.items()
            }

        rows = [row for row in self.programmes if row["order"] != "DEFERRED_PROSECUTION"]
        return {
            "outcome_23": count([row for row in self.programmes if row not in rows]),
            **count(rows),
            "programmes": len(rows),
            "programmes_completed": sum(row["completed"] is True for row in rows),
            "columns": {name: count([row for row in rows if row["order"] == order]) for order, name in ORDERS.items()},
            "by_age": {band: count(those) for band, those in self.by_age(rows).items()},
        }

    def kpi7(self) -> dict[str, Any]:
        days = {"start": ("start", "start"), "during": ("start", "end"), "end": ("end", "end")}

        def having(rows: list[Row], when: str, *codes: str) -> int:
            first, last = days[when]
            return sum(
                any(one["care_status"] in codes for one in self.living(row, "care_status", row[first], row[last]))
                for row in rows
            )

        def count(rows: list[Row]) -> dict[str, int]:
            told = [
                (row["child"], date.fromisoformat(one["since"]) < row["start"])
                for row in rows
                for one in self.life[row["child"]]
                if one.get("care_status") == "EARLY_HELP_REFERRAL" and date.fromisoformat(one["since"]) <= row["end"]
            ]
            return {
                "children": len(rows),
                "with_a_service": having(rows, "during", *SERVICES),
                "with_a_service_at_start": having(rows, "start", *SERVICES),
                "with_a_service_at_end": having(rows, "end", *SERVICES),
                "referred_before_start": len({child for child, before in told if before}),
                "referred_from_start": len({child for child, before in told if not before}),
            }

        service = {
            when: {code.lower(): having(self.children, when, code) for code in SERVICES} for when in ("start", "during")
        }
        return {**count(self.children), "by_service": service, "by_order": self.by_order(count)}

    def kpi9_yjb(self) -> dict[str, Any]:
        rows = [
            row
            for row in self.cases
            if row["order"] in {"YC", "YCC"} and not row["annulled"] and self.within(row["given"])
            if 10 <= age_on(row["born"], row["offence"]) <= 17
        ]
        serious = [row for row in rows if row["category"] in {"DRUGS", "ROBBERY", "VIOLENCE"}]
        serious = [row for row in serious if row["score"] is not None and 5 <= row["score"] <= 8]
        ages = [age_on(row["born"], row["offence"]) for row in serious]
        return {
            "offences": len(serious),
            "all_offences": len(rows),
            "children": len({row["child"] for row in serious}),
            "rate": None,
            "by_category": {
                name: sum(row["category"] == name for row in serious) for name in ("DRUGS", "ROBBERY", "VIOLENCE")
            },
            "by_score": {str(n): sum(row["score"] == n for row in serious) for n in (5, 6, 7, 8)},
            "by_order": {ORDERS[code]: sum(row["order"] == code for row in serious) for code in ("YC", "YCC")},
            "by_age": {"10-15": sum(age <= 15 for age in ages), "16-17": sum(age >= 16 for age in ages)},
        }

    def kpi10_yjb(self) -> dict[str, Any]:
        met = [
            event["data"]
            for _, history in self.of["rj_conference"]
            for event in history
            if "harmed_ids" in event["data"]
        ]
        supported = {
            (referral, event["data"]["person_id"])
            for referral, history in self.of["referral"]
            for event in self.named(history, "VictimReferredToSupport")
        }
        rows: list[Row] = []
        for case in self.programmes:
            for person in case["victims"]:
                heard = [event for event in case["history"] if event["data"].get("person_id") == person]
                views = [event["data"] for event in self.named(heard, "VictimViewSought")]
                rows.append(
                    {
                        "victim": person,
                        "child": case["child"],
                        "yes": any(view.get("consents_to_contact") for view in views),
                        "before": any(view["before_decision"] for view in views),
                        "told": bool(self.named(heard, "VictimTold")),
                        "contacted": bool(self.named(heard, "VictimTold", "VictimInformedOfRestorativeJustice")),
                        "supported": (case["referral"], person) in supported,
                        "met": any(one["disposal_id"] == case["stream"] and person in one["harmed_ids"] for one in met),
                    }
                )

        def distinct(*all_of: str) -> int:
            return len({row["victim"] for row in rows if all(row[name] for name in all_of)})

        return {
            "victims": distinct(),
            "children_with_a_victim": len({row["child"] for row in rows}),
            "consented_to_contact": distinct("yes"),
            "engaged_and_consented": distinct("yes", "met"),
            "restorative_interventions": sum(row["met"] for row in rows),
            "view_sought_before_decision": distinct("yes", "before"),
            "progress_given": distinct("yes", "told"),
            "support_given": distinct("yes", "supported"),
            "contacted": distinct("contacted"),
        }

    def fte_yjb(self) -> dict[str, Any]:
        firsts: dict[str, Row] = {}
        cautions = [row for row in self.cases if row["order"] in {"YC", "YCC"} and row["given"] and not row["annulled"]]
        for row in sorted(cautions, key=lambda row: (row["given"], row["stream"])):
            if age_on(row["born"], row["offence"]) >= 10 and age_on(row["born"], row["given"]) <= 17:
                firsts.setdefault(row["child"], row)
        found = [row for row in firsts.values() if self.within(row["given"]) and row["here"] and not row["prior"]]
        return {"count": len(found), "unknown": sum(row["prior"] is None for row in found), "rate": None}
