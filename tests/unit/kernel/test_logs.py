"""A log says where a fault is, and nothing of what a request held."""

import logging
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Final
from uuid import UUID

import pytest
from pydantic import ValidationError

from services.referral.domain.commands import LinkPerson
from services.referral.service import service
from shared.domain.dates import BeyondCalendar
from shared.runtime.logs import SELDOM_SECONDS, Seldom, format_trace
from shared.servers.settings import InvalidSetting, Settings

NAME = "Zébulon Quartermaine"

FAULTS: Final[Mapping[str, Callable[[], object]]] = {
    "a model": lambda: LinkPerson.model_validate({"person_id": NAME}),
    "a command": lambda: service.command_adapter.validate_python({"type": "LinkPerson", "person_id": NAME}),
    "a key": lambda: dict[str, int]()[NAME],
    "a number": lambda: int(NAME),
    "an id": lambda: UUID(hex=NAME),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_trace_names_types_and_places_and_no_value(fault: str) -> None:
    """Given a fault whose message quotes a name, also as a cause, when it is logged, then the trace has no word of it."""
    with pytest.raises(OverflowError) as raised:
        _wrapped(FAULTS[fault])
    trace = format_trace((raised.type, raised.value, raised.tb))
    assert "Quartermaine" not in trace
    assert trace.count("test_logs.py") >= 4, "the places of the error and of its cause"
    assert trace.rstrip().endswith("OverflowError")


def _wrapped(fault: Callable[[], object]) -> None:
    try:
        fault()
    except (ValueError, KeyError) as error:
        raise OverflowError(f"{NAME} again") from error


def test_a_trace_keeps_what_the_house_says() -> None:
    """Given an error of ours or of the system, when it is logged, then its sentence stands there."""
    for error in (BeyondCalendar("no bank holidays of 2199"), ConnectionRefusedError(111, "Connect call failed")):
        assert str(error) in format_trace((type(error), error, None))
    group = ExceptionGroup("two at once", [ValueError(NAME), BeyondCalendar("no bank holidays of 2199")])
    trace = format_trace((type(group), group, None))
    assert "2199" in trace
    assert "Quartermaine" not in trace


def test_what_pydantic_says_quotes_no_input() -> None:
    """Given malformed input, when its error is written into a line of a log or an alarm, then no value stands there."""
    for fault in ("a model", "a command"):
        with pytest.raises(ValidationError) as raised:
            FAULTS[fault]()
        assert "Quartermaine" not in f"{raised.value!r} {raised.value}"
    with pytest.raises(InvalidSetting) as wrong:
        Settings(port=NAME)
    assert "Quartermaine" not in f"{wrong.value!r} {wrong.value.__context__}"


def test_a_process_logs_a_fault_without_values() -> None:
    """Given a process that logs as every process of ours, when it logs a fault, then its line has no word of the input."""
    program = """
import logging, sys
from shared.runtime.logs import log_to_stderr
from services.referral.domain.commands import LinkPerson
log_to_stderr("test")
try:
    LinkPerson.model_validate({"person_id": sys.argv[1]})
except ValueError:
    logging.getLogger("any").exception("fault")
"""
    # As an argument: Python 3.13 prints the lines of a program that `-c` gives.
    said = subprocess.run([sys.executable, "-c", program, NAME], capture_output=True, text=True, check=True).stderr
    assert "fault" in said
    assert "ValidationError" in said
    assert "Quartermaine" not in said


def test_a_client_that_lacks_its_broker_repeats_itself_seldom() -> None:
    """Given lines of one place many times a second, then a Kafka client's pass once in a while, and all of our own."""
    seldom = Seldom()
    for name, passed in (("aiokafka.conn", 2), ("relay", 20)):
        record = logging.LogRecord(name, logging.ERROR, __file__, len(name), "no broker", None, None)
        said = 0
        for n in range(20):
            record.created = n * SELDOM_SECONDS / 10
            said += seldom.filter(record)
        assert said == passed
