"""What the services declare of rules, duties and states is so."""

from pathlib import Path
from typing import Any

import pytest

from services.notifications.news import READ_MODELS, Record
from services.notifications.table import TABLE
from services.reporting.measures import MEASURES
from services.reporting.projection.fold import fold
from services.system.registry import deciding_services
from shared.domain.decisions import RuleKind
from shared.domain.duties_by_day import all_duties
from shared.domain.service import Service
from tools.reference.pages import duty_texts
from tools.scenario.in_memory import Memory

ROOT = Path(__file__).parents[2]
SERVICES = {service.name: service for service in deciding_services()}

each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


@each_service
def test_every_command_is_guarded_by_the_rule_of_time(service: Service[Any]) -> None:
    """Rule T1 (no future time, no time before the last event) guards every command."""
    book = service.decider.rules
    unguarded = [
        c.__name__ for c in service.commands if "T1" not in {r.id for r in book.rules_for(c, RuleKind.FORBIDS)}
    ]
    assert not unguarded, f"T1 does not guard {unguarded}: services/{service.name}/domain/rules"


@each_service
def test_a_rule_speaks_to_the_person_whose_command_it_refuses(service: Service[Any]) -> None:
    """A rule's docstring is the text of its refusal, and does not describe the function as other docstrings do."""
    described = [
        f"{rule.id}: {rule.text}"
        for command in service.commands
        for rule in service.decider.rules.rules_for(command)
        if rule.text.startswith(("Return ", "Say whether "))
    ]
    assert not described, f"write what the officer reads, not what the function returns: {described}"


@each_service
def test_a_duty_that_is_computed_is_described_and_the_other_way_round(
    service: Service[Any], played_stories: Memory
) -> None:
    """The stories open no duty that the docstring of the duties does not describe, and each described one is in the code."""
    computed = {
        duty.duty
        for name, facts in played_stories.histories
        if name == service.name
        for duty in all_duties(service.read_model, facts)
    }
    described = set(duty_texts(service))
    place = f"services/{service.name}/domain/duties.py"
    assert computed <= described, f"{sorted(computed - described)}: say in {place} what opens and meets each"
    # Some duties of victims are computed at one place for every service that has victims.
    places = [*ROOT.glob(f"services/{service.name}/domain/duties*.py"), ROOT / "services/trade/victims/__init__.py"]
    text = "".join(path.read_text(encoding="utf-8") for path in places)
    assert not [duty for duty in described if f'"{duty}"' not in text], (
        f"{place} describes a duty that it does not compute"
    )


@each_service
def test_every_state_is_shown_with_the_same_fields(service: Service[Any], played_stories: Memory) -> None:
    """The view of a state has the same fields after every history."""
    histories = [facts for name, facts in played_stories.histories if name == service.name]
    shown = {tuple(view) for facts in histories if (view := service.read_model.view_of(facts)) is not None}
    assert shown, f"no scenario records an event of {service.name}: add one to tests/scenarios"
    assert len(shown) == 1, f"services/{service.name}/views.py shows different fields in different states: {shown}"


def test_a_message_to_an_account_finds_one(played_stories: Memory) -> None:
    """Whoever a line of the table names by their account is named by the news of its occasion, in some story."""
    stories = [facts for service, facts in played_stories.histories if service in READ_MODELS]
    records = [record for facts in stories if (record := Record.of(facts)) is not None]
    named = {
        (news.occasion, audience)
        for record in records
        for told in record.news.values()
        for news in told
        for audience in news.accounts
    }
    lost = [
        line.template
        for line in TABLE
        if line.to_accounts and not named & {(line.occasion, who) for who in line.audiences}
    ]
    assert not lost, f"services/notifications/news.py: give the news of {lost} the account of its audience"


def test_a_measure_names_the_services_that_it_counts(played_stories: Memory) -> None:
    """A measure that finds a record by its days reads the service: its answer names the positions that it rests on."""
    found = {
        (measure.name, service)
        for service, facts in played_stories.histories
        for measure in MEASURES.values()
        if (folded := fold(facts)) is not None and any(measure.days(folded.summary))
    }
    unread = [f"{service} in `reads` of {name}" for name, service in found if service not in MEASURES[name].reads]
    assert not unread, f"services/reporting/measures: add {unread}"
