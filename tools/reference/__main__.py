"""Write docs/reference, the contract within it, and the manifests of deploy/kubernetes from the code: `python -m tools.reference`, or `make docs`.

A change that would break a program of somebody else is refused, unless `--incompatible REASON` says that it is meant.
"""

import argparse
import logging
import sys
from pathlib import Path
from typing import Final

import structlog

from services.system.registry import deciding_services
from tools.reference.access_page import of_access
from tools.reference.alerts import of_alerts
from tools.reference.asyncapi import of_topics
from tools.reference.command_line import of_command_line
from tools.reference.compatibility import incompatible_changes
from tools.reference.contract import (
    UnreadableContract,
    committed_contract,
    contract_of_code,
    explain,
    of_breaks,
    record_breaks,
    text_of,
)
from tools.reference.dashboards import of_dashboards
from tools.reference.database_roles import of_database_roles
from tools.reference.environment_page import of_environment
from tools.reference.kubernetes import PLACE as KUBERNETES
from tools.reference.kubernetes import of_deployment, of_kubernetes
from tools.reference.moves import moves_of, play_stories
from tools.reference.openapi import of_apis, openapi_documents
from tools.reference.pages import index, of_measures, of_service, of_states, undated_rules
from tools.reference.sources_page import of_sources
from tools.scenario.in_memory import Memory

PLACE: Final = Path("docs/reference")
STORIES: Final = Path("tests/scenarios")
MEASURED: Final = ("performance.md", "reliability.md")
"""Pages that `make bench` and `make failover` write from what they measured."""


def declared_pages() -> dict[str, str]:
    services = deciding_services()
    pages = index(services) | of_measures() | of_database_roles() | of_access(services) | of_command_line()
    pages |= of_topics(services) | of_apis(openapi_documents(services)) | of_breaks(PLACE)
    pages |= of_sources(services) | of_alerts() | of_dashboards() | of_environment() | of_deployment()
    for service in services:
        pages |= of_service(service)
    return pages


def told_pages(played: Memory) -> dict[str, str]:
    """Return the pages of states, from the stories as they were played."""
    pages: dict[str, str] = {}
    for service in deciding_services():
        pages |= of_states(service, moves_of(service, played))
    return pages


def write(pages: dict[str, str], place: Path = PLACE, pattern: str = "**/*.md") -> None:
    """Write files, and delete those of the pattern that no declaration makes any more."""
    for old in place.glob(pattern):
        if str(old.relative_to(place)) not in (*pages, *MEASURED):
            old.unlink()
    for path, text in pages.items():
        file = place / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def main() -> None:
    """Write everything; exit 1 with the reasons, writing nothing, if the contract would be broken."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.reference", description="Write docs/reference from the code."
    )
    parser.add_argument("--incompatible", metavar="REASON", help="break the contract on purpose, and record why")
    reason = parser.parse_args().incompatible
    # Reactions that stories park are of no interest here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    services = deciding_services()
    try:
        committed = committed_contract(PLACE)
    except UnreadableContract as error:
        sys.exit(str(error))
    contract = contract_of_code(services)
    breaks = incompatible_changes(committed, contract)
    if breaks and not reason:
        sys.exit(explain(breaks))
    if breaks:
        record_breaks(PLACE, breaks, reason)
    for service in services:
        page = PLACE / service.name / "rules.md"
        for new in undated_rules(service, page.read_text(encoding="utf-8") if page.exists() else ""):
            print(new, file=sys.stderr)
    write({path: text_of(document) for path, document in contract.items()}, PLACE, "*/*.json")
    write(of_kubernetes(), KUBERNETES, "base/processes/*.yaml")
    write(declared_pages() | told_pages(play_stories(services, STORIES)))


if __name__ == "__main__":
    main()
