"""One stream, folded: its owner's view, its duties, and the summary that measures count from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.reporting.measures import WorkItem
from services.reporting.read_models import READ_MODELS
from services.reporting.summaries import LapsedDuty, Summary, summary_type
from shared.domain.decider import history_at
from shared.domain.duties import Duty
from shared.domain.envelope import Fact
from shared.domain.permissions import AccessFacts


@dataclass(frozen=True)
class Folded:
    """A stream as its facts make it, by both times. `last` is its latest fact by version, cut or not."""

    service: str
    last: Fact
    view: Mapping[str, Any]
    duties: tuple[Duty, ...]
    summary: Summary
    opened_at: datetime
    updated_at: datetime
    """When the last of its facts occurred: as of then and later it stands as it stands now."""
    access: AccessFacts
    """What access to it depends on: of every fact, cut or not."""
    recorded_at: datetime | None
    """When the last of its facts was recorded: known then and later it stands as it stands now."""

    @property
    def state(self) -> str:
        """The state that its owner shows."""
        return str(self.view["state"])

    @property
    def open(self) -> bool:
        """Whether anything is left to do."""
        return READ_MODELS[self.service].is_open(self.view)

    @property
    def work_item(self) -> WorkItem:
        """The stream as a work item."""
        return WorkItem(self.service, self.summary, self.state, self.open, self.duties)


def service_of(fact: Fact) -> str:
    """Return the service whose stream a fact belongs to."""
    return fact.envelope.stream.partition("/")[0]


def fold(history: Sequence[Fact], *, as_of: datetime | None = None, known_at: datetime | None = None) -> Folded | None:
    """Fold a whole history as of both times; None where nothing had begun. Raises `BrokenHistory`."""
    service = service_of(history[0])
    read_model = READ_MODELS[service]
    shown = history_at(history, as_of=as_of, known_at=known_at)
    summary = summary_type(service).summarise(shown) if shown else None
    state = read_model.decider.fold(shown)
    if state is None or summary is None:
        return None
    duties = tuple(read_model.duties(state, read_model.policy.on))
    lapsed = tuple(LapsedDuty(duty=one.duty, on=one.lapsed_on) for one in duties if one.lapsed_on is not None)
    return Folded(
        service=service,
        last=history[-1],
        view=read_model.view(state),
        duties=duties,
        summary=summary.model_copy(update={"lapsed": lapsed}) if lapsed else summary,
        opened_at=shown[0].occurred_at,
        updated_at=max(fact.occurred_at for fact in shown),
        access=AccessFacts.of_history(read_model.events, history),
        recorded_at=shown[-1].recorded_at,
    )
