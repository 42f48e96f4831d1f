"""The alert rules of Prometheus, one for each alarm and those that no alarm can raise, from the registry of alarms."""

from dataclasses import dataclass
from typing import Any, Final

import yaml

from shared.messaging.consumer.alarms import ALARMS

RUNBOOK: Final = "docs/how-to/runbook"

HOUR: Final = 3600
DAY: Final = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert: what must hold, for how many seconds, what it means, and the page that says what to do."""

    name: str
    holds: str
    seconds: int
    meaning: str
    page: str

    def rule(self) -> dict[str, Any]:
        """Return the alert as Prometheus reads it."""
        return {
            "alert": self.name,
            "expr": self.holds,
            "for": f"{self.seconds}s",
            "labels": {"severity": "critical"},
            "annotations": {"summary": self.meaning, "runbook": self.page},
        }


WITHOUT_ALARM: Final = (
    Alert("ApiDown", 'up{job="ooc"} == 0', 30, "An API does not answer.", f"{RUNBOOK}/full_disk.md"),
    Alert(
        "RelayBehind",
        "ooc_unrelayed_age_seconds > 15",
        15,
        "An event has not been published for half a minute.",
        f"{RUNBOOK}/relay_stuck.md",
    ),
    Alert(
        "ConsumerStands",
        "(max by (service, topic, partition) (ooc_consumed_offset)"
        " < on (topic, partition) group_left max by (topic, partition) (ooc_published_offset))"
        " and on (service, topic, partition) changes(ooc_consumed_offset[30s]) == 0",
        20,
        "A consumer has not read for a while what is published.",
        f"{RUNBOOK}/consumer_stands.md",
    ),
    Alert(
        "NobodyHoldsTheLease",
        "max by (service, role) (ooc_lease_remaining_seconds) == 0",
        30,
        "What a service has only one of (relay, signer) is done by nobody.",
        f"{RUNBOOK}/relay_stuck.md",
    ),
    Alert(
        "PartStands",
        "max by (service, part) (ooc_cycle_age_seconds) > 20",
        10,
        "A part of a worker has finished nothing for more than half a minute: it hangs, or its server does not answer.",
        f"{RUNBOOK}/relay_stuck.md",
    ),
    Alert(
        "StandbyLost",
        "ooc_synchronous_standbys == 0",
        30,
        "No synchronous standby is there: commands wait for one, or are lost with the primary.",
        "docs/how-to/failover.md",
    ),
    Alert(
        "ReplicaLost",
        "ooc_in_sync_replicas < ooc_replicas",
        45,
        "A broker is gone, or lags: a topic has fewer replicas in sync than it was given.",
        "docs/how-to/failover.md",
    ),
    Alert(
        "ClockOff",
        "abs(ooc_clock_offset_seconds) > 5",
        30,
        "The clocks of an API and of its database differ by more than five seconds.",
        f"{RUNBOOK}/clocks_apart.md",
    ),
    Alert(
        "ServerErrors",
        'sum by (job, instance) (rate(ooc_requests_total{status=~"5.."}[1m])) > 0.2',
        15,
        "An API answers with server errors.",
        f"{RUNBOOK}/README.md",
    ),
    *(
        Alert(
            f"{kind.capitalize()}Old",
            f'min by (kind) (ooc_upkeep_age_seconds{{kind="{kind}"}}) > {days * DAY}',
            HOUR,
            f"For more than {days} days there was no {what}.",
            "docs/how-to/back-up.md",
        )
        for kind, days, what in (
            ("backup", 2, "backup"),
            ("drill", 35, "drill in which a backup was restored whole"),
            ("verification", 8, "verification that was whole"),
        )
    ),
)
"""What a process that hangs or is gone cannot say of itself."""


def alerts() -> tuple[Alert, ...]:
    """Return every alert, the alarms of the services first."""
    raised = (
        Alert(
            kind.name.title().replace("_", ""), f'ooc_alarm{{name="{kind.name}"}} == 1', 0, kind.meaning, kind.runbook
        )
        for kind in ALARMS.values()
    )
    return *raised, *WITHOUT_ALARM


def of_alerts() -> dict[str, str]:
    """Write the file of rules, by path."""
    groups = {"groups": [{"name": "ooc", "rules": [alert.rule() for alert in alerts()]}]}
    head = "# Alert rules of Prometheus, made by `make docs` from the registry of alarms (tools/reference/alerts.py).\n"
    return {"alerts.yaml": head + yaml.safe_dump(groups, sort_keys=False, width=120, allow_unicode=True)}
