"""The alert rules of Prometheus, one for each alarm and those that no alarm can raise, from the registry of alarms."""

from dataclasses import dataclass
from typing import Any, Final

import yaml

from shared.domain.declared import read_beside
from shared.messaging.consumer.alarms import ALARMS


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert: what must hold, for how many seconds, what it means, and the page that says what to do."""

    name: str
    holds: str
    seconds: int
    meaning: str
    page: str
    severity: str = "critical"

    def rule(self) -> dict[str, Any]:
        return {
            "alert": self.name,
            "expr": self.holds,
            "for": f"{self.seconds}s",
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.meaning, "runbook": self.page},
        }


WITHOUT_ALARM: Final = tuple(Alert(**alert) for alert in read_beside(__file__)["alert"])
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
    groups = {"groups": [{"name": "ooc", "rules": [alert.rule() for alert in alerts()]}]}
    head = "# Alert rules of Prometheus, made by `make docs` from the registry of alarms (tools/reference/alerts.py).\n"
    return {"alerts.yaml": head + yaml.safe_dump(groups, sort_keys=False, width=120, allow_unicode=True)}
