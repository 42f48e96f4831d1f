"""The read models of the deciding services. Reporting folds with the owners' deciders, and has no keys."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from services.system.registry import read_models
from services.trade.summary import Summary
from shared.domain.envelope import EventRegistry
from shared.domain.messages import Event
from shared.domain.service import ReadModel

READ_MODELS: Final[dict[str, ReadModel[Any]]] = read_models()

SUMMARIES: Final[dict[str, type[Summary]]] = {
    name: model.summary.__annotations__["return"] for name, model in READ_MODELS.items() if model.summary is not None
}
"""The class of each service's summaries, as its function says. A service that has none is summarised plainly."""

CONSUMER: Final = "reporting"
"""The name under which the projection's checkpoints are filed."""


def published_types(registries: Iterable[EventRegistry], wanted: Callable[[type[Event]], bool]) -> list[str]:
    """Return the type names of the wanted events in every published version, since rows of `fact` keep theirs."""
    registries = list(registries)
    names = {
        registry.type_name(event).rpartition(".v")[0]
        for registry in registries
        for event in registry.events
        if wanted(event)
    }
    published = {name for registry in registries for name in (*registry.by_type, *registry.upcasters)}
    return sorted(name for name in published if name.rpartition(".v")[0] in names)
