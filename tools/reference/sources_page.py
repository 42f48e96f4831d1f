"""The page of sources: each statute, code and guidance that rules, dated values and measures cite, with what cites it."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from services.reporting.measures import MEASURES
from services.reporting.measures.policy import POLICY
from services.reporting.queries.retention import POLICY as RETENTION
from shared.domain.declared import read_beside
from shared.domain.service import Service
from tools.reference.markdown import fill

SOURCES: Final = read_beside(__file__, "sources.toml")["source"]
_NEXT: Final = re.compile(r"; (?![^(]*\))")
"""Between the sources of a citation, and not within brackets."""


def of_sources(services: Iterable[Service[Any]]) -> dict[str, str]:
    """Write the page. Raises ValueError for a citation that tools/reference/sources.toml does not know."""
    citing: dict[str, list[str]] = {source["name"]: [] for source in SOURCES}
    for citation, link in citations(services):
        for name in cited(citation):
            if link not in citing[name]:
                citing[name].append(link)
    return {"sources.md": fill("sources", sources=SOURCES, citing=citing)}


def cited(citation: str) -> set[str]:
    """Return the names of the sources in a citation. Raises ValueError if a part of it names none that is known."""
    names: set[str] = set()
    for part in _NEXT.split(citation):
        known = {source["name"] for source in SOURCES if re.search(source["pattern"], part, re.IGNORECASE)}
        if not known:
            raise ValueError(f"{part!r} is no known source: add it to tools/reference/sources.toml")
        names |= known
    return names


def citations(services: Iterable[Service[Any]]) -> Iterator[tuple[str, str]]:
    for service in services:
        rules = [(rule.source, rule.id) for rule in service.decider.rules.rules]
        rules += [(source, rule_id) for rule_id, (_, source) in service.claim_rules.items()]
        for source, rule_id in rules:
            yield source, f"[{service.name} {rule_id}]({service.name}/rules.md#{rule_id.lower()})"
        for term in service.policy.terms.values():
            yield term.source, f"[`{term.name}`]({service.name}/policy.md#{term.name})"
    for term in POLICY.terms.values():
        yield term.source, f"[`{term.name}`](reporting/policy.md#{term.name})"
    for term in RETENTION.terms.values():
        yield term.source, f"retention: `{term.name}`"
    for measure in MEASURES.values():
        yield measure.source, f"[{measure.name}](reporting/measures.md#{measure.name})"
